"""What an expression can calculate with: operators, methods and functions, and the evaluation of a checked syntax tree.

FUNCTIONS is the one table of functions, one row each: checker, evaluator and completion read it.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.expressions.scope import Kind, Value
from engine.immutable import immutable
from engine.language.say import say
from engine.model.recording import Floats
from engine.text import occurs, same

NUMBER, NUMBERS, TEXT, TRUTH = Kind
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,  # of floats: whole numbers could grow without end
}


def _equal(a: Value, b: Value) -> bool:
    return same(a, b) if isinstance(a, str) and isinstance(b, str) else a == b


COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: _equal,
    ast.NotEq: lambda a, b: not _equal(a, b),
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: occurs,
    ast.NotIn: lambda a, b: not occurs(a, b),
}


def _quiet(reduce: Callable[[Floats], Any]) -> Callable[[Floats], float]:
    """`reduce` as a Python number, without numpy's warnings."""

    def call(values: Floats) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return reduce(values).item()  # type: ignore[no-any-return]

    return call


METHODS = {
    "max": _quiet(np.max),
    "min": _quiet(np.min),
    "sum": _quiet(np.sum),
    "mean": _quiet(np.mean),
    "norm": _quiet(lambda values: np.sqrt(np.sum(values * values))),
    "argmax": _quiet(np.argmax),  # counted row by row from 0
    "argmin": _quiet(np.argmin),
}
"""What can be called on several numbers, by name: the only access that expressions have to an array."""


@immutable
class Function:
    """What a function takes, what it gives, and how it is computed.

    `takes` are the kinds that its one argument may have. One that is `variadic` also takes two or more single numbers.
    `call` may raise ArithmeticError or ValueError where there is no answer; the expression is then unknown.
    """

    name: str
    takes: tuple[Kind, ...]
    gives: Kind
    call: Callable[..., Any]
    sentence: str
    variadic: bool = False


def _sign(x: float) -> float:
    return x if math.isnan(x) else (x > 0) - (x < 0)


def _reduced(method: str) -> Callable[..., float]:
    """The method of that name, for an array or for single numbers."""
    return lambda *args: METHODS[method](args[0] if isinstance(args[0], np.ndarray) else np.array(args, np.float64))


FUNCTIONS = {
    function.name: function
    for function in (
        Function("abs", (NUMBER,), NUMBER, abs, say("expressions.functions.number_without_its_sign")),
        Function("sqrt", (NUMBER,), NUMBER, math.sqrt, say("expressions.functions.square_root")),
        Function("log", (NUMBER,), NUMBER, math.log, say("expressions.functions.natural_logarithm")),
        Function("exp", (NUMBER,), NUMBER, math.exp, say("expressions.functions.e_power")),
        Function("sign", (NUMBER,), NUMBER, _sign, "1, 0 or -1"),
        Function(
            "min", (NUMBERS,), NUMBER, _reduced("min"), say("expressions.functions.smallest_tensor_or_several"), True
        ),
        Function(
            "max", (NUMBERS,), NUMBER, _reduced("max"), say("expressions.functions.largest_tensor_or_several"), True
        ),
        Function("sum", (NUMBERS,), NUMBER, _reduced("sum"), say("expressions.functions.sum_tensor")),
        Function("len", (NUMBERS, TEXT), NUMBER, len, say("expressions.functions.how_many_rows_tensor")),
        Function("isnan", (NUMBER,), TRUTH, math.isnan, say("expressions.functions.whether_not_number")),
        Function("isinf", (NUMBER,), TRUTH, math.isinf, say("expressions.functions.whether_infinite")),
    )
}


def calculate(node: ast.expr, known: Mapping[ast.expr | str, Value]) -> Any:
    """The value of a checked syntax tree; `known` has the values of its names, and of whole nodes.

    Raises ArithmeticError or ValueError where there is no answer, such as 1 / 0 and log(0).
    """
    if node in known:
        return known[node]
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return known[name]
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](calculate(left, known), calculate(right, known))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not calculate(operand, known)
        case ast.UnaryOp(op=op, operand=operand):  # -0.0 - x is -x to the last bit, for 0 and -0 too, and a float
            return OPERATORS[ast.Sub if isinstance(op, ast.USub) else ast.Add](-0.0, calculate(operand, known))
        case ast.BoolOp(op=both_or_one, values=values):
            return (all if isinstance(both_or_one, ast.And) else any)(calculate(value, known) for value in values)
        case ast.Compare(left=first, ops=ops, comparators=others):
            left = calculate(first, known)
            for comparison, other in zip(ops, others, strict=True):
                right = calculate(other, known)
                if not COMPARISONS[type(comparison)](left, right):
                    return False
                left = right
            return True
        case ast.Call(func=ast.Attribute(value=value, attr=method)):
            return METHODS[method](calculate(value, known))
        case ast.Call(func=ast.Name(id=name), args=args):
            return FUNCTIONS[name].call(*(calculate(arg, known) for arg in args))
    raise AssertionError(f"the checker lets no {type(node).__name__} through")
