"""The functions that an expression can call: one row each. Checker, evaluator and completion read this table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.expressions.scope import Kind, Numbers

NUMBER, NUMBERS, TEXT, TRUTH = Kind


@dataclass(frozen=True, slots=True)
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
    """The method of Numbers of that name, for several numbers or for single ones."""

    def call(*args: float | Numbers) -> float:
        values = args[0] if isinstance(args[0], Numbers) else Numbers(np.array(args, dtype=np.float64))
        return float(getattr(values, method)())

    return call


FUNCTIONS = {
    function.name: function
    for function in (
        Function("abs", (NUMBER,), NUMBER, abs, "the number without its sign"),
        Function("sqrt", (NUMBER,), NUMBER, math.sqrt, "the square root"),
        Function("log", (NUMBER,), NUMBER, math.log, "the natural logarithm"),
        Function("exp", (NUMBER,), NUMBER, math.exp, "e to that power"),
        Function("sign", (NUMBER,), NUMBER, _sign, "1, 0 or -1"),
        Function("min", (NUMBERS,), NUMBER, _reduced("min"), "the smallest of a tensor or of several numbers", True),
        Function("max", (NUMBERS,), NUMBER, _reduced("max"), "the largest of a tensor or of several numbers", True),
        Function("sum", (NUMBERS,), NUMBER, _reduced("sum"), "the sum of a tensor"),
        Function("len", (NUMBERS, TEXT), NUMBER, len, "how many rows a tensor has, or characters a text"),
        Function("isnan", (NUMBER,), TRUTH, math.isnan, "whether it is not a number"),
        Function("isinf", (NUMBER,), TRUTH, math.isinf, "whether it is infinite"),
    )
}
