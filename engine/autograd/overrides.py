"""`Overrides`: scalars that take another value as soon as they are computed, and operands that are others.

A scalar that is set keeps its local derivatives, as a `Value` does whose `data` is written to. One that is cut is a
constant instead: no gradient flows on from it. A scalar whose operand is another is computed from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from engine.autograd.kernels import EXP
from engine.autograd.tape import Rows

NONE: Rows = np.empty(0, dtype=np.int32)
Floats = npt.NDArray[np.float64]


class Overrides:
    """The values that some rows of a tape take; `cut` are those of them from which no gradient flows on.

    Rows for which `group` says the same are set together: none is read before all are computed. The `edges`, places
    among the children of the tape, lead to the rows `operands` instead of those recorded there.
    """

    def __init__(
        self, op: npt.NDArray[np.int8], values: Mapping[int, float], cut: frozenset[int],
        group: Callable[[int], int], edges: Rows = NONE, operands: Rows = NONE,
    ) -> None:  # fmt: skip
        self.edges, self.operands = edges, operands
        self.rows: Rows = np.array(sorted(values), dtype=np.int32)
        self.values: Floats = np.array([values[row] for row in self.rows.tolist()], dtype=np.float64)
        self._groups = np.array([group(row) for row in self.rows.tolist()], dtype=np.int32)
        # Seeds of the backward phase are negative edges, and so are looked up in the second half.
        self._cut = np.zeros(2 * len(op), dtype=np.bool_)
        self._cut[list(cut)] = True
        self.cuts_any = bool(cut)  # whether it cuts any row
        self._set = frozenset(self.rows.tolist())
        # An exponential is its own slope, so what it was when it was made is needed later on.
        own = [row for row in self.rows.tolist() if op[row] == EXP and row not in cut]
        self._own_slope = np.zeros(len(op), dtype=np.bool_)
        self._own_slope[own] = True
        self._has_own_slopes = bool(own)

    def __contains__(self, row: int) -> bool:
        return row in self._set

    def cuts(self, row: int) -> bool:
        """Whether no gradient flows on from this row."""
        return bool(self._cut[row])

    def groups(self, first: int, last: int) -> Iterator[tuple[Rows, Floats]]:
        """The rows that are set from `first` up to `last`, and their values, in order.

        Those of a group come together: they can be set when the last of them is computed.
        """
        begin, end = np.searchsorted(self.rows, np.array([first, last], dtype=np.int32)).tolist()
        bounds = (np.flatnonzero(np.diff(self._groups[begin:end])) + 1 + begin).tolist()
        for a, b in pairwise([begin, *bounds, end]) if begin < end else ():
            yield self.rows[a:b], self.values[a:b]

    def flows(self, edges: Rows) -> npt.NDArray[np.bool_]:
        """Along which of these edges gradients flow."""
        flows: npt.NDArray[np.bool_] = ~self._cut[edges >> 1]
        return flows

    def flowing(self, edges: Rows) -> Rows:
        """Those of these edges along which gradients flow."""
        return edges[self.flows(edges)]

    def own_slopes(self, edges: Rows) -> list[int]:
        """The indices of the edges whose slope is what their scalar was before it was set."""
        if not self._has_own_slopes:
            return []
        return np.flatnonzero((edges >= 0) & self._own_slope[edges >> 1]).tolist()
