"""Markdown as styled lines of a given width: paragraphs, emphasis, code, lists, tables. Knows nothing of lectures.

Wide characters count two cells, so that Korean and English wrap alike. What is quoted in a text (see `literal`) is
shown as it is: no mark of Markdown in it does anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from string import digits, punctuation
from typing import TYPE_CHECKING, Literal, NamedTuple

from rich.console import Console
from rich.text import Text

from microgpt_tui.drawing import theme
from microgpt_tui.texts.say import say

if TYPE_CHECKING:  # imported where a text is read, since the debugger's first frame needs none
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

MARKS = {"strong": "STRONG", "em": "TARGET", "code_inline": "NEW"}
FIRST = 0x10F000  # of the private characters that stand for signs which are quoted, while a text is read
STAND_IN = {ord(sign): FIRST + ord(sign) for sign in punctuation + digits + " "}
LITERAL = re.compile(f"([{chr(FIRST)}-{chr(FIRST + 127)}]+)")
SIGN = {stand_in: sign for sign, stand_in in STAND_IN.items()}


GAP = "  "  # between the columns of a table
LEAST_COLUMN = 4  # cells
NOT_SHOWN = {"image": "image", "hr": "rule", "blockquote_open": "quotation", "link_open": "address"}  # text of each
TAG = re.compile(r"<[/!?]?([a-z][\w-]*)?", re.IGNORECASE)


@cache
def parser() -> MarkdownIt:
    """CommonMark and tables, with no raw HTML, and no images, which would be loaded from somewhere."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    made.core.ruler.push("literal", _signs)
    return made


def literal(text: str) -> str:
    """A text to be put into a Markdown text, in which every sign of it will be no more than a sign."""
    return text.translate(STAND_IN)


def without_literals(text: str) -> str:
    """A Markdown text with the signs themselves where `literal` put others: for one that is not read as Markdown."""
    return text.translate(SIGN)


@lru_cache(256)
def plain_words(text: str) -> str:
    """A line of Markdown without its marks."""
    return " ".join(line.plain for line in prose(text, 10_000))


def _signs(state: StateCore) -> None:
    for token in state.tokens:
        for each in (token, *(token.children or ())):
            each.content = without_literals(each.content)


@cache
def _console() -> Console:
    return Console(width=200, color_system=None, file=None, force_terminal=False, legacy_windows=False)


def prose(text: str, width: int) -> list[Text]:
    """The lines of a Markdown text, each at most `width` cells, with an empty one between blocks."""
    lines: list[Text] = []
    for block in text_blocks(text, width):
        if lines and block.apart:
            lines.append(Text())
        room = max(width - len(block.lead), 8)
        for number, line in enumerate(block.text.wrap(_console(), room)):
            line.rstrip()
            lines.append(Text.assemble((block.lead if number == 0 else block.hanging, theme.DIM), line))
    return lines


@cache
def _whole_parser() -> MarkdownIt:
    """A parser of what `parser` does not know, too."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable("table")


def not_shown(text: str) -> Iterator[tuple[int, str]]:
    """What stands in a Markdown text that `prose` cannot show as it is meant: the line, counted from 0, and a name."""
    for token in _whole_parser().parse(text):
        line = token.map[0] if token.map else 0
        if token.type in NOT_SHOWN:
            yield line, say(f"drawing.markdown.not_shown.{NOT_SHOWN[token.type]}")
        elif token.type == "html_block":
            yield line, _html(token)
        for child in token.children or ():
            if child.type in ("softbreak", "hardbreak"):
                line += 1
            elif child.type in NOT_SHOWN and child.info != "auto":  # an address in <> is shown
                yield line, say(f"drawing.markdown.not_shown.{NOT_SHOWN[child.type]}")
            elif child.type == "html_inline":
                yield line, _html(child)


def _html(token: Token) -> str:
    tag = TAG.match(token.content.lstrip())
    return say("drawing.markdown.html.tag", name=tag[1]) if tag and tag[1] else say("drawing.markdown.html.comment")


def bare_marks(text: str) -> bool:
    """Whether a mark of Markdown (** or `) stands in a text as it is, because what it should open or close does not."""
    own = text.translate(dict.fromkeys(SIGN, "x"))  # what is quoted may hold any
    tokens = (child for token in parser().parse(own) for child in token.children or ())
    return any(child.type == "text" and ("**" in child.content or "`" in child.content) for child in tokens)


class TextBlock(NamedTuple):
    """A paragraph, a line of a table, or code; `lead` and `hanging` stand before its first and its other lines.

    `apart` says whether an empty line comes before it. Of a paragraph, every part has the style of its mark.
    """

    kind: Literal["paragraph", "table", "code"]
    lead: str
    hanging: str
    text: Text
    apart: bool


def text_blocks(text: str, width: int) -> Iterator[TextBlock]:
    """The blocks of a Markdown text; tables, which alone are laid out, in at most `width` cells."""
    numbers: list[int | None] = []  # of the lists that are open: the next number, None for one with dots
    lead, close = "", False  # the mark of a list item whose first line has not come yet; whether no line goes before it
    rows: list[list[Token]] | None = None  # the cells of a table that is open
    for token in parser().parse(text):
        if token.type == "table_open":
            rows = []
        elif token.type == "table_close":
            for place, line in enumerate(_table(rows or [], max(width - len(lead), 8))):
                yield TextBlock("table", lead, " " * len(lead), line, place == 0 and not close)
                lead = " " * len(lead)
            rows = None
        elif rows is not None:
            if token.type == "tr_open":
                rows.append([])
            elif token.type in ("th_open", "td_open"):
                rows[-1].append(token)
            elif token.type == "inline":
                rows[-1][-1].children = [token]  # of a cell: what is in it
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            close = bool(numbers)
            numbers.append(int(token.attrGet("start") or 1) if token.type[0] == "o" else None)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            numbers.pop()
            lead, close = "", bool(numbers)
        elif token.type == "list_item_open":
            number = numbers[-1]
            lead = "  " * (len(numbers) - 1) + ("• " if number is None else f"{number}. ")
            if number is not None:
                numbers[-1] = number + 1
        elif token.type == "inline":
            yield TextBlock("paragraph", lead, " " * len(lead), _inline(token), not close)
            close, lead = bool(numbers), " " * len(lead) if numbers else ""
        elif token.type in ("fence", "code_block"):
            yield TextBlock("code", "  ", "  ", Text(token.content.rstrip(), theme.STRONG, no_wrap=False), True)


def _table(rows: list[list[Token]], width: int) -> Iterator[Text]:
    """The lines of a table, its head above a line across; cells that are too wide for their columns are wrapped."""
    cells = [[_inline(cell.children[0]) if cell.children else Text() for cell in row] for row in rows]
    rooms = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    while sum(rooms) + len(GAP) * (len(rooms) - 1) > width and max(rooms) > LEAST_COLUMN:
        rooms[rooms.index(max(rooms))] -= 1
    right = ["right" in str(cell.attrGet("style")) for cell in rows[0]]
    for number, row in enumerate(cells):
        wrapped = [list(cell.wrap(_console(), room)) for cell, room in zip(row, rooms, strict=True)]
        for height in range(max(map(len, wrapped))):
            line = Text()
            for place, (lines, room) in enumerate(zip(wrapped, rooms, strict=True)):
                part = lines[height] if height < len(lines) else Text()
                part.rstrip()
                part.truncate(room)
                blanks = " " * (room - part.cell_len)
                shown = (blanks, part) if right[place] else (part, blanks)
                line.append_text(Text.assemble(GAP if place else "", *shown))
            line.rstrip()
            if number == 0:
                line.stylize(theme.STRONG)
            yield line
        if number == 0:
            yield Text("─" * min(sum(rooms) + len(GAP) * (len(rooms) - 1), width), theme.DIM)


def _inline(token: Token) -> Text:
    text, open_marks = Text(style=theme.TEXT), list[str]()
    for child in token.children or ():
        kind = child.type.removesuffix("_open").removesuffix("_close")
        if child.type.endswith("_open"):
            open_marks.append(kind)
        elif child.type.endswith("_close"):
            open_marks.pop()
        elif child.type in ("softbreak", "hardbreak"):
            text.append(" " if child.type == "softbreak" else "\n")
        else:
            marks = [*open_marks, kind] if kind == "code_inline" else open_marks
            style = next((MARKS[mark] for mark in reversed(marks) if mark in MARKS), "TEXT")
            text.append(child.content, getattr(theme, style))
    return text
