"""The page of a lecture as text for a page of HTML: blocks of runs, with no HTML in them.

A block is a paragraph (`p`), or lines as they are (`code`, `table`). A run is a text and how it is set: bold (b),
italic (i), code (c), or plain.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from textwrap import dedent
from typing import Any

from rich.text import Text

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.markdown import plain_words, text_blocks
from microgpt_tui.drawing.terminal_text import lines, printable
from microgpt_tui.lectures.file_map import FileMap
from microgpt_tui.lectures.outline import CodeLines
from microgpt_tui.lectures.player import LecturePlayer
from microgpt_tui.lectures.rendered_page import RenderedPage

Block = dict[str, Any]
TABLE = 44  # columns of a table, which a phone shows


def page_text(player: LecturePlayer) -> dict[str, Any]:
    """The present page as far as it has come: never its notes, nor what comes later."""
    lecture, page = player.lecture, player.told
    return {
        "chapter": printable(lecture.chapter.title),
        "title": plain_words(player.bound.page.title.text if page is None else page.title),
        "number": lecture.page + 1,
        "pages": len(player.bound_pages),
        "body": [] if page is None else list(_body(page)),
        "then": [] if page is None else list(_then(page)),
        "language": lecture.chapter.language,
    }


def _body(page: RenderedPage) -> Iterator[Block]:
    yield from map(_code, page.code)
    if page.map is not None:
        yield _map(page.map)
    if page.figure:
        yield _block("p", [printable(page.figure), "b"])
    yield from blocks(page.body)
    if not page.options:  # a question that has some is told by itself
        yield from blocks(page.question)


def _then(page: RenderedPage) -> Iterator[Block]:
    if page.done:
        yield from blocks(page.then)
    if page.unfolded:
        yield from blocks(page.why)


@lru_cache(64)
def blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a Markdown text. What stands before an item of a list is a run of its own."""
    return tuple(_blocks(text))


def _blocks(text: str) -> Iterator[Block]:
    for kind, group in groupby(text_blocks(text, TABLE), lambda block: block.kind):
        if kind == "paragraph":
            for block in group:
                lead = [[block.lead, ""]] if block.lead.strip() else []
                yield _block("p", *lead, *_runs(block.text))
        else:
            yield _block(kind, [lines("\n".join(block.text.plain for block in group)), "c" if kind == "code" else ""])


def _runs(text: Text) -> Iterator[list[str]]:
    marks = {theme.STRONG: "b", theme.TARGET: "i", theme.NEW: "c"}
    end = 0
    for span in text.spans:  # of which none overlaps another; what is in none is a blank between lines
        if end < span.start:
            yield [text.plain[end : span.start], ""]
        style, end = span.style, span.end
        yield [printable(text.plain[span.start : end]), marks.get(style, "") if not isinstance(style, str) else ""]


def _code(code: CodeLines) -> Block:
    """Statements with the numbers of their lines."""
    texts = code.code.text.split("\n")
    shown = dedent("\n".join(texts[number - 1] for number in code.lines)).split("\n")
    numbered = (f"{code.code.label(number)} {text}" for number, text in zip(code.lines, shown, strict=True))
    return _block("code", [lines("\n".join(numbered)), "c"])


def _map(shown: FileMap) -> Block:
    """Which chapter each part of the file belongs to."""
    rows = (
        f"{chapter.lines} " * shown.has_lines + f"{chapter.largest.label}  {chapter.place + 1} {chapter.title}"
        for chapter in shown.chapters
    )
    return _block("table", [lines("\n".join(rows)), ""])


def _block(kind: str, *runs: list[str]) -> Block:
    return {"kind": kind, "runs": list(runs)}
