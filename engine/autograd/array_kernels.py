"""Those of the kernels that numpy computes faster than plain Python, for where numba is not installed. Same bits.

numpy adds, multiplies, divides and takes square roots as C does. Its sums take several numbers at once and its powers
come from a library of its own, so sums here are made by `np.add.accumulate`, which adds one number after the other, and
powers by Python, but for those that are proven (see `kernels.BAND`). Called as the kernels are, with arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.autograd import kernels
from engine.autograd.kernels import BAND, FINE, HALF_UNIT, SQUARES_FIT, STRAIGHT, SURE_FROM, SURE_TO
from engine.autograd.tape import Rows

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
LARGE = 32  # terms of a block, from which on numpy is faster
MANY = 10_000  # numbers that the processor's cache holds


def forward_whole(
    op: npt.NDArray[np.int8], child: Rows, args: Rows, data: Floats, at: int, last: int, starts: Rows, terms: Rows,
    counts: Rows, ends: npt.NDArray[np.int8], begin: int, end: int, keep: bool,
) -> int:  # fmt: skip
    """As `kernels.forward_whole`."""
    arrays = [memoryview(array) for array in (op, child, args, data)]  # type: ignore[arg-type]
    dots = [memoryview(array) for array in (starts, terms, counts, ends)]  # type: ignore[arg-type]
    plain: Any = kernels
    large = (terms * counts)[begin:end] >= LARGE
    large &= ends[starts[begin:end] + 1] == STRAIGHT
    fault: int
    with np.errstate(all="ignore"):
        for i in (np.flatnonzero(large) + begin).tolist():
            row, n, count = int(starts[i]), int(terms[i]), int(counts[i])
            fault = plain.forward_whole(*arrays, at, row, *dots, begin, i, keep)
            if fault != FINE:
                return fault
            a, b = int(child[2 * row]), int(child[2 * row + 1])
            made = data[row : row + 2 * n * count].reshape(count, n, 2)
            products = data[a : a + n * count].reshape(count, n) * data[b : b + n]
            if keep:
                made[:, :, 0] = products
            products[:, 0] += 0.0  # -0.0 becomes 0.0, as sums begin with 0.0
            sums = np.add.accumulate(products, axis=1)
            if keep:
                made[:, :, 1] = sums
            else:
                made[:, -1, 1] = sums[:, -1]
            at, begin = row + 2 * n * count, i + 1
    fault = plain.forward_whole(*arrays, at, last, *dots, begin, end, keep)
    return fault


def clear_between(
    grad: Floats, at: int, last: int, starts: Rows, terms: Rows, counts: Rows, blocks: int,  # noqa: ARG001
) -> None:  # fmt: skip
    """As `kernels.clear_between`, and those of dot products, too."""
    grad[at:last] = 0.0


def squares(grad: Floats, before: Floats, after: Floats, bounds: Rows, out: Floats) -> None:
    """As `kernels.squares`."""
    n = int(bounds[len(out)])
    with np.errstate(all="ignore"):
        change = after[:n] - before[:n]
        for i, numbers in enumerate((grad[:n], change, before[:n])):
            squared = numbers * numbers
            for j, (first, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
                out[j, i] = np.add.accumulate(squared[first:end])[-1]


def adam(
    data: Floats, grad: Floats, m: Floats, v: Floats, first: int, last: int, lr: float, beta1: float, beta2: float,
    fix1: float, fix2: float, square: float, root: float, eps: float, band: float, scratch: Floats,  # noqa: ARG001
) -> int:  # fmt: skip
    """As `kernels.adam`."""
    fault = FINE
    for i in (np.flatnonzero(abs(grad[first:last]) > SQUARES_FIT) + first).tolist():
        if np.isfinite(grad[i]) and np.isinf(kernels.power(float(grad[i]), square)):
            last = fault = i
            break
    g, m, v, p = grad[first:last], m[first:last], v[first:last], data[first:last]
    with np.errstate(all="ignore"):
        product, beyond = _square(g)
        m[:] = beta1 * m + (1.0 - beta1) * g
        v[:] = beta2 * v + (1.0 - beta2) * _powers(g, square, product, product, beyond, band)
        corrected = v / fix2
        p -= lr * (m / fix1) / (_powers(corrected, root, corrected, *_root(corrected), band) + eps)
    return fault


def powers_agree(count: int, square: float, root: float) -> int:
    """As `kernels.powers_agree`, of other numbers."""
    compared = 0
    for first in range(0, count, MANY):
        places = np.arange(first, min(first + MANY, count))
        numbers = np.ldexp(1.0 + places * 0.6180339887498949 % 1.0, 10 - places % 70)
        for exponent, nearest, beyond in ((square, *_square(numbers)), (root, *_root(numbers))):
            there = _are_sure(nearest, beyond, BAND) & ~_are_sure(nearest, beyond, 2.0 * BAND)
            if [kernels.power(x, exponent) for x in numbers[there].tolist()] != nearest[there].tolist():
                return -1
            compared += int(np.count_nonzero(there))
    return compared


def _square(x: Floats) -> tuple[Floats, Floats]:
    """The doubles nearest to the squares of numbers, and what is beyond them."""
    product = x * x
    return product, kernels.residual(x, product)  # type: ignore[arg-type, return-value]


def _root(x: Floats) -> tuple[Floats, Floats]:
    """The doubles nearest to the roots of numbers, and what is beyond them."""
    nearest = np.sqrt(x) + 0.0  # that of -0.0 is 0.0, as pow has it
    return nearest, -kernels.residual(nearest, x) / (2.0 * nearest)  # type: ignore[arg-type]


def _are_sure(nearest: Floats, beyond: Floats, band: float) -> Mask:
    """As `kernels.is_sure`, of each."""
    width = band * (nearest + HALF_UNIT * nearest - nearest)
    return (nearest + (beyond + width) == nearest) & (nearest + (beyond - width) == nearest)  # type: ignore[no-any-return]


def _powers(x: Floats, exponent: float, squares: Floats, nearest: Floats, beyond: Floats, band: float) -> Floats:
    """x ** exponent of each number: `nearest`, which is written to, where that is proven. `squares` are the larger of
    the numbers and their powers, or the smaller.
    """
    sure = _are_sure(nearest, beyond, band) & (squares > SURE_FROM) & (squares < SURE_TO)
    unsure = np.flatnonzero(~(sure | (x == 0.0)))
    nearest[unsure] = [kernels.power(number, exponent) for number in x[unsure].tolist()]
    return nearest
