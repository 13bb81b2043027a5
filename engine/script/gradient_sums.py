"""Gradients beside the sums that they are: each use of a number adds local gradient times gradient of the result.

The comparison allows for rounding, since the sum is taken here in another order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.immutable import immutable
from engine.script.local_gradients import Call
from engine.script.tape import ScriptTape

ROUNDING = 1e-9  # of the sum of the sizes of all that is added
SINGLE = 1e-5  # the same, of a gradient that may have been computed in single precision
MOST_USES = 64  # of a number whose uses are called again


@immutable
class WrongSum:
    """The number whose gradient is furthest from what its uses send back, and how many there are like it."""

    row: int
    uses: int
    gradient: float
    expected: float
    position: int
    """Of the line that wrote the gradient last."""
    wrong: int
    compared: int


def calls_for_sums(tape: ScriptTape, chosen: Iterable[Call]) -> list[Call]:
    """All uses of the operands of `chosen`, if the class keeps no local gradients, so that these have to be asked."""
    if not np.isnan(tape.local).any():
        return []
    parents = _parents(tape)
    used = in_loss(tape)[parents]
    by_child = np.argsort(tape.child, kind="stable")
    first = np.searchsorted(tape.child[by_child], np.arange(tape.n_rows + 1))
    calls: dict[int, Call] = {}
    for row in dict.fromkeys(child for call in chosen for child in tape.children(call.row)):
        edges = by_child[first[row] : first[row + 1]]
        if len(edges) <= MOST_USES:
            for parent in parents[edges[used[edges]]].tolist():
                calls.setdefault(parent, Call.of(tape, parent))
    return list(calls.values())


def wrong_sum(tape: ScriptTape, slopes: dict[int, list[float]]) -> WrongSum | None:
    """The worst of the gradients that are not what their uses send back; `slopes` are local gradients of some rows."""
    if not len(tape.back_row):
        return None
    parents = _parents(tape)
    reached = in_loss(tape)
    base = np.where(zeroed_in_backward(tape), 0.0, tape.grad_before)
    local = tape.local.copy()
    for row, own in slopes.items():
        local[tape.child_start[row] : tape.child_start[row + 1]] = own
    gradients = np.array(tape.grad_before)
    gradients[tape.back_row] = tape.back_value
    with np.errstate(invalid="ignore", over="ignore"):
        sent = np.where(reached[parents], local * gradients[parents], 0.0)
        expected = base + np.bincount(tape.child, sent, tape.n_rows)
        size = np.abs(base) + np.bincount(tape.child, np.abs(sent), tape.n_rows)
        apart = np.abs(gradients - expected)
        known = np.isfinite(apart) & np.isfinite(size) & reached
        known[tape.loss_row] = False
        written = np.zeros(tape.n_rows, bool)
        written[tape.back_row] = True
        known &= written
        rounding = np.where(gradients.astype(np.float32) == gradients, SINGLE, ROUNDING)
        wrong = known & (apart > rounding * size)
    if not wrong.any():
        return None
    row = int(np.argmax(np.where(wrong, apart, -1.0)))
    last = np.flatnonzero(tape.back_row == row)[-1]
    return WrongSum(
        row, int(np.count_nonzero(reached[parents] & (tape.child == row))), float(gradients[row]),
        float(expected[row]), int(tape.back_position[last]), int(wrong.sum()), int(known.sum()),
    )  # fmt: skip


def sent_again(tape: ScriptTape) -> NDArray[np.int64]:
    """Computed scalars of the loss that backward begins with a gradient of an earlier call, and so sends on again."""
    computed = np.diff(tape.child_start) > 0
    left = computed & in_loss(tape) & (tape.grad_before != 0) & ~zeroed_in_backward(tape)
    left[tape.loss_row] = False
    return np.flatnonzero(left)


def zeroed_in_backward(tape: ScriptTape) -> NDArray[np.bool_]:
    """The rows whose gradient backward itself sets to 0 before it adds to it."""
    zeroed = np.zeros(tape.n_rows, bool)
    rows, first = np.unique(tape.back_row, return_index=True)
    zeroed[rows[tape.back_value[first] == 0]] = True
    return zeroed


def _parents(tape: ScriptTape) -> NDArray[np.int64]:
    """Of each operand the row that it is an operand of."""
    return np.repeat(np.arange(tape.n_rows), np.diff(tape.child_start))


def in_loss(tape: ScriptTape) -> NDArray[np.bool_]:
    """Which rows the loss is made from, itself among them; an operand stands before what is made from it."""
    found: Any = np.zeros(tape.n_rows, bool)
    found[tape.loss_row] = True
    for row in range(tape.loss_row, -1, -1):
        if found[row]:
            found[tape.child[tape.child_start[row] : tape.child_start[row + 1]]] = True
    return found  # type: ignore[no-any-return]
