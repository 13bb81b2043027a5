"""Sums with the same bits on every Python, means, and exact sums of products.

From 3.12 on, the builtin `sum` carries what is rounded; running sums over `Value` do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.immutable import immutable_by_identity


def sum_in_order(numbers: Iterable[float]) -> float:
    """The numbers added one after the other, each sum rounded, as running sums over `Value` are."""
    return reduce(add, numbers, 0.0)


def mean(numbers: Sequence[float]) -> float:
    """The mean of some numbers, from their exact sum; nan if that is none."""
    try:
        return math.fsum(numbers) / len(numbers)
    except (OverflowError, ValueError):  # infinities of both signs
        return math.nan


BITS = 53  # of a double's significand


@immutable_by_identity
class Exact:
    """An array of numbers `whole` * 2 ** `exponent`, where `whole` are Python's integers of any size."""

    whole: npt.NDArray[Any]
    exponent: int

    def __post_init__(self) -> None:
        # A single integer would become one of numpy's, which overflow.
        object.__setattr__(self, "whole", np.asarray(self.whole, dtype=object))

    @classmethod
    def of(cls, values: npt.NDArray[np.float64] | float) -> Exact:
        """These doubles, which have to be finite."""
        fraction, exponent = np.frexp(np.asarray(values))
        shift = np.where(fraction == 0, 0, exponent - BITS)
        lowest = int(shift.min())
        whole = np.ldexp(fraction, BITS).astype(np.int64).astype(object)
        return cls(whole * 2 ** (shift - lowest).astype(object), lowest)

    def __matmul__(self, other: Exact) -> Exact:
        """The dot product, or that of matrices."""
        return Exact(self.whole @ other.whole, self.exponent + other.exponent)

    def __mul__(self, other: Exact) -> Exact:
        """Element by element."""
        return Exact(self.whole * other.whole, self.exponent + other.exponent)

    def __getitem__(self, index: Any) -> Exact:
        """Some of the numbers."""
        return Exact(self.whole[index], self.exponent)

    def __float__(self) -> float:
        """The double that is nearest to a single number."""
        return float(self.fraction)

    @property
    def fraction(self) -> Fraction:
        """A single number."""
        return int(self.whole) * Fraction(2) ** self.exponent
