"""`PackedGraph`: the rows of positions that no document has reached yet, in little memory.

The graph repeats itself, so that its differences from row to row pack into a hundredth of what it takes.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.autograd.tape import Rows
from engine.memory import give_back

Marks = npt.NDArray[Any]  # a byte a row
FAST = 1  # zlib's level


class PackedGraph:
    """`child`, two a row, and `marks`, arrays of a byte a row, which at first have no rows of any position.

    Position p has the rows from `bounds[p]` up to `bounds[p + 1]`. `unpack` writes them, `unpack_marks` all but their
    children. Several threads may call these.
    """

    def __init__(self, child: Rows, marks: Sequence[Marks], bounds: Sequence[int]) -> None:
        self._spans = spans = list(pairwise(bounds))
        self._packed = [
            (_packed(_differences(child[2 * a : 2 * b])), [_packed(its[a:b]) for its in marks]) for a, b in spans
        ]
        # Memory of `zeros` comes at the first touch; `zeros_like` would touch it.
        self.child, self.marks = np.zeros(len(child), child.dtype), [np.zeros(len(its), its.dtype) for its in marks]
        for a, b in ((0, bounds[0]), (bounds[-1], len(marks[0]))):
            self.child[2 * a : 2 * b] = child[2 * a : 2 * b]
            for own, its in zip(self.marks, marks, strict=True):
                own[a:b] = its[a:b]
        self._with_child = self._with_marks = 0  # positions
        self._to_keep = 0  # of those with children
        self._lock = threading.Lock()

    def unpack(self, n: int, to_keep: bool = True) -> None:
        """Have the rows of the first `n` positions; unless `to_keep`, until `forget` is called."""
        self.unpack_marks(n)
        if to_keep and n > self._to_keep:
            with self._lock:
                self._to_keep = max(self._to_keep, n)
        if n > self._with_child:
            with self._lock:
                self.write_child(self.child, self._with_child, n)
                self._with_child = max(self._with_child, n)

    def forget(self) -> None:
        """Give back the memory of children that are not to be kept."""
        with self._lock:
            if self._with_child > self._to_keep:
                first, last = self._spans[self._to_keep][0], self._spans[self._with_child - 1][1]
                give_back(self.child[2 * first : 2 * last])
                self._with_child = self._to_keep

    def unpack_marks(self, n: int) -> None:
        """Have the rows of the first `n` positions, but for their children."""
        if n > self._with_marks:
            with self._lock:
                for place in range(self._with_marks, n):
                    (a, b), (_, packed) = self._spans[place], self._packed[place]
                    for own, its in zip(self.marks, packed, strict=True):
                        own[a:b] = _unpacked(its, own)
                self._with_marks = max(self._with_marks, n)

    def write_child(self, child: Rows, first: int, last: int) -> None:
        """Write the children of the positions `first` to `last` to an array of the whole graph's length."""
        for (a, b), (packed, _) in zip(self._spans[first:last], self._packed[first:last], strict=True):
            child[2 * a : 2 * b] = _sums(_unpacked(packed, child))


def _packed(numbers: npt.NDArray[Any]) -> bytes:
    return zlib.compress(numbers.tobytes(), FAST)


def _unpacked(packed: bytes, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.frombuffer(zlib.decompress(packed), dtype=like.dtype)


def _differences(child: Rows) -> Rows:
    """What the children of each row are more than those of the row before the last: products and sums take turns."""
    differences = child.copy()
    differences[4:] -= child[:-4]
    return differences


def _sums(differences: Rows) -> Rows:
    """The children that have these differences."""
    child = np.empty_like(differences)
    for first in range(4):
        np.cumsum(differences[first::4], dtype=np.int32, out=child[first::4])
    return child
