"""`RowTicks`: when the backward phase adds to the gradient of each row of a tape first, and when last."""

from __future__ import annotations

from collections.abc import Callable

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

    Most rows have one tick alone. Of those that have several their place in two shorter tables is kept: -1 - place.
    """

    def __init__(self, receivers: Receivers, ticks: int, n_rows: int, flows: Flows | None = None) -> None:
        """`flows`, if given, says which of the ticks count."""
        last, several = np.zeros(n_rows, dtype=np.int32), np.zeros(n_rows, dtype=np.bool_)
        found = [(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32))]
        for begin, end in pieces(0, ticks):
            rows, own = receivers(begin, end), np.arange(begin + 1, end + 1, dtype=np.int32)
            if flows is not None:
                counting = flows(begin, end)
                rows, own = rows[counting], own[counting]
            before = last[rows]
            last[rows] = own
            again = np.flatnonzero(((before > 0) | (last[rows] > own)) & ~several[rows])
            its, at = np.unique(rows[again], return_index=True)
            earliest = again[at]
            several[its] = True
            found.append((its, np.where(before[earliest] > 0, before[earliest], own[earliest])))
        its, firsts = (np.concatenate(parts) for parts in zip(*found, strict=True))
        self._firsts, self._lasts = firsts, last[its]
        last[its] = np.arange(-1, -1 - len(its), -1, dtype=np.int32)
        self._ticks = last

    def first(self, rows: Rows) -> Rows:
        """The first ticks of these rows, of any shape; of one row, too."""
        return self._of(rows, self._firsts)

    def last(self, rows: Rows) -> Rows:
        """The last ticks of these rows, of any shape."""
        return self._of(rows, self._lasts)

    def _of(self, rows: Rows, table: Rows) -> Rows:
        ticks = np.array(self._ticks[rows])
        several = ticks < 0
        ticks[several] = table[-1 - ticks[several]]
        return ticks


def pieces(first: int, last: int) -> list[tuple[int, int]]:
    """The ticks after `first` up to `last` in parts that are looked at at once: where each begins and ends."""
    return [(at, min(at + PIECE, last)) for at in range(first, last, PIECE)]
