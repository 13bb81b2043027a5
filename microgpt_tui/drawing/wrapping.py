"""Text over several lines, counted in cells of the terminal: a letter of Korean takes two."""

from __future__ import annotations

import textwrap

from rich.cells import cell_len, chop_cells


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """The lines of a text in so many cells, all but the first behind `indent`; cut between words wherever it can be."""
    if cell_len(text) == len(text):
        return textwrap.wrap(text, width, subsequent_indent=indent)
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line.strip() else line + word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line.strip():
            lines.append(line)
            line = indent
        *whole, rest = chop_cells(word, max(2, width - cell_len(indent))) if cell_len(line + word) > width else [word]
        lines += [line + part for part in whole]
        line = (indent if whole else line) + rest
    return [*lines, line] if line.strip() else lines
