"""Statements of a Python file, and patterns that name them: the function, and the statement with `...` for anything.

`gpt: attn_weights = softmax(...)` names that assignment in the function gpt, `Value.backward: ...` all that this method
does, and `logits = gpt(...) #2` the second such statement outside all functions.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import field

from engine.errors import ScriptError
from engine.immutable import immutable
from engine.language.say import say

ANYTHING = "..."
WRITTEN = re.compile(
    r"(?:(?P<scope>[^\W\d][\w.]*)\s*:\s)?\s*(?P<text>(?!#).+?)\s*(?:#(?P<number>[1-9]\d?))?", re.DOTALL
)
SKIPPED = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


@immutable
class Statement:
    """A statement: the function or class that it stands in, its text without blanks, and its lines.

    Of one that holds others (a loop, a function), it is the head alone. Lines are counted from 1, both included.
    `written` is its text in the first of them.
    """

    scope: str
    text: str
    first: int = 0
    last: int = 0
    written: str = field(default="", compare=False)


@immutable
class Pattern:
    """What names statements; `number` says which of those that match, from 1."""

    written: str
    scope: str
    text: str
    number: int | None = None

    @classmethod
    def parse(cls, written: str) -> Pattern:
        """Read a pattern. Raises ScriptError for one that names nothing."""
        found = WRITTEN.fullmatch(written.strip())
        text = _compact(found["text"]) if found else ""
        if found is None or not text:
            raise ScriptError(say("script.statements.no_statement", text=written))
        if text == ANYTHING and not found["scope"]:
            raise ScriptError(say("script.statements.anything_alone"))
        number = int(found["number"]) if found["number"] else None
        return cls(written.strip(), found["scope"] or "", text, number)

    @property
    def statement(self) -> str:
        """The text of the statement, as it is written."""
        return self.written.removeprefix(self.scope).lstrip(": ") if self.scope else self.written

    def matching(self, statements: Sequence[Statement]) -> list[Statement]:
        """The statements that match, whatever their number; those that have `...` themselves only if no other does."""
        if self.text == ANYTHING:
            return [each for each in statements if f"{each.scope}.".startswith(f"{self.scope}.")]
        among = [each for each in statements if each.scope == self.scope]
        found = [each for each in among if _fits(self.text, each.text)]
        return found or [each for each in among if ANYTHING in each.text and _fits(each.text, self.text)]

    def find(self, statements: Sequence[Statement]) -> list[Statement]:
        """The statements that it names, of these in their order."""
        found = self.matching(statements)
        return found if self.number is None else found[self.number - 1 : self.number]


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split(ANYTHING))), text, re.DOTALL) is not None


def _compact(text: str) -> str:
    """A text of Python without blanks, and with one kind of quotation marks."""
    return "".join(text.split()).replace("'", '"').removesuffix(":")


def statements(source: str) -> list[Statement]:
    """The statements of a file, in its order; texts that only describe (docstrings) are none.

    Raises SyntaxError if it is no Python.
    """
    tree = ast.parse(source)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in SKIPPED]
    lines = source.splitlines(keepends=True)
    return [_statement(node, scope, tokens, lines) for node, scope in _nodes(tree.body, "")]


def _nodes(body: Sequence[ast.stmt], scope: str) -> Iterator[tuple[ast.stmt, str]]:
    for node in body:
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield node, scope
        inner = scope
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{scope}.{node.name}" if scope else node.name
        for part in ("body", "handlers", "cases", "orelse", "finalbody"):
            for each in getattr(node, part, ()):
                yield from _nodes(each.body if isinstance(each, ast.ExceptHandler | ast.match_case) else [each], inner)


def _statement(
    node: ast.stmt, scope: str, tokens: Sequence[tokenize.TokenInfo], lines: Sequence[str]
) -> Statement:  # fmt: skip
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    start = _start(node, lines)
    if isinstance(body, list):
        inside = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
        decorators = getattr(inside, "decorator_list", None) or [inside]
        end = _start(decorators[0], lines)
    else:
        end = _position(node.end_lineno or 0, node.end_col_offset or 0, lines)
    own = [token for token in tokens if start <= token.start < end]
    last = own[-1].end[0]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
        arrow = max(
            i for i, token in enumerate(own) if token.string == "->" and token.start < _start(node.returns, lines)
        )
        own = own[:arrow]
    text = _compact("".join(token.string for token in own))
    shown = max((token.end[1] for token in own if token.start[0] == node.lineno), default=start[1])
    return Statement(scope, text, node.lineno, last, lines[node.lineno - 1][start[1] : shown].rstrip(": "))


def _start(node: ast.stmt | ast.expr | ast.pattern, lines: Sequence[str]) -> tuple[int, int]:
    return _position(node.lineno, node.col_offset, lines)


def _position(line: int, column: int, lines: Sequence[str]) -> tuple[int, int]:
    """A place of the syntax tree, which counts bytes, as one of the tokens, which count characters."""
    return line, len(lines[line - 1].encode()[:column].decode(errors="ignore"))
