"""The map of `microgpt.py`: which page of a course each of its statements belongs to.

With a copy of the file, its lines are known; without one, the statements alone, by their numbers in the outline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from engine.errors import ScriptError
from engine.script.statements import Pattern, Statement
from microgpt_tui.lectures.outline import CodeFinder, outline
from microgpt_tui.lectures.page import THE_FILE, Chapter, Course, LectureError, SourceText

DEFINED = re.compile(r"(?P<what>class|def) +(?P<name>\w+)")
LOOP = re.compile(r"(?P<name>for .+?) in\b.*")
ASSIGNED = re.compile(r"(?P<name>[^=(]+?)\s*(?:[-+*/]|//|\*\*)?=[^=].*")


@dataclass(frozen=True, slots=True)
class Owner:
    """A page that a statement belongs to, by the places of chapter and page, and where that is written."""

    place: int
    page: int
    source: SourceText


@dataclass(frozen=True, slots=True)
class Region:
    """Statements that follow one another in the file and belong to one page or chapter."""

    statements: tuple[Statement, ...]
    owner: Owner

    @property
    def lines(self) -> tuple[int, int]:
        """The first and the last line, where they are known."""
        return self.statements[0].first, max(each.last for each in self.statements)

    @property
    def label(self) -> str:
        """What it begins and ends with, in a few words."""
        return label(self.statements)


@dataclass(frozen=True)
class FileMap:
    """The regions of the file, by page, in the order of the file; `has_lines` says whether its lines are known."""

    regions: tuple[Region, ...]
    has_lines: bool

    def of_chapter(self, place: int) -> tuple[Region, ...]:
        """The regions of a chapter: those that follow one another are one."""
        found = []
        for its, group in groupby(self.regions, lambda region: region.owner.place):
            regions = list(group)
            if its == place:
                found.append(Region(tuple(each for region in regions for each in region.statements), regions[0].owner))
        return tuple(found)


def file_map(course: Course, finder: CodeFinder) -> FileMap:
    """The map of the file in a course. A statement that several pages claim belongs to the first of them."""
    named = [each.statement for each in outline()]
    patterns = list(_patterns(course))
    in_copy = list(_owned(finder.statements, patterns))
    if 2 * len(in_copy) >= len(finder.statements) > 0:  # the copy calls things as the original does
        return FileMap(tuple(_regions(in_copy)), True)
    return FileMap(tuple(_regions(_owned(named, patterns))), False)


def _regions(owned: Iterable[tuple[Statement, list[Owner]]]) -> Iterator[Region]:
    for _, group in groupby(owned, lambda each: (each[1][0].place, each[1][0].page)):
        pairs = list(group)
        yield Region(tuple(statement for statement, _ in pairs), pairs[0][1][0])


def _owned(
    statements: Sequence[Statement], patterns: Sequence[tuple[Pattern, Owner]]
) -> Iterator[tuple[Statement, list[Owner]]]:
    """The statements that belong to any page, with all pages that claim them."""
    owners: dict[Statement, list[Owner]] = {}
    for pattern, owner in patterns:
        for statement in pattern.find(statements):
            its = owners.setdefault(statement, [])
            if all((each.place, each.page) != (owner.place, owner.page) for each in its):
                its.append(owner)
    return ((statement, owners[statement]) for statement in statements if statement in owners)


def _patterns(course: Course) -> Iterator[tuple[Pattern, Owner]]:
    for place, chapter in enumerate(course.chapters):
        for number, page in enumerate(chapter.pages):
            for source in page.code:
                if source.text != THE_FILE:
                    try:
                        yield Pattern.parse(source.text), Owner(place, number, source)
                    except ScriptError:  # a mistake that checking its chapter tells
                        continue


def map_mistakes(course: Course) -> list[LectureError]:
    """What is wrong with the map: statements of two pages; and, where a page shows the map, those of no page."""
    named = [each.statement for each in outline()]
    owned = dict(_owned(named, list(_patterns(course))))
    found = []
    for statement, (first, *others) in owned.items():
        where = f"page {first.page + 1} of {course.chapters[first.place].name}"
        found += [
            each.source.fault(f"{_written(statement)} belongs to {where} already; here, write it under see")
            for each in others
        ]
    shown = _shows_map(course.chapters)
    missing = [_written(statement) for statement in named if statement not in owned]
    if shown is not None and missing:
        some = "; ".join(missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        found.append(shown.fault(f"the map shows all of the file, and no page has these statements: {some}{more}"))
    return found


def _shows_map(chapters: Iterable[Chapter]) -> SourceText | None:
    pages = (page for chapter in chapters for page in chapter.pages)
    return next((source for page in pages for source in page.code if source.text == THE_FILE), None)


def _written(statement: Statement) -> str:
    return f"{statement.scope}: {statement.written}" if statement.scope else statement.written


# Names.


def label(statements: Sequence[Statement]) -> str:
    """What some statements that follow one another begin and end with."""
    first, last = statements[0], statements[-1]
    if (top := _top(first)) and all(_top(each) == top for each in statements):
        if not first.scope:  # with its head: the whole, or its beginning
            return name(first)
        begin, end = name(first), name(last)
        return f"{top}: {begin}" if begin == end else f"{top}: {begin} … {end}"
    begin, end = (f"{_top(each)}()" if _top(each) else name(each) for each in (first, last))
    return begin if begin == end else f"{begin} … {end}"


def _top(statement: Statement) -> str:
    """The outermost function or class that a statement stands in, or is the head of."""
    if statement.scope:
        return statement.scope.partition(".")[0]
    found = DEFINED.match(statement.written)
    return found["name"] if found else ""


def name(statement: Statement) -> str:
    """A statement in a word or two: what it defines, or how it begins."""
    if found := DEFINED.match(statement.written):
        return f"class {found['name']}" if found["what"] == "class" else f"{found['name']}()"
    if found := LOOP.fullmatch(statement.written) or ASSIGNED.fullmatch(statement.written):
        return found["name"].removeprefix("self.")
    return statement.written.partition("(")[0]
