"""`Code`: one file of a script by its places: the loops around them, the statements, the texts."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.errors import ScriptError
from engine.script.source_file import ScriptFile
from engine.timeline.explainer import CodeText, SourceLine

Span = tuple[int, int, int, int]  # line, column, last line, column after the end; columns count bytes, as Python's do
Loop = tuple[int, list[str]]  # the first line, and the variables
COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)
AUGMENTED = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.FloorDiv: "//", ast.Mod: "%",
    ast.MatMult: "@",
}  # fmt: skip


class Code:
    """A file of a script: its text, and the loops, (first line, last line, variables) each, that were found in it."""

    def __init__(self, file: ScriptFile, loops: Sequence[Sequence[Any]]) -> None:
        self.path = file.path
        self._lines = file.lines()
        labels = tuple(file.place(i) for i in range(1, len(self._lines) + 1)) if file.cells else ()
        self.text = CodeText("\n".join(self._lines), labels)
        self._loops = sorted(((int(first), int(last), list(names)) for first, last, names in loops), key=lambda x: x[0])
        self._loops_at: dict[int, list[Loop]] = {}
        self._formulas: dict[tuple[int, int], str] = {}

    @classmethod
    def read(cls, path: str, loops: Sequence[Sequence[Any]]) -> Code:
        """The code of a file; empty if it cannot be read any more."""
        try:
            return cls(ScriptFile.read(Path(path)), loops)
        except ScriptError:
            return cls(ScriptFile(Path(path), "\n"), loops)

    # Loops.

    def loops_at(self, line: int) -> list[Loop]:
        """The loops around a line, outermost first."""
        if line not in self._loops_at:
            self._loops_at[line] = [(first, names) for first, last, names in self._loops if first <= line <= last]
        return self._loops_at[line]

    def comprehensions_at(self, span: Span) -> list[tuple[Span, list[str]]]:
        """The comprehensions whose repeated part a place lies in, outermost first, with their variables."""
        return [
            (whole, names)
            for whole, once, names in self._comprehensions
            if _within(span, whole) and (span == whole or not _within(span, once))
        ]

    @cached_property
    def _tree(self) -> ast.Module:
        try:
            return ast.parse(self.text.text)
        except (SyntaxError, ValueError, RecursionError):
            return ast.Module([], [])

    @cached_property
    def _comprehensions(self) -> list[tuple[Span, Span, list[str]]]:
        found = [node for node in ast.walk(self._tree) if isinstance(node, COMPREHENSIONS)]
        spans = [
            (
                _span(node),
                _span(node.generators[0].iter),
                [each.id for each in ast.walk(node.generators[0].target) if isinstance(each, ast.Name)],
            )
            for node in found
        ]
        return sorted(spans, key=lambda each: (each[0][:2], (-each[0][2], -each[0][3])))

    @cached_property
    def calls(self) -> dict[str, set[str]]:
        """The names that each function calls, by the function's own name."""
        found: dict[str, set[str]] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(node.name, set()).update(_called(node))
        return found

    def calls_in_loop(self, first: int) -> set[str]:
        """The names that the loop statement at a line calls."""
        loops = (ast.For, ast.AsyncFor, ast.While)
        return {
            name
            for node in ast.walk(self._tree)
            if isinstance(node, loops) and node.lineno == first
            for name in _called(node)
        }

    # Statements.

    def formula_at(self, line: int, column: int) -> str:
        """What the assignment at a place computes, as it is written; of `p -= x` it is p - x."""
        key = (line, column)
        if key not in self._formulas:
            self._formulas[key] = self._formula(line, column)
        return self._formulas[key]

    def statement_at(self, span: Span) -> Span:
        """The whole assignment that a place lies in; the place itself, if that is in none or covers several lines."""
        found = self._assignment(span[0], span[1])
        whole = span if found is None else _span(found)
        return whole if whole[0] == whole[2] == span[0] else span

    def _assignment(self, line: int, column: int) -> ast.Assign | ast.AugAssign | ast.AnnAssign | None:
        found = None
        for node in self._assignments:
            first, start, last, end = _span(node)
            inside = first <= line <= last
            if column >= 0:
                inside = inside and (first, start) <= (line, column) < (last, end)
            if inside:
                found = node  # the innermost one comes last
        return found

    def _formula(self, line: int, column: int) -> str:
        found = self._assignment(line, column)
        if found is None:
            return ""
        value = ast.unparse(found.value) if found.value is not None else ""
        if not isinstance(found, ast.AugAssign):
            return value
        loose = isinstance(found.value, ast.BinOp | ast.IfExp | ast.BoolOp | ast.Compare | ast.Lambda)
        tight = isinstance(found.value, ast.BinOp) and isinstance(found.value.op, ast.Mult | ast.Div | ast.Pow)
        held = f"({value})" if loose and not (tight and isinstance(found.op, ast.Add | ast.Sub)) else value
        return f"{ast.unparse(found.target)} {AUGMENTED.get(type(found.op), '?')} {held}"

    @cached_property
    def _assignments(self) -> list[ast.Assign | ast.AugAssign | ast.AnnAssign]:
        return [node for node in ast.walk(self._tree) if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)]

    # Lines.

    def source(
        self, span: Span, function: str = "", callers: tuple[SourceLine, ...] = (), called: SourceLine | None = None
    ) -> SourceLine:
        """A place as a line that is shown, with the columns of the expression; columns -1 are not known."""
        line, column, last, end = span
        line = max(1, min(line, len(self._lines)))
        columns = None
        if column >= 0:
            text = self._lines[line - 1].encode()
            until = end if last == line and end > column else len(text)
            columns = len(text[:column].decode(errors="ignore")), len(text[:until].decode(errors="ignore"))
        name = "" if function == "<module>" else function
        return SourceLine(self.path, line, frozenset({line}), columns, name, callers, called, self.text)


def _called(node: ast.AST) -> set[str]:
    """The names of functions and methods that are called in some code."""
    functions = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    names = {each.id for each in functions if isinstance(each, ast.Name)}
    return names | {each.attr for each in functions if isinstance(each, ast.Attribute)}


def _span(node: ast.expr | ast.stmt) -> Span:
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def _within(inner: Span, outer: Span) -> bool:
    return outer[:2] <= inner[:2] and inner[2:] <= outer[2:]
