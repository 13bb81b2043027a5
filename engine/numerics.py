"""Sums of floats that have the same bits on every Python: from 3.12 on, the builtin `sum` carries what is rounded."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add


def sum_in_order(numbers: Iterable[float]) -> float:
    """The numbers added one after the other, each sum rounded, as running sums over `Value` are."""
    return reduce(add, numbers, 0.0)
