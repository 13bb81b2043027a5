"""Text over several lines, counted in cells of the terminal: a letter of Korean takes two."""

from __future__ import annotations

import textwrap
from functools import lru_cache

from rich.cells import cell_len, chop_cells


@lru_cache(512)
def wrapped(text: str, width: int, hanging: str = "") -> tuple[str, ...]:
    """A text in lines of so many cells, the later ones behind `hanging`: most texts come again with the next moment."""
    if cell_len(text) == len(text):
        return tuple(textwrap.wrap(text, width, subsequent_indent=hanging))
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line.strip() else line + word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line.strip():
            lines.append(line)
            line = hanging
        *whole, rest = chop_cells(word, max(2, width - cell_len(hanging))) if cell_len(line + word) > width else [word]
        for part in whole:
            lines.append(line + part)
            line = hanging
        line += rest
    return (*lines, line) if line.strip() else tuple(lines)
