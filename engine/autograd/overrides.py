"""`Overrides`: scalars that take another value as soon as they are computed.

A scalar that is set keeps its local derivatives, as a `Value` does whose `data` is written to. One that is cut is a
constant instead: no gradient flows on from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from engine.autograd.kernels import EXP
from engine.autograd.tape import Rows

PIECE = 2**18  # edges that are looked at at once: what numpy makes on the way stays small
Floats = npt.NDArray[np.float64]


class Overrides:
    """The values that some rows of a tape take; `cut` are those of them from which no gradient flows on."""

    def __init__(self, op: npt.NDArray[np.int8], values: Mapping[int, float], cut: frozenset[int]) -> None:
        self.rows: Rows = np.array(sorted(values), dtype=np.int32)
        self.values: Floats = np.array([values[row] for row in self.rows.tolist()], dtype=np.float64)
        # Seeds of the backward phase are negative edges, and so are looked up in the second half.
        self._cut = np.zeros(2 * len(op), dtype=np.bool_)
        self._cut[list(cut)] = True
        self._set = np.zeros(len(op), dtype=np.bool_)
        self._set[self.rows] = True
        # An exponential is its own slope, so what it was when it was made is needed later on.
        own = [row for row in self.rows.tolist() if op[row] == EXP and row not in cut]
        self._own_slope = np.zeros(len(op), dtype=np.bool_)
        self._own_slope[own] = True
        self._has_own_slopes = bool(own)

    def __contains__(self, row: int) -> bool:
        return bool(self._set[row])

    def cuts(self, row: int) -> bool:
        """Whether no gradient flows on from this row."""
        return bool(self._cut[row])

    def ticks(self, rows: Rows, first: int, last: int) -> Iterator[tuple[int, int, float]]:
        """Index in `rows`, which ascend, row and value of each that is among `rows[first:last]`, in order."""
        places = np.searchsorted(rows, self.rows)
        for at, row, value in zip(places.tolist(), self.rows.tolist(), self.values.tolist(), strict=True):
            if first <= at < last and rows[at] == row:
                yield at, row, value

    def flows(self, edges: Rows) -> npt.NDArray[np.bool_]:
        """Along which of these edges gradients flow."""
        flows = np.empty(len(edges), dtype=np.bool_)
        for at in range(0, len(edges), PIECE):
            piece = slice(at, at + PIECE)
            np.logical_not(self._cut[edges[piece] >> 1], out=flows[piece])
        return flows

    def flowing(self, edges: Rows) -> Rows:
        """Those of these edges along which gradients flow."""
        return edges[self.flows(edges)]

    def own_slopes(self, edges: Rows) -> list[int]:
        """The indices of the edges whose slope is what their scalar was before it was set."""
        if not self._has_own_slopes:
            return []
        return np.flatnonzero((edges >= 0) & self._own_slope[edges >> 1]).tolist()
