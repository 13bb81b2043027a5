"""The tape: one row per scalar, as flat arrays. `Value` is a handle whose arithmetic appends rows.

Knows nothing of GPTs. A recording holds the graph, not the numbers; `kernels` fills those in.
"""

from __future__ import annotations

import bisect
import functools
import inspect
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from engine.autograd.kernels import ADD, EXP, LEAF, LOG, MUL, NEG_MAX, NOTHING, POW, RELU
from engine.immutable import immutable_by_identity

Rows = npt.NDArray[np.int32]
_GLOBALS = globals()  # of the frames that `Tape.push` skips


@immutable_by_identity
class Operation:
    """One call of a function of the model: its name, and the rows that its arguments held, by parameter name."""

    kind: str
    operands: dict[str, Rows]
    matrix: str | None  # the parameter matrix among the arguments


@immutable_by_identity
class Tensor:
    """A named tensor on the tape.

    `rows` are its scalars, (n,); `shape` is (n,), or () for a single scalar. `first` to `last` (exclusive) are all the
    rows that went into making it. `block` is the function of the model that named it and `line` the line that did.
    """

    name: str
    pos: int | None
    layer: int | None
    head: int | None
    rows: Rows
    shape: tuple[int, ...]
    first: int
    last: int
    block: str
    line: int
    operation: Operation
    parts: dict[str, Rows]


@dataclass(eq=False)
class Tape:
    """Rows while they are being recorded; `Recording` freezes them into numpy arrays."""

    op: array[int] = field(default_factory=lambda: array("b"))
    child: array[int] = field(default_factory=lambda: array("i"))  # two a row
    args: array[int] = field(default_factory=lambda: array("i"))  # the arguments of NEG_MAX rows
    numbers: dict[int, float] = field(default_factory=dict)  # what the leaves that are no parameters hold
    tensors: list[Tensor] = field(default_factory=list)
    pos: int | None = None
    _constants: dict[float, int] = field(default_factory=dict)
    _parts: dict[str, Rows] = field(default_factory=dict)
    _copies: dict[Any, OperationRows | None] = field(default_factory=dict)  # by function and shapes of its operands
    _lines: list[bytes] = field(default_factory=list)  # as in `Lines`; those of the last rows follow here
    _last_lines: array[int] = field(default_factory=lambda: array("H"))
    _operation: Operation | None = None
    _depth: int = 0
    _named_to: int = 0

    def __len__(self) -> int:
        return len(self.op)

    def push(self, op: int, a: int, b: int) -> Value:
        """Append a row; its line is that of the innermost caller outside of this module."""
        row = len(self.op)
        self.op.append(op)
        self.child.append(a)
        self.child.append(b)
        frame: Any = sys._getframe(2)
        while frame.f_globals is _GLOBALS:
            frame = frame.f_back
        self._last_lines.append(frame.f_lineno)
        return Value(self, row)

    def leaves(self, count: int) -> list[Value]:
        """Append as many rows for numbers that come from outside, as `push` does one."""
        first = self.push(LEAF, NOTHING, NOTHING)
        self.op.extend([LEAF] * (count - 1))
        self.child.extend([NOTHING] * 2 * (count - 1))
        self._last_lines.extend([self._last_lines[-1]] * (count - 1))
        return [first, *(Value(self, row) for row in range(first.row + 1, len(self)))]

    def leaf(self, data: float) -> Value:
        """A row of its own for a number that comes from outside, such as a temperature."""
        self.numbers[len(self)] = data
        return self.push(LEAF, NOTHING, NOTHING)

    def constant(self, data: float) -> int:
        """The row of a constant; equal constants share one."""
        row = self._constants.get(data)
        if row is None:
            row = self._constants[data] = self.leaf(float(data)).row
        return row

    def lines(self) -> Lines:
        """The line of the model that made each row."""
        return Lines([*self._lines, self._last_lines.tobytes()])

    def lines_from(self, start: int) -> bytes:
        """The lines of the rows from `start` on, of which none was written again."""
        return self._last_lines[start - len(self) :].tobytes()

    def write_lines(self, lines: bytes) -> None:
        """Append these, of which no copy is made."""
        self._lines += [self._last_lines.tobytes(), lines]
        self._last_lines = array("H")

    def mark(self) -> int:
        """The present end of the tape; the next tensor is counted from here."""
        self._named_to = len(self.op)
        return self._named_to


class Lines:
    """The line of the model that made each row, in blocks of 16-bit numbers; copied operations share theirs."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = [np.frombuffer(block, dtype=np.uint16) for block in blocks if block]
        self._ends = list(accumulate(map(len, self._blocks)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise IndexError(row)
        at = bisect.bisect_right(self._ends, row)
        return int(self._blocks[at][row - self._ends[at]])


class Value:
    """A scalar of the graph while it is recorded: operators append what they compute, and compute nothing.

    The operators build the same graph as the original's: a quotient is a product with a power, a difference
    is a sum with a product by -1, `sum()` starts by adding 0.
    """

    __slots__ = ("row", "tape")

    def __init__(self, tape: Tape, row: int) -> None:
        self.tape, self.row = tape, row

    def __add__(self, other: Value | float) -> Value:
        return self.tape.push(ADD, self.row, other.row if isinstance(other, Value) else self.tape.constant(other))

    def __mul__(self, other: Value | float) -> Value:
        return self.tape.push(MUL, self.row, other.row if isinstance(other, Value) else self.tape.constant(other))

    def __pow__(self, exponent: float) -> Value:
        return self.tape.push(POW, self.row, self.tape.constant(exponent))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Value:
        return self * -1.0

    def __sub__(self, other: Value | Largest | float) -> Value:
        return self + -other

    def __rsub__(self, other: float) -> Value:
        return other + -self

    def __truediv__(self, other: Value | float) -> Value:
        return self * other**-1

    def __rtruediv__(self, other: float) -> Value:
        return other * self**-1

    def log(self) -> Value:
        return self.tape.push(LOG, self.row, NOTHING)

    def exp(self) -> Value:
        return self.tape.push(EXP, self.row, NOTHING)

    def relu(self) -> Value:
        return self.tape.push(RELU, self.row, NOTHING)


class Largest:
    """The largest of several scalars as a plain number: it can be subtracted, and no gradient flows into it."""

    def __init__(self, values: Sequence[Value]) -> None:
        tape = values[0].tape
        self.negative = tape.push(NEG_MAX, len(tape.args), len(values))
        tape.args.extend(v.row for v in values)

    def __neg__(self) -> Value:
        return self.negative


class Matrix(list[list[Value]]):
    """A parameter matrix: rows of leaves, with its name and the rows that it has on the tape, (rows, columns)."""

    def __init__(self, name: str, tape: Tape, shape: tuple[int, int]) -> None:
        first = len(tape)
        leaves = tape.leaves(shape[0] * shape[1])
        super().__init__(leaves[i * shape[1] : (i + 1) * shape[1]] for i in range(shape[0]))
        self.name = name
        self.rows = np.arange(first, len(tape), dtype=np.int32).reshape(shape)


def rows_of(values: Any) -> Rows:
    """The rows of a value or of nested lists of values, in their shape."""
    return values.rows if isinstance(values, Matrix) else np.array(_nested_rows(values), dtype=np.int32)


def _nested_rows(values: Any) -> Any:
    if isinstance(values, Value):
        return values.row
    return [v.row if isinstance(v, Value) else _nested_rows(v) for v in values]


def _values(tape: Tape, rows: Any) -> Any:
    """A value, or nested lists of values, from rows of the same structure."""
    return [_values(tape, row) for row in rows] if isinstance(rows, list) else Value(tape, rows)


def _structure(argument: Any) -> Any:
    """What a copy of an operation depends on: lengths of lists, whole numbers themselves."""
    if isinstance(argument, Matrix):
        return Matrix, argument.rows.shape
    if isinstance(argument, list | tuple):
        if argument and isinstance(argument[0], Value):
            return len(argument)
        return tuple(_structure(item) for item in argument)
    return None if isinstance(argument, Value) else ("number", argument)


def _places_of(rows: Rows, among: Rows) -> npt.NDArray[np.int64]:
    """Where each of these rows stands among others, which are sorted; -1 if it does not."""
    places = np.minimum(np.searchsorted(among, rows), len(among) - 1)
    return np.where(among[places] == rows, places, -1)


@immutable_by_identity
class _References:
    """Rows that an operation refers to, as it would for other operands and at another place of the tape.

    `inside` are places in `rows` of what the operation made itself, counted from its first row; `outside` are places
    of operands, which have the numbers `operands` among all operands, flattened. All others are constants.
    """

    rows: Rows
    inside: npt.NDArray[np.int64]
    outside: npt.NDArray[np.int64]
    operands: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, rows: Rows, start: int, operands: Rows, order: npt.NDArray[np.int64], constants: Rows
    ) -> _References | None:
        """Taken from an operation that begins at row `start`; None if it refers to anything else.

        `order` sorts the operands; the constants are sorted.
        """
        relative = rows.copy()
        flat = relative.ravel()
        inside, outside = flat >= start, np.flatnonzero((flat < start) & (flat != NOTHING))
        at, place = _places_of(flat[outside], operands[order]), _places_of(flat[outside], constants)
        if ((at < 0) & (place < 0)).any():
            return None
        flat[inside] -= start
        read = at >= 0
        return cls(relative, np.flatnonzero(inside), outside[read], order[at[read]])

    def at(self, start: int, operands: Rows) -> Rows:
        """The rows for an operation with these operands, that begins at row `start`."""
        rows = self.rows.copy()
        flat = rows.ravel()
        flat[self.inside] += start
        flat[self.outside] = operands[self.operands]
        return rows


@immutable_by_identity
class OperationRows:
    """The rows that one call of an operation wrote, to be written again for other operands of the same shapes.

    An operation makes the same graph for operands of the same shapes, but for where it begins and which rows it reads,
    so its Python code need not run again.
    """

    op: bytes
    lines: bytes
    child: _References
    lists: Rows  # places in `child` that count from the beginning of the operation's arguments of NEG_MAX
    args: _References
    result: _References
    parts: dict[str, _References]

    @classmethod
    def of(cls, tape: Tape, start: int, first_arg: int, operands: Rows, result: Any) -> OperationRows | None:
        """What the tape holds from row `start` and argument `first_arg` on; None if it cannot be written again.

        That is so when the operation has made a constant, which a second call would find, when one row stands in two
        places of its operands or is a constant too, and when it reads rows that are neither.
        """
        op = np.frombuffer(tape.op[start:], dtype=np.int8)
        order = np.argsort(operands, kind="stable")
        ordered = operands[order]
        constants = np.sort(np.array([NOTHING, *tape._constants.values()], dtype=np.int32))
        twice = (ordered[1:] == ordered[:-1]).any() or (_places_of(operands, constants) >= 0).any()
        if twice or (op == LEAF).any():
            return None
        child = np.frombuffer(tape.child[2 * start :], dtype=np.int32).copy()
        lists = (2 * np.flatnonzero(op == NEG_MAX)).astype(np.int32)
        counts = child[np.concatenate([lists, lists + 1])]
        child[np.concatenate([lists, lists + 1])] = NOTHING  # a place and a length, no rows
        args = np.frombuffer(tape.args[first_arg:], dtype=np.int32)
        found = [
            _References.of(rows, start, operands, order, constants)
            for rows in (child, args, rows_of(result), *tape._parts.values())
        ]
        if None in found:
            return None
        of_child, of_args, of_result, *of_parts = [references for references in found if references is not None]
        of_child.rows[lists] = counts[: len(lists)] - first_arg
        of_child.rows[lists + 1] = counts[len(lists) :]
        parts = dict(zip(tape._parts, of_parts, strict=True))
        return cls(op.tobytes(), tape.lines_from(start), of_child, lists, of_args, of_result, parts)

    def write(self, tape: Tape, operands: Rows) -> Any:
        """Append the rows for these operands; returns what the call of the operation would."""
        start = len(tape)
        child = self.child.at(start, operands)
        child[self.lists] += len(tape.args)
        tape.op.frombytes(self.op)
        tape.child.frombytes(child.tobytes())
        tape.write_lines(self.lines)
        tape.args.frombytes(self.args.at(start, operands).tobytes())
        tape._parts = tape._parts | {name: part.at(start, operands) for name, part in self.parts.items()}
        return _values(tape, self.result.at(start, operands).tolist())


F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def operation(function: F) -> F:
    """Let calls of this function of the model be recorded: its name is the kind of what it makes.

    What it makes may depend on the shapes of its arguments and on whole numbers among them, and on nothing else.
    """
    names = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def recorded(*args: Any) -> Any:
        tape = _tape_of(args)
        if tape._depth:  # a part of the operation that called it
            return function(*args)
        operands = {n: rows_of(a) for n, a in zip(names, args, strict=True) if not isinstance(a, int)}
        rows = np.concatenate([its.ravel() for its in operands.values()])
        key = (function, *map(_structure, args))
        copied = tape._copies.get(key)
        if copied is not None:
            result = copied.write(tape, rows)
        else:
            start, first_arg = len(tape), len(tape.args)
            tape._depth += 1
            result = function(*args)
            tape._depth -= 1
            tape._copies[key] = OperationRows.of(tape, start, first_arg, rows, result)
        matrix = next((a.name for a in args if isinstance(a, Matrix)), None)
        tape._operation = Operation(function.__name__, operands, matrix)
        return result

    return recorded  # type: ignore[return-value]


def part(name: str, values: T) -> T:
    """Remember an intermediate result of an operation under a name; returns it unchanged."""
    _tape_of((values,))._parts[name] = rows_of(values)
    return values


def name(name: str, values: T, layer: int | None = None, head: int | None = None) -> T:
    """Name the tensor that the last operation made; returns it unchanged.

    The line that calls this is the line that made the tensor, and the function that it stands in is its block.
    """
    tape = _tape_of((values,))
    frame = sys._getframe(1)
    assert tape._operation is not None, "only what an operation made can be named"
    rows = rows_of(values)
    tape.tensors.append(
        Tensor(
            name, tape.pos, layer, head, np.atleast_1d(rows), rows.shape, tape._named_to, len(tape),
            frame.f_code.co_name, frame.f_lineno, tape._operation, tape._parts,
        )
    )  # fmt: skip
    tape._parts, tape._named_to = {}, len(tape)
    return values


def _tape_of(args: Any) -> Tape:
    for arg in args:
        if isinstance(arg, Value):
            return arg.tape
        if isinstance(arg, list | tuple) and arg:
            return _tape_of(arg)
    raise TypeError("an operation of the model takes at least one Value")
