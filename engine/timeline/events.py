"""Moments and events: what one training step is made of, in the order in which it happens.

A moment is (step, phase, tick): `tick` counts what the phase has done so far. A forward tick makes one scalar, a
backward tick is one `child.grad += local * v.grad` (the first one sets the loss's own gradient to 1), an update tick
moves one parameter. An event is the run of ticks that completes one tensor, gradient or matrix.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np

from engine.autograd.kernels import ADD, LEAF, MUL, NEG_MAX, POW
from engine.autograd.overrides import Overrides
from engine.autograd.tape import Rows, Tensor
from engine.immutable import immutable, immutable_by_identity
from engine.model.backward_order import Edges, GradientOrder, Route
from engine.model.recording import Floats, LongTables, Span, Workspace
from engine.model.tensors import PARAMETER, TensorSpec
from engine.model.tokenizer import Tokenizer
from engine.timeline.row_ticks import PIECE, Flows, RowTicks, pieces

T = TypeVar("T")


class Phase(StrEnum):
    """The three parts of a training step, in order."""

    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"

    @property
    def place(self) -> int:
        """0, 1 or 2."""
        return PHASES.index(self)


PHASES = tuple(Phase)


@immutable
class Moment:
    """`tick` ticks of `phase` of training step `step` (counted from 0) are done, and all that comes before."""

    step: int = 0
    phase: Phase = Phase.FORWARD
    tick: int = 0

    @property
    def key(self) -> tuple[int, int, int]:
        """What moments are ordered by."""
        return self.step, self.phase.place, self.tick


PLACE_NAMES: Mapping[str, str] = {"pos": "pos", "layer": "layer", "head": "head"}
"""What the places of an event are called; a program may have words of its own for them, such as loop variables."""
EventKey = tuple[str, int | None, int | None, int | None]
"""A tensor's name, position, layer and head."""


@immutable_by_identity
class Event:
    """The ticks after `first` up to `last` of one phase, at the end of which one tensor is complete.

    `rows` are the tensor's scalars on the tape and `shape` is the tensor's: (n,) for activations, (rows, columns) for
    parameters, () for a loss. `block` is the function of the model that
    named the tensor, `line` the line that did, `kind` the operation that made it, `operands` and `parts` the rows
    that it worked on and made on the way, `matrix` the parameter matrix it used. `formula` is how its elements are
    made, in one line, or what holds a parameter; empty where the kind or the name says it all. `left_out` are the rows
    that the operation would work on as well, if a change did not leave them out.
    """

    index: int
    phase: Phase
    name: str
    pos: int | None
    layer: int | None
    head: int | None
    first: int
    last: int
    rows: Rows
    shape: tuple[int, ...]
    block: str
    line: int
    kind: str
    operands: dict[str, Rows]
    parts: dict[str, Rows]
    matrix: str | None
    formula: str = field(default="", kw_only=True)
    left_out: Mapping[str, Rows] = field(default_factory=dict, kw_only=True)

    @property
    def place(self) -> EventKey:
        """What tells the tensor from all others of a document."""
        return self.name, self.pos, self.layer, self.head

    @property
    def is_parameter(self) -> bool:
        """Whether this is a parameter matrix."""
        return self.kind == PARAMETER


@immutable_by_identity
class EventValues(Event):
    """An event and what its tensor held when it was complete.

    `data` and `grad` have the shape `shape`. In the forward phase every gradient is 0, as in the original, where
    a new Value starts so. In an update `data` is the matrix after the move, and `grad` what moved it.
    """

    data: Floats
    grad: Floats


class StepProgram(Protocol):
    """What one training step does, given its document: every tick and every event of the three phases.

    Scalars have numbers, their rows: parameters first, then, ascending in the order in which they are made, all others.
    A document without positions has `n` 0, no `tokens`, `inputs` or `targets`, and events whose `pos` is None.
    An implementation that names this class as its base brings what has no body here, and inherits the rest.
    """

    tokenizer: Tokenizer
    step: int
    doc: str
    tokens: list[int]
    n: int  # positions, which read `inputs` and should predict `targets`
    inputs: list[int]
    targets: list[int]
    place_names: Mapping[str, str] = PLACE_NAMES  # what pos, layer and head are called in texts and addresses

    def head_word(self, name: str) -> str:
        """What the heads of a tensor are called, by its name."""
        del name
        return self.place_names["head"]

    @property
    def parameters(self) -> Mapping[str, Rows]:
        """The rows of every parameter by its name, of any shape, in the order in which the update moves them."""

    @property
    def n_params(self) -> int:
        """How many scalars the parameters have; these are the rows 0 to `n_params`."""

    @property
    def n_rows(self) -> int:
        """How many rows there are: each is below this number."""

    @property
    def specs(self) -> dict[str, TensorSpec]:
        """What every tensor of a position and every parameter is, by name, for conditions and watches."""

    @property
    def n_tokens(self) -> int:
        """How many tokens the document has; there may be far more than are read."""
        return len(self.tokens)

    def first_tokens(self, count: int) -> list[int]:
        """As many tokens of the document from its beginning, or all of them."""
        return self.tokens[:count]

    def span(self, pos: int) -> Span | None:
        """A position's tensors by what they are for, such as logits and residual stream; None without such."""
        del pos
        return None

    @property
    def rows(self) -> Rows:
        """The row that each forward tick makes, ascending."""

    def rows_between(self, first: int, last: int) -> Rows:
        """Those of the ticks after `first` up to `last`."""
        return self.rows[first:last]

    def row_of(self, tick: int) -> int:
        """The one of a forward tick, counted from 0."""
        return int(self.rows[tick])

    @property
    def loss_row(self) -> int:
        """The row of the document's loss."""

    @property
    def receivers(self) -> Rows:
        """The row whose gradient each backward tick adds to."""

    def receivers_between(self, first: int, last: int) -> Rows:
        """Those of the ticks after `first` up to `last`."""
        return self.receivers[first:last]

    @property
    def _n_receivers(self) -> int:
        return len(self.receivers)

    def receiver_of(self, tick: int) -> int:
        """The one of a backward tick, counted from 1."""
        return int(self.receivers_between(tick - 1, tick)[0])

    def source_of(self, tick: int) -> int | None:
        """The row that hands its gradient on at a backward tick, counted from 1; None where the loss's is set to 1."""

    def children(self, row: int) -> list[int]:
        """The rows that a row is made from, any number of them, in order; empty for parameters and constants."""

    def events(self, phase: Phase) -> list[Event]:
        """The events of a phase, in order; they cover its ticks without a gap. A phase has one at least."""

    def ticks(self, phase: Phase) -> int:
        """How many ticks the phase has."""
        return self.events(phase)[-1].last

    def tick_of(self, row: int) -> int | None:
        """The forward tick that makes a row, counted from 0; None if this document does not make it."""
        tick = int(self.rows.searchsorted(np.int32(row)))  # another type would copy all rows
        return tick if tick < len(self.rows) and self.rows[tick] == row else None

    def event_of(self, row: int) -> Event | None:
        """The forward event in whose course a row is made; None for parameters and constants."""
        tick = self.tick_of(row)
        return None if tick is None else self.event_at(Moment(self.step, Phase.FORWARD, tick + 1))

    def parameter_of(self, row: int) -> tuple[str, tuple[int, ...]] | None:
        """The parameter that a row belongs to, and its index there; None for all other rows."""
        if not 0 <= row < self.n_params:
            return None
        firsts, parameters = self._first_rows
        at = bisect.bisect_right(firsts, row) - 1
        name, rows = parameters[at]
        return name, tuple(int(i) for i in np.unravel_index(row - firsts[at], rows.shape))

    @cached_property
    def _first_rows(self) -> tuple[list[int], list[tuple[str, Rows]]]:
        """The first row of each parameter, and the parameters, in the order of rows."""
        parameters = list(self.parameters.items())
        return [int(rows.flat[0]) for _, rows in parameters], parameters

    @cached_property
    def row_ticks(self) -> RowTicks:
        """When the backward phase adds to the gradient of each row."""
        return RowTicks(self.receivers_between, self._n_receivers, self.n_rows)

    def ticks_into(self, row: int) -> list[int]:
        """The backward ticks, counted from 1, that add to the gradient of a row, in order."""
        if row < self.n_params:
            ticks, starts = self._ticks_into_parameters
            return ticks[starts[row] : starts[row + 1]].tolist()  # type: ignore[no-any-return]
        its = np.array([row], dtype=np.int32)
        first, last = int(self.row_ticks.first(its)[0]), int(self.row_ticks.last(its)[0])
        if not first:
            return []
        # A number of another type would copy the rows.
        found = [
            at + 1 + np.flatnonzero(self.receivers_between(at, end) == np.int32(row))
            for at, end in pieces(first - 1, last)
        ]
        return np.concatenate(found).tolist()  # type: ignore[no-any-return]

    def ticks_into_any(self, rows: Rows) -> Rows:
        """The backward ticks, counted from 1, that add to the gradients of these rows, in order."""
        parts = pieces(0, self._n_receivers)
        found = [at + 1 + np.flatnonzero(np.isin(self.receivers_between(at, end), rows)) for at, end in parts]
        return np.concatenate([np.empty(0, dtype=np.intp), *found])  # there is no tick where a script has stopped early

    @cached_property
    def _ticks_into_parameters(self) -> tuple[Rows, Rows]:
        """The backward ticks that add to gradients of parameters, sorted by these; and where those of each begin."""
        return self._find_ticks_into_parameters()

    def _find_ticks_into_parameters(self) -> tuple[Rows, Rows]:
        ticks, rows = self._into_parameters()
        starts = np.zeros(self.n_params + 1, dtype=np.int32)
        np.cumsum(np.bincount(rows, minlength=self.n_params), out=starts[1:])
        return ticks[np.argsort(rows, kind="stable")], starts

    def _into_parameters(self, flows: Flows | None = None) -> tuple[Rows, Rows]:
        """The backward ticks that add to gradients of parameters, ascending; and these. `flows` as in `RowTicks`."""
        ticks, none = self._n_receivers, np.empty(0, dtype=np.int32)
        found = [(none, none)]
        for at, end in pieces(0, ticks):
            receivers = self.receivers_between(at, end)
            into = receivers < self.n_params
            places = np.flatnonzero(into if flows is None else into & flows(at, end)).astype(np.int32)
            found.append((places + np.int32(at + 1), receivers[places]))
        all_ticks, rows = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return all_ticks, rows

    @cached_property
    def contributions(self) -> Rows:
        """(parameters, positions): the first backward tick at which a position adds to a parameter's gradient, 0 if
        none does. Without positions the document counts as one.
        """
        firsts = [int(rows.flat[0]) for rows in self.parameters.values()]
        found = np.zeros((len(firsts), max(self.n, 1)), dtype=np.int32)
        for tick, row in zip(*(part.tolist() for part in self._into_parameters()), strict=True):
            source = self.source_of(tick)
            event = None if source is None else self.event_of(source)
            at = bisect.bisect_right(firsts, row) - 1, (event and event.pos) or 0
            found[at] = found[at] or tick
        return found

    def find(self, phase: Phase, place: EventKey) -> Event | None:
        """The event of a phase that completes what is at a place; None if the phase has none of it."""
        if phase not in self._places:
            self._places[phase] = {event.place: event for event in self.events(phase)}
        return self._places[phase].get(place)

    @cached_property
    def tensors(self) -> dict[EventKey, Rows]:
        """The rows of every tensor of this document."""
        return {s.place: s.rows for s in self.events(Phase.FORWARD)}

    def ends(self, phase: Phase) -> dict[EventKey, Moment]:
        """For each tensor or parameter that the phase makes, the moment when it is complete."""
        if phase not in self._ends:
            self._ends[phase] = {s.place: Moment(self.step, phase, s.last) for s in self.events(phase)}
        return self._ends[phase]

    def event_at(self, moment: Moment) -> Event:
        """The event that is going on at this moment, or that has just ended."""
        events = self.events(moment.phase)
        return events[bisect.bisect_left(events, moment.tick, key=lambda s: s.last)]

    @cached_property
    def found(self) -> dict[Any, Any]:
        """What others have found out about the step, by what it is; it goes when the run leaves the step."""
        return {}

    @cached_property
    def _places(self) -> dict[Phase, dict[EventKey, Event]]:
        return {}  # filled by `find`, a phase at a time: the backward phase's events take long

    @cached_property
    def _ends(self) -> dict[Phase, dict[EventKey, Moment]]:
        return {}  # filled by `ends`, a phase at a time


class TapeProgram(StepProgram):
    """The program of a step of the GPT, read from its recording and the workspace that holds the document's tokens.

    `tokens` has BOS on both sides. `route` is the way that the backward phase takes. `child` is the graph as patched
    for this document, so a program lives as long as its step.
    """

    def __init__(self, workspace: Workspace, order: GradientOrder, tokenizer: Tokenizer, step: int, doc: str) -> None:
        self.recording = recording = workspace.recording
        self.tokenizer, self.step, self.doc = tokenizer, step, doc
        self.n = min(recording.config.block_size, self.n_tokens - 1)
        read = self.first_tokens(self.n + 1)
        self.inputs, self.targets = read[:-1], read[1:]
        recording.reach(self.n)
        workspace.read(0, self.inputs, self.targets)
        self.child: Rows = workspace.child
        self._document = tuple(self.inputs), tuple(self.targets), workspace.other_edges.tobytes()
        self._order = order
        self._long: LongTables | None = None  # those of the document, if it was the first one to want any
        self.mean: Span = recording.losses[self.n - 1]
        self.mean_rows: Rows = recording.mean_rows[self.n - 1]

    def let_go(self) -> None:
        """Give back the memory of what is as long as the tape: the run stands in another step."""
        self._long = LongTables()
        self.__dict__.pop("found", None)

    def _kept(self, name: str, find: Callable[[], T]) -> T:
        """What is as long as the tape; programs of the same document share it.

        The first of them holds it. So it goes when the run that is shown leaves the step, not only when a run that is
        compared with that follows.
        """
        tables = self.recording.long_tables.get(self._document) if self._long is None else self._long
        if tables is None:
            tables = self._long = self.recording.long_tables.setdefault(self._document, LongTables())
        found: T | None = tables.get(name)
        if found is None:
            found = tables[name] = find()
        return found

    @cached_property
    def tokens(self) -> list[int]:  # type: ignore[override]  # found when they are asked for
        """All tokens of the document."""
        return self.tokenizer.encode(self.doc)

    @property
    def n_tokens(self) -> int:
        """How many tokens the document has."""
        return len(self.doc) + 2

    def first_tokens(self, count: int) -> list[int]:
        """As many tokens of the document from its beginning, or all of them."""
        return self.tokenizer.first(self.doc, count)

    @cached_property
    def route(self) -> Route:
        """The way that the backward phase takes."""
        return self._order.route(self.targets)

    @property
    def grouped_route(self) -> Route:
        """A way with the same sums that is faster to go from its beginning to its end."""
        return self._order.grouped_route(self.targets)

    @property
    def parameters(self) -> Mapping[str, Rows]:
        """The rows of every parameter matrix, (rows, columns)."""
        return self.recording.matrices

    @property
    def n_params(self) -> int:
        """How many scalars the parameters have."""
        return self.recording.n_params

    @property
    def n_rows(self) -> int:
        """How many rows the recording has, of all positions."""
        return len(self.recording)

    @property
    def specs(self) -> dict[str, TensorSpec]:
        """What every tensor and every matrix is."""
        return self.recording.specs

    def span(self, pos: int) -> Span:
        """What a position makes."""
        return self.recording.positions[pos]

    @property
    def loss_row(self) -> int:
        """The row of the document's loss."""
        return int(self.mean_rows[-1])

    @property
    def position_ticks(self) -> int:
        """How many forward ticks the positions take; the mean over them comes after."""
        return self.recording.row_counts[self.n - 1]

    @property
    def rows(self) -> Rows:
        """The row that each forward tick makes. They are not kept: almost all follow one another."""
        return self.rows_between(0, self.ticks(Phase.FORWARD))

    def rows_between(self, first: int, last: int) -> Rows:
        """Those of the ticks after `first` up to `last`."""
        count = self.position_ticks
        own = self.recording.rows_between(first, min(last, count))
        return np.concatenate([own, self.mean_rows[max(first - count, 0) : max(last - count, 0)]])

    def row_of(self, tick: int) -> int:
        """The one of a forward tick, counted from 0."""
        count = self.position_ticks
        return self.recording.nth_row(tick) if tick < count else int(self.mean_rows[tick - count])

    def tick_of(self, row: int) -> int | None:
        """The forward tick that makes a row, counted from 0; None if this document does not make it."""
        tick = self.ticks_before(row)
        return tick if tick < self.ticks(Phase.FORWARD) and self.row_of(tick) == row else None

    def ticks_before(self, row: int) -> int:
        """How many forward ticks make rows before this one."""
        if row >= self.mean.first:
            return self.position_ticks + int(np.searchsorted(self.mean_rows, row))
        return min(max(self.recording.count_before(row), 0), self.position_ticks)

    def ranges_between(self, first: int, last: int) -> list[tuple[int, int]]:
        """The ranges of rows in which the ticks after `first` up to `last` make all that is computed."""
        count = self.position_ticks
        parts = (first, min(last, count)), (max(first, count), last)
        return [(self.row_of(begin), self.row_of(end - 1) + 1) for begin, end in parts if begin < end]

    @property
    def edges(self) -> Rows:
        """The edge of the graph that each backward tick goes along, as an index into `child`; -1 - row sets a seed.

        They are not kept: the route has them.
        """
        return self.edges_between(0, self.route.ticks)

    def edges_between(self, first: int, last: int) -> Rows:
        """Those of the ticks after `first` up to `last`."""
        return self._edges.between(first, last)

    @cached_property
    def _edges(self) -> Edges:
        return self._order.edges(self.route, self.child)

    def edge_of(self, tick: int) -> int:
        """The one of a backward tick, counted from 1."""
        return int(self.edges_between(tick - 1, tick)[0])

    @property
    def row_ticks(self) -> RowTicks:
        """When the backward phase adds to the gradient of each row."""
        return self._kept("row_ticks", self._find_row_ticks)

    def row_ticks_flowing(self, overrides: Overrides | None) -> RowTicks:
        """As `row_ticks`, of those ticks alone that hand something on: not those of what the overrides switch off."""
        return self._found_flowing(overrides, "row_ticks", self._find_row_ticks)

    def _find_row_ticks(self, flows: Flows | None = None) -> RowTicks:
        return RowTicks(self.receivers_between, self.route.ticks, self.n_rows, flows)

    def _found_flowing(self, overrides: Overrides | None, name: str, find: Callable[[Flows], T]) -> T:
        """What is found along the edges along which gradients flow; where that is all of them, what has this name."""
        if overrides is None or not overrides.cuts_any:
            of_all: T = getattr(self, name)
            return of_all
        if name not in self.found:
            self.found[name] = find(lambda first, last: overrides.flows(self.edges_between(first, last)))
        own: T = self.found[name]
        return own

    @property
    def _ticks_into_parameters(self) -> tuple[Rows, Rows]:
        return self._kept("into_parameters", self._find_ticks_into_parameters)

    def ticks(self, phase: Phase) -> int:
        """How many ticks the phase has."""
        if phase is Phase.FORWARD:
            return self.position_ticks + len(self.mean_rows)
        return self.route.ticks if phase is Phase.BACKWARD else self.recording.n_params

    @property
    def receivers(self) -> Rows:
        """The row whose gradient each backward tick adds to. They are not kept: the graph and `edges` have them."""
        return self.receivers_between(0, self.route.ticks)

    @property
    def _n_receivers(self) -> int:
        return self.route.ticks

    def receivers_between(self, first: int, last: int) -> Rows:
        """Those of the ticks after `first` up to `last`."""
        edges = self.edges_between(first, last)
        return np.where(edges >= 0, self.child[edges], -1 - edges)

    def ticks_into(self, row: int) -> list[int]:
        """The backward ticks that add to the gradient of a row, in order; the first one sets the seed, and is none."""
        return [tick for tick in super().ticks_into(row) if tick > 1]

    def source_of(self, tick: int) -> int | None:
        """The row that hands its gradient on at a backward tick."""
        edge = self.edge_of(tick)
        return None if edge < 0 else edge >> 1

    def children(self, row: int) -> list[int]:
        """The rows that a row is made from."""
        op = self.recording.op[row]
        if op == LEAF:
            return []
        a, b = int(self.child[2 * row]), int(self.child[2 * row + 1])
        if op == NEG_MAX:
            return [int(r) for r in self.recording.args[a : a + b]]
        return [a, b] if op in (ADD, MUL, POW) else [a]

    @cached_property
    def contributions(self) -> Rows:
        """(matrices, positions): the first backward tick at which a position adds to a matrix's gradient, 0 if none."""
        return self.contributions_of(*self._into_parameters())

    def contributions_flowing(self, overrides: Overrides | None) -> Rows:
        """As `contributions`, of those ticks alone that hand something on."""

        def find(flows: Flows) -> Rows:
            return self.contributions_of(*self._into_parameters(flows))

        return self._found_flowing(overrides, "contributions", find)

    def contributions_of(self, ticks: Rows, receivers: Rows) -> Rows:
        """As `contributions`, of some of the ticks alone, ascending, that add to these parameters."""
        matrices = [int(rows.flat[0]) for rows in self.recording.matrices.values()]
        positions = [span.first for span in self.recording.positions[: self.n]]
        first = np.zeros((len(matrices), len(positions)), dtype=np.int32)
        for end in range(len(ticks), 0, -PIECE):
            piece = slice(max(0, end - PIECE), end)
            its = ticks[piece][::-1]
            matrix = np.searchsorted(matrices, receivers[piece][::-1], side="right") - 1
            edges = self.edges_between(int(its[-1]) - 1, int(its[0]))[its - its[-1]]
            pos = np.searchsorted(positions, edges >> 1, side="right") - 1
            first[matrix, pos] = its  # the last one that is written is the first tick
        return first

    def events(self, phase: Phase) -> list[Event]:
        """The events of a phase, in order; they cover its ticks without a gap."""
        if phase is Phase.FORWARD:  # each is made when it is first asked for: training asks for none
            return self._forward
        return self._backward if phase is Phase.BACKWARD else self._update

    @cached_property
    def _forward(self) -> list[Event]:
        tensors = [t for span in (*self.recording.positions[: self.n], self.mean) for t in span.tensors]
        ends = [self.ticks_before(tensor.last) for tensor in tensors]
        return [
            self._event(i, Phase.FORWARD, tensor, first, last)
            for i, (tensor, first, last) in enumerate(zip(tensors, [0, *ends], ends, strict=False))
        ]

    @cached_property
    def _backward(self) -> list[Event]:
        last, made = self.row_ticks.last, [*self._forward, *self._update]
        whole = sorted((int(last(event.rows).max()), event.index, event) for event in made)
        ends = [end for end, _, _ in whole]
        return [
            replace(event, index=i, phase=Phase.BACKWARD, first=first, last=end)
            for i, ((end, _, event), first) in enumerate(zip(whole, [0, *ends], strict=False))
        ]

    @cached_property
    def _update(self) -> list[Event]:
        events: list[Event] = []
        for name, rows in self.recording.matrices.items():
            first, last = int(rows[0, 0]), int(rows[-1, -1]) + 1
            events.append(
                Event(
                    len(events), Phase.UPDATE, name, None, self.recording.specs[name].layer, None,
                    first, last, rows, rows.shape, "", 0, PARAMETER, {}, {}, name,
                )
            )  # fmt: skip
        return events

    def _event(self, index: int, phase: Phase, t: Tensor, first: int, last: int) -> Event:
        operands = t.operation.operands
        if t.pos is not None and t is self.recording.positions[t.pos].embedding:
            operands = operands | {"token": self.recording.matrices[self.recording.token_matrix][self.inputs[t.pos]]}
        left_out = self._left_out(t)
        return Event(
            index, phase, t.name, t.pos, t.layer, t.head, first, last, t.rows, t.shape, t.block, t.line,
            t.operation.kind, {name: rows for name, rows in operands.items() if name not in left_out}, t.parts,
            t.operation.matrix, left_out=left_out,
        )  # fmt: skip

    def _left_out(self, t: Tensor) -> dict[str, Rows]:
        """The operand that a tensor is recorded to be made of, where its graph has a constant in place of that."""
        edge = 2 * int(t.rows[0]) + 1
        if self.child[edge] == self.recording.child[edge]:
            return {}
        rows = self.recording.child[2 * t.rows + 1]
        return {next((n for n, own in t.operation.operands.items() if np.array_equal(own, rows)), "scale"): rows}
