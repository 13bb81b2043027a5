"""A line filter that every painted line goes through: the last gate before the terminal.

What is drawn has gone through `printable` where it was made, and then nothing is left to do here. A widget of
Textual's own, such as a line to type in, shows what it is given; nothing that a terminal would obey gets past this.
"""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from microgpt_tui.drawing.terminal_text import printable

UNSHOWN = "�"


class Gate(LineFilter):
    """Puts a sign in as many cells in the place of what cannot be printed; the line keeps its width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line, without anything that is not printable."""
        del background
        return [
            segment if segment.control else Segment(_safe(segment.text), segment.style, None) for segment in segments
        ]


@lru_cache(4096)
def _safe(text: str) -> str:
    if printable(text) == text:
        return text
    return "".join(c if printable(c) == c else UNSHOWN * cell_len(c) for c in text)
