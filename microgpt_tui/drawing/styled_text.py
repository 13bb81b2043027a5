"""Texts in which some values have styles of their own, in whatever order a language puts them.

`styled(say("panes.tokens.reads", token=marked(token, 0)), theme.DIM, theme.NEW)` gives the pieces to be drawn.
"""

from __future__ import annotations

import re

from rich.style import Style

_FIRST, _END = 0xFDD0, "\ufdef"  # no characters at all, so no text has them
_MARKED = re.compile("([\ufdd0-\ufdee])(.*?)\ufdef", re.DOTALL)


def marked(value: str, place: int) -> str:
    """A value to be filled into a text and drawn in the style of this place."""
    return f"{chr(_FIRST + place)}{value}{_END}"


def styled(text: str, otherwise: Style, *styles: Style) -> list[tuple[str, Style]]:
    """The pieces of a text, each with its style: that of its place, or the one of all else."""
    pieces: list[tuple[str, Style]] = []
    end = 0
    for found in _MARKED.finditer(text):
        pieces += [(text[end : found.start()], otherwise), (found[2], styles[ord(found[1]) - _FIRST])]
        end = found.end()
    return [(piece, style) for piece, style in (*pieces, (text[end:], otherwise)) if piece]
