"""The tape: one row per scalar, as flat arrays. `Value` is a handle whose arithmetic appends rows.

Knows nothing of GPTs. A recording holds the graph, not the numbers; `kernels` fills those in.
"""

from __future__ import annotations

import functools
import inspect
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from engine.autograd.kernels import ADD, EXP, LEAF, LOG, MUL, NEG_MAX, NOTHING, POW, RELU

Rows = npt.NDArray[np.int32]
_GLOBALS = globals()  # of the frames that `Tape.push` skips


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One call of a function of the model: its name, and the rows that its arguments held, by parameter name."""

    kind: str
    operands: dict[str, Rows]
    matrix: str | None  # the parameter matrix among the arguments


@dataclass(frozen=True, slots=True, eq=False)
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
    data: array[float] = field(default_factory=lambda: array("d"))
    line: array[int] = field(default_factory=lambda: array("H"))  # the line of the model that made the row
    args: array[int] = field(default_factory=lambda: array("i"))  # the arguments of NEG_MAX rows
    tensors: list[Tensor] = field(default_factory=list)
    pos: int | None = None
    _constants: dict[float, int] = field(default_factory=dict)
    _parts: dict[str, Rows] = field(default_factory=dict)
    _operation: Operation | None = None
    _depth: int = 0
    _named_to: int = 0

    def __len__(self) -> int:
        return len(self.op)

    def push(self, op: int, a: int, b: int, data: float = 0.0) -> Value:
        """Append a row; its line is that of the innermost caller outside of this module."""
        row = len(self.op)
        self.op.append(op)
        self.child.append(a)
        self.child.append(b)
        self.data.append(data)
        frame: Any = sys._getframe(2)
        while frame.f_globals is _GLOBALS:
            frame = frame.f_back
        self.line.append(frame.f_lineno)
        return Value(self, row)

    def leaf(self, data: float) -> Value:
        """A row of its own for a number that comes from outside: a parameter, a temperature."""
        return self.push(LEAF, NOTHING, NOTHING, data)

    def constant(self, data: float) -> int:
        """The row of a constant; equal constants share one."""
        row = self._constants.get(data)
        if row is None:
            row = self._constants[data] = self.leaf(float(data)).row
        return row

    def mark(self) -> int:
        """The present end of the tape; the next tensor is counted from here."""
        self._named_to = len(self.op)
        return self._named_to


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
        super().__init__([tape.leaf(0.0) for _ in range(shape[1])] for _ in range(shape[0]))
        self.name = name
        self.rows = np.array([[v.row for v in row] for row in self], dtype=np.int32)


def rows_of(values: Any) -> Rows:
    """The rows of a value or of nested lists of values, in their shape."""
    if isinstance(values, Matrix):
        return values.rows
    if isinstance(values, Value):
        return np.array(values.row, dtype=np.int32)
    return np.array([rows_of(v) for v in values], dtype=np.int32)


F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def operation(function: F) -> F:
    """Let calls of this function of the model be recorded: its name is the kind of what it makes."""
    names = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def recorded(*args: Any) -> Any:
        tape = _tape_of(args)
        tape._depth += 1
        result = function(*args)
        tape._depth -= 1
        if tape._depth == 0:
            operands = {n: rows_of(a) for n, a in zip(names, args, strict=True) if not isinstance(a, int)}
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
