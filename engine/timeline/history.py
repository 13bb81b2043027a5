"""The history of a run: a few figures for each step done, and keyframes to go back to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

import numpy as np

from engine.autograd.jit import Kernels
from engine.autograd.tape import Rows
from engine.model.recording import Floats
from engine.numerics import sum_in_order
from engine.timeline.keyframes import Keyframes
from engine.timeline.validation import Validation


class Norms(NamedTuple):
    """One matrix in one step: norms of its gradient, of the change Adam made, and of its weights before that."""

    gradient: float
    update: float
    weight: float


def matrix_norms(loops: Kernels, bounds: Rows, grad: Floats, before: Floats, after: Floats) -> Floats:
    """What `Norms` says of every matrix, (n, 3), from gradients and values of all their parameters.

    `bounds`, (n + 1,), says where each matrix begins, and where the last one ends.
    """
    sums = np.empty((len(bounds) - 1, 3))
    loops.squares(grad, before, after, bounds, sums)
    return np.sqrt(sums, out=sums)


def whole_norm(norms: Floats) -> float:
    """The norm of all gradients, from those of every matrix."""
    return math.sqrt(sum_in_order((norms * norms).tolist()))


class FigureTable:
    """Figures of every finished step, (n_matrices, 3) each, in one block that grows; it begins with `rows`."""

    def __init__(self, rows: Floats) -> None:
        self._block, self._count = rows, len(rows)

    @property
    def rows(self) -> Floats:
        """All of them, (steps, n_matrices, 3); a view of the block."""
        return self._block[: self._count]

    def append(self, row: Floats) -> None:
        """The figures of the next step."""
        if self._count == len(self._block):
            grown = np.empty((max(1024, 2 * self._count), *row.shape))
            grown[: self._count] = self._block
            self._block = grown
        self._block[self._count] = row
        self._count += 1

    def forget(self, step: int) -> None:
        """Forget those from `step` on."""
        self._count = min(self._count, step)


@dataclass(eq=False)
class History:
    """Losses, gradient norms and matrix norms of the steps done so far, and keyframes.

    `validations` are by the step before which they were measured. All figures are as many as the run has ever come,
    also while it stands at an earlier step. A history belongs to one run, which may add to it and shorten it at any
    time. Other runs, in other threads, take what they need with `reader` and `until`; these share no figures with it.
    """

    keyframes: Keyframes
    table: FigureTable
    writes: bool = True
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    validations: dict[int, Validation] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)  # held while figures are added, cut off or copied

    @property
    def norms(self) -> Floats:
        """What `Norms` says of every matrix in every step, (steps, n_matrices, 3)."""
        return self.table.rows

    def reader(self) -> History:
        """The figures known now, for a run that only reads them; keyframes are shared, and so go on being added."""
        with self._lock:
            return self._copy(self.keyframes, len(self.losses), self.validations, writes=False)

    def until(self, step: int) -> History:
        """What was known when `step` began, for another run that goes on from there and writes a history of its own."""
        with self._lock:
            step = min(step, len(self.losses))  # keyframes may be shared, and then some may come after the figures
            validations = {s: found for s, found in self.validations.items() if s < step}
            return self._copy(self.keyframes.until(step), step, validations, writes=True)

    def _copy(self, keyframes: Keyframes, step: int, validations: dict[int, Validation], writes: bool) -> History:
        table = FigureTable(self.norms[:step].copy())
        return History(keyframes, table, writes, self.losses[:step], self.grad_norms[:step], dict(validations))

    def wants(self, step: int) -> bool:
        """Whether the start of this step should be kept."""
        return self.writes and self.keyframes.wants(step)

    def nearest(self, step: int) -> int:
        """The latest step, not after `step`, with a keyframe."""
        return self.keyframes.nearest(step)[0]

    def lacks_validation(self, step: int) -> bool:
        """Whether what held-out documents cost before this step is not known yet."""
        return self.writes and step not in self.validations

    def lacks(self, step: int) -> bool:
        """Whether a finished step is a new one; a step that is run again gives the same figures."""
        return self.writes and step == len(self.losses)

    def forget(self, step: int) -> None:
        """Forget every finished step from `step` on, and the keyframes after its start."""
        with self._lock:
            self.keyframes.forget(step)
            del self.losses[step:], self.grad_norms[step:]
            self.table.forget(step)
            for later in [each for each in self.validations if each > step]:
                del self.validations[later]

    def note(self, loss: float, norms: Floats) -> None:
        """Keep the figures of the next finished step; `norms` as `matrix_norms` gives them."""
        grad_norm = whole_norm(norms[:, 0])
        with self._lock:
            self.losses.append(loss)
            self.grad_norms.append(grad_norm)
            self.table.append(norms)

    def note_validation(self, step: int, found: Validation) -> None:
        """Keep what held-out documents cost before a step."""
        with self._lock:
            self.validations[step] = found
