"""`Screenshot`: what stands on a drawn screen, as pieces of text in their cells. Of formats, it knows plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from engine.immutable import immutable
from microgpt_tui.drawing.look import Look
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.drawing.theme import Colours

FULL = 0x2588  # the full cell; before it come eighths of one from below, after it eighths from the left


@immutable
class Piece:
    """Text from cell `x` of its line on, in `width` cells: ASCII, or one other character, which may be repeated.

    A font may lack a character, and the one that steps in may be wider or narrower, so that only such a piece can be
    put into its cells by where it begins and how wide it is. A character of two cells is a piece of its own.
    """

    text: str
    x: int
    width: int
    look: Look

    @property
    def bar(self) -> tuple[float, float] | None:
        """For characters that are bars, the part of a cell's width, from the left, and of its height that they fill.

        How long a bar is, is what it says; in many fonts it is not quite that.
        """
        code = ord(self.text[0])
        if FULL - 8 < code <= FULL:
            return 1, 1 - (FULL - code) / 8
        return (1 - (code - FULL) / 8, 1) if FULL < code < FULL + 8 else None


@immutable
class Screenshot:
    """A screen of `width` cells, line by line. `title` says what it shows; no character in it is a control character.

    `colours` are those of the theme; a piece on its background has no background of its own to be drawn.
    """

    title: str
    width: int
    colours: Colours
    lines: tuple[tuple[Piece, ...], ...]

    @classmethod
    def of(cls, title: str, width: int, colours: Colours, lines: Iterable[Iterable[Segment]]) -> Screenshot:
        """The screenshot of a screen's lines."""
        return cls(printable(title), width, colours, tuple(tuple(_pieces(line, colours)) for line in lines))

    def txt(self) -> str:
        """Plain text: no colours, no spaces at the ends of lines."""
        return "".join("".join(piece.text for piece in line).rstrip() + "\n" for line in self.lines)


def _pieces(line: Iterable[Segment], colours: Colours) -> Iterator[Piece]:
    x = 0
    for look, segments in groupby((s for s in line if not s.control), lambda s: Look.of(s.style or Style(), colours)):
        for text in _alike(printable("".join(segment.text for segment in segments))):
            yield Piece(text, x, cell_len(text), look)
            x += cell_len(text)


def _alike(text: str) -> Iterator[str]:
    """Cut a text where another kind of character begins."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not _goes_on(text[start], text[at - 1], text[at]):
            yield text[start:at]
            start = at


def _goes_on(first: str, before: str, character: str) -> bool:
    """Whether a character belongs to the piece that `first` began: accents stay with the letter they stand on."""
    if not cell_len(character):
        return True
    if first.isascii():
        return character.isascii() and before.isascii()
    return character == first == before and cell_len(character) == 1
