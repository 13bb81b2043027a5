"""`GradientWrites`: the backward phase of a recorded step, as one write of a gradient after the other."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.autograd.tape import Rows
from engine.model.recording import Floats
from engine.script.kinds import SIGNS
from engine.script.program import ScriptProgram

Ticks = npt.NDArray[np.int64]


class GradientWrites:
    """Each backward tick writes a gradient. What it adds is a product where the numbers say so: local gradient times
    the gradient of the source. Ticks count from 0 here.
    """

    def __init__(self, program: ScriptProgram) -> None:
        self._program = program
        self.rows, self.sources = program.receivers, program.sources
        self.values: Floats = program.tape.back_value

    @cached_property
    def at_first(self) -> Floats:
        """The gradients before the backward phase: zeros, or what earlier calls have left."""
        return self._program.in_rows(self._program.tape.grad_before)

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
    def _order(self) -> Rows:
        """Ticks sorted by the row that they write, and then by time."""
        return np.argsort(self.rows, kind="stable").astype(np.int32)

    @cached_property
    def _starts(self) -> Rows:
        """Where the ticks of each row begin in `_order`."""
        counts = np.bincount(self.rows, minlength=self._program.n_rows)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)

    def prepare(self) -> None:
        """Do now what would take long when it is first asked for."""
        self.into(0)
        self.final  # noqa: B018

    def into(self, row: int) -> Ticks:
        """The ticks that write the gradient of a row, in order."""
        return self._order[self._starts[row] : self._starts[row + 1]].astype(np.int64)

    def _at(self, rows: Rows, ticks: Ticks) -> Floats:
        """The gradient of each row just before its tick."""
        if not len(self._order):
            return self.at_first[rows]
        begin = self._starts[rows]
        low, high = begin.copy(), self._starts[rows + 1]
        while (low < high).any():  # every row looks for its last tick before, all at once
            middle = np.minimum((low + high) // 2, len(self._order) - 1)
            earlier = (self._order[middle] < ticks) & (low < high)
            low, high = np.where(earlier, middle + 1, low), np.where(earlier | (low >= high), high, middle)
        return np.where(low > begin, self.values[self._order[np.maximum(low - 1, 0)]], self.at_first[rows])

    def before(self, ticks: Ticks) -> Floats:
        """The gradient that each of these ticks finds."""
        return self._at(self.rows[ticks], ticks)

    def source_grads(self, ticks: Ticks) -> Floats:
        """The gradient of the source of each of these ticks, which have one."""
        return self._at(self.sources[ticks], ticks)

    def edges(self, ticks: Ticks) -> Ticks:
        """The place among all operands that each of these ticks goes along; -1 where its row is no operand."""
        program = self._program
        start = program.child_start[self.sources[ticks]].astype(np.int64)
        counts = program.child_start[self.sources[ticks] + 1] - start
        again = np.zeros(len(ticks), dtype=np.int64)  # how often the same was handed on just before: x * x does so
        for back in range(1, int(counts.max(initial=1))):
            earlier = np.maximum(ticks - back, 0)
            same = (self.sources[earlier] == self.sources[ticks]) & (self.rows[earlier] == self.rows[ticks])
            again += same & (ticks >= back)
        found = np.full(len(ticks), -1, dtype=np.int64)
        for slot in range(int(counts.max(initial=0))):
            here = np.minimum(start + slot, max(len(program.child) - 1, 0))
            fits = (slot < counts) & (program.child[here] == self.rows[ticks])
            found = np.where(fits & ((found < 0) | (again > 0)), here, found)
            again -= fits & (found < here)
        return found

    def terms(self, ticks: Ticks) -> tuple[Floats, Floats, Floats, Floats]:
        """Of some ticks that have a source: its gradient, the local gradient, what was added, and to what.

        Where no known local gradient fits, it is what was added over the gradient of the source.
        """
        grads, before, edges = self.source_grads(ticks), self.before(ticks), self.edges(ticks)
        local = np.full(len(ticks), np.nan)
        local[edges >= 0] = self.locals(edges[edges >= 0])
        with np.errstate(all="ignore"):
            product, added = local * grads, self.values[ticks] - before
            fits = before + product == self.values[ticks]
            return grads, np.where(fits, local, added / grads), np.where(fits, product, added), before

    def locals(self, edges: Ticks) -> Floats:
        """d row / d operand along some edges: the class's own where it keeps them, else by the operation; else nan."""
        found = np.asarray(self._program.tape.local[edges], dtype=np.float64).copy()
        missing = np.flatnonzero(np.isnan(found))
        if len(missing):
            found[missing] = _slopes(self._program, edges[missing])
        return found


def _slopes(program: ScriptProgram, edges: Ticks) -> Floats:
    """The slopes along some edges, by the operations that their rows are made by; nan where these are not known."""
    tape, values, made = program.tape, program.passed_values, program.made_values
    parents = np.searchsorted(program.child_start, edges, side="right") - 1
    slots = edges - program.child_start[parents]
    counts = program.child_start[parents + 1] - program.child_start[parents]
    found = np.full(len(edges), np.nan)
    signs = [SIGNS.get(name, name) for name in tape.ops]
    for code in np.unique(tape.op[parents]).tolist():
        at = np.flatnonzero(tape.op[parents] == code)
        own, slot, rows = values[program.child[edges[at]]], slots[at], parents[at]
        two = counts[at] == 2
        others = program.child_start[rows] + np.where(two, 1 - slot, slot)
        other = np.where(two, values[program.child[others]], tape.extra[rows])
        with np.errstate(all="ignore"):
            match signs[code]:
                case "+":
                    found[at] = 1.0
                case "-" | "r-":
                    found[at] = np.where((slot == 0) == (signs[code] == "-"), 1.0, -1.0)
                case "neg":
                    found[at] = -1.0
                case "*":
                    found[at] = other
                case "/":
                    found[at] = np.where(slot == 0, 1 / other, np.nan)
                case "exp":
                    found[at] = made[rows]
                case "log":
                    found[at] = 1 / own
                case "relu":
                    found[at] = (made[rows] > 0).astype(np.float64)
                case "tanh":
                    found[at] = 1 - made[rows] ** 2
                case "^":
                    powers = tape.extra[rows].tolist()
                    found[at] = [_power_slope(x, n) for x, n in zip(own.tolist(), powers, strict=True)]
    return found


def _power_slope(x: float, n: float) -> float:
    """The slope of x to the power n, as Python computes it."""
    try:
        slope = n * x ** (n - 1)
    except (ArithmeticError, ValueError):
        return math.nan
    return slope if isinstance(slope, float) else math.nan
