"""Calls operations of the script's scalar class again, with operands moved a little, and says what they gave.

Each call is made on fresh scalars, and leaves nothing behind: the random numbers of the script go on as they were.
"""

from __future__ import annotations

import inspect
import math
import random
from typing import Any, Callable

from .holders import attributes
from .scalar_class import ScalarClass

NAN = float("nan")
VARIABLE = 0x04  # the flag of code that takes any number of arguments
Find = Callable[[str], Any]


def call_again(scalar: ScalarClass, find: Find, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answer to each call {"op", "operands", "extra", "shifts"}, in order; `find` gives a function by its name.

    An answer has "value", "slopes" (the gradient that each operand gets where that of the result is 1), and "moved":
    for each operand the values at operand + shift, nan where the operation cannot be called; or "why" it has none.
    """
    state = random.getstate()
    try:
        return [_Call(scalar, find, **call).answer() for call in calls]
    finally:
        random.setstate(state)


class _Call:
    """One operation at one list of operands."""

    def __init__(
        self, scalar: ScalarClass, find: Find, op: str, operands: list[float], extra: Any, shifts: Any
    ) -> None:
        self.scalar, self.operands, self.extra, self.shifts = scalar, operands, extra, shifts
        self.function = getattr(scalar.kind, op, None) or find(op)
        self.is_method = inspect.isfunction(inspect.getattr_static(scalar.kind, op, None))

    def answer(self) -> dict[str, Any]:
        if not callable(self.function):
            return {"why": "no_function"}
        try:
            scalars = self.scalars(self.operands)
            result = self.apply(scalars)
            value = self.value(result)
            again = self.value(self.apply(self.scalars(self.operands)))
            if value != again and not math.isnan(value):
                return {"why": "two_results"}
            slopes = self.slopes(result, scalars)
        except Exception as error:  # whatever the script raises
            return {"why": "not_alone", "what": {"error": f"{type(error).__name__}: {error}"}}
        return {"value": value, "slopes": slopes, "moved": [self.moved(i) for i in range(len(self.operands))]}

    def scalars(self, operands: list[float]) -> list[Any]:
        return [self.scalar.kind(x) for x in operands]

    def value(self, result: Any) -> float:
        return float(self.scalar.data_of(result))

    def apply(self, scalars: list[Any]) -> Any:
        extra = [] if self.extra is None else [int(self.extra) if self.extra % 1 == 0 else self.extra]
        code = getattr(self.function, "__code__", None)
        if code is None or code.co_flags & VARIABLE:
            return self.function(*scalars, *extra)
        if code.co_argcount >= len(scalars):
            return self.function(*scalars, *extra[: code.co_argcount - len(scalars)])
        return self.function(*self.lists(scalars, code.co_argcount))

    def lists(self, scalars: list[Any], count: int) -> list[Any]:
        """The operands as so many arguments: one and a list, for a method, or lists of the same length.

        A wrong guess gives another result than the one that was recorded, and then nothing is said of it.
        """
        if count == 2 and self.is_method:
            return [scalars[0], scalars[1:]]
        size = len(scalars) // max(count, 1)
        return [scalars[i : i + size] for i in range(0, len(scalars), size)]

    def moved(self, i: int) -> list[float]:
        values = []
        for shift in self.shifts[i] if self.shifts else ():
            operands = list(self.operands)
            operands[i] += shift
            try:
                values.append(self.value(self.apply(self.scalars(operands))))
            except Exception:  # whatever the script raises, beyond what the operation is defined for
                values.append(NAN)
        return values

    def slopes(self, result: Any, scalars: list[Any]) -> list[float]:
        """From the local gradients that the result keeps, else from its closure, else from `backward`."""
        scalar = self.scalar
        children, local = list(scalar.kids(result)), scalar.slopes(result)
        from_operands = bool(children) and all(any(child is x for x in scalars) for child in children)
        if from_operands and len(local) == len(children):
            return [float(sum(slope for child, slope in zip(children, local) if child is x)) for x in scalars]
        for x in scalars:
            scalar.grad.set(x, 0.0)
        closure = next((each for _, each in attributes(result) if callable(each)), None)
        if closure is not None and from_operands:
            scalar.grad.set(result, 1.0)
            closure()
        else:
            scalar.backward(result)
        return [float(scalar.grad_of(x)) for x in scalars]
