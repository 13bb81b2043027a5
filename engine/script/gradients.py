"""`GradientWrites`: the backward phase of a recorded step, as one write of a gradient after the other."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.autograd.tape import Rows
from engine.model.recording import Floats
from engine.script.kinds import SIGNS

if TYPE_CHECKING:
    from engine.script.program import ScriptProgram

Ticks = npt.NDArray[np.int64]


class GradientWrites:
    """Each backward tick writes a gradient. What it adds is a product where the numbers say so: local gradient times
    the gradient of the source. Ticks count from 0 in the arrays here.
    """

    def __init__(self, program: ScriptProgram) -> None:
        self._program = program
        self.rows, self.sources = program.receivers, program.sources
        self.values: Floats = np.asarray(program.tape.back_value, dtype=np.float64)
        self.at_first: Floats = np.empty(program.n_rows)
        """The gradients before the backward phase: zeros, or what earlier calls have left."""
        self.at_first[program.to_row] = program.tape.grad_before

    def after(self, tick: int) -> Floats:
        """All gradients after so many ticks."""
        grads = self.at_first.copy()
        grads[self.rows[:tick]] = self.values[:tick]  # the last write of a row stays
        return grads

    @cached_property
    def final(self) -> Floats:
        """All gradients at the end of the phase."""
        return self.after(len(self.rows))

    @cached_property
    def _by_row(self) -> tuple[Ticks, Ticks]:
        """Ticks sorted by the row that they write and then by time, and keys that tell both."""
        order = np.argsort(self.rows, kind="stable")
        return order, self.rows[order].astype(np.int64) * (len(self.rows) + 1) + order

    def into(self, row: int) -> Ticks:
        """The ticks that write the gradient of a row, in order."""
        order, keys = self._by_row
        n = len(self.rows) + 1
        first, last = np.searchsorted(keys, [row * n, (row + 1) * n])
        return order[first:last]

    def _at(self, rows: Rows, ticks: Ticks) -> Floats:
        """The gradient of each row just before its tick."""
        order, keys = self._by_row
        wanted = rows.astype(np.int64) * (len(self.rows) + 1) + ticks
        place = np.searchsorted(keys, wanted) - 1
        found = order[np.maximum(place, 0)]
        own = (place >= 0) & (self.rows[found] == rows)
        return np.where(own, self.values[found], self.at_first[rows])

    @cached_property
    def before(self) -> Floats:
        """The gradient that each tick finds."""
        return self._at(self.rows, np.arange(len(self.rows)))

    @cached_property
    def source_grads(self) -> Floats:
        """The gradient of the source of each tick; nan where it has none."""
        grads = self._at(np.maximum(self.sources, 0), np.arange(len(self.rows)))
        return np.where(self.sources >= 0, grads, np.nan)

    @cached_property
    def edges(self) -> Rows:
        """The place among all operands that each tick goes along; -1 where its source is not made of its row."""
        program = self._program
        n = program.n_rows
        parents = np.repeat(np.arange(n, dtype=np.int64), np.diff(program.child_start))
        edge_keys = parents * n + program.child
        by_key = np.argsort(edge_keys, kind="stable")
        edge_keys = edge_keys[by_key]
        keys = np.where(self.sources >= 0, self.sources.astype(np.int64) * n + self.rows, -1)
        by_tick = np.argsort(keys, kind="stable")
        ranks = np.empty(len(keys), dtype=np.int64)
        ranks[by_tick] = np.arange(len(keys)) - np.searchsorted(keys[by_tick], keys[by_tick])
        first, last = np.searchsorted(edge_keys, keys), np.searchsorted(edge_keys, keys, side="right")
        place = np.minimum(first + ranks, last - 1)
        return np.where(last > first, by_key[np.maximum(place, 0)], -1).astype(np.int32)

    @cached_property
    def locals(self) -> Floats:
        """d row / d operand for every operand of every row: the class's own where it keeps them, else by the operation.

        nan where neither says it.
        """
        return local_gradients(self._program)

    @cached_property
    def _terms(self) -> tuple[Floats, Floats]:
        """For each tick the local gradient, and what it added."""
        known = self.edges >= 0
        local = np.where(known, self.locals[np.maximum(self.edges, 0)] if len(self.locals) else np.nan, np.nan)
        with np.errstate(all="ignore"):
            product = local * self.source_grads
            fits = self.before + product == self.values
            added = self.values - self.before
            return np.where(fits, local, added / self.source_grads), np.where(fits, product, added)

    @property
    def local(self) -> Floats:
        """The local gradient that each tick multiplied by; where no known one fits, what was added over its."""
        return self._terms[0]

    @property
    def products(self) -> Floats:
        """What each tick added."""
        return self._terms[1]


def local_gradients(program: ScriptProgram) -> Floats:
    """The local gradient of every operand; see `GradientWrites.locals`."""
    tape, values = program.tape, program.passed_values
    found = np.array(tape.local, dtype=np.float64)
    missing = np.isnan(found)
    if not missing.any():
        return found
    start, counts = program.child_start[:-1].astype(np.int64), np.diff(program.child_start)
    signs = [SIGNS.get(name, name) for name in tape.ops]
    numbers = {sign: [i for i, own in enumerate(signs) if own == sign] for sign in set(signs)}
    made = program.made_values
    exponents = np.asarray(tape.extra)

    def rows_of(sign: str, count: int) -> Ticks:
        return np.flatnonzero(np.isin(tape.op, numbers.get(sign, [])) & (counts == count))

    def fill(edges: Ticks, slopes: Floats) -> None:
        found[edges] = np.where(np.isnan(found[edges]), slopes, found[edges])

    def operand(rows: Ticks, i: int) -> Floats:
        return values[program.child[start[rows] + i]]

    with np.errstate(all="ignore"):
        for sign, slopes in (("+", (1.0, 1.0)), ("-", (1.0, -1.0)), ("r-", (-1.0, 1.0))):
            rows = rows_of(sign, 2)
            for i, slope in enumerate(slopes):
                fill(start[rows] + i, np.full(len(rows), slope))
            rows = rows_of(sign, 1)
            fill(start[rows], np.full(len(rows), slopes[0]))
        rows = rows_of("*", 2)
        fill(start[rows], operand(rows, 1))
        fill(start[rows] + 1, operand(rows, 0))
        rows = rows_of("*", 1)
        fill(start[rows], exponents[rows])
        rows = rows_of("neg", 1)
        fill(start[rows], np.full(len(rows), -1.0))
        rows = rows_of("exp", 1)
        fill(start[rows], made[rows])
        rows = rows_of("log", 1)
        fill(start[rows], 1 / operand(rows, 0))
        rows = rows_of("relu", 1)
        fill(start[rows], (made[rows] > 0).astype(np.float64))
        rows = rows_of("tanh", 1)
        fill(start[rows], 1 - made[rows] ** 2)
        rows = rows_of("/", 2)
        fill(start[rows], 1 / operand(rows, 1))
    rows = rows_of("^", 1)
    powers = [_power_slope(x, n) for x, n in zip(operand(rows, 0).tolist(), exponents[rows].tolist(), strict=True)]
    fill(start[rows], np.array(powers, dtype=np.float64))
    return found


def _power_slope(x: float, n: float) -> float:
    """The slope of x to the power n, as Python computes it."""
    try:
        slope = n * x ** (n - 1)
    except (ArithmeticError, ValueError):
        return math.nan
    return slope if isinstance(slope, float) else math.nan
