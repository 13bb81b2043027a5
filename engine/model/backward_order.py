"""The order in which gradients accumulate: reversed depth-first post-order from the loss, children left to right.

Addition of floats is not associative, so bits depend on it. It depends on the position and its target alone: the
target's logit is reached first and takes everything below it along. So each position is sorted once below its last
residual (the lower part), each target once above it (the upper part), and a document's route is made of these.

For a phase that is run as a whole, steps of one operation are put together, as in the forward phase: that is faster.
It is done only where each gradient still adds up in the same order, so it has the same bits.
"""

from __future__ import annotations

import copy
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.autograd.dot_products import BELOW
from engine.autograd.jit import Kernels
from engine.autograd.tape import Rows
from engine.errors import ConfigError
from engine.immutable import immutable_by_identity
from engine.language.say import say
from engine.model.recording import Recording, Span

UPPER, LOWER = 0, 1  # the parts of a position
PART = 64  # steps that are gone through at most to find one edge
Turns = npt.NDArray[np.int8]
"""For each row, which of its children the search goes to next."""
MOST_CACHED = 2**21  # steps of upper parts kept; with a large alphabet they are made anew


@immutable_by_identity
class Route:
    """The backward phase of one document: `edges` and `terms` (see `dot_products.fold`), in `segments`, (n, 3).

    `ticks` is how many edges of the chain rule that makes, the one that sets the loss's own gradient among them.
    """

    edges: Rows
    terms: Rows
    segments: Rows
    ticks: int


class Edges:
    """The edges of a route one by one, as `kernels.backward` takes them: indices into `child`. None of them is kept."""

    def __init__(self, route: Route, child: Rows, loops: Kernels) -> None:
        self._route, self._child, self._loops = route, child, loops
        steps = route.segments[:, 1] - route.segments[:, 0]
        parts = np.empty((int((-(-steps // PART)).sum()), 3), dtype=np.int32)
        starts = np.empty(len(parts) + 1, dtype=np.int32)
        loops.split_segments(child, route.edges, route.terms, route.segments, PART, parts, starts)
        self._parts: Rows = parts
        self._starts: list[int] = starts.tolist()  # how many edges come before each part, and how many there are

    def between(self, first: int, last: int) -> Rows:
        """Those from the one after `first` up to `last`."""
        begin, end = bisect_right(self._starts, first) - 1, bisect_left(self._starts, last)
        start = self._starts[begin]
        out = np.empty(self._starts[end] - start, dtype=np.int32)
        parts = self._parts[begin:end]
        self._loops.unfold(self._child, self._route.edges, self._route.terms, parts, last - start, out)
        return out[first - start : last - start]


class GradientOrder:
    """Says, for the targets of a document, how the chain rule goes through its graph in the original's order."""

    def __init__(self, recording: Recording, loops: Kernels) -> None:
        self._recording, self._loops = recording, loops
        self._lock = threading.Lock()  # `beside` may be called in another thread than the rest
        block_size, width, vocab_size = recording.config.block_size, len(self._residual(0)), recording.vocab_size
        self._shifts = np.array([2 * (self._top(p) - self._top(0)) for p in range(block_size)], dtype=np.int32)
        segments_a_position = 2 * width + 2
        self._segments = np.empty((block_size * segments_a_position + 1, 3), dtype=np.int32)
        # Where the steps of each piece stand, and how many edges they are; no edges: not made yet.
        self._means, self._mean_ticks = np.zeros((block_size, 2), dtype=np.int32), [0] * block_size
        self._upper, self._upper_ticks = np.zeros((vocab_size, 2), dtype=np.int32), [0] * vocab_size
        self._lower, self._lower_ticks = np.zeros((block_size, width + 1), dtype=np.int32), [0] * block_size
        # Likewise of the grouped steps, of which each part is one piece.
        self._grouped_means, self._grouped_lower = np.zeros((2, block_size, 2), dtype=np.int32)
        self._grouped_upper = np.zeros((vocab_size, 2), dtype=np.int32)
        self._receives = np.zeros((2, len(recording.matrices)), dtype=np.bool_)  # to which matrices each part hands on
        self._can_group = True  # whether grouping changes no sum, of all that has been made
        self._forget()

    def beside(self) -> GradientOrder:
        """Another one of the same recording, for another thread, that has all pieces which this one has made.

        The steps of these are not copied: when the other one has more, it moves to an array of its own.
        """
        with self._lock:
            other = copy.copy(self)
            for name, own in vars(self).items():
                if isinstance(own, np.ndarray | list) and name != "_steps":
                    setattr(other, name, own.copy())
            other._steps = self._steps[:, : self._used]
        other._lock = threading.Lock()
        return other

    def _forget(self) -> None:
        self._steps: Rows = np.empty((2, 1024), dtype=np.int32)  # edges, and terms
        self._used = self._cached = 0
        for ticks in (self._mean_ticks, self._upper_ticks, self._lower_ticks):
            ticks[:] = [0] * len(ticks)

    def route(self, targets: Sequence[int] | Rows) -> Route:
        """The way along which the loss of a document with these targets flows back."""
        aims = np.asarray(targets, dtype=np.int32)
        with self._lock:
            ticks = self._make(aims.tolist())
            count = self._loops.route(
                *self._steps, self._means, self._upper, self._lower, self._shifts, aims, self._segments,
            )  # fmt: skip
            return Route(self._steps[0], self._steps[1], self._segments[:count].copy(), ticks)

    def _make(self, targets: list[int]) -> int:
        """Have all that a document with these targets needs. Returns how many edges its route has."""
        if self._cached > MOST_CACHED:
            self._forget()
        n, mean_ticks, upper_ticks, lower_ticks = len(targets), self._mean_ticks, self._upper_ticks, self._lower_ticks
        self._recording.reach(n)
        if not mean_ticks[n - 1]:
            self._make_mean(n)
        ticks = mean_ticks[n - 1]
        for pos, target in enumerate(targets):
            if not lower_ticks[pos]:
                self._make_lower(pos)
            if not upper_ticks[target]:
                self._make_upper(target)
            ticks += lower_ticks[pos] + upper_ticks[target]
        return ticks

    def grouped_route(self, targets: Sequence[int] | Rows) -> Route:
        """As `route`, with the steps grouped, if that changes no sum; not for `edges`."""
        aims = np.asarray(targets, dtype=np.int32)
        with self._lock:
            ticks = self._make(aims.tolist())
            if self._can_group:
                count = self._loops.grouped_route(
                    self._grouped_means, self._grouped_upper, self._grouped_lower, self._shifts, aims, self._segments,
                )  # fmt: skip
                return Route(self._steps[0], self._steps[1], self._segments[:count].copy(), ticks)
        return self.route(targets)

    def edges(self, route: Route, child: Rows) -> Edges:
        """The edges of a route in the graph of a document."""
        return Edges(route, child, self._loops)

    def _append(self, steps: Rows) -> tuple[int, int]:
        """Keep these steps; says where they begin and end. Routes hold the array that they were made for."""
        first, last = self._used, self._used + steps.shape[1]
        if last > self._steps.shape[1]:
            grown = np.empty((2, 2 * last), dtype=np.int32)
            grown[:, :first] = self._steps[:, :first]
            self._steps = grown
        self._steps[:, first:last] = steps
        self._used = last
        return first, last

    def _fold(self, rows: Rows) -> Rows:
        r = self._recording
        out = np.empty((2, 2 * len(rows)), dtype=np.int32)
        return out[:, : self._loops.fold(r.child, r.live, r.dots.ends, rows, *out)]

    def _grouped(self, rows: Rows, below: Rows, pos: int, child: Rows, part: int) -> Rows:
        """The steps from the rows of a part of a position, those of one operation together, the last one first.

        They hand on to the rows `below`.
        """
        r, first, operations = self._recording, self._recording.positions[pos].first, self._operations(pos)
        latest = np.zeros(len(r), dtype=np.int32)
        self._can_group &= self._loops.keeps_sums(child, r.live, rows, operations, first, latest)
        self._receives[part, np.searchsorted(r.bounds, below[below < r.n_params], side="right") - 1] = True
        self._can_group &= not self._receives.all(axis=0).any()  # else the parts would have to take turns
        return self._fold(rows[np.argsort(-operations[rows - first], kind="stable")])

    def _operations(self, pos: int) -> Rows:
        """A number of its operation for each row of a position; they ascend. A block of dot products is one."""
        r, span = self._recording, self._recording.positions[pos]
        numbers = np.repeat(np.arange(len(span.tensors), dtype=np.int32), [t.last - t.first for t in span.tensors])
        blocks = np.arange(*(0, *r.dot_counts)[pos : pos + 2])
        blocks = blocks[r.dots.counts[blocks] > 1]
        firsts = r.dots.starts[blocks] - span.first
        for first, size in zip(firsts, 2 * (r.dots.terms * r.dots.counts)[blocks], strict=True):
            numbers[first : first + size] = numbers[first]
        return numbers

    def _receivers(self, rows: Rows) -> Rows:
        """What the edges of these rows lead to, if it has gradients."""
        below = self._recording.child[np.concatenate([2 * rows, 2 * rows + 1])]
        return below[(below >= 0) & self._recording.live[below]]  # type: ignore[no-any-return]

    def _top(self, pos: int) -> int:
        """The first row above the last residual."""
        return int(self._residual(pos)[-1]) + 1

    def _residual(self, pos: int) -> Rows:
        """The rows of the residual stream that the logits of a position are made from."""
        return self._recording.positions[pos].residual_stream[-1].rows

    def _sort(self, root: int, lowest: int, shallow: int, span: Span, child: Rows, turn: Turns) -> Rows:
        scratch = np.empty(2 * (span.last - span.first), dtype=np.int32)
        stack, out = scratch[: span.last - span.first], scratch[span.last - span.first :]
        count = self._loops.post_order(self._recording.op, child, root, lowest, shallow, turn, stack, out)
        return out[:count][::-1].copy()

    def _make_mean(self, n: int) -> None:
        """The steps of the mean over n positions; after each running sum the position that it hands on to."""
        rows = self._recording.mean_rows[n - 1][::-1].copy()
        steps = [_step(-1 - rows[0], 0), self._fold(rows[:1])]
        for i in range(1, n + 1):
            steps += [self._fold(rows[i : i + 1]), _step(n - i, BELOW)]
        self._means[n - 1] = self._append(np.concatenate(steps, axis=1))
        self._grouped_means[n - 1] = self._append(np.concatenate([steps[0], self._fold(rows)], axis=1))
        self._mean_ticks[n - 1] = 1 + len(self._receivers(rows))

    def _make_lower(self, pos: int) -> None:
        """The steps below each element of the last residual that no earlier element has reached, a piece each."""
        span, child, pieces = self._recording.positions[pos], self._recording.child, []
        turn = np.zeros(span.last, dtype=np.int8)
        for i, x in enumerate(self._residual(pos)):
            rows = self._sort(int(x), span.first, span.first, span, child, turn)
            self._lower[pos, i : i + 2] = self._append(self._fold(rows))
            pieces.append(rows)
        rows = np.concatenate(pieces[::-1])
        below = self._receivers(rows)
        self._can_group &= not np.isin(below, self._residual(pos)).any()
        self._lower_ticks[pos] = len(below)
        self._grouped_lower[pos] = self._append(self._grouped(rows, below, pos, child, LOWER))

    def _make_upper(self, target: int) -> None:
        """The steps above the last residual, as at position 0, with the places of the pieces of the lower part."""
        r, span, top = self._recording, self._recording.positions[0], self._top(0)
        child = r.child[: 2 * span.last].copy()
        child[2 * r.nll_rows[0]] = span.probs.rows[target]
        rows = self._sort(int(span.loss.rows[0]), span.first, top, span, child, np.zeros(span.last, dtype=np.int8))
        steps, first, residual = [], 0, self._residual(0)
        for at in np.flatnonzero(rows < top):
            place = int(np.searchsorted(residual, rows[at]))
            if residual[min(place, len(residual) - 1)] != rows[at]:
                raise ConfigError(say("model.backward_order.logits_model_made_from"))
            steps += [self._fold(rows[first:at]), _step(place, BELOW)]
            first = int(at) + 1
        steps.append(self._fold(rows[first:]))
        begin, end = self._append(np.concatenate(steps, axis=1))
        self._upper[target] = begin, end
        rows = rows[rows >= top]
        below = self._receivers(rows)
        self._upper_ticks[target] = len(below)
        self._grouped_upper[target] = self._append(self._grouped(rows, below, 0, child, UPPER))
        self._cached += self._used - begin


def _step(edge: int, terms: int) -> Rows:
    return np.array([[edge], [terms]], dtype=np.int32)
