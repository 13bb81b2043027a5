"""Marks the place of an error below an expression, counted in cells."""

from __future__ import annotations

import sys

from rich.cells import cell_len

from engine import ExpressionError
from microgpt_tui.drawing.terminal_text import printable


def pointer(error: ExpressionError, width: int = sys.maxsize) -> str:
    """Where the fault is, within so many cells: the piece of the expression around it, and the marks below."""
    text, _, marks = error.pointer.partition("\n")
    if not text:
        return ""
    first = marks.find("^")
    start = max(0, first - width // 2) if cell_len(text) > width else 0
    before, fault = printable(text[start:first]), printable(text[first : len(marks)])
    shown = printable(text[start:])
    while cell_len(shown) > width > 0:
        shown = shown[:-1]
    marked = " " * cell_len(before) + "^" * max(1, cell_len(fault))
    return f"{shown}\n{marked[:width]}"
