"""What training has left behind: a figure or two per step, and keyframes to go back to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.recording import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """All that a training step starts from: parameters, both moments (n_params,) each, and the generator's state."""

    params: Floats
    m: Floats
    v: Floats
    generator: tuple[Any, ...]


@dataclass(eq=False)
class History:
    """Losses and gradient norms of the steps done so far, and a keyframe every `spacing` steps."""

    spacing: int = 20
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    keyframes: dict[int, Keyframe] = field(default_factory=dict)

    def wants(self, step: int) -> bool:
        """Whether the start of this step should be kept."""
        return step % self.spacing == 0 and step not in self.keyframes

    def nearest(self, step: int) -> int:
        """The latest step, not after `step`, with a keyframe."""
        return max(s for s in self.keyframes if s <= step)

    def note(self, step: int, loss: float, grad_norm: float) -> None:
        """Keep the figures of a finished step; a step that is run again gives the same ones."""
        if step == len(self.losses):
            self.losses.append(loss)
            self.grad_norms.append(grad_norm)
