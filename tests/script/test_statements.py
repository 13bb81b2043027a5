"""Statements are found by patterns: a function, and a text with `...` for anything."""

from __future__ import annotations

import pytest

from engine import ScriptError
from engine.script.statements import Pattern, statements

SOURCE = '''\
"""What it is for."""
import math  # for exp

class Number:
    """Texts that only describe are no statements."""
    def __add__(self, other): return Number(self.data + other.data)

    def way(self) -> dict[str, "Number"]:
        for child in self.children: child.grad += 1
        else:
            return {}

def softmax(x, ä="é"):
    total = sum(
        x,
        0,
    ); half = total / 2  # on one line with the one before
    @staticmethod
    def inner(y): pass
    if total > 1:
        x = norm(x)
    elif total:
        x = norm(x)
    try:
        x = 'a'
    except ValueError:
        x = "b"
    match x:
        case 1 if total: x = 3
    return [e / total for e in x]

x = softmax([1, 2])
'''


def found(pattern: str) -> list[tuple[int, int]]:
    return [(each.first, each.last) for each in Pattern.parse(pattern).find(statements(SOURCE))]


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("import math", [(2, 2)]),
        ("class Number", [(4, 4)]),
        ("class Number:", [(4, 4)]),
        ("Number: def __add__(...)", [(6, 6)]),
        ("Number.__add__: return Number(...)", [(6, 6)]),
        ("Number: def way(...)", [(8, 8)]),
        ("Number: def way( self )", [(8, 8)]),
        ("Number.way: for child in ...", [(9, 9)]),
        ("Number.way: child.grad += ...", [(9, 9)]),
        ("Number.way: return {}", [(11, 11)]),
        ("Number: ...", [(6, 6), (6, 6), (8, 8), (9, 9), (9, 9), (11, 11)]),
        ("def softmax(x, ä='é')", [(13, 13)]),
        ("softmax: total = ...", [(14, 17)]),
        ("softmax: half = total / 2", [(17, 17)]),
        ("softmax: def inner(...)", [(19, 19)]),
        ("softmax.inner: pass", [(19, 19)]),
        ("softmax: x = norm(...)", [(21, 21), (23, 23)]),
        ("softmax: x = norm(...) #2", [(23, 23)]),
        ("softmax: x = norm(...) #3", []),
        ("softmax: x = ...", [(21, 21), (23, 23), (25, 25), (27, 27), (29, 29)]),
        ("softmax: x = 'b'", [(27, 27)]),
        ("softmax: if total ...", [(20, 20)]),
        ("softmax: elif total", [(22, 22)]),
        ("softmax: return [e / total ...", [(30, 30)]),
        ("x = softmax(...)", [(32, 32)]),
        ("x = ...2])", [(32, 32)]),
        ("soft: ...", []),
        ("total = ...", []),
    ],
)
def test_a_pattern_names_statements(pattern: str, lines: list[tuple[int, int]]) -> None:
    assert found(pattern) == lines


@pytest.mark.parametrize("pattern", ["", "  ", "...", "#2"])
def test_what_names_nothing_is_refused_with_a_sentence(pattern: str) -> None:
    with pytest.raises(ScriptError, match=r"names no statement; write"):
        Pattern.parse(pattern)


def test_every_line_of_code_belongs_to_a_statement() -> None:
    lines = {line for each in statements(SOURCE) for line in range(each.first, each.last + 1)}
    described, marks = {1, 5}, {10, 18, 24, 26, 28}  # texts; else, decorators, try, except, match, case
    code = {i for i, line in enumerate(SOURCE.splitlines(), 1) if line.strip()}
    assert code - lines - described <= marks


def test_what_is_no_python_has_no_statements() -> None:
    with pytest.raises(SyntaxError):
        statements("def f(:\n")
