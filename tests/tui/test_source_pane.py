"""The source pane: the lit line is whole or shortened in its middle, its expression lit, its callers above it."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style

from engine.timeline.events import Event, Moment, Phase
from engine.timeline.explainer import CodeText, SourceLine
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Picture, squeezed
from microgpt_tui.panes.source import Source, line_at_work, shortened_line
from tests.support.harness import session

CODE = CodeText(
    """def linear(rows, x):
    return [sum(a * b for a, b in zip(row, x)) for row in rows]

def block(x):
\tinner = x
\tscores = [sum(inner[i] * kept[t][i] for i in range(dim)) / dim ** 0.5 for t in range(len(kept))]
\t한국어 = linear(weights, inner)
\treturn scores

for token in tokens:
    out = block(embed(token))
"""
)
LINES = CODE.text.split("\n")


def of(line: int, part: str = "", **more: object) -> SourceLine:
    """A line of the code, with the place of a part of it."""
    start = LINES[line - 1].index(part)
    columns = (start, start + len(part)) if part else None
    return SourceLine(Path("/home/me/mine.py"), line, frozenset({line}), columns, text=CODE, **more)  # type: ignore[arg-type]


def drawn(source: SourceLine, width: int = 34, height: int = 9) -> Picture:
    run = session()
    run.seek(Moment(0, Phase.FORWARD, 100))
    view = run.view()

    def source_of(event: Event | None = None) -> SourceLine:
        del event
        return source

    view.source = source_of  # type: ignore[method-assign]
    frame = Frame(view, Focus(view.moment))
    pane = Source("source")
    pane.frame = frame
    assert line_at_work(frame, 60).width == 60
    return pane.draw(frame, width, height)


def words(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def lit(picture: Picture) -> list[str]:
    """The pieces that are marked as the expression at work."""
    return [words([s for s in line.segments if s.style and is_lit(s.style)]) for line in picture.lines]


def is_lit(style: Style) -> bool:
    return bool(style.underline) and style.bgcolor == theme.EXPRESSION.bgcolor


@pytest.mark.parametrize("width", [24, 34, 46, 62, 120])
@pytest.mark.parametrize("height", [4, 9, 20])
@pytest.mark.parametrize("part", ["inner[i] * kept[t][i]", "dim ** 0.5", "scores", "len(kept)"])
def test_the_expression_is_seen_whole_and_the_ends_of_the_line_with_it(width: int, height: int, part: str) -> None:
    picture = drawn(of(6, part), width, height)
    rows = [
        line for line in picture.lines if any(s.style and s.style.bgcolor == theme.RAN.bgcolor for s in line.segments)
    ]
    assert all(line.width == width for line in rows)
    assert len(rows) <= (height + 1) // 2  # half of the pane
    text = " ".join(words(line.segments)[6:].strip() for line in rows)
    if width >= 46 or height >= 9:
        assert "".join(lit(picture)).replace(" ", "") == part.replace(" ", "")
    assert text.startswith("s")
    assert text.endswith("]")
    whole, position = LINES[5].replace(" ", ""), 0
    for piece in text.replace(" ", "").split("…"):  # nothing but what is left out is missing, and nothing is moved
        position = whole.index(piece, position) + len(piece)


def test_a_long_line_without_a_known_expression_is_seen_whole_where_there_are_rows_for_it() -> None:
    picture = drawn(of(6), 46, 9)
    rows = [words(line.segments)[6:].strip() for line in picture.lines if line.segments[-1].style == theme.AT_WORK]
    assert len(rows) > 1
    assert "".join(rows).replace(" ", "") == LINES[5].strip().replace(" ", "")


TOKEN = re.compile(r"""f?"[^"]*"|\w+""")


@pytest.mark.parametrize("width", range(28, 80, 3))
def test_no_string_or_name_that_fits_is_divided(width: int) -> None:
    run = session()
    divided = 0
    for event in run.program.events(Phase.FORWARD):
        for tick in (event.first + 1, event.last):
            run.seek(Moment(0, Phase.FORWARD, tick))
            frame = Frame(run.view(), Focus(run.moment))
            picture = Source("source").draw(frame, width, 20)
            assert picture.focus is not None
            rows = [words(line.segments) for line in picture.lines]
            shown = [rows[picture.focus], *takewhile(lambda row: not row[:6].strip(), rows[picture.focus + 1 :])]
            text = [row[6:].strip() for row in shown if row.strip()]
            whole = frame.source.path.read_text(encoding="utf-8").split("\n")[frame.source.line - 1]
            if len(text) > 1 and "…" not in "".join(text):
                divided += 1
                for token in TOKEN.findall(whole):
                    if len(token) <= width - 6 - 2:
                        assert any(token in row for row in text), (token, text)
    assert divided or width > 60


def test_at_120x36_most_lines_of_events_are_seen_whole() -> None:
    run = session()
    seen = 0
    for event in run.program.events(Phase.FORWARD):
        run.seek(Moment(0, Phase.FORWARD, event.last))
        frame = Frame(run.view(), Focus(run.moment))
        picture = Source("source").draw(frame, 30, 7)
        assert picture.focus is not None
        rows = [words(line.segments) for line in picture.lines[picture.focus :]]
        shown = [rows[0], *takewhile(lambda row: not row[:6].strip(), rows[1:])]
        whole = frame.source.path.read_text(encoding="utf-8").split("\n")[frame.source.line - 1]
        if len(whole.strip()) <= 24 + 3 * 16:
            seen += 1
            assert "".join(row[6:] for row in shown).replace(" ", "") == whole.replace(" ", ""), event.name
    assert seen > 12 * run.program.n


def test_a_line_without_a_known_expression_loses_its_middle() -> None:
    segments = [Segment("first = middle + last")]
    assert words([segment for segment, _ in shortened_line(segments, 12, None)]) == "first … last"
    assert shortened_line(segments, 30, None) == [(segments[0], False)]


def test_wide_characters_and_tabs_are_counted_as_they_are_shown() -> None:
    picture = drawn(of(7, "linear(weights, inner)"), 34)
    assert "".join(lit(picture)) == "linear(weights, inner)"
    assert all(line.width <= 34 for line in picture.lines)
    (line,) = [line for line in drawn(of(7, "linear(weights, inner)"), 40).lines if words(line.segments)[0] == "▸"]
    assert "한국어 = linear(weights, inner)" in words(line.segments)


def test_the_line_that_called_stands_above_and_the_one_that_was_called_below() -> None:
    source = of(7, "linear(weights, inner)", function="block", callers=(of(11, "block(embed(token))"),), called=of(2))
    picture = drawn(source, 60, 5)
    text = picture.text().split("\n")
    top = Source("source").top_of(picture, 5)
    seen = text[top : top + 5]
    assert seen[0].split() == ["▴", "11", "out", "=", "block(embed(token))"]
    here = next(i for i, line in enumerate(seen) if line.startswith("▸"))
    assert seen[here + 1].startswith("▾")
    assert "return [sum(a * b" in seen[here + 1]


def test_lines_of_a_notebook_are_called_by_cell_and_line() -> None:
    code = CodeText(CODE.text, tuple(f"cell 3, line {i}" for i in range(1, len(LINES) + 1)))
    source = SourceLine(Path("mine.ipynb"), 7, frozenset({7}), text=code)
    assert source.label == "mine.ipynb, cell 3, line 7"
    (line,) = [line for line in drawn(source).text().split("\n") if line.startswith("▸")]
    assert line.split()[1] == "3:7"


def test_a_name_that_is_too_long_keeps_what_tells_it_from_others() -> None:
    assert squeezed("layers0.neurons.w", 17) == "layers0.neurons.w"
    assert squeezed("layers0.neurons.w", 14) == "layers0.….w"
    assert squeezed("abcdefghij", 6) == "ab…hij"
    assert [len(squeezed("abcdefghij", width)) for width in range(1, 11)] == list(range(1, 11))
