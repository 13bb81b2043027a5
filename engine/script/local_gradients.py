"""Local gradients beside finite differences: each operation of a script is called again at operands that it had.

A local gradient is the derivative of the result of one operation by one of its operands. There is a tolerance, since a
finite difference is none of the script's own numbers: see `SlopeComparison.judge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engine.immutable import immutable
from engine.script.tape import ScriptTape

POINTS = 24  # lists of operands that each operation is tried at
MACHINE_EPSILON = 2.0**-52
SINGLE = 2.0**-23  # the same for numbers of 32 bits
NEAR = math.cbrt(MACHINE_EPSILON)  # where cutting off and rounding are least together (Numerical Recipes, 5.7)
FAR = 1e-3  # for operations that round to fewer bits
AGREES = 1e-4  # relative difference below which two slopes are the same
CORNER = 1e-2  # relative difference of the slopes to the left and to the right above which there is a corner
ROUNDING = 16.0  # times the machine's epsilon: how far a result may be off


@immutable
class Call:
    """An operation at one list of operands, as the tape has it."""

    op: str
    row: int
    operands: tuple[float, ...]
    extra: float | None

    @classmethod
    def of(cls, tape: ScriptTape, row: int) -> Call:
        """The operation that made a scalar of a tape."""
        extra = float(tape.extra[row])
        operands = tuple(tape.value[tape.children(row)].tolist())
        return cls(tape.op_of(row), row, operands, None if math.isnan(extra) else extra)

    def shifts(self) -> list[list[float]]:
        """How far each operand is moved: pairs of a distance and its opposite."""
        return [[sign * h for h in distances(x) for sign in (1, -1)] for x in self.operands]

    def without_shifts(self) -> dict[str, Any]:
        """The same, where only the local gradients are wanted."""
        return {**self.message(), "shifts": []}

    def message(self) -> dict[str, Any]:
        """What the child is asked."""
        return {"op": self.op, "operands": list(self.operands), "extra": self.extra, "shifts": self.shifts()}


def distances(x: float) -> list[float]:
    """The distances at which the slope around `x` is measured."""
    scale = max(1.0, abs(x))
    return [NEAR * scale, FAR * scale, *([NEAR * abs(x)] if 0 < abs(x) < 1 else [])]


@immutable
class SlopeComparison:
    """The local gradient that an operation gives its operand number `operand`, and the slope that was measured."""

    call: Call
    operand: int
    local_gradient: float
    finite_difference: float
    agrees: bool

    @property
    def difference(self) -> float:
        """How far they are apart, beside the larger of them."""
        size = max(abs(self.local_gradient), abs(self.finite_difference))
        return abs(self.local_gradient - self.finite_difference) / size if size else 0.0


def chosen_calls(tape: ScriptTape) -> list[Call]:
    """For each operation and number of operands: calls of the step, their operands spread over all that occurred."""
    counts = np.diff(tape.child_start)
    rows = np.flatnonzero(counts)
    calls = []
    for op, count in sorted({(int(op), int(n)) for op, n in zip(tape.op[rows], counts[rows], strict=True)}):
        of_op = rows[(tape.op[rows] == op) & (counts[rows] == count)]
        operands = tape.value[tape.child[tape.child_start[of_op][:, None] + np.arange(count)]]
        known = np.isfinite(operands).all(axis=1)
        of_op, operands = of_op[known], operands[known]
        table = np.column_stack([operands, np.nan_to_num(tape.extra[of_op])])
        _, first = np.unique(table, axis=0, return_index=True)
        spread = np.linspace(0, len(first) - 1, min(POINTS, len(first))).astype(int)
        calls += [Call.of(tape, row) for row in of_op[first[spread]].tolist()]
    return calls


def compared_slopes(call: Call, answer: Mapping[str, Any]) -> Iterator[SlopeComparison]:
    """The comparisons that a call and the child's answer allow: one an operand, none where the slope is not known."""
    if "why" in answer:
        return
    for i, (x, slope, moved) in enumerate(zip(call.operands, answer["slopes"], answer["moved"], strict=True)):
        measured = _measured(x, answer["value"], moved)
        if not measured or math.isnan(slope):
            continue
        agreeing = [d for d, noise in measured if abs(slope - d) <= AGREES * max(abs(slope), abs(d)) + noise]
        yield SlopeComparison(call, i, slope, (agreeing or [measured[0][0]])[0], bool(agreeing))


def _measured(x: float, value: float, moved: Sequence[float]) -> list[tuple[float, float]]:
    """Central differences, and how far rounding may have put each off; without those across a corner or an edge."""
    found = []
    for i, h in enumerate(distances(x)):
        above, below = moved[2 * i], moved[2 * i + 1]
        if not all(map(math.isfinite, (value, above, below))):
            continue
        right, left = (above - value) / h, (value - below) / h
        exact = ROUNDING * (SINGLE if all(map(_is_single, (value, above, below))) else MACHINE_EPSILON)
        slope = max(abs(right), abs(left))
        noise = exact * (max(abs(value), abs(above), abs(below)) + abs(x) * slope) / h
        if abs(right - left) <= CORNER * slope + noise:
            found.append(((above - below) / (2 * h), noise))
    return found


def _is_single(x: float) -> bool:
    """Whether a number fits into 32 bits, as all do of a script that rounds to these."""
    with np.errstate(over="ignore"):
        return float(np.float32(x)) == x
