"""Formulas as they are printed, evaluated: every number stands for all numbers that are printed like it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
TOKEN = re.compile(rf"\s*({NUMBER}|½|Σ x²|[A-Za-zΔ_]+|[-+−·×/^²√(),])")
SIGNS = {"+": 1.0, "-": -1.0, "−": -1.0}


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`."""

    low: float
    high: float

    @staticmethod
    def exactly(value: float) -> Range:
        return Range(value, value)

    @staticmethod
    def printed(text: str) -> Range:
        """What is printed like this. Whole numbers stand for themselves."""
        value, (mantissa, _, power) = float(text), text.partition("e")
        if text.isdigit():
            return Range.exactly(value)
        half = 0.5000001 * 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
        return Range(value - half, value + half)

    def of(self, *candidates: float) -> Range:
        return Range(min(candidates), max(candidates))

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def __neg__(self) -> Range:
        return Range(-self.high, -self.low)

    def __mul__(self, other: Range) -> Range:
        return self.of(*(a * b for a in (self.low, self.high) for b in (other.low, other.high)))

    def __truediv__(self, other: Range) -> Range:
        if other.low <= 0 <= other.high:
            return Range(-math.inf, math.inf)
        return self.of(*(a / b for a in (self.low, self.high) for b in (other.low, other.high)))

    def square(self) -> Range:
        ends = (self.low**2, self.high**2)
        return Range(0.0 if self.low <= 0 <= self.high else min(ends), max(ends))

    def power(self, exponent: Range) -> Range:
        bases = (max(self.low, 1e-300), max(self.high, 1e-300))
        return self.of(*(a**b for a in bases for b in (exponent.low, exponent.high)))

    def meets(self, other: Range) -> bool:
        slack = 1e-9 * max(map(abs, (self.low, self.high, other.low, other.high)))  # what the arithmetic here rounds
        return self.low <= other.high + slack and other.low <= self.high + slack


def evaluate(text: str, names: Mapping[str, Range] | None = None) -> Range:
    """What a formula in numbers comes to; ValueError for what is none."""
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"{text!r} is no formula at {text[at:]!r}")
        tokens.append(found[1])
        at = found.end()
    reader = _Reader(tokens, names or {})
    result = reader.sum()
    if reader.tokens:
        raise ValueError(f"{text!r} does not end before {reader.tokens}")
    return result


class _Reader:
    """Reads a formula from left to right: sums of products of factors, a sign binding less than a power."""

    def __init__(self, tokens: list[str], names: Mapping[str, Range]) -> None:
        self.tokens, self.names = tokens, names

    def take(self, *wanted: str) -> str | None:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else None

    def need(self, wanted: str) -> None:
        if self.take(wanted) is None:
            raise ValueError(f"{wanted!r} is missing before {self.tokens}")

    def sum(self) -> Range:
        total = self.product()
        while sign := self.take("+", "-", "−"):
            term = self.product()
            total = total + (term if sign == "+" else -term)
        return total

    def product(self) -> Range:
        result = self.factor()
        while sign := self.take("·", "×", "/"):
            factor = self.factor()
            result = result / factor if sign == "/" else result * factor
        return result

    def factor(self) -> Range:
        if sign := self.take("+", "-", "−"):
            return self.factor() if sign == "+" else -self.factor()
        base = self.atom()
        if self.take("²"):
            return base.square()
        return base.power(self.factor()) if self.take("^") else base

    def atom(self) -> Range:
        if not self.tokens:
            raise ValueError("the formula ends too early")
        token = self.tokens.pop(0)
        if token == "√":
            return self.atom().power(Range.exactly(0.5))
        if token == "½":
            return Range.exactly(0.5)
        if token == "(":
            inner = self.sum()
            self.need(")")
            return inner
        if token in ("exp", "log", "max"):
            return self.call(token)
        if token in self.names:
            return self.names[token]
        if re.fullmatch(NUMBER, token):
            return Range.printed(token)
        raise ValueError(f"{token!r} is no number")

    def call(self, function: str) -> Range:
        self.need("(")
        inner = [self.sum()]
        while self.take(","):
            inner.append(self.sum())
        self.need(")")
        if function == "max":
            return Range(max(each.low for each in inner), max(each.high for each in inner))
        (one,) = inner
        if function == "exp":
            return Range(math.exp(one.low), math.exp(one.high))
        return Range(math.log(max(one.low, 1e-300)), math.log(max(one.high, 1e-300)))
