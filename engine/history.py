"""What training has left behind: a few figures per step, and keyframes to go back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from engine.recording import Floats
from engine.tape import Rows

SPACING = 20  # steps from keyframe to keyframe


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """All that a training step starts from: parameters, both moments (n_params,) each, and the generator's state."""

    params: Floats
    m: Floats
    v: Floats
    generator: tuple[Any, ...]


class Norms(NamedTuple):
    """One matrix in one step: norms of its gradient, of the change Adam made, and of its weights before that."""

    gradient: float
    update: float
    weight: float


def matrix_norms(matrices: Mapping[str, Rows], grad: Floats, before: Floats, after: Floats) -> Floats:
    """What `Norms` says of every matrix, (n_matrices, 3), from gradients and values of all parameters, (n_params,)."""
    starts = [int(rows[0, 0]) for rows in matrices.values()]
    with np.errstate(over="ignore", invalid="ignore"):
        parts = (grad, after - before, before)
        norms: Floats = np.sqrt(np.stack([np.add.reduceat(part * part, starts) for part in parts], axis=1))
    return norms


@dataclass(eq=False)
class History:
    """Losses, gradient norms and matrix norms of the steps done so far, and a keyframe every `spacing` steps.

    All lists are as long as the run has ever come, also while it stands at an earlier step. Several runs may read
    one history, in several threads; only one of them `writes` it.
    """

    spacing: int = SPACING
    writes: bool = True
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    norms: list[Floats] = field(default_factory=list)
    keyframes: dict[int, Keyframe] = field(default_factory=dict)

    def reader(self) -> History:
        """The same lists and keyframes, for a run that only reads them."""
        return replace(self, writes=False)

    def wants(self, step: int) -> bool:
        """Whether the start of this step should be kept."""
        return self.writes and step % self.spacing == 0 and step not in self.keyframes

    def nearest(self, step: int) -> int:
        """The latest step, not after `step`, with a keyframe."""
        return max(s for s in tuple(self.keyframes) if s <= step)  # a copy: another thread may add one meanwhile

    def lacks(self, step: int) -> bool:
        """Whether a finished step is a new one; a step that is run again gives the same figures."""
        return self.writes and step == len(self.losses)

    def note(self, loss: float, grad_norm: float, norms: Floats) -> None:
        """Keep the figures of the next finished step; `norms` as `matrix_norms` gives them."""
        self.losses.append(loss)
        self.grad_norms.append(grad_norm)
        self.norms.append(norms)
