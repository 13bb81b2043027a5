"""Finds the dot products on a tape, which the kernels run as one loop instead of scalar by scalar.

`sum(w * x)` leaves a pattern of rows: product, running sum, product, running sum. It is found here, in the order of the
forward phase and in that of the backward phase; `kernels` runs it. What visits every row or edge is compiled (`jit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.autograd.kernels import ADD, LEAF, MUL, NEG_MAX, SCATTERED, STRAIGHT
from engine.autograd.tape import Rows
from engine.immutable import immutable_by_identity

Mask = npt.NDArray[np.bool_]
BELOW = -1  # stands for the number of terms where the steps of what lies below belong


@immutable_by_identity
class Dots:
    """The dot products among the rows that are computed, in blocks: where each block begins, and how large it is.

    A block is a product of a matrix and a vector: `counts` dot products of `terms` terms each, one after the other. A
    dot product that belongs to none is a block of its own. `starts` are their first rows, ascending. `ends` says of
    each row of the tape whether it is a running sum of a dot product: 0 if not, else STRAIGHT or SCATTERED.
    """

    starts: Rows
    terms: Rows
    counts: Rows
    ends: npt.NDArray[np.int8]


def find_dots(op: npt.NDArray[np.int8], child: Rows, live: Mask, zeros: Rows, ends: Sequence[int]) -> Dots:
    """The dot products on a tape, whose pieces end before the rows `ends`. No dot product is in two pieces.

    The blocks are those of all pieces but for what comes after the last end.

    A term is a product of two scalars that take gradients, and next to it the sum of what was before (0 at the start,
    one of the rows `zeros`) and that product. No other operation may use the product or the sum before.
    """
    pieces = [slice(first, last) for first, last in pairwise([0, *ends, len(op)])]
    inner = (op != LEAF) & (op != NEG_MAX)
    used_later = np.zeros(len(op), dtype=np.bool_)  # by another piece
    for piece in pieces:
        for below in _below(child, inner, piece):
            used_later[below[below < piece.start]] = True
    found, is_end = [], np.zeros(len(op), dtype=np.int8)
    for piece in pieces:
        uses = sum(_counts(below - piece.start, piece) for below in _below(child, inner, piece))
        number = _numbers_of_terms(op, child, live, zeros, piece, (uses == 1) & ~used_later[piece])
        rows = np.flatnonzero(op[piece] != LEAF).astype(np.int32)
        numbers = number[rows]
        last = np.flatnonzero((numbers > 0) & (np.append(numbers, (0, 0))[2:] != numbers + 1)).astype(np.int32)
        starts, terms = last + 1 - 2 * numbers[last], numbers[last]
        products = rows[starts] + np.int32(piece.start)
        straight = _straight(child, number, piece, products, terms)
        is_end[piece] = (number > 0) * np.int8(SCATTERED)
        is_end[_sums(products[straight], terms[straight])] = STRAIGHT
        first = np.append(~_goes_on(child, products, starts, terms, straight), True)
        blocks = np.flatnonzero(first).astype(np.int32)
        if piece is not pieces[-1]:
            found.append((products[blocks[:-1]], terms[blocks[:-1]], np.diff(blocks)))
    starts, terms, counts = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Dots(starts, terms, counts, is_end)


def _sums(products: Rows, terms: Rows) -> Rows:
    """All running sums of dot products that have these first products, and so many terms."""
    before = np.cumsum(terms) - terms
    return np.repeat(products + 1 - 2 * before, terms) + 2 * np.arange(terms.sum())  # type: ignore[no-any-return]


def _straight(child: Rows, number: Rows, piece: slice, products: Rows, terms: Rows) -> Mask:
    """Which dot products of a piece, by their first products, read one row after the other on both sides.

    The two sides are the same rows, or have none in common: then the order of terms changes no gradient.
    """
    jumps = np.zeros(len(number), dtype=np.bool_)  # the running sums whose term does not read the next rows
    later = np.flatnonzero(number > 1).astype(np.int32)
    for operand in child[0::2][piece], child[1::2][piece]:
        jumps[later] |= operand[later - 1] != operand[later - 3] + 1
    jumped, first = np.cumsum(jumps, dtype=np.int32), products - np.int32(piece.start)
    apart = child[2 * products] - child[2 * products + 1]
    return (jumped[first + 2 * terms - 1] == jumped[first]) & ((apart == 0) | (abs(apart) >= terms))  # type: ignore[no-any-return]


def _goes_on(child: Rows, products: Rows, starts: Rows, terms: Rows, straight: Mask) -> Mask:
    """Which dot products belong to the block of the one before: the next row of a matrix by the same vector.

    None of a block reads another of it: of their rows only the last of each may be read by others, and no two of these
    are neighbours, as the rows of a vector or of a matrix are.
    """
    left, right = child[2 * products], child[2 * products + 1]
    found = np.zeros(len(starts), dtype=np.bool_)
    found[1:] = (
        (straight[1:] & straight[:-1] & (terms[1:] == terms[:-1]) & (right[1:] == right[:-1]))
        & (np.diff(left) == terms[:-1]) & (np.diff(starts) == 2 * terms[:-1]) & (np.diff(products) == 2 * terms[:-1])
    )  # fmt: skip
    return found


def _numbers_of_terms(
    op: npt.NDArray[np.int8], child: Rows, live: Mask, zeros: Rows, piece: slice, used_once: Mask
) -> Rows:
    """Which term of its dot product each row of a piece adds, from 1; 0 for all that are no such sums."""
    op, left, right = op[piece], child[0::2][piece], child[1::2][piece]
    here = np.arange(piece.start, piece.stop, dtype=np.int32)
    product = (op == MUL) & used_once & live[left] & live[right]
    term = (op == ADD) & _moved(product, 1)
    start = term & (left == here - 1) & np.isin(right, zeros)
    going_on = term & (left == here - 2) & (right == here - 1) & _moved(used_once, 2)
    number = np.zeros(len(op), dtype=np.int32)
    for parity in (0, 1):
        at = np.arange(len(op[parity::2]), dtype=np.int32)
        since = np.maximum.accumulate(np.where(going_on[parity::2], 0, at))
        number[parity::2] = np.where(start[parity::2][since], at - since + 1, 0)
    return number


def _moved(mask: Mask, places: int) -> Mask:
    """A mask so many places further on; the first ones are False."""
    return np.concatenate([np.zeros(places, dtype=np.bool_), mask])[: len(mask)]


def _below(child: Rows, inner: Mask, piece: slice) -> list[Rows]:
    """The first and the second children of the operations of a piece."""
    found = [child[slot::2][piece][inner[piece]] for slot in (0, 1)]
    return [below[below >= 0] for below in found]


def _counts(places: Rows, piece: slice) -> npt.NDArray[np.int64]:
    """How often each place of a piece is among these, from 0; others are not in the piece."""
    return np.bincount(places[places >= 0], minlength=piece.stop - piece.start)


def fold(child: Any, live: Any, ends: Any, rows: Any, edges: Any, counts: Any) -> int:
    """Write to `edges` and `counts` the steps of the chain rule from `rows`, in the order of the backward phase.

    A step is one edge, count 0; or as many terms of a dot product as `counts` says, whose edges follow one another
    from this one on. `ends` as in `Dots`. Returns how many steps there are.
    """
    count = at = 0
    while at < len(rows):
        row = rows[at]
        terms = 0
        going_on = True
        while going_on and at + 1 < len(rows) and ends[rows[at]] and rows[at] == row - 2 * terms:
            going_on = child[2 * rows[at]] != rows[at] - 1  # below the first sum of a dot product is its product
            terms += 1
            at += 2
        if terms > 0:
            edges[count] = 2 * row
            counts[count] = terms
            count += 1
        else:
            for edge in range(2 * row, 2 * row + 2):
                if child[edge] >= 0 and live[child[edge]]:
                    edges[count] = edge
                    counts[count] = 0
                    count += 1
            at += 1
    return count


def route(edges: Any, terms: Any, means: Any, upper: Any, lower: Any, shifts: Any, targets: Any, out: Any) -> int:
    """Write to `out`, (n, 3), which steps the backward phase of a document with these targets takes: the segments.

    A segment is (first, last, shift): the steps `first` to `last`, their edges moved up by `shift`. Among the steps of
    a mean, (position, BELOW) stands where a position's own belong; among those of an upper part, (i, BELOW) where piece
    i of the lower part belongs. `means` and `upper`, (n, 2), say where the steps of each begin and end, `lower[pos]`
    where its pieces begin. Returns how many segments there are.
    """
    count = 0
    first, last = means[len(targets) - 1, 0], means[len(targets) - 1, 1]
    for k in range(first, last):
        if terms[k] == BELOW:
            count = add_segment(out, count, first, k, 0)
            first = k + 1
            pos = edges[k]
            begun, end = upper[targets[pos], 0], upper[targets[pos], 1]
            for j in range(begun, end):
                if terms[j] == BELOW:
                    piece = edges[j]
                    count = add_segment(out, count, begun, j, shifts[pos])
                    count = add_segment(out, count, lower[pos, piece], lower[pos, piece + 1], 0)
                    begun = j + 1
            count = add_segment(out, count, begun, end, shifts[pos])
    return add_segment(out, count, first, last, 0)


def grouped_route(means: Any, upper: Any, lower: Any, shifts: Any, targets: Any, out: Any) -> int:
    """As `route`, of steps that are grouped: the mean's, then those of each position, each part as a whole."""
    last = len(targets) - 1
    count = add_segment(out, 0, means[last, 0], means[last, 1], 0)
    for pos in range(last, -1, -1):
        target = targets[pos]
        count = add_segment(out, count, upper[target, 0], upper[target, 1], shifts[pos])
        count = add_segment(out, count, lower[pos, 0], lower[pos, 1], 0)
    return count


def keeps_sums(child: Any, live: Any, rows: Any, groups: Any, start: int, latest: Any) -> bool:
    """Whether the chain rule has the same bits if `rows` are sorted by group, the highest first, else in their order.

    `groups` are those of the rows from `start` on; `latest` is scratch, as long as the tape, all zeros.
    """
    for row in rows:
        group = groups[row - start]
        for edge in range(2 * row, 2 * row + 2):
            below = child[edge]
            if below >= 0 and live[below]:
                if 0 < latest[below] <= group:  # what added to this gradient before would come after
                    return False
                if below >= start and groups[below - start] > group:  # it would be handed on too early
                    return False
                latest[below] = group + 1
    return True


def add_segment(out: Any, count: int, first: int, last: int, shift: int) -> int:
    """Write a segment, unless it is empty, after the `count` segments there are; returns how many there are then."""
    if first == last:
        return count
    out[count, 0] = first
    out[count, 1] = last
    out[count, 2] = shift
    return count + 1


def split_segments(child: Any, edges: Any, terms: Any, segments: Any, most: int, out: Any, starts: Any) -> int:
    """Write these segments to `out`, those of more than `most` steps in parts, and to `starts` how many edges, one by
    one, come before each, and how many there are. Returns how many parts there are.
    """
    count = at = 0
    for segment in range(len(segments)):
        for k in range(segments[segment, 0], segments[segment, 1]):
            if (k - segments[segment, 0]) % most == 0:
                out[count, 0] = k
                out[count, 2] = segments[segment, 2]
                starts[count] = at
                count += 1
            out[count - 1, 1] = k + 1
            if terms[k] == 0:
                at += 1
            else:
                at += 4 * terms[k]
                lowest = edges[k] + segments[segment, 2] - 4 * terms[k] + 4
                if child[lowest] == (lowest >> 1) - 1:  # the first sum of all has nothing below it but its product
                    at -= 1
    starts[count] = at
    return count


def unfold(child: Any, edges: Any, terms: Any, segments: Any, most: int, out: Any) -> None:
    """Write the edges of these segments to `out`, one by one, as `kernels.backward` takes them.

    It ends with the step after which there are `most` of them at least.
    """
    at = 0
    for segment in range(len(segments)):
        for k in range(segments[segment, 0], segments[segment, 1]):
            if at >= most:
                return
            edge = edges[k] + segments[segment, 2]
            if terms[k] == 0:
                out[at] = edge
                at += 1
            for added in range(edge, edge - 4 * terms[k], -4):  # the first edge of each running sum
                out[at] = added
                at += 1
                if child[added] != (added >> 1) - 1:
                    out[at] = added + 1
                    at += 1
                out[at] = added - 2
                out[at + 1] = added - 1
                at += 2


def patch(
    child: Any, n_embd: int, embed_rows: Any, wte: Any, first: int, inputs: Any, nll_rows: Any, probs: Any, targets: Any
) -> None:  # fmt: skip
    """Let the positions from `first` on read the tokens `inputs`, and those from 0 on be judged by `targets`.

    `embed_rows`, `nll_rows` and `probs` as in `Recording`; `wte`, (vocab_size, n_embd), are the rows of that matrix.
    """
    for i in range(len(inputs)):
        for j in range(n_embd):
            child[2 * embed_rows[first + i, j]] = wte[inputs[i], j]
    for pos in range(len(targets)):
        child[2 * nll_rows[pos]] = probs[pos, targets[pos]]
