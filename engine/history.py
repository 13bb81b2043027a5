"""What training has left behind: a few figures per step, and keyframes to go back to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from engine.compiled import Loops
from engine.recording import Floats
from engine.tape import Rows
from engine.validation import Validation

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


def matrix_norms(loops: Loops, bounds: Rows, grad: Floats, before: Floats, after: Floats) -> Floats:
    """What `Norms` says of every matrix, (n, 3), from gradients and values of all their parameters.

    `bounds`, (n + 1,), says where each matrix begins, and where the last one ends.
    """
    sums = np.empty((len(bounds) - 1, 3))
    loops.squares(grad, before, after, bounds, sums)
    return np.sqrt(sums, out=sums)


def whole_norm(norms: Floats) -> float:
    """The norm of all gradients, from those of every matrix."""
    return math.sqrt(sum(norm * norm for norm in norms.tolist()))


@dataclass(eq=False)
class History:
    """Losses, gradient norms and matrix norms of the steps done so far, and a keyframe every `spacing` steps.

    `validations` are by the step before which they were measured. All lists are as long as the run has ever come,
    also while it stands at an earlier step. Several runs may read one history, in several threads; only one of them
    `writes` it.
    """

    spacing: int = SPACING
    writes: bool = True
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    norms: list[Floats] = field(default_factory=list)
    keyframes: dict[int, Keyframe] = field(default_factory=dict)
    validations: dict[int, Validation] = field(default_factory=dict)

    def reader(self) -> History:
        """The same lists and keyframes, for a run that only reads them."""
        return replace(self, writes=False)

    def until(self, step: int) -> History:
        """What was known when `step` began, for another run that goes on from there and writes a history of its own."""
        keyframes = {s: frame for s, frame in self.keyframes.items() if s <= step}
        figures = self.losses[:step], self.grad_norms[:step], self.norms[:step]
        validations = {s: found for s, found in self.validations.items() if s < step}
        return History(self.spacing, True, *figures, keyframes, validations)

    def wants(self, step: int) -> bool:
        """Whether the start of this step should be kept."""
        return self.writes and step % self.spacing == 0 and step not in self.keyframes

    def lacks_validation(self, step: int) -> bool:
        """Whether what held-out documents cost before this step is not known yet."""
        return self.writes and step not in self.validations

    def nearest(self, step: int) -> int:
        """The latest step, not after `step`, with a keyframe."""
        return max(s for s in tuple(self.keyframes) if s <= step)  # a copy: another thread may add one meanwhile

    def lacks(self, step: int) -> bool:
        """Whether a finished step is a new one; a step that is run again gives the same figures."""
        return self.writes and step == len(self.losses)

    def forget(self, step: int) -> None:
        """Forget every finished step from `step` on, and the keyframes after its start."""
        for figures in (self.losses, self.grad_norms, self.norms):
            del figures[step:]
        for found in (self.keyframes, self.validations):
            for later in [each for each in found if each > step]:
                del found[later]

    def note(self, loss: float, norms: Floats) -> None:
        """Keep the figures of the next finished step; `norms` as `matrix_norms` gives them."""
        self.losses.append(loss)
        self.grad_norms.append(whole_norm(norms[:, 0]))
        self.norms.append(norms)
