"""`SourceTable`: which lines of a copy of `microgpt.py` do what the engine does, found by matching the two graphs.

The step of the copy that was recorded and the engine's of the same document are walked from the loss, scalar by scalar:
each has to have the same operation, the same operands in their order, and the same value and gradient. What the copy's
scalars say of where they were made then holds for the engine's. A table holds no text of the copy, only lines and
columns, so it can be kept and opened again without running anything.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.autograd import kernels
from engine.autograd.kernels import LEAF, NEG_MAX, POW
from engine.errors import ScriptError
from engine.immutable import immutable
from engine.language.say import say
from engine.model import gpt
from engine.model.config import Config
from engine.run.session import Session
from engine.script.source_file import ScriptFile
from engine.script.tape import ScriptTape
from engine.timeline.events import Event, Moment, Phase
from engine.timeline.explainer import CodeText, SourceLine
from engine.timeline.view import TapeView, View

VERSION = 1
NOBODY = -1  # of a scalar that has no counterpart
Json = dict[str, Any]


@immutable
class Place:
    """An expression in the copy: its line, its columns in characters of that line (None: the line), its function."""

    line: int
    columns: tuple[int, int] | None = None
    function: str = ""


Places = tuple[Place, ...]
"""An expression and those that called for it, the nearest first."""

ScalarKey = tuple[str, int, int, bool]
"""What tells scalars of a tensor apart: its name, the engine's line, the operation, whether with a constant."""


def model_checksum() -> str:
    """What a table depends on besides the copy: the model, whose lines it speaks of, and the codes of operations."""
    files = gpt.__file__, kernels.__file__
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


@immutable
class SourceTable:
    """The places of one copy of `microgpt.py`.

    `scalars` are where single scalars are made, `tensors` where whole ones are. Of a gradient's term, `terms` has where
    it is added, by the operation that hands it on and the operand that gets it, and where its local gradient was
    stored. `seed` is where the loss's own gradient is set. `updates` are, by matrix, where a parameter moves and all
    lines that took part.
    """

    scalars: Mapping[ScalarKey, Places]
    tensors: Mapping[str, Places]
    terms: Mapping[tuple[int, int], Places]
    seed: Places
    updates: Mapping[str, tuple[Place, tuple[int, ...]]]

    @property
    def last_line(self) -> int:
        """The last line that it speaks of; the copy has as many at least."""
        moves = [(place,) for place, _ in self.updates.values()]
        known = [*self.scalars.values(), *self.tensors.values(), *self.terms.values(), self.seed, *moves]
        lines = [line for _, lines in self.updates.values() for line in lines]
        return max([*lines, *(place.line for places in known for place in places)])

    # Kept as JSON.

    def as_dict(self) -> Json:
        """The table as JSON. `from_dict` reads it."""
        return {
            "version": VERSION,
            "model": model_checksum(),
            "scalars": [[*key, _written(places)] for key, places in self.scalars.items()],
            "tensors": [[name, _written(places)] for name, places in self.tensors.items()],
            "terms": [[*key, _written(places)] for key, places in self.terms.items()],
            "seed": _written(self.seed),
            "updates": [[name, _written([place]), list(lines)] for name, (place, lines) in self.updates.items()],
        }

    @classmethod
    def from_dict(cls, about: Json) -> SourceTable:
        """Read what `as_dict` gave. Raises ValueError, TypeError or KeyError for anything else, or an old one."""
        if about["version"] != VERSION or about["model"] != model_checksum():
            raise ValueError(say("script.source_table.other_version"))
        return cls(
            {(str(n), int(line), int(op), bool(c)): _read(places) for n, line, op, c, places in about["scalars"]},
            {str(name): _read(places) for name, places in about["tensors"]},
            {(int(op), int(slot)): _read(places) for op, slot, places in about["terms"]},
            _read(about["seed"]),
            {str(n): (_read(place)[0], tuple(int(i) for i in lines)) for n, place, lines in about["updates"]},
        )


def _written(places: Iterable[Place]) -> list[Any]:
    return [[p.line, list(p.columns) if p.columns else None, p.function] for p in places]


def _read(places: Any) -> Places:
    found = tuple(Place(int(line), _columns(columns), str(function)) for line, columns, function in places)
    if not found or any(place.line < 1 for place in found):
        raise ValueError(say("script.source_table.no_place"))
    return found


def _columns(columns: Any) -> tuple[int, int] | None:
    if columns is None:
        return None
    first, last = columns
    return int(first), int(last)


class OwnLines:
    """The lines of a copy, with its text, for moments of the engine's runs."""

    def __init__(self, table: SourceTable, path: Path, text: CodeText) -> None:
        self.table, self.path, self.text = table, path, text

    def line(self, view: View, event: Event | None = None) -> SourceLine | None:
        """The line that is at work, or that ends an event, as `View.source` has it; None where the copy has none."""
        if not isinstance(view, TapeView):
            return None
        phase = view.moment.phase if event is None else event.phase
        if phase is Phase.BACKWARD:
            return self._term(view, max(view.moment.tick, 1) if event is None else event.last)
        made = view.event if event is None else event
        if phase is Phase.UPDATE:
            if made.name not in self.table.updates:
                return None
            place, lines = self.table.updates[made.name]
            return self._shown((place,), lines)
        if event is not None or view.moment.tick == made.last:
            return self._shown(self.table.tensors.get(made.name, ()))
        return self._shown(self.table.scalars.get(scalar_key(view, made.name, view.last_row), ()))

    def _term(self, view: TapeView, tick: int) -> SourceLine | None:
        edge = view.program.edge_of(tick)
        if edge < 0:
            return self._shown(self.table.seed)
        places = self.table.terms.get((int(view.recording.op[edge >> 1]), edge & 1), ())
        return self._shown(places[:1], called=places[1:])

    def _shown(self, places: Places, ran: Iterable[int] = (), called: Places = ()) -> SourceLine | None:
        if not places:
            return None
        here, *callers = places
        lines = frozenset({here.line, *(place.line for place in (*callers, *called)), *ran})
        return SourceLine(
            self.path, here.line, lines, here.columns, here.function,
            tuple(self._plain(place) for place in callers),
            self._plain(called[0]) if called else None,
            self.text,
        )  # fmt: skip

    def _plain(self, place: Place) -> SourceLine:
        lines = frozenset({place.line})
        return SourceLine(self.path, place.line, lines, place.columns, place.function, text=self.text)


def scalar_key(view: TapeView, tensor: str, row: int) -> ScalarKey:
    """What a scalar is found by in a table."""
    recording = view.recording
    constant = any(not recording.live[child] for child in view.program.children(row))
    return tensor, recording.line[row], int(recording.op[row]), constant


# Matching.


def match(tape: ScriptTape, config: Config, docs: Sequence[str], script: ScriptFile) -> SourceTable:
    """The table of a copy from a training step of it, its hyperparameters and the documents that it is trained on.

    Raises ScriptError with a sentence that says which line of the copy has no counterpart.
    """
    return _Matching(tape, Session(config, docs), script).table()


class _Matching:
    def __init__(self, tape: ScriptTape, session: Session, script: ScriptFile) -> None:
        self.tape, self.session, self.script = tape, session, script
        self._lines = script.lines()
        nodes = list(ast.walk(ast.parse(script.text)))
        self._statements = [node for node in nodes if isinstance(node, ast.stmt)]
        self._lists = [node for node in nodes if isinstance(node, ast.ListComp)]
        session.seek(Moment(tape.step, Phase.BACKWARD, session.program.ticks(Phase.BACKWARD)))
        self.program, self.recording = session.program, session.recording
        self.view = session.view()
        self.theirs = np.full(len(self.recording), NOBODY)
        """For each row of the engine, the copy's."""
        self.ours = np.full(tape.n_rows, NOBODY)
        self.largest: dict[int, int] = {}  # of each largest of several scalars, which the copy has as a plain number
        self.operations: dict[int, int] = {}  # of the copy's methods, by their number on its tape, the engine's

    def table(self) -> SourceTable:
        self._walk()
        self._same_gradients()
        scalars, tensors = self._forward()
        terms, seed = self._backward()
        self._same_update()
        return SourceTable(scalars, tensors, terms, seed, self._updates())

    def cannot(self, why: str) -> ScriptError:
        return ScriptError(say("script.source_table.cannot", path=self.script.path, why=why))

    def _what(self, row: int) -> str:
        """A scalar of the copy, in words."""
        group = self.tape.group_of(row)
        if group is not None:
            return say("script.source_table.parameter", name=group.name)
        places = self._places(int(self.tape.stack[row]))
        if not places:
            return say("script.source_table.number")
        return say("script.source_table.made", place=self.script.place(places[0].line))

    def _differ(self, e: int, s: int, case: str, **what: Any) -> ScriptError:
        why = say(f"script.source_table.differs.{case}", **what)
        name = self.view.explainer().name(e)
        return self.cannot(say("script.source_table.stands_where", theirs=self._what(s), ours=name, why=why))

    # The same graph.

    def _walk(self) -> None:
        tape, data = self.tape, self.view.workspace.data
        waiting = [(self.program.loss_row, int(tape.loss_row))]
        while waiting:
            e, s = waiting.pop()
            if self.theirs[e] == s != NOBODY:
                continue
            if (e < self.recording.n_params) != (s < tape.n_params):
                raise self._differ(e, s, "operands")
            if not (data[e] == tape.value[s] or (np.isnan(data[e]) and np.isnan(tape.value[s]))):
                raise self._differ(e, s, "value", theirs=float(tape.value[s]), ours=float(data[e]))
            kids = tape.children(s)
            if not self.recording.live[e]:  # a constant is made anew each time, and the largest logit is a plain number
                if kids:
                    raise self._differ(e, s, "plain_number")
                if self.recording.op[e] == NEG_MAX:
                    self.largest[e] = s
                continue
            if self.theirs[e] != NOBODY or self.ours[s] != NOBODY:
                raise self._differ(e, s, "used_elsewhere")
            self.theirs[e], self.ours[s] = s, e
            waiting += self._operands(e, s, kids)

    def _operands(self, e: int, s: int, kids: Sequence[int]) -> list[tuple[int, int]]:
        """The operands of two scalars, paired. Raises ScriptError if their operations differ."""
        op = int(self.recording.op[e])
        if op == LEAF:
            return []
        own = self.program.children(e)
        if op == POW and len(kids) == 1:  # the exponent is a plain number there
            exponent = float(self.tape.extra[s])
            if not np.isnan(exponent) and exponent != float(self.view.workspace.data[own[1]]):
                raise self._differ(e, s, "power")
            own = own[:1]
        method = int(self.tape.op[s])
        if len(own) != len(kids) or self.operations.setdefault(method, op) != op:
            made_by = self.tape.ops[method]
            raise self._differ(e, s, "operation", op=made_by) if made_by else self._differ(e, s, "no_operation")
        return list(zip(own, map(int, kids), strict=True))

    def _same_gradients(self) -> None:
        after = self.tape.grad_before.copy()
        for row, value in zip(self.tape.back_row.tolist(), self.tape.back_value.tolist(), strict=True):
            after[row] = value
        rows = np.flatnonzero(self.theirs != NOBODY)
        own, other = self.view.workspace.grad[rows], after[self.theirs[rows]]
        wrong = np.flatnonzero(~((own == other) | (np.isnan(own) & np.isnan(other))))
        if len(wrong):
            e, (ours, theirs) = int(rows[wrong[0]]), (float(gradients[wrong[0]]) for gradients in (own, other))
            raise self._differ(e, int(self.theirs[e]), "gradient", theirs=theirs, ours=ours)

    # The places.

    def _places(self, stack: int) -> Places:
        """A stack of the tape, the innermost place first."""
        return self._outward(self.tape.stacks[stack]) if stack >= 0 else ()

    def _outward(self, stack: Sequence[int]) -> Places:
        """The places of a stack, the innermost first; of those that follow one another in a line, only that."""
        found: list[Place] = []
        for position in reversed(stack):
            place = self._place(position)
            if not found or found[-1].line != place.line:
                found.append(place)
        return tuple(found)

    def _place(self, position: int) -> Place:
        at = self.tape.positions[position]
        if at.file != 0:
            raise self.cannot(say("script.source_table.other_file", file=self.tape.files[at.file]))
        columns = None
        if at.column >= 0:
            columns = self._columns(at.line, at.column, at.end_column if at.end_line == at.line else None)
        return Place(at.line, columns, ANONYMOUS.sub("", at.function))

    def _write(self, position: int) -> Place:
        """The whole statement that writes to an attribute: only the attribute is at the position."""
        place, at = self._place(position), self.tape.positions[position]
        lengths = {
            (node.end_lineno or 0, node.end_col_offset or 0): node.col_offset
            for node in self._statements
            if node.lineno == at.line and node.col_offset <= at.column
            if (at.line, at.column) < (node.end_lineno or 0, node.end_col_offset or 0)
        }
        if not lengths:
            return place
        (last_line, last), first = min(lengths.items())
        return replace(place, columns=self._columns(at.line, first, last if last_line == at.line else None))

    def _list_around(self, position: int) -> Place:
        """The whole list that an element at the position is made for; since Python 3.12 it has no frame of its own.

        A list that is written over several lines is not whole in any of them: there it is the element.
        """
        place, at = self._place(position), self.tape.positions[position]
        first, last = (at.line, at.column), (at.end_line, at.end_column)
        around = [
            each
            for each in self._lists
            if each.lineno == each.end_lineno
            if (each.elt.lineno, each.elt.col_offset) <= first
            and last <= (each.elt.end_lineno or 0, each.elt.end_col_offset or 0)
        ]
        if at.column < 0 or not around:
            return place
        whole = min(around, key=lambda each: (each.lineno, each.col_offset))
        columns = self._columns(whole.lineno, whole.col_offset, whole.end_col_offset)
        return replace(place, line=whole.lineno, columns=columns)

    def _is_spread(self, position: int) -> bool:
        """Whether a whole list that is written over several lines stands at the position."""
        at = self.tape.positions[position]
        span = at.line, at.column, at.end_line, at.end_column
        return at.line != at.end_line and any(
            span == (each.lineno, each.col_offset, each.end_lineno, each.end_col_offset) for each in self._lists
        )

    def _columns(self, line: int, first: int, last: int | None) -> tuple[int, int]:
        """Columns in characters, of columns in bytes; None is the end of the line."""
        code = self._lines[line - 1].encode()
        return len(code[:first].decode(errors="replace")), len(code[:last].decode(errors="replace"))

    def _one(self, stacks: Iterable[int], tensor: str) -> Places:
        """The place that these stacks have in common, with the callers that they have in common."""
        first, *others = (self._places(stack) for stack in sorted(set(stacks)))
        if any(other[:1] != first[:1] for other in others):
            lines = sorted({places[0].line for places in (first, *others)})
            listed = ", ".join(map(str, lines))
            raise self.cannot(say("script.source_table.several_make", tensor=tensor, lines=listed))
        common = 0
        while all(len(p) > common for p in (first, *others)) and len({p[common] for p in (first, *others)}) == 1:
            common += 1
        return first[:common]

    def _forward(self) -> tuple[dict[ScalarKey, Places], dict[str, Places]]:
        stacks: defaultdict[ScalarKey, set[int]] = defaultdict(set)
        inside: defaultdict[int, list[int]] = defaultdict(list)  # stacks by event
        rows = np.flatnonzero(self.theirs != NOBODY)
        made = [(e, int(self.theirs[e])) for e in rows[rows >= self.recording.n_params].tolist()]
        for e, s in (*self.largest.items(), *made):
            event = self.program.event_of(e)
            assert event is not None
            stack = int(self.tape.stack[s])
            stacks[scalar_key(self.view, event.name, e)].add(stack)
            inside[event.index].append(stack)
        scalars = {key: self._one(found, key[0]) for key, found in stacks.items()}
        return scalars, self._tensors(inside)

    def _tensors(self, inside: Mapping[int, list[int]]) -> dict[str, Places]:
        """Where whole tensors are made: at the outermost place that neither the one before nor the next one share."""
        events = [event for event in self.program.events(Phase.FORWARD) if inside[event.index]]
        levels = [self._levels(inside[event.index]) for event in events]
        found: dict[str, tuple[int, Places]] = {}
        for i, event in enumerate(events):
            before, after = levels[:i][::-1], levels[i + 1 :]
            stack = self.tape.stacks[inside[event.index][-1]]
            depth = min(max(_first_apart(levels[i], near) for near in (before, after)), len(stack) - 1)
            spread = self._is_spread(stack[depth]) and depth + 1 < len(stack)
            place = self._list_around(stack[depth + 1] if spread else stack[depth])
            callers = self._outward(stack[:depth])
            places = (place, *(callers[1:] if callers and callers[0].line == place.line else callers))
            if event.name not in found or depth > found[event.name][0]:
                found[event.name] = depth, places
        return {name: places for name, (_, places) in found.items()}

    def _levels(self, stacks: Iterable[int]) -> list[set[int]]:
        """The positions of stacks at each depth, from the outermost on."""
        levels: list[set[int]] = []
        for stack in set(stacks):
            for depth, position in enumerate(self.tape.stacks[stack]):
                if depth == len(levels):
                    levels.append(set())
                levels[depth].add(position)
        return levels

    def _backward(self) -> tuple[dict[tuple[int, int], Places], Places]:
        tape = self.tape
        found: defaultdict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
        seeds = set()
        for row, source, position in zip(
            tape.back_row.tolist(), tape.back_source.tolist(), tape.back_position.tolist(), strict=True
        ):
            if source < 0:
                if row == tape.loss_row:
                    seeds.add(position)
                continue
            e = int(self.ours[source])
            if e == NOBODY or self.ours[row] == NOBODY:
                continue
            for slot, child in enumerate(self.program.children(e)):
                if child == self.ours[row]:
                    found[int(self.recording.op[e]), slot].add((position, int(tape.method_position[source])))
        terms = {}
        for key, positions in found.items():
            if len(positions) > 1:
                raise self.cannot(say("script.source_table.several_add"))
            ((added, stored),) = positions
            places = [self._write(added)]
            if stored >= 0 and self._place(stored).line != places[0].line:
                places.append(self._place(stored))
            terms[key] = tuple(places)
        if not seeds:
            raise self.cannot(say("script.source_table.no_seed"))
        return terms, (self._write(max(seeds)),)

    def _same_update(self) -> None:
        tape = self.tape
        self.session.seek(Moment(tape.step, Phase.UPDATE, self.recording.n_params))
        after = tape.value.copy()
        after[tape.update_row] = tape.update_value
        params = np.flatnonzero(self.theirs[: self.recording.n_params] != NOBODY)
        if (self.session.workspace.params[params] != after[self.theirs[params]]).any():
            raise self.cannot(say("script.source_table.other_update"))

    def _updates(self) -> dict[str, tuple[Place, tuple[int, ...]]]:
        """Where each matrix moves. What is computed before the first parameter is no part of the loop over them."""
        tape = self.tape
        beside: defaultdict[int, set[int]] = defaultdict(set)
        for scalar in tape.update_scalars:
            if not scalar.name.endswith(".grad"):  # set to 0 for the next step
                beside[scalar.write].add(scalar.position)
        matrix_of = {}
        for name, rows in self.recording.matrices.items():
            matrix_of.update(dict.fromkeys(self.theirs[rows.ravel()].tolist(), name))
        moves: defaultdict[str, set[int]] = defaultdict(set)
        lines: defaultdict[str, set[int]] = defaultdict(set)
        for i, (row, position) in enumerate(zip(tape.update_row.tolist(), tape.update_position.tolist(), strict=True)):
            matrix = matrix_of.get(row)
            if matrix is not None:
                moves[matrix].add(position)
                if i:
                    lines[matrix] |= {self._place(p).line for p in beside[i]}
        found: dict[str, tuple[Place, tuple[int, ...]]] = {}
        for name, positions in moves.items():
            if len(positions) > 1:
                raise self.cannot(say("script.source_table.several_move", name=name))
            (place,) = (self._write(p) for p in positions)
            found[name] = place, tuple(sorted(lines[name] | {place.line}))
        return found


ANONYMOUS = re.compile(r"(\.<locals>)?\.?<(listcomp|genexpr|dictcomp|setcomp|lambda|module)>")


def _first_apart(one: Sequence[set[int]], others: Iterable[Sequence[set[int]]]) -> int:
    """The depth at which a tensor parts from the nearest of some others that it does part from; 0 if there is none."""
    return next((depth for depth in (_apart(one, other) for other in others) if depth is not None), 0)


def _apart(one: Sequence[set[int]], other: Sequence[set[int]]) -> int | None:
    """The outermost depth at which two tensors have no position in common; None if there is none."""
    for depth in range(max(len(one), len(other))):
        ours, theirs = (levels[depth] if depth < len(levels) else set() for levels in (one, other))
        if not ours & theirs:
            return depth
    return None
