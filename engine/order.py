"""The order in which gradients accumulate: reversed depth-first post-order from the loss, children left to right.

Addition of floats is not associative, so bits depend on it. It depends on the position and its target alone: the
target's logit is reached first and takes everything below it along. So each position is sorted once below its last
residual (the body), each target once above it (the head), and a document's order is spliced from these.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.compiled import Loops
from engine.recording import Recording, Span
from engine.tape import LEAF, NEG_MAX, Rows

MOST_CACHED = 2**21  # edges of heads kept; with a large alphabet the oldest go


class GradientOrder:
    """Says, for the targets of a document, the edges of the chain rule in the original's order."""

    def __init__(self, recording: Recording, loops: Loops) -> None:
        self._recording, self._loops = recording, loops
        op, n_params = recording.op, recording.n_params
        # Gradients flow into parameters and into what was computed, not into constants.
        self._live: npt.NDArray[np.bool_] = (op != LEAF) & (op != NEG_MAX)
        self._live[:n_params] = True
        self._bodies: dict[int, tuple[Rows, Rows]] = {}
        self._heads: dict[int, Rows] = {}
        self._means: dict[int, list[Rows]] = {}
        self._cached = 0
        self._turn = np.zeros(len(recording), dtype=np.int8)
        self._out = np.empty(2 * (len(recording.rows) + len(recording.losses)) + 2, dtype=np.int32)

    def edges(self, targets: list[int]) -> Rows:
        """The edges, as indices into `child`, along which the loss of a document with these targets flows back.

        The first one is negative and sets the loss's own gradient, see `kernels.backward`. The array is good until
        the next call.
        """
        out, at = self._out, 0
        pieces = self._mean(len(targets))
        for pos in range(len(targets) - 1, -1, -1):
            piece = pieces[len(targets) - 1 - pos]
            out[at : at + len(piece)] = piece
            body, starts = self._body(pos)
            shift = 2 * (self._first_of_head(pos) - self._first_of_head(0))
            at = self._loops.splice(out, at + len(piece), self._head(targets[pos]), shift, body, starts)
        piece = pieces[-1]
        out[at : at + len(piece)] = piece
        return out[: at + len(piece)]

    def _mean(self, n: int) -> list[Rows]:
        """The edges of the mean over n positions, cut where the positions' own edges go in, last position first."""
        if n not in self._means:
            rows = self._recording.computed(self._recording.losses[n - 1])[::-1]
            seed = np.array([-1 - rows[0]], dtype=np.int32)
            # The last running sum hands on to the last position's loss, the one before it to the loss before.
            first = np.concatenate([seed, self._edges_of(rows[:2])])
            self._means[n] = [first, *(self._edges_of(rows[i : i + 1]) for i in range(2, n + 1)), rows[:0]]
        return self._means[n]

    def _edges_of(self, rows: Rows) -> Rows:
        edges = np.stack([2 * rows, 2 * rows + 1], axis=1).ravel()
        below = self._recording.child[edges]
        return edges[(below >= 0) & self._live[below]]

    def _first_of_head(self, pos: int) -> int:
        return int(self._residual(pos)[-1]) + 1

    def _residual(self, pos: int) -> Rows:
        """The rows of the residual stream that the logits of a position are made from."""
        return self._recording.positions[pos].tensor("mlp_residual").rows

    def _sort(self, root: int, lowest: int, shallow: int, span: Span, child: Rows) -> Rows:
        scratch = np.empty(2 * (span.last - span.first), dtype=np.int32)
        stack, out = scratch[: span.last - span.first], scratch[span.last - span.first :]
        count = self._loops.post_order(self._recording.op, child, root, lowest, shallow, self._turn, stack, out)
        return out[:count][::-1].copy()

    def _body(self, pos: int) -> tuple[Rows, Rows]:
        """The edges below each element of the last residual that no earlier element has reached, and their bounds."""
        if pos not in self._bodies:
            span = self._recording.positions[pos]
            pieces = [
                self._edges_of(self._sort(int(x), span.first, span.first, span, self._recording.child))
                for x in self._residual(pos)
            ]
            self._turn[span.first : span.last] = 0
            starts = np.cumsum([0, *map(len, pieces)]).astype(np.int32)
            self._bodies[pos] = np.concatenate(pieces), starts
        return self._bodies[pos]

    def _head(self, target: int) -> Rows:
        """The edges above the last residual, as at position 0; -1 - i where piece i of the body belongs."""
        if target not in self._heads:
            r, span = self._recording, self._recording.positions[0]
            surprise, probs = span.tensor("loss_t"), span.tensor("probs")
            child = r.child.copy()
            child[2 * r.computed(Span(surprise.first, surprise.last, ()))[0]] = probs.rows[target]
            rows = self._sort(int(surprise.rows[0]), span.first, self._first_of_head(0), span, child)
            self._turn[span.first : span.last] = 0
            edges = np.stack([2 * rows, 2 * rows + 1], axis=1)
            below = child[edges]
            keep = (below >= 0) & self._live[below]
            residual = self._residual(0)
            marker = rows <= residual[-1]
            edges[marker, 0] = -1 - (rows[marker] - residual[0])
            keep[marker] = [True, False]
            head = edges[keep]
            if self._cached + len(head) > MOST_CACHED:
                self._heads.clear()
                self._cached = 0
            self._heads[target] = head
            self._cached += len(head)
        return self._heads[target]
