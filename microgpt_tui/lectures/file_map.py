"""The map of `microgpt.py`: which page of a course each of its statements belongs to.

With a copy of the file, its lines are known; without one, the statements alone, by their numbers in the outline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from engine.errors import ScriptError
from engine.immutable import immutable
from engine.script.statements import Pattern, Statement
from microgpt_tui.lectures.outline import CodeFinder, named_statements
from microgpt_tui.lectures.page import THE_FILE, Chapter, Course, LectureError, SourceText
from microgpt_tui.texts.say import say

DEFINED = re.compile(r"(?P<what>class|def) +(?P<name>\w+)")
LOOP = re.compile(r"(?P<name>for .+?) in\b.*")
ASSIGNED = re.compile(r"(?P<name>[^=(]+?)\s*(?:[-+*/]|//|\*\*)?=[^=].*")


@immutable
class Owner:
    """A page that a statement belongs to, by the places of chapter and page, and where that is written."""

    place: int
    page: int
    source: SourceText


@immutable
class Region:
    """Statements that follow one another in the file and belong to one page or chapter.

    `place` is that of the first among all statements of the file.
    """

    place: int
    statements: tuple[Statement, ...]
    owner: Owner

    @property
    def lines(self) -> tuple[int, int]:
        """The first and the last line, where they are known."""
        return self.statements[0].first, max(each.last for each in self.statements)

    @property
    def label(self) -> str:
        """What it begins and ends with, in a few words."""
        return region_label(self.statements)


@immutable
class ChapterRegions:
    """What belongs to a chapter, by its place: statements that follow one another are one region."""

    place: int
    title: str
    regions: tuple[Region, ...]

    @property
    def largest(self) -> Region:
        return max(self.regions, key=lambda region: len(region.statements))

    @property
    def lines(self) -> str:
        """The lines of the largest region, and how many others there are, as in 30-72 +2."""
        first, last = self.largest.lines
        more = f" +{len(self.regions) - 1}" if len(self.regions) > 1 else ""
        return (f"{first}-{last}" if last > first else f"{first}") + more


@immutable
class FileMap:
    """The regions of the file, by page, in the order of the file; `has_lines` says whether its lines are known."""

    regions: tuple[Region, ...]
    has_lines: bool
    titles: tuple[str, ...]

    @property
    def chapters(self) -> tuple[ChapterRegions, ...]:
        """The chapters that own any of it, in the order of what is largest in each."""
        found: dict[int, list[Region]] = {}
        for region in self.regions:
            its = found.setdefault(region.owner.place, [])
            if its and its[-1].place + len(its[-1].statements) == region.place:
                its[-1] = replace(its[-1], statements=its[-1].statements + region.statements)
            else:
                its.append(region)
        chapters = (ChapterRegions(place, self.titles[place], tuple(regions)) for place, regions in found.items())
        return tuple(sorted(chapters, key=lambda chapter: chapter.largest.place))


def file_map(course: Course, finder: CodeFinder) -> FileMap:
    """The map of the file in a course. A statement that several pages claim belongs to the first of them."""
    titles = tuple(chapter.title for chapter in course.chapters)
    patterns = list(_patterns(course))
    named = named_statements()
    of_outline, of_copy = (_owners(among, patterns) for among in (named, finder.statements))
    has_lines = 2 * len(of_copy) >= len(of_outline) > 0  # the copy calls things as the original does
    regions = _regions(finder.statements, of_copy) if has_lines else _regions(named, of_outline)
    return FileMap(tuple(regions), has_lines, titles)


def _regions(statements: Sequence[Statement], owners: Mapping[Statement, list[Owner]]) -> Iterator[Region]:
    whose = [(owners[each][0].place, owners[each][0].page) if each in owners else None for each in statements]
    for page, group in groupby(range(len(statements)), lambda place: whose[place]):
        first, *others = group
        if page is not None:
            its = tuple(statements[place] for place in (first, *others))
            yield Region(first, its, owners[its[0]][0])


def _owners(statements: Sequence[Statement], patterns: Sequence[tuple[Pattern, Owner]]) -> dict[Statement, list[Owner]]:
    """The pages that claim statements, of those that any does."""
    owners: dict[Statement, list[Owner]] = {}
    for pattern, owner in patterns:
        for statement in pattern.find(statements):
            its = owners.setdefault(statement, [])
            if all((each.place, each.page) != (owner.place, owner.page) for each in its):
                its.append(owner)
    return owners


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
    named = named_statements()
    owned = _owners(named, list(_patterns(course)))
    found = []
    for statement in (each for each in named if each in owned):
        first, *others = owned[statement]
        chapter = course.chapters[first.place].name
        owned_by = say("lectures.file_map.owned", statement=_written(statement), page=first.page + 1, chapter=chapter)
        found += [each.source.fault(owned_by) for each in others]
    shown = _shows_map(course.chapters)
    missing = [_written(statement) for statement in named if statement not in owned]
    if shown is not None and missing:
        some, more = "; ".join(missing[:3]), len(missing) - 3
        which = "some" if more > 0 else "all"
        found.append(shown.fault(say(f"lectures.file_map.missing.{which}", some=some, more=more)))
    return found


def _shows_map(chapters: Iterable[Chapter]) -> SourceText | None:
    pages = (page for chapter in chapters for page in chapter.pages)
    return next((source for page in pages for source in page.code if source.text == THE_FILE), None)


def _written(statement: Statement) -> str:
    return f"{statement.scope}: {statement.written}" if statement.scope else statement.written


# Names.


def region_label(statements: Sequence[Statement]) -> str:
    """What some statements that follow one another begin and end with."""
    first, last = statements[0], statements[-1]
    if (top := _top(first)) and all(_top(each) == top for each in statements):
        if not first.scope:  # with its head: the whole, or its beginning
            return statement_name(first)
        begin, end = statement_name(first), statement_name(last)
        return f"{top}: {begin}" if begin == end else f"{top}: {begin} … {end}"
    begin, end = (f"{_top(each)}()" if _top(each) else statement_name(each) for each in (first, last))
    return begin if begin == end else f"{begin} … {end}"


def _top(statement: Statement) -> str:
    """The outermost function or class that a statement stands in, or is the head of."""
    if statement.scope:
        return statement.scope.partition(".")[0]
    found = DEFINED.match(statement.written)
    return found["name"] if found else ""


def statement_name(statement: Statement) -> str:
    """A statement in a word or two: what it defines, or how it begins."""
    if found := DEFINED.match(statement.written):
        return f"class {found['name']}" if found["what"] == "class" else f"{found['name']}()"
    if found := LOOP.fullmatch(statement.written) or ASSIGNED.fullmatch(statement.written):
        return found["name"].removeprefix("self.")
    return statement.written.partition("(")[0]
