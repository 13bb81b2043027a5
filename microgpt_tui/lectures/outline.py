"""The statements of `microgpt.py` by name, and where they stand: in the user's copy, or what this program has instead.

Without a copy nothing of its text is known, only the patterns in `outline.txt`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import engine
from engine.errors import ScriptError
from engine.immutable import immutable
from engine.script.statements import Pattern, Statement, statements
from engine.timeline.explainer import CodeText
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine.script.source_table import OwnLines, Place

ROOT = Path(engine.__file__).resolve().parent.parent  # of the packages' files
FURTHER_IN = "    "
TENSOR = re.compile(r'name\("(?P<tensor>\w+)"')


@immutable
class NamedStatement:
    """A statement of `microgpt.py`, and the patterns of what stands for it in files of this program.

    In place of its lines, which are not known, it has its number among all statements.
    """

    statement: Statement
    counterparts: tuple[tuple[Path, Pattern], ...]


@immutable
class CodeLines:
    """Lines of a file, in their order, counted from 1."""

    path: Path
    code: CodeText
    lines: tuple[int, ...]
    in_copy: bool = False  # of microgpt.py; else the file is of this program

    @property
    def label(self) -> str:
        """The file: of this program's with its package, such as engine/model/gpt.py."""
        return self.path.name if self.in_copy else self.path.relative_to(ROOT).as_posix()


@cache
def outline() -> tuple[NamedStatement, ...]:
    """The statements of `microgpt.py` in its order."""
    text = resources.files(__package__).joinpath("outline.txt").read_text(encoding="utf-8")
    found: list[tuple[Pattern, list[tuple[Path, Pattern]]]] = []
    for line in text.splitlines():
        if line.startswith(FURTHER_IN):
            file, written = line.split(maxsplit=1)
            found[-1][1].append((ROOT / file, Pattern.parse(written)))
        elif line and not line.startswith("#"):
            found.append((Pattern.parse(line), []))
    return tuple(
        NamedStatement(Statement(pattern.scope, pattern.text, place, place, pattern.statement), tuple(counterparts))
        for place, (pattern, counterparts) in enumerate(found, 1)
    )


@cache
def named_statements() -> tuple[Statement, ...]:
    """The statements of `microgpt.py` in its order, without what stands for them here."""
    return tuple(each.statement for each in outline())


@cache
def read_statements(path: Path) -> tuple[CodeText, tuple[Statement, ...]]:
    """A file of this program and its statements."""
    text = path.read_text(encoding="utf-8")
    return CodeText(text), tuple(statements(text))


class CodeFinder:
    """Finds statements that patterns name, in a copy of `microgpt.py` if there is one."""

    def __init__(self, own: OwnLines | None = None) -> None:
        self.own = own
        self.statements = tuple(statements(own.text.text)) if own is not None else ()

    def check(self, pattern: Pattern) -> None:
        """Raise ScriptError, with what could be meant, for a pattern that names no statement of `microgpt.py`."""
        if pattern.find(self.statements) or pattern.find(named_statements()):
            return
        among = [each for each in named_statements() if each.scope == pattern.scope]
        if not among:
            scopes = dict.fromkeys(each.scope for each in named_statements())
            near = difflib.get_close_matches(pattern.scope, scopes, n=1) or [scope for scope in scopes if scope]
            raise ScriptError(say("lectures.outline.no_function", scope=pattern.scope, near=", ".join(near)))
        texts = [each.written for each in among]
        near = difflib.get_close_matches(pattern.statement, texts, n=1, cutoff=0.3)
        if pattern.number is not None and (such := len(pattern.matching(among))):
            raise ScriptError(say("lectures.outline.no_statement.number", written=pattern.written, such=such))
        if near:
            raise ScriptError(say("lectures.outline.no_statement.near", written=pattern.written, near=near[0]))
        raise ScriptError(say("lectures.outline.no_statement.listed", written=pattern.written, count=len(outline())))

    def lines(self, patterns: Iterable[Pattern]) -> tuple[CodeLines, ...]:
        """The lines of statements that patterns name, by file.

        A copy that calls things otherwise shows those that make the same tensors; if it has none, the engine's are
        shown.
        """
        patterns = list(patterns)
        if self.own is not None:
            found = {line for pattern in patterns for line in self._own_lines(pattern)}
            if found:
                return (CodeLines(self.own.path, self.own.text, tuple(sorted(found)), in_copy=True),)
        by_file: dict[Path, set[int]] = {}
        for pattern in patterns:
            for each in self._named(pattern):
                for path, counterpart in each.counterparts:
                    for statement in counterpart.find(read_statements(path)[1]):
                        by_file.setdefault(path, set()).update(range(statement.first, statement.last + 1))
        return tuple(CodeLines(path, read_statements(path)[0], tuple(sorted(lines))) for path, lines in by_file.items())

    def _own_lines(self, pattern: Pattern) -> set[int]:
        found = pattern.find(self.statements)
        if found:
            return {line for each in found for line in range(each.first, each.last + 1)}
        return {place.line for each in self._named(pattern) for place in self._places(each)}

    def _places(self, named: NamedStatement) -> tuple[Place, ...]:
        """Where the copy makes the tensor that a statement makes."""
        assert self.own is not None
        for path, counterpart in named.counterparts:
            for statement in counterpart.find(read_statements(path)[1]):
                if (made := TENSOR.search(statement.text)) and made["tensor"] in self.own.table.tensors:
                    return self.own.table.tensors[made["tensor"]][:1]
        return ()

    @staticmethod
    def _named(pattern: Pattern) -> list[NamedStatement]:
        found = set(pattern.find(named_statements()))
        return [each for each in outline() if each.statement in found]
