"""The map of microgpt.py: each statement belongs to one page, and its lines are those of the user's copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.script.source_table import OwnLines, SourceTable
from engine.script.statements import Pattern, Statement, statements
from engine.timeline.explainer import CodeText
from microgpt_tui.lectures.file_map import file_map, map_mistakes
from microgpt_tui.lectures.outline import CodeFinder, named_statements
from microgpt_tui.lectures.page import Course
from microgpt_tui.lectures.parser import read_chapter

SHAPE = Path(__file__).with_name("same_shape.py")
TEXT = SHAPE.read_text(encoding="utf-8")
NAMED = named_statements()
NO_TABLE = SourceTable({}, {}, {}, (), {})
ENGINE, COPY = CodeFinder(), CodeFinder(OwnLines(NO_TABLE, SHAPE, CodeText(TEXT)))


def course(folder: Path, *pages_by_chapter: list[list[str]]) -> Course:
    """A course whose pages name these statements."""
    chapters = []
    for number, pages in enumerate(pages_by_chapter, 1):
        file = folder / f"{number}.md"
        texts = ("---\n" + "code: |\n" + "".join(f"  {each}\n" for each in page) + "---\n# T\n" for page in pages)
        file.write_text("".join(texts), encoding="utf-8")
        chapters.append(replace(read_chapter(file), title=f"Chapter {number}"))
    return Course("small", chapters)


def own_pattern(statement: Statement) -> str:
    """A pattern that names one statement of the file alone."""
    base = f"{statement.scope}: {statement.written}" if statement.scope else statement.written
    return f"{base} #{Pattern.parse(base).find(NAMED).index(statement) + 1}"


def whole(folder: Path) -> Course:
    """A course that has every statement on one page, five on each, ten pages in a chapter."""
    patterns = [own_pattern(statement) for statement in NAMED]
    pages = [patterns[i : i + 5] for i in range(0, len(patterns), 5)]
    return course(folder, [["file"], *pages[:9]], *(pages[i : i + 10] for i in range(9, len(pages), 10)))


@pytest.mark.parametrize("finder", [ENGINE, COPY], ids=["outline", "copy"])
def test_every_statement_of_the_file_belongs_to_one_page(tmp_path: Path, finder: CodeFinder) -> None:
    made = whole(tmp_path)
    assert map_mistakes(made) == []
    shown = file_map(made, finder)
    file = statements(TEXT) if finder is COPY else NAMED
    assert shown.has_lines is (finder is COPY)
    assert [statement for region in shown.regions for statement in region.statements] == list(file)
    assert [(region.owner.place, region.owner.page) for region in shown.regions] == [
        (place, page)
        for place, chapter in enumerate(made.chapters)
        for page, written in enumerate(chapter.pages)
        if [source.text for source in written.code] != ["file"]
    ]


def test_a_statement_of_two_pages_is_told_where_it_stands_the_second_time(tmp_path: Path) -> None:
    made = course(tmp_path, [["linear: ..."], ["softmax: total = ..."]], [["loss = ...", "softmax: ..."]])
    (mistake,) = map_mistakes(made)
    assert str(mistake) == (
        f"{tmp_path / '2.md'}:4: softmax: total = ... belongs to page 2 of 1 already; here, write it under see"
    )


def test_a_map_with_gaps_is_told(tmp_path: Path) -> None:
    made = whole(tmp_path)
    first, *others = made.chapters
    (mistake,) = map_mistakes(Course("", [replace(first, pages=first.pages[:-1]), *others]))
    assert str(mistake).startswith(f"{tmp_path / '1.md'}:3: the map shows all of the file, and no page has these ")
    assert str(mistake).endswith("and 2 more")
    assert map_mistakes(course(tmp_path, [["linear: ..."]])) == []  # it shows no map, and so promises nothing


def test_chapters_stand_in_the_order_of_their_largest_part(tmp_path: Path) -> None:
    made = course(tmp_path, [["loss = ..."], ["rmsnorm: ..."]], [["loss_t = ..."], ["def linear(...)", "linear: ..."]])
    second, first = file_map(made, COPY).chapters
    at = line_of("def linear")
    assert (second.place, second.largest.label, second.lines) == (1, "linear()", f"{at}-{at + 1} +1")
    at = line_of("ms = ")
    assert (first.place, first.largest.label, first.lines) == (0, "rmsnorm: ms … return [times", f"{at}-{at + 2} +1")


def line_of(beginning: str) -> int:
    return next(i for i, line in enumerate(TEXT.split("\n"), 1) if line.strip().startswith(beginning))


def test_a_region_is_called_by_what_it_begins_and_ends_with(tmp_path: Path) -> None:
    made = course(
        tmp_path,
        [["class Value", "Value: ..."], ["def linear(...)", "linear: ..."]],
        [
            ["gpt: q = ..."],
            ["gpt: x_attn = ...", "gpt: for h in ...", "gpt: hs = ..."],
            ["p.data -= ...", "p.grad = ..."],
        ],
    )
    assert [region.label for region in file_map(made, ENGINE).regions] == [
        "class Value", "linear()", "gpt: q", "gpt: x_attn … hs", "p.data … p.grad",
    ]  # fmt: skip
