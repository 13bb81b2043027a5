"""The parameters of a script: what they are called here, and the rows that they have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from engine.autograd.tape import Rows
from engine.immutable import immutable
from engine.script.tape import ParamGroup, ScriptTape

LAST_INDEX = re.compile(r"\[\d+\](?!.*\[\d+\])")
INDEX = re.compile(r"\[\d+\]")
PIECES = re.compile(r"\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]|\[(\d+|\*)\]|\.?([A-Za-z_]\w*)")


@immutable
class ScriptParameter:
    """Scalars that one container holds, or the containers of the same name in a list: rows of any shape.

    `name` is a short one that conditions can use, `holder` the expression of the script, * standing for an index;
    `containers` are the expressions of all of them.
    """

    name: str
    holder: str
    rows: Rows
    containers: tuple[str, ...]


class ParameterTable:
    """The parameters, in the order in which the update first moves them; their rows follow one another from 0.

    `groups` are containers of scalars with a name, a shape and the first of their rows on the tape; `moved` are the
    rows that the update wrote, in order. `to_row` says which row here a row of the tape has: others than parameters
    keep theirs.
    """

    @classmethod
    def of(cls, tape: ScriptTape) -> ParameterTable:
        """The parameters of a tape."""
        return cls(tape.params, tape.n_rows, np.asarray(tape.update_row, dtype=np.int32))

    def __init__(self, groups: Sequence[ParamGroup], n_rows: int, moved: Rows) -> None:
        stacks = _stacked(groups)
        turn = np.full(n_rows, len(moved), dtype=np.int64)
        turn[moved[::-1]] = np.arange(len(moved))[::-1]
        stacks.sort(key=lambda stack: int(turn[stack[1]].min()))  # stable: those that never move come last
        names = short_names([holder for holder, *_ in stacks])
        self.to_row: Rows = np.arange(n_rows, dtype=np.int32)
        self.parameters: list[ScriptParameter] = []
        self.moved_rows = 0
        """How many rows belong to parameters that the update moves; these are the first."""
        first = 0
        self.in_order = True
        """Whether the rows are those of the tape."""
        for name, (holder, old, containers) in zip(names, stacks, strict=True):
            rows = np.arange(first, first + old.size, dtype=np.int32).reshape(old.shape)
            self.to_row[old] = rows
            self.in_order = self.in_order and bool((old == rows).all())
            self.parameters.append(ScriptParameter(name, holder, rows, containers))
            first += old.size
            if turn[old].min() < len(moved):
                self.moved_rows = first


@immutable
class Container:
    """One container of a parameter: which one it is, of how many; with its expression in the script."""

    parameter: str
    index: int
    of: int
    holder: str

    @property
    def name(self) -> str:
        """What it is called: as the parameter, with a number if that has several containers."""
        return self.parameter if self.of == 1 else f"{self.parameter}[{self.index}]"


def containers_of(tape: ScriptTape) -> dict[str, Container]:
    """The containers of a tape's parameters, by the expression of the script."""
    return {
        holder: Container(each.name, i, len(each.containers), holder)
        for each in ParameterTable.of(tape).parameters
        for i, holder in enumerate(each.containers)
    }


def names_of(containers: Sequence[Container]) -> list[str]:
    """What some containers are called, each parameter once that is there whole."""
    found = Counter(each.parameter for each in containers)
    return list(dict.fromkeys(each.parameter if found[each.parameter] == each.of else each.name for each in containers))


def _stacked(groups: Sequence[ParamGroup]) -> list[tuple[str, Rows, tuple[str, ...]]]:
    """Holders, rows, containers. Vectors and single scalars of one holder but for its last index are one, stacked."""
    found: dict[tuple[str, tuple[int, ...]], list[tuple[str, Rows]]] = {}
    for group in groups:
        rows = np.arange(group.first, group.first + group.size, dtype=np.int32).reshape(group.shape)
        pattern = LAST_INDEX.sub("[*]", group.name) if len(group.shape) < 2 else group.name
        found.setdefault((pattern, group.shape), []).append((group.name, rows))
    stacks: list[tuple[str, Rows, tuple[str, ...]]] = []
    alike = {INDEX.sub("[*]", pattern) for (pattern, _), members in found.items() if len(members) > 1}
    for (pattern, _), members in found.items():
        alone = len(members) == 1 and not (members[0][0] != pattern and INDEX.sub("[*]", pattern) in alike)
        if alone or len({name for name, _ in members}) != len(members):
            stacks += [(name, rows, (name,)) for name, rows in members]
        else:
            containers = tuple(name for name, _ in members)
            stacks.append((pattern, np.stack([rows for _, rows in members]), containers))
    return stacks


def short_names(holders: Sequence[str]) -> list[str]:
    """Names that conditions can use, all different: the last key of a dictionary, or the attributes on the way."""
    found: list[str] = []
    for holder in holders:
        for name in (_short(holder, False), _short(holder, True)):
            if name not in found:
                found.append(name)
                break
        else:
            name, number = _short(holder, True), 2
            while f"{name}_{number}" in found:
                number += 1
            found.append(f"{name}_{number}")
    return found


def tail(holder: str) -> tuple[str, str]:
    """What a holder is called last, and all that stands before: w and model.layers[1] of model.layers[1].w."""
    pieces = list(PIECES.finditer(holder))
    if not pieces or pieces[-1][3]:
        return "", holder
    last = pieces[-1]
    return last[1] or last[2] or last[4], holder[: last.start()]


def short_name(holder: str) -> str:
    """The short name of one holder, without the indices in it."""
    return _short(INDEX.sub("", holder), False)


def _short(holder: str, whole: bool) -> str:
    """layer0.attn_wq of state_dict['layer0.attn_wq'], layers1.w of model.layers[1].neurons[*].w."""
    words: list[str] = []
    keyed = False
    for single, double, index, word in PIECES.findall(holder):
        key = single or double
        if key:
            words = [key] if not (keyed or whole) else [*words, key]
            keyed = True
        elif index:
            if index != "*" and words:
                words[-1] += index
        elif word:
            words.append(word)
    if not keyed and not whole and len(words) > 1:
        words = words[1:]
    name = ".".join("_".join(re.findall(r"\w+", part)) for word in words for part in word.split("."))
    name = ".".join(f"_{part}" if part[:1].isdigit() else part for part in name.split(".") if part)
    return name or "parameter"
