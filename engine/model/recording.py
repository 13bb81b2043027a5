"""`Recording`: the model run once over Values, for every position, and frozen into arrays.

The graph of a position depends on nothing but the position, so one recording serves every document; a
`Workspace` puts numbers on it. Knows nothing of training.
"""

from __future__ import annotations

import bisect
import functools
import gc
import itertools
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from engine.autograd.dot_products import Dots, Mask, find_dots
from engine.autograd.jit import Kernels
from engine.autograd.kernels import ADD, FINE, LEAF, LOG, MUL, NEG_MAX
from engine.autograd.overrides import NONE, Overrides
from engine.autograd.tape import Lines, Matrix, Rows, Tape, Tensor, Value
from engine.errors import ConfigError, Stopped
from engine.language.say import say
from engine.memory import give_back, give_back_freed, take_large_arrays_apart
from engine.model import gpt
from engine.model.config import Config
from engine.model.packed_graph import PackedGraph
from engine.model.tensors import TensorSpec, tensor_specs

Floats = npt.NDArray[np.float64]
BYTES_A_ROW = 120  # what a scalar costs at most: 35 to record, 85 looked at backward; and a twin that replays
BYTES_A_TWIN = 45  # what it costs at most in each further run of the same recording
LARGE = 10_000_000  # rows from which on memory that is free is handed back to the system
MOST_ROWS = 2**30  # children are 32-bit numbers, two a row


@dataclass(frozen=True, eq=False)
class Span:
    """Tape rows [first, last) and the named tensors they contain.

    The span of a position also knows its tensors by what they are for, whatever the model calls them.
    """

    first: int
    last: int
    tensors: tuple[Tensor, ...]

    def tensor(self, name: str) -> Tensor:
        """The last tensor of that name; KeyError if there is none."""
        for tensor in reversed(self.tensors):
            if tensor.name == name:
                return tensor
        raise KeyError(name)

    def made_by(self, kind: str) -> Tensor:
        """The tensor that an operation of this kind makes, the last one of several; KeyError if there is none."""
        for tensor in reversed(self.tensors):
            if tensor.operation.kind == kind:
                return tensor
        raise KeyError(kind)

    def holder(self, rows: Rows) -> Tensor | None:
        """The tensor that the first of these rows is an element of; None for parameters and intermediate results."""
        row = rows.flat[0]
        return next((t for t in self.tensors if t.first <= row < t.last and row in t.rows), None)

    def _operand(self, tensor: Tensor) -> Tensor:
        """The tensor that the first operand of an operation is."""
        found = self.holder(next(iter(tensor.operation.operands.values())))
        if found is None:
            raise ConfigError(say("model.recording.no_whole_tensor", name=tensor.name))
        return found

    @property
    def embedding(self) -> Tensor:
        """The embedded token and position, which the residual stream begins with: (n_embd,)."""
        return self.made_by("embed")

    @property
    def loss(self) -> Tensor:
        """The loss of the position."""
        return self.made_by("nll")

    @property
    def probs(self) -> Tensor:
        """The probabilities that the loss is taken from: (vocab_size,)."""
        return self._operand(self.loss)

    @property
    def logits(self) -> Tensor:
        """The logits that the probabilities are the softmax of: (vocab_size,)."""
        return self._operand(self.probs)

    @cached_property
    def residual_stream(self) -> tuple[Tensor, ...]:
        """The residual stream after each operation on it, from the embedding to what the logits are made of.

        It goes from an addition to its operand `x_residual`, and otherwise to the first operand.
        """
        stream = [self._operand(self.logits)]
        while True:
            operands = stream[-1].operation.operands
            before = self.holder(operands.get("x_residual", next(iter(operands.values()))))
            if before is None:
                return tuple(reversed(stream))
            stream.append(before)


class Loan:
    """Who has something that only one may have at a time. Who is gone has it no more; several threads may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: weakref.ref[object] | None = None

    def begin(self, who: object) -> bool:
        """Have it, if nobody else does; whether that is so."""
        with self._lock:
            holder = None if self._holder is None else self._holder()
            if holder is None:
                self._holder = weakref.ref(who)
            return holder is None or holder is who

    def end(self, who: object) -> None:
        """Have it no more, if one has it."""
        with self._lock:
            if self._holder is not None and self._holder() is who:
                self._holder = None


class LongTables(dict[str, Any]):
    """What is known of a document that is as long as the tape, by what it is called."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True, eq=False)
class Recording:
    """The graph of one configuration and alphabet.

    Parameters are rows 0 to `n_params`, in the order of `matrices`. `positions[p]` is everything that position p
    makes, `losses[n - 1]` the mean over n positions, `samplers[p]` the probabilities that a sample at p is drawn from.
    """

    config: Config
    vocab_size: int
    specs: dict[str, TensorSpec]  # what each tensor of a position and each matrix is
    op: npt.NDArray[np.int8]
    child: Rows  # two a row; the few that depend on tokens are patched by the workspace that holds them
    args: Rows
    constants: tuple[Rows, Floats]  # the LEAF rows that are not parameters, and their values
    neutral: dict[int, int]  # by op code, ADD or MUL: the row of the constant that changes no number
    line: Lines  # of `model`
    model: Path  # the file of the model
    matrices: dict[str, Rows]
    bounds: Rows  # the first row of every matrix, and the end of the last
    positions: tuple[Span, ...]
    losses: tuple[Span, ...]
    mean_rows: tuple[Rows, ...]  # the rows that each of `losses` computes
    samplers: tuple[Span, ...]
    reciprocal: int  # the row of 1 / temperature
    row_counts: tuple[int, ...]  # how many rows are computed after each position; leaves are not among them
    live: Mask  # where gradients flow to: parameters and what is computed, not constants
    token_matrix: str  # the matrix that has a row for each token that is read
    embed_rows: Rows  # (block_size, n_embd): the rows whose first child is what a position reads from it
    nll_rows: Rows  # (block_size,): the row of log(p) of each position, whose child depends on the target
    probs: Rows  # (block_size, vocab_size): the rows that it may be
    packed: PackedGraph | None = None  # of a large model: positions that are not reached have no op and no children yet
    known_dots: Dots | None = None  # where the graph is packed: they cannot be looked for in it

    def reach(self, n: int, to_keep: bool = True) -> None:
        """Have the graph of the first `n` positions; unless `to_keep`, until the workspace that has it lets go."""
        if self.packed is not None:
            self.packed.unpack(n, to_keep)

    @functools.cached_property
    def graph_loan(self) -> Loan:
        """Which workspace patches the children of the recording itself."""
        return Loan()

    def start_of_graph(self) -> Rows:
        """A graph for a workspace of its own, in which the positions are lacking."""
        child, first, after = np.zeros(len(self.child), np.int32), self.positions[0].first, self.positions[-1].last
        child[: 2 * first], child[2 * after :] = self.child[: 2 * first], self.child[2 * after :]
        return child

    def copy_graph(self, child: Rows, first: int, last: int) -> None:
        """Write the children of the positions `first` to `last` to a workspace's own graph."""
        if self.packed is not None:
            self.packed.unpack_marks(last)
            self.packed.write_child(child, first, last)
        elif first < last:
            rows = slice(2 * self.positions[first].first, 2 * self.positions[last - 1].last)
            child[rows] = self.child[rows]

    def tensor_at(self, row: int) -> Tensor | None:
        """The tensor in whose making a row of a position or of a mean was made; None for all other rows."""
        firsts, tensors = self._tensors_by_row
        at = bisect.bisect_right(firsts, row) - 1
        return tensors[at] if at >= 0 and row < tensors[at].last else None

    @functools.cached_property
    def _tensors_by_row(self) -> tuple[list[int], list[Tensor]]:
        tensors = sorted((t for span in (*self.positions, *self.losses) for t in span.tensors), key=lambda t: t.first)
        return [t.first for t in tensors], tensors

    @functools.cached_property
    def dots(self) -> Dots:
        """The dot products among the rows of positions; a moment within a step needs none of them.

        Which tokens are read and judged changes nothing about them.
        """
        if self.known_dots is not None:
            return self.known_dots
        rows, numbers = self.constants
        ends = [span.last for span in self.positions]
        return find_dots(self.op, self.child, self.live, rows[numbers == 0.0], ends)

    @functools.cached_property
    def dot_counts(self) -> tuple[int, ...]:
        """How many blocks of them begin before the end of each position."""
        ends = np.array([span.last for span in self.positions], dtype=np.int32)
        return tuple(np.searchsorted(self.dots.starts, ends).tolist())

    def parts_of(self, n: int) -> tuple[slice, slice]:
        """The rows that a document of `n` positions has: parameters and positions, and the mean over these."""
        mean = self.losses[n - 1]
        return slice(0, self.positions[n - 1].last), slice(mean.first, mean.last)

    @functools.cached_property
    def long_tables(self) -> weakref.WeakValueDictionary[Hashable, LongTables]:
        """What programs of the same document share, by that document, for as long as one of them holds it."""
        return weakref.WeakValueDictionary()

    @functools.cached_property
    def _inner_leaves(self) -> tuple[list[int], list[int]]:
        """The constants among the rows of positions, and how many rows are computed before each; all others are."""
        first, last = self.positions[0].first, self.positions[-1].last
        leaves = sorted(row for row in self.constants[0].tolist() if first <= row < last)
        return leaves, [leaf - first - i for i, leaf in enumerate(leaves)]

    def count_before(self, row: int) -> int:
        """How many of the rows of positions before this one, which is one of them, are computed."""
        leaves, _ = self._inner_leaves
        return row - self.positions[0].first - bisect.bisect_left(leaves, row)

    def nth_row(self, n: int) -> int:
        """The row of positions that is computed after `n` others."""
        _, counts = self._inner_leaves
        return self.positions[0].first + n + bisect.bisect_right(counts, n)

    def rows_between(self, first: int, last: int) -> Rows:
        """The rows of positions that are computed after `first` others, up to that after `last` others."""
        if first >= last:
            return np.empty(0, dtype=np.int32)
        begin, end = self.nth_row(first), self.nth_row(last - 1) + 1
        leaves = [leaf - begin for leaf in self._inner_leaves[0] if begin <= leaf < end]
        return np.delete(np.arange(begin, end, dtype=np.int32), leaves)

    def used_until(self, row: int) -> int:
        """The row before which all are that a position makes from this one, of any document."""
        tensor = None if self.op[row] == LEAF else self.tensor_at(row)
        return self.positions[-1].last if tensor is None else self._used_until[tensor.first]

    @functools.cached_property
    def _used_until(self) -> dict[int, int]:
        """By the first row of each tensor: the end of the last operation that reads what was made for it."""
        firsts, tensors = self._tensors_by_row
        until = np.array([tensor.last for tensor in tensors])
        readers = [tensor for span in self.positions for tensor in span.tensors]
        read = [[rows[rows >= firsts[0]] for rows in t.operation.operands.values()] for t in readers]  # no parameters
        ends = np.repeat([tensor.last for tensor in readers], [sum(map(len, rows)) for rows in read])
        places = np.searchsorted(firsts, np.concatenate([its for rows in read for its in rows]), side="right") - 1
        np.maximum.at(until, places, ends)
        return dict(zip(firsts, until.tolist(), strict=True))

    def group_of(self, row: int) -> int:
        """A number that rows share if the same operation is the first one to read them, which none of them is made in.

        An element of a tensor that is made of others of its elements, and what is none, has a number of its own.
        """
        tensor = self.tensor_at(row)
        reader = None if tensor is None or row not in tensor.rows else self._first_readers.get(tensor.first)
        return -1 - row if reader is None else reader

    @functools.cached_property
    def _first_readers(self) -> dict[int, int]:
        """By the first row of each tensor that is not made of itself: the first row of what reads it first."""
        firsts, tensors = self._tensors_by_row
        readers: dict[int, int] = {}
        for tensor in tensors:
            for rows in tensor.operation.operands.values():
                made = rows[rows >= self.n_params]
                for at in sorted(set(np.searchsorted(firsts, made, side="right").tolist())):
                    readers.setdefault(firsts[at - 1], tensor.first)
        self.reach(1)  # the others of a name are made alike
        looked_at = {t.name: t for span in (*self.losses, self.positions[0]) for t in span.tensors}
        of_itself = {t.name for t in looked_at.values() if np.isin(self.child[2 * t.first : 2 * t.last], t.rows).any()}
        return {t.first: readers[t.first] for t in tensors if t.first in readers and t.name not in of_itself}

    def matrix_of(self, row: int) -> tuple[str, int, int] | None:
        """The name of the matrix that a row belongs to, and its place there, row and column; None if it is none."""
        if not 0 <= row < self.n_params:
            return None
        at = int(np.searchsorted(self.bounds, row, side="right")) - 1
        name, rows = list(self.matrices.items())[at]
        return (name, *divmod(row - int(self.bounds[at]), rows.shape[1]))

    @property
    def n_params(self) -> int:
        """How many parameters there are."""
        return int(self.bounds[-1])

    def __len__(self) -> int:
        return len(self.op)


class Workspace:
    """Numbers on a recording: `data` and `grad`, one double a row, and the children patched for the present tokens.

    One at a time patches the recording's own children: the first that reads while no other has them. Each further one
    has a copy of them that comes as far as it has read. What no document has reached takes no memory: the system gives
    it at the first touch.
    """

    def __init__(self, recording: Recording, loops: Kernels) -> None:
        self.recording, self.loops = recording, loops
        self._overrides: Overrides | None = None
        self.child: Rows = np.empty(0, dtype=np.int32)
        self.let_go()

    def let_go(self) -> None:
        """Forget what was read and computed, so that it takes no memory; another workspace may have the graph then."""
        recording = self.recording
        if self.child is recording.child and recording.packed is not None:
            recording.packed.forget()
        recording.graph_loan.end(self)
        self.child = np.empty(0, dtype=np.int32)  # until something is read
        self._reached = 0  # how many positions it has
        self.data: Floats = np.zeros(len(recording))
        self.grad: Floats = np.zeros(len(recording))
        rows, values = recording.constants
        self.data[rows] = values
        self._displaced = np.empty(0, dtype=np.int32)  # the operands in whose place the overrides have others, so far
        self._made: Floats = np.zeros(len(recording))  # what the scalars that were set were before
        self._filled = 0  # how many positions may have numbers

    @classmethod
    def beside(cls, recording: Recording, loops: Kernels) -> Workspace:
        """Another workspace on a recording that has one. Raises ConfigError if there is no memory for it."""
        need, free = len(recording) * BYTES_A_TWIN, psutil.virtual_memory().available
        if need > free:
            raise ConfigError(say("model.recording.no_room", need=_size(need), free=_size(free)))
        if recording.packed is not None:
            gc.collect()  # what nobody else holds, but which holds itself, such as a dialog that showed another run
            give_back_freed()
        return cls(recording, loops)

    @property
    def overrides(self) -> Overrides | None:
        """What is otherwise than the model makes it. Other operands stand in a graph of its own."""
        return self._overrides

    @overrides.setter
    def overrides(self, overrides: Overrides | None) -> None:
        if self._overrides is not None:
            self.child[self._overrides.edges[: len(self._displaced)]] = self._displaced
            self._displaced = self._displaced[:0]
        self._overrides = overrides
        if len(self.other_edges) and self.child is self.recording.child:
            self._leave_shared_graph()
        self._rewire()

    @property
    def other_edges(self) -> Rows:
        """The edges that lead to other operands than the model's."""
        return NONE if self._overrides is None else self._overrides.edges

    def _leave_shared_graph(self) -> None:
        """Go on with a copy of it as it stands, patched for what was read."""
        own, last = self.recording.start_of_graph(), self._last_reached
        own[: 2 * last] = self.child[: 2 * last]
        self.recording.graph_loan.end(self)
        self.child = own

    @property
    def _last_reached(self) -> int:
        return self.recording.positions[self._reached - 1].last if self._reached else 0

    def _rewire(self) -> None:
        """Let the edges of positions that were reached since lead to other operands."""
        if self._overrides is not None and len(self.other_edges):
            edges, done = self.other_edges, len(self._displaced)  # ascending
            new = slice(done, max(done, int(np.searchsorted(edges, 2 * self._last_reached))))
            self._displaced = np.concatenate([self._displaced, self.child[edges[new]]])
            self.child[edges[new]] = self._overrides.operands[new]

    @property
    def sets_scalars(self) -> bool:
        """Whether some scalars take another value than they are computed to."""
        return self._overrides is not None and len(self._overrides.rows) > 0

    @property
    def params(self) -> Floats:
        """The parameters, a view of `data`, (n_params,)."""
        return self.data[: self.recording.n_params]

    def read(self, first: int, token_ids: Sequence[int] | Rows, targets: Sequence[int] | Rows = ()) -> None:
        """Let the positions from `first` on read these tokens, and those from 0 on be judged by `targets`."""
        r = self.recording
        self._reach(first + len(token_ids))
        self._filled = max(self._filled, first + len(token_ids))
        inputs, aims = np.asarray(token_ids, dtype=np.int32), np.asarray(targets, dtype=np.int32)
        table = r.matrices[r.token_matrix]
        self.loops.patch(self.child, r.config.n_embd, r.embed_rows, table, first, inputs, r.nll_rows, r.probs, aims)

    def keep_only(self, n: int, with_grad: bool) -> None:
        """Give back the memory of numbers of a large model that nobody reads: those of all positions but the first `n`.

        Unless `with_grad`, all gradients are 0, and theirs is given back, too.
        """
        r = self.recording
        if r.packed is None:
            return
        if not with_grad:
            give_back(self.grad)
        if n < self._filled:
            first, last = r.positions[n].first, r.positions[self._filled - 1].last
            for numbers in (self.data, self.grad):
                give_back(numbers[first:last])
            rows, values = r.constants
            own = (rows >= first) & (rows < last)
            self.data[rows[own]] = values[own]
            self._filled = n

    def _reach(self, n: int) -> None:
        """Have the children of the first `n` positions."""
        r = self.recording
        if not len(self.child):
            shared = not len(self.other_edges) and r.graph_loan.begin(self)
            self.child = r.child if shared else r.start_of_graph()
        if self.child is r.child:
            r.reach(n, to_keep=False)
        elif n > self._reached:
            r.copy_graph(self.child, self._reached, n)
        self._reached = max(self._reached, n)
        self._rewire()

    def forward(self, *ranges: tuple[int, int]) -> int:
        """Compute the rows from each first one up to a last one; FINE, or the row at which Python's arithmetic would
        raise.
        """
        overrides = self.overrides if self.sets_scalars else None
        for first, last in ranges:
            at = first
            for own, values in overrides.groups(first, last) if overrides else ():
                end = int(own[-1]) + 1
                fault = self._forward(at, end)
                made = slice(len(own) if fault == FINE else int(np.searchsorted(own, fault)))
                self._made[own[made]], self.data[own[made]] = self.data[own[made]], values[made]
                if fault != FINE:
                    return fault
                at = end
            fault = self._forward(at, last)
            if fault != FINE:
                return fault
        return FINE

    def made(self, row: int) -> float:
        """What a scalar was when it was made, before it was set to something else, if it was."""
        return float((self._made if self.overrides and row in self.overrides else self.data)[row])

    def _forward(self, first: int, last: int) -> int:
        r = self.recording
        return self.loops.forward(r.op, _unsigned(self.child), r.args, self.data, first, last)

    def forward_whole(self, n: int, keep: bool = True) -> int:
        """Compute all that `n` positions and their mean make, with the same bits and faults as `forward`.

        Unless `keep`, what dot products are made of is left out, if no scalars are set.
        """
        r = self.recording
        first, last, mean = r.positions[0].first, r.positions[n - 1].last, r.losses[n - 1]
        if self.sets_scalars:
            return self.forward((first, last), (mean.first, mean.last))
        fault = self.loops.forward_whole(
            r.op, _unsigned(self.child), r.args, self.data, first, last, r.dots.starts, r.dots.terms, r.dots.counts,
            r.dots.ends, 0, r.dot_counts[n - 1], keep,
        )  # fmt: skip
        return self._forward(mean.first, mean.last) if fault == FINE else fault

    def backward(self, edges: Rows) -> None:
        """Run the chain rule over these edges."""
        if self.overrides is None or not self.sets_scalars:
            self._backward(edges, 0, len(edges))
            return
        edges, first = self.overrides.flowing(edges), 0
        for at in self.overrides.own_slopes(edges):
            row = int(edges[at]) >> 1
            self._backward(edges, first, at)
            now, self.data[row] = float(self.data[row]), float(self._made[row])
            self._backward(edges, at, at + 1)
            self.data[row] = now
            first = at + 1
        self._backward(edges, first, len(edges))

    def _backward(self, edges: Rows, first: int, last: int) -> None:
        child = _unsigned(self.child)
        self.loops.backward(self.recording.op, child, self.data, self.grad, edges, first, last, 0)
        self._clear_operands()

    def _clear_operands(self) -> None:
        """Constants that stand for what is left out have no gradients, whatever was handed to them."""
        if self._overrides is not None:
            self.grad[self._overrides.operands] = 0.0

    def backward_whole(self, edges: Rows, terms: Rows, segments: Rows) -> None:
        """Run the chain rule over segments of a route, with the same bits as `backward` over its edges one by one.

        Not for a workspace that sets scalars.
        """
        r = self.recording
        child = _unsigned(self.child)
        self.loops.backward_whole(r.op, child, self.data, self.grad, edges, terms, segments, r.dots.ends, True)
        self._clear_operands()

    def pass_step(
        self, n: int, way: tuple[Rows, Rows, Rows], moments: tuple[Floats, Floats], rates: tuple[float, ...],
        scratch: Floats, before: Floats, sums: Floats,
    ) -> float | None:  # fmt: skip
        """Take a whole training step on `n` positions, of which nothing is kept but parameters, moments and figures.

        `way` are edges, terms and segments for `backward_whole`, `rates` what Adam takes; `sums` are written as by
        `kernels.squares`, with the parameters `before`. Returns the loss; None if there is a fault in the step, which
        is not finished then. Not for a workspace that sets scalars.
        """
        r = self.recording
        first, last, mean, dots = r.positions[0].first, r.positions[n - 1].last, r.losses[n - 1], r.dots
        fault = self.loops.pass_step(
            r.op, _unsigned(self.child), r.args, self.data, self.grad, 0, first, last, mean.first, mean.last,
            dots.starts, dots.terms, dots.counts, dots.ends, r.dot_counts[n - 1], *way, *moments, *rates, scratch,
            before, r.bounds, sums,
        )  # fmt: skip
        self._clear_operands()
        return float(self.data[r.mean_rows[n - 1][-1]]) if fault == FINE else None

    def clear_grad(self, n: int) -> None:
        """Set to 0 the gradients of all that a document of `n` positions has."""
        for part in self.recording.parts_of(n):
            self.grad[part] = 0.0

    def copy_of(self, numbers: Floats, n: int) -> Floats:
        """A copy of `data` or `grad`, of all that a document of `n` positions has."""
        copied = np.zeros(len(numbers))
        for part in self.recording.parts_of(n):
            copied[part] = numbers[part]
        return copied


def _unsigned(rows: Rows) -> npt.NDArray[np.uint32]:
    """The same numbers, for kernels that meet no negative ones: compiled, they need not ask, and are much faster."""
    return rows.view(np.uint32)


SMALL = {"n_layer": (0, 1), "vocab_size": (1, 2), "n_head": (1, 2), "n_embd": (2, 4, 6)}
"""The small models that are recorded to tell the size of a larger one: one number more than the highest power of each
size that a count of rows has in it."""


def count_rows(config: Config, vocab_size: int) -> int:
    """How many rows the tape of this configuration has, constants aside, without recording it.

    The rows of a position grow linearly with it. Those of the first two are a polynomial in the sizes of the model,
    which is found from recordings of small ones (by Lagrange's formula) and holds for any sizes.
    """
    sizes = (config.n_layer, vocab_size, config.n_head, config.n_embd)
    first = second = Fraction(0)
    for small in itertools.product(*SMALL.values()):
        weight = Fraction(1)
        for size, own, tried in zip(sizes, small, SMALL.values(), strict=True):
            for other in tried:
                weight *= Fraction(size - other, own - other) if other != own else 1
        if weight:
            rows = _rows_of_positions(*small)
            first, second = first + weight * rows[0], second + weight * rows[1]
    block = config.block_size
    positions = block * first + block * (block - 1) // 2 * (second - first)
    return count_parameters(config, vocab_size) + int(positions)


def count_parameters(config: Config, vocab_size: int) -> int:
    """How many parameters a model has, which may have too many layers to name their matrices."""
    without, with_one = (
        sum(n_out * n_in for n_out, n_in in replace(config, n_layer=n).matrices(vocab_size).values()) for n in (0, 1)
    )
    return without + config.n_layer * (with_one - without)


def most_rows(config: Config, vocab_size: int) -> int:
    """A number of rows that the tape stays well below, found at once: a few for each parameter and each kept key and
    value, at every position.
    """
    kept = config.n_layer * config.n_embd * config.block_size
    return 8 * config.block_size * (count_parameters(config, vocab_size) + kept + 100)


@functools.cache
def _rows_of_positions(n_layer: int, vocab_size: int, n_head: int, n_embd: int) -> list[int]:
    """How many rows the first and the second position of a model make, with its sample and its mean."""
    config = Config(n_layer=n_layer, n_head=n_head, n_embd=n_embd, block_size=2)
    r = _record(config, vocab_size)
    groups = zip(r.positions, r.losses, r.samplers, strict=True)
    return [sum(int(np.count_nonzero(r.op[span.first : span.last])) for span in spans) for spans in groups]


def check_size(config: Config, vocab_size: int) -> None:
    """Raise ConfigError, saying how large it would be, if the tape of this configuration cannot be held."""
    free = psutil.virtual_memory().available
    most = most_rows(config, vocab_size)
    if most <= MOST_ROWS and most * BYTES_A_ROW < free:
        return  # without the time that counting takes
    rows = count_rows(config, vocab_size)
    need = rows * BYTES_A_ROW
    if rows > MOST_ROWS or need > free:
        raise ConfigError(say("model.recording.too_large", rows=_count(rows), need=_size(need), free=_size(free)))


def memory_of(rows: int) -> str:
    """How much memory a tape of so many scalars takes at most, in words."""
    return _size(rows * BYTES_A_ROW)


def _count(n: int) -> str:
    return f"{n:,}" if n < 10**15 else say("model.recording.many")


def _size(n: float) -> str:
    n = min(n, 10**30)  # Python divides no larger whole numbers than floats can hold
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} EB"


Progress = Callable[[float], bool]
"""Told the share that is done, 0 to 1; returning True asks the work to stop."""


def record(config: Config, vocab_size: int, progress: Progress | None = None) -> Recording:
    """Run the model once over Values for every position, and freeze what they wrote.

    Raises ConfigError if the tape would not fit in memory, Stopped if `progress` asks for it.
    """
    check_size(config, vocab_size)
    if most_rows(config, vocab_size) < LARGE:
        return _record(config, vocab_size, progress)
    take_large_arrays_apart()
    recording = _with_packed_graph(_record(config, vocab_size, progress))
    give_back_freed()  # what recording has used meanwhile
    return recording


def _with_packed_graph(recording: Recording) -> Recording:
    """The same, of which positions take no memory before a document reaches them."""
    bounds = [*(span.first for span in recording.positions), recording.positions[-1].last]
    packed = PackedGraph(recording.child, (recording.op, recording.live, recording.dots.ends), bounds)
    op, live, ends = packed.marks
    dots = replace(recording.dots, ends=ends)
    return replace(recording, child=packed.child, op=op, live=live, packed=packed, known_dots=dots)


def _record(config: Config, vocab_size: int, progress: Progress | None = None) -> Recording:
    tape = Tape()
    w = {name: Matrix(name, tape, shape) for name, shape in config.matrices(vocab_size).items()}
    for number in (0.0, -1.0, 1.0):  # used everywhere; made here, they belong to no tensor
        tape.constant(number)
    neutral = {ADD: tape.leaf(-0.0).row, MUL: tape.constant(1.0)}  # 0.0 would make 0.0 of -0.0
    positions, samplers, all_logits, losses = [], [], [], []
    keys: gpt.KVCache = [[] for _ in range(config.n_layer)]
    values: gpt.KVCache = [[] for _ in range(config.n_layer)]
    for tape.pos in range(config.block_size):
        first = tape.mark()
        logits = gpt.gpt(0, tape.pos, keys, values, w, config)
        losses.append(gpt.loss_at(logits, 0))
        positions.append(_span(tape, first))
        all_logits.append(logits)
        if progress and progress((tape.pos + 1) / (config.block_size + 1)):
            raise Stopped(say("model.recording.stopped"))
    tape.pos = None
    means = []
    for n in range(1, config.block_size + 1):
        first = tape.mark()
        gpt.document_loss(losses[:n])
        means.append(_span(tape, first))
    reciprocal = tape.leaf(1.0)
    for tape.pos, logits in enumerate(all_logits):
        first = tape.mark()
        gpt.next_token(logits, reciprocal)
        samplers.append(_span(tape, first))
    return _freeze(config, vocab_size, tape, w, (positions, means, samplers), reciprocal, neutral)


@functools.lru_cache(8)
def specs_of(config: Config, vocab_size: int) -> dict[str, TensorSpec]:
    """The specs of a model that is not recorded yet, from two of its positions. Raises ConfigError as `record` does."""
    check_size(config, vocab_size)
    small = _record(replace(config, block_size=min(2, config.block_size)), vocab_size)
    tensors = [span.tensors for span in small.positions]
    return tensor_specs(config.matrices(vocab_size), small.matrices, tensors, config.block_size)


def _span(tape: Tape, first: int) -> Span:
    tensors, tape.tensors = tuple(tape.tensors), []
    return Span(first, len(tape), tensors)


def _matrix_at(matrices: dict[str, Rows], rows: Rows) -> str:
    """The matrix that these rows are a row of."""
    return next(name for name, its in matrices.items() if rows[0] in its)


def _log_in(op: npt.NDArray[np.int8], tensor: Tensor) -> int:
    (log,) = np.flatnonzero(op[tensor.first : tensor.last] == LOG) + tensor.first
    return int(log)


def _freeze(
    config: Config, vocab_size: int, tape: Tape, w: dict[str, Matrix], spans: tuple[list[Span], ...], reciprocal: Value,
    neutral: dict[int, int],
) -> Recording:  # fmt: skip
    positions, losses, samplers = map(tuple, spans)
    op = np.frombuffer(tape.op, dtype=np.int8)
    bounds = np.cumsum([0, *(matrix.rows.size for matrix in w.values())], dtype=np.int32)
    n_params = int(bounds[-1])
    constants, numbers = np.array(list(tape.numbers), dtype=np.int32), np.array(list(tape.numbers.values()))
    child = np.frombuffer(tape.child, dtype=np.int32)
    row_counts = np.cumsum([np.count_nonzero(op[span.first : span.last] != LEAF) for span in positions])
    live = (op != LEAF) & (op != NEG_MAX)
    live[:n_params] = True
    matrices = {name: matrix.rows for name, matrix in w.items()}
    tensors = [span.tensors for span in positions]
    return Recording(
        config,
        vocab_size,
        specs=tensor_specs(config.matrices(vocab_size), matrices, tensors, config.block_size),
        op=op,
        child=child,
        args=np.frombuffer(tape.args, dtype=np.int32),
        constants=(constants, numbers),
        neutral=neutral,
        line=tape.lines(),
        model=Path(gpt.__file__),
        matrices=matrices,
        bounds=bounds,
        positions=positions,
        losses=losses,
        mean_rows=tuple((np.flatnonzero(op[s.first : s.last] != LEAF) + s.first).astype(np.int32) for s in losses),
        samplers=samplers,
        reciprocal=reciprocal.row,
        row_counts=tuple(row_counts.tolist()),
        live=live,
        token_matrix=_matrix_at(matrices, positions[0].embedding.operation.operands["token"]),
        embed_rows=np.stack([span.embedding.rows for span in positions]),
        nll_rows=np.array([_log_in(op, span.loss) for span in positions], dtype=np.int32),
        probs=np.stack([span.probs.rows for span in positions]),
    )
