"""`RowTicks`: when the backward phase adds to the gradient of each row of a tape first, and when last."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from engine.autograd.dot_products import Mask
from engine.autograd.tape import Rows

Receivers = Callable[[int, int], Rows]
"""The rows that the backward ticks after a first one up to a last one add to."""
Flows = Callable[[int, int], Mask]
"""Which of these ticks hand something on."""
PIECE = 2**17  # ticks that are looked at at once: what numpy makes on the way stays small


class RowTicks:
    """For each row, the first and the last of the backward ticks, counted from 1, that add to its gradient; else 0.

    Most rows have one tick alone. So the first ones are kept only of rows that have several.
    """

    def __init__(
        self, receivers: Receivers, ticks: int, n_rows: int, parts: Iterable[slice], flows: Flows | None = None
    ) -> None:
        """No rows but those of `parts` have any. With `flows`, only ticks count that it marks."""

        def own_ticks(begin: int, end: int) -> tuple[Rows, Rows]:
            rows, own = receivers(begin, end), np.arange(begin + 1, end + 1, dtype=np.int32)
            marked = None if flows is None else flows(begin, end)
            return (rows, own) if marked is None else (rows[marked], own[marked])

        self._last = np.zeros(n_rows, dtype=np.int32)
        for piece in pieces(0, ticks):
            rows, own = own_ticks(*piece)
            self._last[rows] = own
        first = np.zeros(n_rows, dtype=np.int32)
        for piece in reversed(pieces(0, ticks)):
            rows, own = own_ticks(*piece)
            first[rows[::-1]] = own[::-1]
        found = [part.start + np.flatnonzero(first[part] != self._last[part]) for part in parts]
        self._several = np.concatenate([*found, [n_rows]], dtype=np.int32)  # the end, so that each row has a place
        self._firsts = np.append(first[self._several[:-1]], np.int32(0))

    def first(self, rows: Rows) -> Rows:
        """The first ticks of these rows, of any shape."""
        rows = np.asarray(rows, dtype=np.int32)  # another type would copy all that have several
        places = np.searchsorted(self._several, rows)
        return np.where(self._several[places] == rows, self._firsts[places], self._last[rows])

    def last(self, rows: Rows) -> Rows:
        """The last ticks of these rows, of any shape."""
        return self._last[rows]


def pieces(first: int, last: int) -> list[tuple[int, int]]:
    """The ticks after `first` up to `last` in parts that are looked at at once: where each begins and ends."""
    return [(at, min(at + PIECE, last)) for at in range(first, last, PIECE)]
