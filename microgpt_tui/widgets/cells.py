"""Numbers as cells. A positive one stands on the ground, a negative one hangs from above: the sign needs no colour."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.style import Style

from microgpt_tui import palette
from microgpt_tui.widgets.numbers import brief
from microgpt_tui.widgets.picture import Line, Picture

EIGHTHS = "▁▂▃▄▅▆▇█"
NUMBER = 7  # characters that a heatmap's cell needs to hold its number
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Numbers to draw, which of them are known, and what each one stands for, all in one shape."""

    values: Array
    known: Mask
    targets: npt.NDArray[np.int32]

    @property
    def scale(self) -> float:
        """The largest known magnitude: what fills a cell."""
        finite = self.known & np.isfinite(self.values)
        return float(np.abs(self.values[finite]).max()) if finite.any() else 0.0

    def row(self, i: int) -> Cells:
        """One row of a matrix."""
        return Cells(self.values[i], self.known[i], self.targets[i])

    def __len__(self) -> int:
        return len(self.values)


def cell(value: float, known: bool, scale: float) -> tuple[str, Style]:
    """One character, and its style, for one number."""
    if not known:
        return "·", palette.FAINT
    if value == 0:
        return "0", palette.DIM
    if math.isnan(value):
        return "?", palette.WARNING
    level = min(8, max(1, round(abs(value) / scale * 8))) if 0 < scale < float("inf") else 8
    if value > 0:
        return EIGHTHS[level - 1], palette.PLUS
    return EIGHTHS[7 - min(level, 7)], palette.HANGING  # never quite full, so that it is seen to hang


def strip(
    line: Line, cells: Cells, size: int, selected: Hashable = None, scale: float | None = None, gaps: Sequence[int] = ()
) -> Line:
    """Append a row of cells, `size` characters each; wider than one, they keep a gap. The selected one is boxed.

    `gaps` are the indices before which a bar separates (heads).
    """
    full = cells.scale if scale is None else scale
    for i in range(len(cells)):
        if i in gaps:
            line.add("│", palette.FAINT)
        char, style = cell(float(cells.values[i]), bool(cells.known[i]), full)
        target = int(cells.targets[i])
        body = max(1, size - 1)
        if target == selected:
            style = palette.HANGING_BOXED if style is palette.HANGING else style + palette.BOXED
        line.add(char * body, style, target)
        if size > 1:
            line.add("▏" if target == selected else " ", palette.STRONG)
    return line


def size_for(n: int, room: int, most: int = 3) -> int:
    """The widest cell with which n of them fit into `room`; at least 1."""
    return max(1, min(most, room // max(n, 1)))


def heat_size_for(n: int, room: int) -> int:
    """The width of a heatmap's cells: wide enough for numbers if n of those fit, else 2, else 1."""
    return NUMBER if n * NUMBER <= room else size_for(n, room, 2)


def window(n: int, room: int, centre: int) -> tuple[int, int]:
    """The part of n lines or columns to show when only `room` of them fit, with `centre` in it."""
    if n <= room:
        return 0, n
    first = min(max(0, centre - room // 2), n - room)
    return first, first + room


def heat(value: float, known: bool, scale: float, size: int) -> tuple[str, Style]:
    """One cell of a heatmap: brighter is larger. Colour may be missing: a wide cell holds the number, one of two or
    more characters its sign and its tenths of the scale, a single character says roughly the same.
    """
    if not known:
        return "·".rjust(size), palette.FAINT
    if value == 0:
        return "0".rjust(size), palette.FAINT
    if math.isnan(value):
        return "?".rjust(size), palette.WARNING
    level = min(9, int(abs(value) / scale * 10)) if 0 < scale < float("inf") else 9
    ramp = palette.HEAT_PLUS if value > 0 else palette.HEAT_MINUS
    if size >= NUMBER:
        return brief(value, size - 1).rjust(size - 1) + " ", ramp[level]
    if size == 1:
        return (":+*#" if value > 0 else "╶-=≡")[min(level // 3, 3)], ramp[level]
    return ("+" if value > 0 else "-") + f"{level:<{size - 1}}", ramp[level]


def heat_row(line: Line, cells: Cells, size: int, selected: Hashable, scale: float) -> Line:
    """Append one row of a heatmap, `size` characters a cell."""
    for i in range(len(cells)):
        target = int(cells.targets[i])
        text, style = heat(float(cells.values[i]), bool(cells.known[i]), scale, size)
        line.add(text, palette.CURSOR if target == selected else style, target)
    return line


def heatmap(cells: Cells, size: int, width: int, height: int, selected: Hashable = None) -> Picture:
    """A matrix, one line a row, cut around the selected cell to what fits; says so if it is cut."""
    rows, columns = cells.values.shape
    found = np.argwhere(cells.targets == selected)
    i, j = (int(found[0][0]), int(found[0][1])) if len(found) else (0, 0)
    top, bottom = window(rows, height if rows <= height else height - 1, i)
    left, right = window(columns, max(1, width // size), j)
    scale = cells.scale
    picture = Picture()
    for r in range(top, bottom):
        part = Cells(cells.values[r, left:right], cells.known[r, left:right], cells.targets[r, left:right])
        heat_row(picture.line(), part, size, selected, scale)
    if (top, bottom, left, right) != (0, rows, 0, columns):
        note = f"{top}-{bottom - 1}/{rows}" + (
            f" × {left}-{right - 1}/{columns}" if (left, right) != (0, columns) else ""
        )
        picture.line().fit(note, max(width, 1), palette.DIM)
    return picture


def bar(value: float, scale: float, width: int) -> str:
    """A horizontal bar of up to `width` cells for a number from 0 to `scale`."""
    if not (scale > 0 and value > 0):
        return ""
    eighths = max(1, round(min(value / scale, 1.0) * width * 8))
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
