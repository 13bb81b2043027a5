"""Which tensors a recorded step has: what the script's names held, and the loops that each was made in.

A tensor is a list of scalars that a name held. Scalars that helper functions make one by one, and that become elements
of a list, are on the way to that list. Knows nothing of kinds of operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.autograd.tape import Rows
from engine.script.code import Code
from engine.script.tape import ScriptName, ScriptTape

COMPREHENSIONS = ("<listcomp>", "<genexpr>", "<setcomp>", "<dictcomp>")


@dataclass(frozen=True, slots=True)
class Level:
    """One loop around a tensor: which loop of the script it is, its variable, and the round of it."""

    loop: tuple[Any, ...]
    variable: str
    round: int


@dataclass(slots=True, eq=False)
class NamedTensor:
    """Scalars that a name held: `rows`, flat, of a `shape`; `last` is the one made last.

    `position` says where it was named, `functions` in which function, and what had called that, outermost first.
    `levels` are the loops around it, outermost first. `inside` are scalars with names that were made on the way.
    """

    name: str
    rows: Rows
    shape: tuple[int, ...]
    last: int
    position: int
    functions: tuple[str, ...]
    frames: tuple[int, ...]
    calls: int  # frames deeper that named it too: the functions that it was returned from
    levels: tuple[Level, ...] = ()
    inside: dict[str, list[int]] = field(default_factory=dict)
    interior: list[NamedTensor] = field(default_factory=list)

    @property
    def site(self) -> tuple[str, int]:
        """What tensors of the same name have in common that were named at the same place of the script."""
        return self.name, self.position


class TensorFinder:
    """Finds the tensors of one tape, whose rows have the numbers `to_row` here; `codes` are its files."""

    def __init__(self, tape: ScriptTape, to_row: Rows, codes: Sequence[Code]) -> None:
        self._tape, self._to_row, self._codes = tape, to_row, codes
        counts = np.diff(tape.child_start)
        self.computed: npt.NDArray[np.bool_] = counts > 0
        self.leaves: dict[int, str] = {}
        """Names of plain numbers that a name held: x[3]."""
        self._sources: dict[tuple[int, int], list[tuple[tuple[Any, ...], list[str]]]] = {}

    def tensors(self) -> list[NamedTensor]:
        """The tensors in the order in which they are complete."""
        winners = list(self._winners())  # in the order in which they got their first name
        chains = self._rounds([chain for _, chain in winners])
        loss = int(self._tape.loss_row)
        kept: list[NamedTensor] = []
        owner = np.full(self._tape.n_rows, -1, dtype=np.int32)
        made: list[NamedTensor] = []
        for (tensor, _), levels in zip(winners, chains, strict=True):
            tensor.levels = levels
            own = tensor.rows[self.computed[tensor.rows]]
            owners = owner[own]
            new = own[owners < 0]
            single = [i for i in np.unique(owners[owners >= 0]).tolist() if made[i].rows.size == 1]
            if not len(new) and not (single and tensor.rows.size > 1):
                continue  # other names for what is there already
            if tensor.rows.size > 1:
                firsts = [*new.tolist(), *(made[i].last for i in single)]
                if not _take_in(tensor, min(firsts), kept) and not len(new):
                    continue
            made.append(tensor)
            owner[own] = len(made) - 1
            self._note_interior(tensor, kept)
            kept.append(tensor)
        return _with_levels(sorted(kept, key=lambda each: (each.last, each.rows.size)), loss)

    # Names.

    def _winners(self) -> Iterator[tuple[NamedTensor, list[tuple[tuple[Any, ...], str, int | None]]]]:
        """One tensor for each set of scalars that names held, under the best of its names, with the loops around it."""
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
            context = [each for each in winner.context if not _in_comprehension(each[0])]
            last = int(rows[self.computed[rows]].max())
            chain, frames = self._chain(winner, context, last)
            position = winner.position
            yield (
                NamedTensor(
                    _plain(winner.name),
                    rows,
                    winner.shape,
                    last,
                    position,
                    tuple(each[0] for each in context),
                    frames,
                    max(_depth(record) for record in records) - _depth(winner),
                ),
                chain,
            )

    def _note_leaves(self, record: ScriptName, rows: Rows) -> None:
        if int(rows.min()) < self._tape.n_params:
            return
        name, shape = _plain(record.name), record.shape
        for i, row in enumerate(rows.tolist()):
            index = ",".join(map(str, np.unravel_index(i, shape))) if shape else ""
            self.leaves.setdefault(row, f"{name}[{index}]" if index else name)

    # Loops.

    def _chain(
        self, record: ScriptName, context: list[Any], row: int
    ) -> tuple[list[tuple[tuple[Any, ...], str, int | None]], tuple[int, ...]]:
        """The loops around a name, outermost first, with variable and its value; and the lines of the frames."""
        tape = self._tape
        frames: list[list[int]] = []
        stack = int(tape.stack[row])
        for position in tape.stacks[stack] if stack >= 0 else ():
            if _in_comprehension(tape.positions[position].function) and frames:
                frames[-1].append(position)
            else:
                frames.append([position])
        frames = [*frames[: len(context) - 1], [record.position]]
        chain = []
        for j, (positions, (_, variables, *serial)) in enumerate(zip(frames, context, strict=False)):
            for loop, names in self._loops_of(j, positions):
                counted = next((name for name in names if isinstance(variables.get(name), int)), None)
                value = None if counted is None else int(variables[counted])
                chain.append(((loop, *serial), counted or (names[0] if names else ""), value))
        return chain, tuple(each[0] for each in frames)

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
                    own += [((depth, at.file, *span), []) for span in spans]
                self._sources[key] = own
            found += [each for each in self._sources[key] if each not in found]
        return found

    def _rounds(self, chains: list[list[tuple[tuple[Any, ...], str, int | None]]]) -> list[tuple[Level, ...]]:
        """The round of every loop around each tensor: the value of its variable, else how often it came round."""
        state: dict[tuple[Any, ...], tuple[int, set[Any]]] = {}
        found = []
        for chain in chains:
            levels: list[Level] = []
            outer: tuple[Any, ...] = ()
            for i, (loop, variable, value) in enumerate(chain):
                if value is None:
                    key, site = (outer, loop), tuple(each for each in chain[i + 1 :])
                    count, seen = state.get(key, (0, set()))
                    inner_open = any(each[2] is None for each in chain[i + 1 :])
                    if site in seen and not inner_open:
                        count, seen = count + 1, set()
                    state[key] = (count, seen | {site})
                    value = count  # noqa: PLW2901
                levels.append(Level(loop[0], variable, value))
                outer = (*outer, loop[0], value)
            found.append(tuple(levels))
        return found

    # What is on the way to something else.

    def _note_interior(self, tensor: NamedTensor, kept: list[NamedTensor]) -> None:
        """The tensors that were named in the functions that this one was returned from."""
        if not tensor.calls:
            return
        depth, positions = len(tensor.functions), self._tape.positions
        statement = positions[tensor.position]
        at = len(kept)
        while at:
            other = kept[at - 1]
            if len(other.functions) <= depth or other.frames[: depth - 1] != tensor.frames[:-1]:
                break
            call = positions[other.frames[depth - 1]]
            if call.file != statement.file or not statement.line <= call.line <= statement.end_line:
                break
            at -= 1
        tensor.interior = kept[at:]


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


def _in_comprehension(function: str) -> bool:
    return function.rpartition(".")[2] in COMPREHENSIONS


def _depth(record: ScriptName) -> int:
    return sum(not _in_comprehension(each[0]) for each in record.context)


def _best(records: list[ScriptName]) -> ScriptName:
    """Of the names that the same scalars had: the first assigned one of the outermost function that has any.

    Where a function inside calls them the same, it is that one, which is nearer to where they were made.
    """
    assigned = [each for each in records if each.kind == "assign"]
    chosen = min(assigned or records, key=_depth)
    return next(each for each in (assigned or records) if each.name == chosen.name)


def _plain(name: str) -> str:
    """A name as it stands in conditions: letters, digits, _ and dots."""
    name = name.removesuffix("()")
    name = "".join(c if c.isalnum() or c in "_." else "_" for c in name).strip("_.") or "value"
    return f"_{name}" if name[0].isdigit() else name


def _with_levels(tensors: list[NamedTensor], loss: int) -> list[NamedTensor]:
    """Leave out of `levels` the loops around the whole step: of one round, with the loss in it."""
    rounds: dict[tuple[Any, ...], set[int]] = {}
    for tensor in tensors:
        for level in tensor.levels:
            rounds.setdefault(level.loop, set()).add(level.round)
    around = {level.loop for tensor in tensors if tensor.last >= loss for level in tensor.levels}
    for tensor in tensors:
        tensor.levels = tuple(x for x in tensor.levels if x.loop not in around or len(rounds[x.loop]) > 1)
    return tensors
