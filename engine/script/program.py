"""`ScriptProgram`: what a recorded step of a script does, as events with the script's own names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.autograd.tape import Rows
from engine.model.recording import Floats
from engine.model.tensors import PARAMETER, TensorSpec
from engine.model.tokenizer import Tokenizer
from engine.script.code import Code
from engine.script.kinds import GENERIC, SIGNS, Known, Recognised, ScalarGraph, formula, recognise, shared_side
from engine.script.parameters import ParameterTable
from engine.script.tape import ScriptTape
from engine.script.tensors import NamedTensor, TensorFinder
from engine.timeline.events import PLACE_NAMES, Event, Phase, StepProgram

Mask = npt.NDArray[np.bool_]
PLACES = ("pos", "layer", "head")
LOSS = "loss"


@dataclass(slots=True, eq=False)
class _Made:
    """A tensor and what made it, before it has a place in the step."""

    tensor: NamedTensor
    what: Recognised
    formula: str
    name: str = ""
    place: tuple[int | None, int | None, int | None] = (None, None, None)
    head_word: str = ""  # the variable of the loop that counts its heads


class ScriptProgram(StepProgram):
    """One recorded step. Rows are those of the tape, but for parameters, which stand in the order of the update.

    `full_names` are the expressions of the script for its parameters, by their names here.
    """

    def __init__(self, tape: ScriptTape, codes: Sequence[Code], tokenizer: Tokenizer, doc: str) -> None:
        self.tape, self.step, self.doc, self.tokenizer = tape, tape.step, doc, tokenizer
        table = ParameterTable.of(tape)
        self._table, self.to_row = table, table.to_row
        self._parameters = {each.name: each.rows for each in table.parameters}
        self.full_names = {each.name: each.holder for each in table.parameters}
        self.child_start: Rows = np.asarray(tape.child_start, dtype=np.int32)
        self.child: Rows = tape.child if table.in_order else self.to_row[tape.child]
        self.computed: Mask = np.diff(self.child_start) > 0
        self._rows: Rows = np.flatnonzero(self.computed).astype(np.int32)
        self._receivers: Rows = tape.back_row if table.in_order else self.to_row[tape.back_row]
        self.sources: Rows = tape.back_source  # no parameters, whose rows alone differ
        finder = TensorFinder(tape, self.to_row, codes)
        self._labels: dict[int, dict[int, str]] = {}
        self._unnamed: dict[int, dict[int, int]] = {}
        self._tensors = finder.tensors()
        self.leaves = finder.leaves
        made = self._recognised()
        self.place_names = self._place(made)
        self._name(made)
        self._head_words = {each.name: each.head_word for each in made if each.head_word}
        self.tokens: list[int] = []
        self.inputs: list[int] = []
        self.targets: list[int] = []
        self._forward = self._events(made)
        self.n = max((event.pos + 1 for event in self._forward if event.pos is not None), default=0)
        self._read_tokens()

    # What the protocol asks for.

    def head_word(self, name: str) -> str:
        """What the heads of a tensor are called: the variable of their own loop, of which there may be several."""
        return self._head_words.get(name) or self.place_names["head"]

    @property
    def parameters(self) -> Mapping[str, Rows]:
        """The rows of every parameter, in the order in which the update first moves them."""
        return self._parameters

    @property
    def n_params(self) -> int:
        """How many scalars the parameters have."""
        return int(self.tape.n_params)

    @property
    def n_rows(self) -> int:
        """How many scalars the step has."""
        return int(self.tape.n_rows)

    @property
    def rows(self) -> Rows:
        """The row that each forward tick makes."""
        return self._rows

    @property
    def loss_row(self) -> int:
        """The row of the loss."""
        return int(self.tape.loss_row) if self.tape.loss_row >= 0 else self.n_rows - 1

    @property
    def receivers(self) -> Rows:
        """The row whose gradient each backward tick writes."""
        return self._receivers

    def source_of(self, tick: int) -> int | None:
        """The row whose gradient was read last before a backward tick; None where none was."""
        source = int(self.sources[tick - 1])
        return None if source < 0 else source

    def children(self, row: int) -> list[int]:
        """The rows that a row is made from, in the order of the operator."""
        found: list[int] = self.child[self.child_start[row] : self.child_start[row + 1]].tolist()
        return found

    def events(self, phase: Phase) -> list[Event]:
        """The events of a phase, in order; they cover its ticks without a gap."""
        if phase is Phase.FORWARD:
            return self._forward
        return self._backward if phase is Phase.BACKWARD else self._update

    @cached_property
    def contributions(self) -> Rows:
        """(parameters, positions): the first backward tick at which a position adds to a parameter's gradient, or 0."""
        found = np.zeros((len(self._parameters), max(self.n, 1)), dtype=np.int32)
        ticks = np.flatnonzero((self._receivers < self.n_params) & (self.sources >= 0))[::-1]
        firsts = [int(rows.flat[0]) for rows in self._parameters.values()]
        parameter = np.searchsorted(firsts, self._receivers[ticks], side="right") - 1
        found[parameter, self._position_of_row[self.sources[ticks]]] = ticks + 1  # the last written is the first tick
        return found

    @cached_property
    def _position_of_row(self) -> Rows:
        """For every row the position in whose events it is made; 0 for all others."""
        at = np.zeros(self.n_rows, dtype=np.int32)
        for event in self._forward:
            if event.pos:
                at[self._rows[event.first : event.last]] = event.pos
        return at

    @cached_property
    def specs(self) -> dict[str, TensorSpec]:
        """What every tensor and every parameter is, by name."""
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self._forward:
            found[event.name].append(event)
        specs = {}
        for name, events in found.items():
            if name == LOSS and self.loss_row in events[-1].rows:
                continue  # what conditions call so is the loss of the step
            places = {what: [getattr(e, what) for e in events] for what in ("layer", "head")}
            shapes = [event.shape for event in events]
            longest = max(shapes, key=lambda shape: (len(shape), shape))
            specs[name] = TensorSpec(
                name,
                {what: max(numbers) + 1 for what, numbers in places.items() if None not in numbers},
                longest,
                events[0].kind,
                tuple(dict.fromkeys(filter(None, (self._owner(rows) for rows in events[0].operands.values())))),
                grows=len(set(shapes)) > 1 and len(longest) == 1,
                positions=all(event.pos is not None for event in events),
            )
        return specs | {
            name: TensorSpec(name, {}, rows.shape, PARAMETER, layer=self._layers.get(name))
            for name, rows in self._parameters.items()
        }

    @cached_property
    def _layers(self) -> dict[str, int | None]:
        """The layer of the parameters that are used in one alone."""
        used: dict[str, set[int | None]] = defaultdict(set)
        for event in self._forward:
            if event.matrix is not None:
                used[event.matrix].add(event.layer)
        return {name: next(iter(layers)) if len(layers) == 1 else None for name, layers in used.items()}

    def _owner(self, rows: Rows) -> str:
        if not rows.size:
            return ""
        row = int(rows.flat[0])
        parameter = self.parameter_of(row)
        event = None if parameter else self.event_of(row)
        return parameter[0] if parameter else event.name if event and row in event.rows else ""

    # Names of scalars.

    def label(self, row: int) -> str | None:
        """The name of a scalar that is an element of a tensor or part of an operation; None if it is neither."""
        event = self.event_of(row)
        own = None if event is None else self.labels(event).get(row)
        if own is None and row in self._made_before:
            return self.labels(self._made_before[row])[row]
        return own

    @cached_property
    def _made_before(self) -> dict[int, Event]:
        """The elements of tensors that are made in the course of earlier events, with the event of their tensor."""
        found: dict[int, Event] = {}
        for event in self._forward:
            rows = event.rows.ravel()
            rows = rows[self.computed[rows]]
            for row in rows[np.searchsorted(self._rows, rows) < event.first].tolist():
                found.setdefault(row, event)
        return found

    def labels(self, event: Event) -> dict[int, str]:
        """The names of the scalars of a forward event that have one: elements of its tensor, parts of its operation."""
        if event.index not in self._labels:
            found: dict[int, str] = {}
            tensor = event.rows.reshape(event.shape)
            for name, rows in (*reversed(event.parts.items()), (event.name, tensor)):
                for index, row in zip(np.ndindex(rows.shape), rows.ravel().tolist(), strict=True):
                    found[row] = f"{name}[{','.join(map(str, index))}]" if index else name
            self._labels[event.index] = found
        return self._labels[event.index]

    def unnamed(self, event: Event) -> dict[int, int]:
        """The scalars that an event makes and that have no name, counted from 1 up to the next one that has."""
        if event.index not in self._unnamed:
            labels, found, count = self.labels(event), dict[int, int](), 0
            for row in self._rows[event.first : event.last].tolist():
                count = 0 if row in labels else count + 1
                found[row] = count
            self._unnamed[event.index] = found
        return self._unnamed[event.index]

    # Kinds.

    def _recognised(self) -> list[_Made]:
        """What made each tensor; those that are on the way in what is recognised have no event of their own."""
        owners: Rows = np.full(self.n_rows, -1, dtype=np.int32)
        made: list[_Made] = []
        graph = self._graph(lambda row: self._name_of_row(made, owners, row))

        def holder(row: int) -> Rows | None:
            at = int(owners[row])
            return made[at].tensor.rows if at >= 0 else None

        def kind(row: int) -> str:
            at = int(owners[row])
            return made[at].what.kind if at >= 0 else ""

        known = Known(holder, kind, self._parameter_rows, self.loss_row)
        sides = self._shared_sides(graph)
        for tensor in self._tensors:
            own = tensor.rows[self.computed[tensor.rows]]
            what = None
            if tensor.interior:
                hidden = np.concatenate([each.rows for each in tensor.interior])
                _mark(graph, hidden, 0)
                tried = recognise(graph, tensor.rows.reshape(tensor.shape), known, sides.get(tensor.site))
                inside = {*hidden.tolist()}
                if tried.kind != GENERIC and not any(
                    inside.intersection(rows.ravel().tolist()) for rows in tried.operands.values()
                ):
                    what = tried
                    inner = {id(each) for each in tensor.interior}
                    at_end = all(id(each.tensor) in inner for each in made[-len(inner) :])
                    made = [each for each in made if id(each.tensor) not in inner]
                    owners[hidden] = -1
                    owners = owners if at_end else self._owners_of(made)
                else:
                    _mark(graph, hidden, 1)
            what = what or recognise(graph, tensor.rows.reshape(tensor.shape), known, sides.get(tensor.site))
            parts = what.parts | {name: np.array(rows, dtype=np.int32) for name, rows in tensor.inside.items()}
            made.append(_Made(tensor, replace(what, parts=parts), formula(graph, int(tensor.rows.flat[0]))))
            _mark(graph, own, 1)
            owners[own] = len(made) - 1
        return made

    def _owners_of(self, made: list[_Made]) -> Rows:
        """For every row the tensor that it is an element of, as a place in `made`; -1 for none."""
        owners = np.full(self.n_rows, -1, dtype=np.int32)
        for i, each in enumerate(made):
            owners[each.tensor.rows[self.computed[each.tensor.rows]]] = i
        return owners

    def _graph(self, name_of: Any) -> ScalarGraph:
        tape = self.tape
        return ScalarGraph(
            tape.ops, tape.op, self.child_start, self.child, tape.extra, self.made_values, self.n_params, name_of
        )

    @cached_property
    def made_values(self) -> Floats:
        """All scalars as they were made; parameters as at the start of the step."""
        return self.in_rows(self.tape.value)

    def in_rows(self, values: Floats) -> Floats:
        """Numbers of the tape's rows in the order of the rows here."""
        if self._table.in_order:
            return values
        found = np.empty(self.n_rows)
        found[self.to_row] = values
        return found

    @cached_property
    def passed_values(self) -> Floats:
        """All scalars as the forward phase leaves them, after what it wrote over them."""
        if not len(self.tape.write_row):
            return self.made_values
        values = self.made_values.copy()
        values[self.to_row[self.tape.write_row]] = self.tape.write_value
        return values

    @cached_property
    def multiplies(self) -> Mask:
        """Which rows are products."""
        products = [i for i, name in enumerate(self.tape.ops) if SIGNS.get(name) == "*"]
        return np.isin(self.tape.op, products) & self.computed

    @cached_property
    def users(self) -> tuple[Rows, Rows]:
        """The rows that use others, sorted by what they use, and where those of each row begin."""
        parents = np.repeat(np.arange(self.n_rows, dtype=np.int32), np.diff(self.child_start))
        order = np.argsort(self.child, kind="stable")
        starts = np.searchsorted(self.child[order], np.arange(self.n_rows + 1))
        return parents[order], starts.astype(np.int32)

    def _shared_sides(self, graph: ScalarGraph) -> dict[tuple[Any, ...], bool]:
        """For the sites of products of two tensors: which factor the elements share, told by the longest of them."""
        _mark(graph, np.concatenate([each.rows for each in self._tensors] or [self._rows[:0]]), 1)
        sides: dict[tuple[Any, ...], bool] = {}
        for tensor in self._tensors:
            if tensor.site not in sides and tensor.rows.size > 1:
                side = shared_side(graph, tensor.rows)
                if side is not None:
                    sides[tensor.site] = side
        graph.named[:] = bytes(len(graph.named))
        return sides

    def _parameter_rows(self, row: int) -> tuple[str, Rows] | None:
        found = self.parameter_of(row)
        return None if found is None else (found[0], self._parameters[found[0]])

    def _name_of_row(self, made: list[_Made], owners: Rows, row: int) -> str:
        parameter = self.parameter_of(row)
        if parameter is not None:
            return parameter[0]
        at = int(owners[row])
        return made[at].tensor.name if at >= 0 else self.leaves.get(row, "").partition("[")[0]

    # Places and names.

    def _place(self, made: list[_Made]) -> Mapping[str, str]:
        """Give each tensor its position, layer and head; returns what these are called in the script."""
        deepest = max((len(each.tensor.levels) for each in made), default=0)
        joined = max(deepest - len(PLACES) + 1, 1)  # so many outer loops count positions together
        heads = self._head_loops(made, joined)
        prefixes: dict[tuple[int, ...], int] = {}
        variables: dict[str, Counter[str]] = {place: Counter() for place in PLACES}
        for each in made:
            levels = each.tensor.levels
            if levels:
                prefixes.setdefault(tuple(level.round for level in levels[:joined]), len(prefixes))
        plain = [prefix[0] for prefix in prefixes if len(prefix) == 1]
        as_they_are = joined == 1 and min(plain, default=0) >= 0 and max(plain, default=0) < 2 * len(plain) + 1
        for each in made:
            levels = each.tensor.levels
            place: dict[str, int | None] = dict.fromkeys(PLACES)
            if levels:
                prefix = tuple(level.round for level in levels[:joined])
                place["pos"] = prefix[0] if as_they_are else prefixes[prefix]
                variables["pos"][levels[:joined][-1].variable] += 1
            for i, level in enumerate(levels[joined:]):
                what = "head" if i == 1 or level.loop in heads else "layer"
                place[what] = max(level.round, 0)
                variables[what][level.variable] += 1
                if what == "head":
                    each.head_word = level.variable
            each.place = (place["pos"], place["layer"], place["head"])
        found = {
            place: next((name for name, _ in count.most_common() if name), "") for place, count in variables.items()
        }
        return {place: found[place] or PLACE_NAMES[place] for place in PLACES}

    @staticmethod
    def _head_loops(made: list[_Made], joined: int) -> set[Any]:
        """The loops that stand where layers do, but that attention is computed in."""
        second: dict[Any, set[str]] = defaultdict(set)
        with_more = set()
        for each in made:
            inner = each.tensor.levels[joined:]
            if len(inner) == 1:
                second[inner[0].loop].add(each.what.kind)
            elif inner:
                with_more.add(inner[0].loop)
        return {loop for loop, kinds in second.items() if loop not in with_more and "scores" in kinds}

    def _name(self, made: list[_Made]) -> None:
        """Give each tensor a name that, with its place, no other one has."""
        names: dict[tuple[Any, ...], str] = {}
        taken = {*self._parameters}
        for each in made:
            own, site = each.tensor.name, (each.tensor.site, each.tensor.again)
            if site not in names:
                name, number = own, 2
                while name in taken:
                    name, number = f"{own}_{number}", number + 1
                names[site] = name
                taken.add(name)
        used: Counter[tuple[Any, ...]] = Counter()
        for each in made:
            name = names[each.tensor.site, each.tensor.again]
            used[name, each.place] += 1
            count = used[name, each.place]
            while count > 1 and f"{name}_{count}" in taken - {name}:
                count += 1
            each.name = name if count == 1 else f"{name}_{count}"

    # Events.

    def _events(self, made: list[_Made]) -> list[Event]:
        events: list[Event] = []
        positions = self.tape.positions
        lasts = np.searchsorted(self._rows, [each.tensor.last for each in made], side="right").tolist()
        first = 0
        for each, last in zip(made, lasts, strict=True):
            if last <= first:
                continue
            tensor, what = each.tensor, each.what
            rows = tensor.rows if len(tensor.shape) < 2 else tensor.rows.reshape(tensor.shape)
            functions = [name for name in tensor.functions if name != "<module>"]
            events.append(
                Event(
                    len(events), Phase.FORWARD, each.name, *each.place, first, last, rows, tensor.shape,
                    " ▸ ".join(functions) or "<module>", positions[tensor.position].line, what.kind,
                    what.operands, what.parts, what.matrix, formula=each.formula,
                )
            )  # fmt: skip
            first = last
        if first < len(self._rows) or not events:
            events.append(self._rest(events, first))
        return events

    def _rest(self, events: list[Event], first: int) -> Event:
        """What is made after the last tensor with a name: the loss."""
        ends, row = len(self._rows), self.loss_row
        graph = self._graph(self._owner_of_row(events))
        for event in events:
            _mark(graph, event.rows, 1)
        rows = np.array(row, dtype=np.int32)
        holders = {int(row): event.rows for event in events for row in event.rows.ravel()}
        kinds = {int(row): event.kind for event in events for row in event.rows.ravel()}
        known = Known(holders.get, lambda row: kinds.get(row, ""), self._parameter_rows, row)
        what = recognise(graph, rows, known)
        position = self.tape.position_of(row)
        line = position.line if position else 1
        names = {event.name for event in events}
        name = LOSS if LOSS not in names else "the_loss"
        return Event(
            len(events), Phase.FORWARD, name, None, None, None, first, ends, rows.reshape(1), (), "<module>", line,
            what.kind, what.operands, what.parts, what.matrix, formula=formula(graph, row),
        )  # fmt: skip

    def _owner_of_row(self, events: list[Event]) -> Any:
        names = {int(row): event.name for event in events for row in event.rows.ravel()}
        return lambda row: (self.parameter_of(row) or (names.get(row, ""),))[0]

    @cached_property
    def _backward(self) -> list[Event]:
        last = self.row_ticks.last
        made = [*self._forward, *self._of_parameters(Phase.BACKWARD)]
        whole = sorted((int(last(event.rows).max(initial=0)), i, event) for i, event in enumerate(made))
        events: list[Event] = []
        for end, _, event in whole:
            first = events[-1].last if events else 0
            if end > first:
                events.append(replace(event, index=len(events), phase=Phase.BACKWARD, first=first, last=end))
        ticks = len(self._receivers)
        if not events:  # the script stopped before it: every tensor is there, and none is differentiated
            events = [
                replace(event, index=i, phase=Phase.BACKWARD, first=0, last=0)
                for i, event in enumerate(reversed(self._forward))
            ]
        events[-1] = replace(events[-1], last=ticks)  # plain numbers may get gradients last
        return events

    @cached_property
    def _update(self) -> list[Event]:
        moved = [event for event in self._of_parameters(Phase.UPDATE) if event.last <= self._table.moved_rows]
        if moved and len(self.tape.update_row):
            return moved
        first = next(iter(self._of_parameters(Phase.UPDATE)), None) or self._forward[-1]
        return [replace(first, index=0, phase=Phase.UPDATE, first=0, last=0)]

    def _of_parameters(self, phase: Phase) -> list[Event]:
        return [
            Event(
                i, phase, name, None, self._layers.get(name), None, int(rows.flat[0]), int(rows.flat[-1]) + 1,
                rows, rows.shape, "", 0, PARAMETER, {}, {}, name, formula=self.full_names[name],
            )
            for i, (name, rows) in enumerate(self._parameters.items())
        ]  # fmt: skip

    # Tokens.

    def _read_tokens(self) -> None:
        """The tokens that positions read and should predict, where every position has both.

        A position reads the row of a parameter that it looks up first; it should predict the element of its
        probabilities whose logarithm is taken.
        """
        inputs: dict[int, int] = {}
        for event in self._forward:
            if event.pos is not None and event.pos not in inputs:
                inputs.update((event.pos, at) for at in self._looked_up(event))
        targets = self._judged()
        whole, most = set(range(self.n)), self.tokenizer.vocab_size
        if self.n and inputs.keys() >= whole and targets.keys() == whole and max(inputs.values()) < most:
            self.inputs = [inputs[pos] for pos in range(self.n)]
            self.targets = [targets[pos] for pos in range(self.n)]
            self.tokens = [*self.inputs, self.targets[-1]]

    def _judged(self) -> dict[int, int]:
        """By position, the place of the one probability whose logarithm is taken."""
        logs = [i for i, name in enumerate(self.tape.ops) if name == "log"]
        found: dict[int, int] = {}
        for row in np.flatnonzero(np.isin(self.tape.op, logs) & self.computed).tolist():
            p = self.children(row)[0]
            event = self.event_of(p)
            if event is None or event.pos is None or event.rows.size < 2 or p not in event.rows:
                continue
            if event.pos in found:
                return {}
            found[event.pos] = int(np.flatnonzero(event.rows == p)[0])
        return found

    def _looked_up(self, event: Event) -> list[int]:
        """The row of a parameter that an event reads, if it reads one whole row alone."""
        first = event.operands.get("token", next(iter(event.operands.values()), None))
        found = None if first is None or not first.size else self._parameter_rows(int(first.flat[0]))
        if found is None or found[1].ndim != 2 or first is None:
            return []
        if found[1].shape[1] != first.size:
            return []
        same: list[int] = np.flatnonzero((found[1] == first.ravel()).all(axis=1)).tolist()
        return same


def _mark(graph: ScalarGraph, rows: Rows, value: int) -> None:
    named = np.frombuffer(graph.named, dtype=np.uint8)
    named[rows] = value
