"""Which tensors a recorded step has: what the script's names held, and the loops that each was made in.

A tensor is a list of scalars that a name held. Scalars that helper functions make one by one, and that become elements
of a list, are on the way to that list. Knows nothing of kinds of operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.autograd.tape import Rows
from engine.immutable import immutable
from engine.script.child.scalar_class import BACKWARD
from engine.script.code import Code
from engine.script.tape import ScriptName, ScriptTape

SERIAL = ""  # the key of a running function's number, beside its variables
MOST_PLACES = 3  # loops that have a place of their own: position, layer, head
LEAST_SHARE = 0.5  # of all tensors that a comprehension has to hold to count positions
LEAST_DEEP = 0.25  # of all tensors that lie in more loops than have places, for positions to count two loops at once


@immutable
class Level:
    """One loop around a tensor: which loop of the script it is, its variable, and the round of it."""

    loop: tuple[Any, ...]
    variable: str
    round: int

    @property
    def is_statement(self) -> bool:
        """Whether it is a loop of its own lines, and no comprehension."""
        return len(self.loop) == 3


@dataclass(slots=True, eq=False)
class NamedTensor:
    """Scalars that a name held: `rows`, flat, of a `shape`; `last` is the one made last.

    `position` says where it was named, `functions` in which function, and what had called that, outermost first;
    `frames` where in each of these. `call` is the call that it was returned from, -1 for none. `levels` are the loops
    around it that have a place, outermost first; `again` tells the rounds of those that have none. `inside` are scalars
    with names that were made on the way, `interior` the tensors that were named in the function that returned it.
    """

    name: str
    rows: Rows
    shape: tuple[int, ...]
    last: int
    position: int
    functions: tuple[str, ...]
    frames: tuple[int, ...]
    call: int
    levels: tuple[Level, ...] = ()
    inside: dict[str, list[int]] = field(default_factory=dict)
    interior: list[NamedTensor] = field(default_factory=list)
    again: tuple[tuple[Any, ...], ...] = ()
    whole: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    @property
    def site(self) -> tuple[Any, ...]:
        """What tensors of the same name have in common that were named at the same place, by the same calls."""
        return self.name, self.position, self.frames


@immutable
class _Around:
    """A loop around a name: in which of the running functions, its variable and the value of that, if it is known."""

    loop: tuple[Any, ...]
    frame: int
    variable: str
    value: int | None


@immutable
class _Place:
    """Where a name was given: the loops around, and for each running function its number and where it stands."""

    around: list[_Around]
    serials: tuple[int, ...]
    frames: tuple[int, ...]
    call: int


_Static = tuple[list[tuple[tuple[Any, ...], int, list[str]]], tuple[int, ...], int]


class TensorFinder:
    """Finds the tensors of one tape, whose rows have the numbers `to_row` here; `codes` are its files."""

    def __init__(self, tape: ScriptTape, to_row: Rows, codes: Sequence[Code]) -> None:
        self._tape, self._to_row, self._codes = tape, to_row, codes
        self.computed: npt.NDArray[np.bool_] = np.diff(tape.child_start) > 0
        self.leaves: dict[int, str] = {}
        """Names of plain numbers that a name held: x[3]."""
        self._known_places: dict[tuple[int, int, int, bool], _Static] = {}
        self._sources: dict[tuple[int, int], list[tuple[tuple[Any, ...], list[str]]]] = {}

    def tensors(self) -> list[NamedTensor]:
        """The tensors in the order in which they are complete."""
        kept: list[NamedTensor] = []
        owner = np.full(self._tape.n_rows, -1, dtype=np.int32)
        made: list[NamedTensor] = []
        winners = list(self._winners())  # in the order in which they got their first name
        rounds = _Rounds([place for _, place in winners])
        for tensor, place in winners:
            tensor.levels = rounds.levels(place)
            own = tensor.rows[self.computed[tensor.rows]]
            owners = owner[own]
            new = own[owners < 0]
            single = [i for i in np.unique(owners[owners >= 0]).tolist() if made[i].rows.size == 1]
            if not len(new) and not (single and tensor.rows.size > 1):
                continue  # other names for what is there already
            if tensor.rows.size > 1:
                _leave_out_begun(tensor, kept)
                firsts = [*new.tolist(), *(made[i].last for i in single)]
                if not _take_in(tensor, min(firsts), kept) and not len(new):
                    continue
            made.append(tensor)
            owner[own] = len(made) - 1
            if tensor.call >= 0:
                tensor.interior = _interior(tensor, kept)
            kept.append(tensor)
        ordered = sorted(kept, key=lambda each: (each.last, each.rows.size))
        _keep(ordered, {level.loop for each in ordered for level in each.levels if level.loop[1:] in self._training})
        return _stacked(_with_levels(ordered, self._around_loss(ordered)))

    def _around_loss(self, tensors: list[NamedTensor]) -> set[tuple[Any, ...]]:
        """The loops around the loss; around the backward call, as it is written, where the script stopped before it."""
        loss, loops = int(self._tape.loss_row), {level.loop for tensor in tensors for level in tensor.levels}
        if loss >= 0:
            return {level.loop for tensor in tensors if tensor.last >= loss for level in tensor.levels}
        names, more = set[str](), set(BACKWARD)
        while more:
            names |= more
            more = {name for code in self._codes for name, called in code.calls.items() if called & names} - names
        return {loop for loop in loops if len(loop) == 3 and self._codes[loop[1]].calls_in_loop(loop[2]) & names}

    @property
    def _training(self) -> set[tuple[int, int]]:
        """The loops that parameters are moved in, by file and first line: each of their rounds is a step of its own."""
        written = np.unique(self._tape.update_position).tolist()
        places = {self._tape.positions[number] for number in written if number >= 0}
        return {(at.file, first) for at in places for first, _ in self._codes[at.file].loops_at(at.line)}

    # Names.

    def _winners(self) -> Iterator[tuple[NamedTensor, _Place]]:
        """One tensor for each set of scalars that names held, under the best of its names, and where it was given."""
        groups: dict[bytes, list[int]] = {}
        names = self._tape.names
        for i, record in enumerate(names):
            if record.count:
                groups.setdefault(self._tape.rows_of(record).tobytes(), []).append(i)
        for same in groups.values():
            records = [names[i] for i in same]
            rows = self._to_row[self._tape.rows_of(records[0])]
            if not self.computed[rows].any():
                self._note_leaves(records[0], rows)
                continue
            winner = _best(records)
            last = int(rows[self.computed[rows]].max())
            returned = any(len(each.context) > len(winner.context) for each in records)
            place = self._place(winner, last, returned)
            functions = tuple(function for function, _ in winner.context)
            tensor = NamedTensor(
                _plain(winner.name), rows, winner.shape, last, winner.position, functions, place.frames, place.call
            )
            tensor.whole = rows
            yield tensor, place

    def _note_leaves(self, record: ScriptName, rows: Rows) -> None:
        if int(rows.min()) < self._tape.n_params:
            return
        name, shape = _plain(record.name), record.shape
        for i, row in enumerate(rows.tolist()):
            index = ",".join(map(str, np.unravel_index(i, shape))) if shape else ""
            self.leaves.setdefault(row, f"{name}[{index}]" if index else name)

    # Loops.

    def _place(self, record: ScriptName, row: int, returned: bool) -> _Place:
        """Where a name was given to what ends with a row."""
        key = (int(self._tape.stack[row]), record.position, len(record.context), returned)
        if key not in self._known_places:
            self._known_places[key] = self._static_place(*key)
        loops, frames, call = self._known_places[key]
        around = []
        for loop, j, names in loops:
            variables = record.context[j][1]
            for name in names:
                value = variables.get(name)
                if isinstance(value, int):
                    around.append(_Around(loop, j, name, value))
                    break
            else:
                around.append(_Around(loop, j, names[0] if names else "", None))
        serials = tuple([int(variables.get(SERIAL, 0)) for _, variables in record.context])
        return _Place(around, serials, frames, call)

    def _static_place(self, stack: int, own: int, depth: int, returned: bool) -> _Static:
        """What does not change from round to round: the loops, with function and variables, the lines, the call."""
        tape = self._tape
        frames: list[list[int]] = []
        for position in tape.stacks[stack] if stack >= 0 else ():
            if is_inner(tape.positions[position].function) and frames:
                frames[-1].append(position)
            else:
                frames.append([position])
        call = frames[depth - 1][-1] if returned and len(frames) > depth else -1
        frames = [*frames[: depth - 1], [own]]
        loops = [
            (loop, j, names)
            for j, positions in enumerate(frames[:depth])
            for loop, names in self._loops_of(j, positions)
        ]
        return loops, tuple(each[-1] for each in frames), call

    def _loops_of(self, depth: int, positions: list[int]) -> list[tuple[tuple[Any, ...], list[str]]]:
        found = []
        for position in positions:
            key = (depth, position)
            if key not in self._sources:
                at = self._tape.positions[position]
                code = self._codes[at.file]
                own: list[tuple[tuple[Any, ...], list[str]]] = []
                own += [((depth, at.file, first), names) for first, names in code.loops_at(at.line)]
                if at.column >= 0:
                    spans = code.comprehensions_at((at.line, at.column, at.end_line, at.end_column))
                    own += [((depth, at.file, *span), names) for span, names in spans]
                elif is_inner(at.function) and not at.function.endswith("<lambda>"):  # columns are not known
                    own.append(((depth, at.file, at.line, -1, at.end_line, -1), []))
                self._sources[key] = own
            found += [each for each in self._sources[key] if each not in found]
        return found


@dataclass(slots=True)
class _Count:
    """The round of a loop, and the places in it that this round has met, with the call that each led to."""

    round: int = 0
    seen: dict[Any, int | None] = field(default_factory=dict)


class _Rounds:
    """Counts the rounds of loops whose variables do not."""

    def __init__(self, places: Sequence[_Place]) -> None:
        self._counts: dict[tuple[Any, ...], _Count] = {}
        self._others = _not_counting(places)

    def _value(self, around: _Around) -> int | None:
        return None if around.loop in self._others else around.value

    def levels(self, place: _Place) -> tuple[Level, ...]:
        """The loops around a name with their rounds: the value of the variable, else how often the loop came round.

        A loop has come round where the same line of it is met again, in another call of what it calls.
        """
        levels: list[Level] = []
        for i, around in enumerate(place.around):
            j, value = around.frame, self._value(around)
            if value is None:
                inner = [each for each in place.around[i + 1 :] if each.frame == j]
                outer = tuple((each.loop, each.round) for each in levels if each.loop[0] == j)
                key = (place.serials[j], around.loop, outer)
                site = (place.frames[j], *((each.loop, self._value(each)) for each in inner))
                called = place.serials[j + 1] if j + 1 < len(place.serials) else None
                state = self._counts.setdefault(key, _Count())
                again = site in state.seen and (called is None or state.seen[site] != called)
                if again and all(self._value(each) is not None for each in inner):
                    state.round, state.seen = state.round + 1, {}
                state.seen[site] = called
                value = state.round
            variable = "" if around.loop in self._others else around.variable
            levels.append(Level(around.loop, variable, value))
        return tuple(levels)


def _not_counting(places: Sequence[_Place]) -> set[tuple[Any, ...]]:
    """The loops whose variable does not count: it goes up and down."""
    last: dict[tuple[Any, ...], tuple[int, int]] = {}
    found: set[tuple[Any, ...]] = set()
    for place in places:
        outer: tuple[Any, ...] = ()
        for around in place.around:
            if around.value is None:
                continue
            key = (place.serials[around.frame], around.loop, outer)
            value, way = last.get(key, (around.value, 0))
            step = (around.value > value) - (around.value < value)
            if step and step == -way:
                found.add(around.loop)
            last[key] = around.value, step or way
            outer = (*outer, around.value)
    return found


# What is on the way to something else.


def _leave_out_begun(tensor: NamedTensor, kept: list[NamedTensor]) -> None:
    """Of a list that grows, leave out what was there when it had its name before.

    If nothing was named in between, that is a part of this tensor; else this tensor is what has been added.
    """
    before = next((each for each in reversed(kept) if each.site == tensor.site), None)
    if before is None or not 0 < len(before.whole) < len(tensor.whole):
        return
    if not np.array_equal(tensor.whole[: len(before.whole)], before.whole):
        return
    if kept[-1] is before:
        kept.pop()
        return
    tensor.rows = tensor.whole[len(before.whole) :]
    tensor.shape = (len(tensor.rows),)


def _take_in(tensor: NamedTensor, first: int, kept: list[NamedTensor]) -> bool:
    """Take scalars that were made between the elements of a list out of `kept`; False if tensors lie between."""
    at = len(kept)
    while at and kept[at - 1].last >= first:
        at -= 1
        if kept[at].rows.size > 1 and kept[at].last != first:
            return False
    sites = {each.site for each in kept[at:]}
    while at and kept[at - 1].rows.size == 1 and kept[at - 1].site in sites:
        at -= 1
    for one in kept[at:]:
        if one.rows.size == 1 and one.last not in tensor.rows:
            tensor.inside.setdefault(one.name, []).append(one.last)
    kept[at:] = [one for one in kept[at:] if one.rows.size > 1]
    return True


def _interior(tensor: NamedTensor, kept: list[NamedTensor]) -> list[NamedTensor]:
    """The tensors that were named last in the function that this one was returned from."""
    depth, at = len(tensor.functions), len(kept)
    inside = (*tensor.frames[:-1], tensor.call)
    while at and len(kept[at - 1].functions) > depth and kept[at - 1].frames[:depth] == inside:
        if kept[at - 1].functions[depth] != kept[-1].functions[depth]:
            break  # another call at the same place, where columns are not known
        at -= 1
    return kept[at:]


def is_inner(function: str) -> bool:
    """Whether a frame belongs to the function around it: of a comprehension or a lambda."""
    name = function.rpartition(".")[2]
    return name.startswith("<") and name != "<module>"


def _best(records: list[ScriptName]) -> ScriptName:
    """Of the names that the same scalars had: the first assigned one of the outermost function that has any.

    Where a function inside calls them the same, it is that one, which is nearer to where they were made.
    """
    assigned = [each for each in records if each.kind == "assign"] or records
    chosen = min(assigned, key=lambda each: len(each.context))
    return next(each for each in assigned if each.name == chosen.name)


def _plain(name: str) -> str:
    """A name as it stands in conditions: letters, digits, _ and dots; of an object that is called, its class."""
    name = name.removesuffix("()").removesuffix(".__call__")
    name = "".join(c if c.isalnum() or c in "_." else "_" for c in name).strip("_.") or "value"
    return f"_{name}" if name[0].isdigit() else name


# Places.


def _with_levels(tensors: list[NamedTensor], around: set[tuple[Any, ...]]) -> list[NamedTensor]:
    """Keep of `levels` those that tell tensors apart and have a place: position, layer, head.

    Loops around the whole step, of one round and among those `around` the loss, have none; comprehensions give way to
    loops.
    """
    rounds: dict[tuple[Any, ...], set[int]] = {}
    for tensor in tensors:
        for level in tensor.levels:
            rounds.setdefault(level.loop, set()).add(level.round)
    dropped = {loop for loop in around if len(rounds[loop]) == 1}
    dropped |= {loop for loop, found in rounds.items() if len(found) == 1 and len(loop) > 3}
    _keep(tensors, dropped)
    outermost = Counter(tensor.levels[0].loop for tensor in tensors if tensor.levels)
    few = {loop for loop, n in outermost.items() if len(loop) > 3 and n < LEAST_SHARE * len(tensors)}
    _keep(tensors, few)
    for place in range(1, MOST_PLACES):  # one place has one name, so a loop has it before comprehensions
        here = [tensor.levels[place] for tensor in tensors if len(tensor.levels) > place]
        if any(level.is_statement for level in here):
            _keep(tensors, {level.loop for level in here if not level.is_statement})
    for least in range(MOST_PLACES, 1, -1):
        long = [tensor.levels for tensor in tensors if len(tensor.levels) > MOST_PLACES]
        _keep(tensors, {level.loop for levels in long for level in levels[least - 1 :] if not level.is_statement})
    for place in range(max(len(tensor.levels) for tensor in tensors) - 1 if tensors else 0, MOST_PLACES - 1, -1):
        deep = [tensor.levels[place].loop for tensor in tensors if len(tensor.levels) > place]
        if len(deep) < LEAST_DEEP * len(tensors):
            _keep(tensors, set(deep))
    return tensors


def _keep(tensors: list[NamedTensor], dropped: set[tuple[Any, ...]]) -> None:
    for tensor in tensors:
        tensor.again += tuple((*level.loop, level.round) for level in tensor.levels if level.loop in dropped)
        tensor.levels = tuple(level for level in tensor.levels if level.loop not in dropped)


def _stacked(tensors: list[NamedTensor]) -> list[NamedTensor]:
    """Tensors of one place that were named one after the other by the same line, as one tensor."""
    found: list[NamedTensor] = []
    count = 0
    for tensor in tensors:
        first = found[-1] if found else None
        if first is None or (first.site, first.levels) != (tensor.site, tensor.levels):
            found.append(tensor)
            count = 1
            continue
        own = first.shape if count == 1 else first.shape[1:]
        if own != tensor.shape:
            found.append(tensor)
            count = 1
            continue
        count += 1
        first.rows = np.concatenate([first.rows, tensor.rows])
        first.shape, first.last = (count, *own), tensor.last
        first.interior, first.call = [], -1
        for name, rows in tensor.inside.items():
            first.inside.setdefault(name, []).extend(rows)
    return found
