"""`ScriptTape`: one recorded training step of a script, as numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.immutable import immutable

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@immutable
class SourcePosition:
    """A place in the script's source: lines count from 1, columns from 0; columns are -1 where they are not known."""

    file: int
    line: int
    column: int
    end_line: int
    end_column: int
    function: str


@immutable
class ScriptName:
    """What a name held: rows of a rectangular shape, at a time (rows that were made by then)."""

    time: int
    name: str
    position: int
    kind: str
    shape: tuple[int, ...]
    start: int
    count: int
    context: tuple[tuple[str, dict[str, int | str]], ...]


@immutable
class ParamGroup:
    """Parameters that one container holds: rows `first` on, as many as the shape has elements."""

    name: str
    shape: tuple[int, ...]
    first: int

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return int(np.prod(self.shape, dtype=np.int64))


@immutable
class MomentGroup:
    """Floats that the update has changed; `rows` are the parameters that they belong to, empty if that is unknown."""

    name: str
    before: Floats
    after: Floats
    rows: Ints


@immutable
class UpdateScalar:
    """A float that a name held during the update, before the update write of this index."""

    write: int
    position: int
    name: str
    value: float


@dataclass(frozen=True, eq=False)
class ScriptTape:
    """One recorded step. Rows: parameters, then scalars that are older than the step, then those that it made.

    `n_older` scalars are part of the loss, but were made before the step and are held by nothing. `value` is as
    created, of parameters at the start of the step. A forward tick is a row after the parameters that has children.
    """

    step: int
    complete: bool
    n_params: int
    n_older: int
    loss_row: int
    ops: tuple[str, ...]
    value: Floats
    op: NDArray[np.uint16]
    child_start: Ints
    child: Ints
    local: Floats
    extra: Floats
    stack: Ints
    method_position: Ints
    write_tick: Ints
    write_row: Ints
    write_value: Floats
    write_position: Ints
    grad_before: Floats
    back_row: Ints
    back_source: Ints
    back_value: Floats
    back_position: Ints
    update_row: Ints
    update_value: Floats
    update_position: Ints
    grad_after: Floats
    grad_first: Floats
    """Of parameters: the gradient before the first backward call of the step; nan where that is not known."""
    printed_piece: Ints
    """Numbers of the pieces of text that were printed in the step; with the phase and what of it was done by then."""
    printed_phase: Ints
    printed_count: Ints
    """Forward ticks, writes of gradients or writes of parameters."""
    scalar_write: Ints
    scalar_site: Ints
    scalar_value: Floats
    name_rows: Ints
    stacks: tuple[tuple[int, ...], ...]
    positions: tuple[SourcePosition, ...]
    scalar_sites: tuple[tuple[int, str], ...]
    names: tuple[ScriptName, ...]
    params: tuple[ParamGroup, ...]
    moments: tuple[MomentGroup, ...]
    loops: tuple[tuple[tuple[int, int, tuple[str, ...]], ...], ...]
    files: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    earlier: tuple[float, ...] = ()
    """The losses of earlier backward calls of the step, whose gradients the last one adds to."""
    in_sets: bool = False
    """Whether the class keeps operands in sets: the last bits of gradients depend on addresses in memory then."""

    @classmethod
    def from_message(cls, message: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> ScriptTape:
        """The tape of a message of kind `step` and of the arrays that followed it."""
        contexts = [tuple((function, values) for function, values in each) for each in message["contexts"]]
        names = tuple(
            ScriptName(
                time=each["time"], name=each["name"], position=each["position"], kind=each["kind"],
                shape=tuple(each["shape"]), start=each["rows"][0], count=each["rows"][1],
                context=contexts[each["context"]],
            )
            for each in message["names"]
        )  # fmt: skip
        moments, at, rows_at = [], 0, 0
        before, after, rows = (arrays.pop(f"moment_{each}") for each in ("before", "after", "rows"))
        for name, count, aligned in message["moments"]:
            numbers = slice(at, at + count)
            moments.append(MomentGroup(name, before[numbers], after[numbers], rows[rows_at : rows_at + aligned]))
            at, rows_at = at + count, rows_at + aligned
        row_of = _Rows(arrays.pop("row_id"))
        for name in ("child", "back_row", "back_source"):
            arrays[name] = row_of(arrays.pop(f"{name}_id"))
        kept, sources = _sources(arrays)
        done = np.concatenate([[0], np.cumsum(kept)]).astype(np.int32)
        writes = arrays["printed_phase"] == 1
        arrays["printed_count"] = np.where(
            writes, done[np.where(writes, arrays["printed_count"], 0)], arrays["printed_count"]
        )
        for name in ("row", "value", "position"):
            arrays[f"back_{name}"] = arrays[f"back_{name}"][kept]
        arrays["back_source"] = sources
        return cls(
            **arrays,
            step=message["step"],
            complete=message["complete"],
            n_params=message["n_params"],
            n_older=message["n_older"],
            loss_row=message["loss_row"],
            ops=tuple(message["ops"]),
            stacks=tuple(tuple(each) for each in message["stacks"]),
            positions=tuple(SourcePosition(*each) for each in message["positions"]),
            scalar_sites=tuple((position, name) for position, name in message["scalar_sites"]),
            names=names,
            params=tuple(ParamGroup(each["name"], tuple(each["shape"]), each["first"]) for each in message["params"]),
            moments=tuple(moments),
            loops=tuple(
                tuple((first, last, tuple(variables)) for first, last, variables in each) for each in message["loops"]
            ),
            files=tuple(message["files"]),
            settings=message["settings"],
            earlier=tuple(map(float.fromhex, message["earlier"])),
            in_sets=message["in_sets"],
        )  # fmt: skip

    @property
    def update_scalars(self) -> list[UpdateScalar]:
        """The floats that names held during the update, in order."""
        return self.scalars_before(0, len(self.update_row))

    def scalars_before(self, first: int, last: int) -> list[UpdateScalar]:
        """The floats that names held before update writes `first` to `last`, in order."""
        start, stop = np.searchsorted(self.scalar_write, [first, last + 1])
        found = []
        for i in range(start, stop):
            position, name = self.scalar_sites[int(self.scalar_site[i])]
            found.append(UpdateScalar(int(self.scalar_write[i]), position, name, float(self.scalar_value[i])))
        return found

    @property
    def n_rows(self) -> int:
        """How many scalars there are, parameters among them."""
        return len(self.value)

    def children(self, row: int) -> list[int]:
        """The operands of a scalar, in the operator's order."""
        return self.child[self.child_start[row] : self.child_start[row + 1]].tolist()  # type: ignore[no-any-return]

    def locals_of(self, row: int) -> list[float]:
        """The local gradients of a scalar, one for each operand; nan where its class keeps none."""
        return self.local[self.child_start[row] : self.child_start[row + 1]].tolist()  # type: ignore[no-any-return]

    def op_of(self, row: int) -> str:
        """The name of the method that made a scalar; empty for one that has no operands."""
        return self.ops[int(self.op[row])]

    def position_of(self, row: int) -> SourcePosition | None:
        """Where in the script a scalar was made, innermost; None if that is unknown."""
        stack = int(self.stack[row])
        return self.positions[self.stacks[stack][-1]] if stack >= 0 and self.stacks[stack] else None

    def stack_of(self, row: int) -> list[SourcePosition]:
        """The calls that led to a scalar, outermost first."""
        stack = int(self.stack[row])
        return [self.positions[each] for each in self.stacks[stack]] if stack >= 0 else []

    def method_of(self, row: int) -> SourcePosition | None:
        """The line in the scalar class that made a scalar; None if none did."""
        at = int(self.method_position[row])
        return self.positions[at] if at >= 0 else None

    def rows_of(self, name: ScriptName) -> Ints:
        """The rows that a name held."""
        return self.name_rows[name.start : name.start + name.count]

    def group_of(self, row: int) -> ParamGroup | None:
        """The group of a parameter; None for other rows."""
        return next((each for each in self.params if each.first <= row < each.first + each.size), None)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = [each for each in vars(self).values() if isinstance(each, np.ndarray)]
        moments = [each for group in self.moments for each in (group.before, group.after, group.rows)]
        return sum(each.nbytes for each in (*arrays, *moments))


class _Rows:
    """Finds the rows of scalars by what the child tells them apart by."""

    def __init__(self, of_rows: NDArray[np.uint64]) -> None:
        self._rows = np.argsort(of_rows)
        self._sorted = of_rows[self._rows]

    def __call__(self, of_scalars: NDArray[np.uint64]) -> Ints:
        """The row of each scalar; -1 for one that has none."""
        if not len(self._sorted):
            return np.full(len(of_scalars), -1, np.int32)
        at = np.minimum(np.searchsorted(self._sorted, of_scalars), len(self._sorted) - 1)
        return np.where(self._sorted[at] == of_scalars, self._rows[at], -1).astype(np.int32)


def _sources(arrays: dict[str, NDArray[Any]]) -> tuple[NDArray[np.bool_], Ints]:
    """Which writes of gradients are of rows, and the row that each of these comes from; -1 for none.

    A gradient comes from the last other scalar whose gradient was read, if the written one is an operand of that; else
    from where the write before came from, if it is an operand of that.
    """
    kept = arrays["back_row"] >= 0
    row, source = arrays["back_row"][kept].astype(np.int64), arrays["back_source"][kept].astype(np.int64)
    n = len(arrays["value"])
    parents = np.repeat(np.arange(n, dtype=np.int64), np.diff(arrays["child_start"]))
    edges = np.unique(parents * n + arrays["child"])

    def is_edge(parent: NDArray[np.int64], child: NDArray[np.int64]) -> NDArray[np.bool_]:
        key = parent * n + child
        at = np.minimum(np.searchsorted(edges, key), max(len(edges) - 1, 0))
        return (parent >= 0) & (edges[at] == key) if len(edges) else np.zeros(len(key), bool)

    good = is_edge(source, row)
    place = np.maximum.accumulate(np.where(good, np.arange(len(row)), -1))
    before = np.where(place >= 0, source[np.maximum(place, 0)], -1)
    other = np.where(is_edge(before, row), before, -1)
    return kept, np.where(good, source, other).astype(np.int32)
