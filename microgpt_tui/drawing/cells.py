"""Numbers as cells. Positive ones grow from the bottom, negative ones from the top: the sign needs no colour."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.style import Style

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import brief
from microgpt_tui.drawing.picture import Line, Picture

EIGHTHS = "▁▂▃▄▅▆▇█"
NUMBER = 7  # characters that a heatmap's cell needs to hold its number
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Numbers to draw, which of them are known, what each one stands for, and which have just changed, in one shape."""

    values: Array
    known: Mask
    targets: npt.NDArray[np.int32]
    fresh: Mask

    @property
    def scale(self) -> float:
        """The largest known magnitude: what fills a cell."""
        finite = self.known & np.isfinite(self.values)
        return float(np.abs(self.values[finite]).max()) if finite.any() else 0.0

    def __getitem__(self, part: int | slice | tuple[int | slice, ...]) -> Cells:
        """A row of a matrix, or some of the elements, as numpy cuts arrays."""
        return Cells(self.values[part], self.known[part], self.targets[part], self.fresh[part])

    def __len__(self) -> int:
        return len(self.values)


def cell(value: float, known: bool, scale: float) -> tuple[str, Style]:
    """One character, and its style, for one number."""
    if not known:
        return "·", theme.FAINT
    if value == 0:
        return "0", theme.DIM
    if math.isnan(value):
        return "?", theme.WARNING
    level = min(8, max(1, round(abs(value) / scale * 8))) if 0 < scale < float("inf") else 8
    if value > 0:
        return EIGHTHS[level - 1], theme.PLUS
    return EIGHTHS[7 - min(level, 7)], theme.HANGING  # never quite full, so that it is seen to hang


def strip(
    line: Line, cells: Cells, size: int, selected: Hashable = None, scale: float | None = None, gaps: Sequence[int] = ()
) -> Line:
    """Append a row of cells, `size` characters each; wider than one, they keep a gap. The selected one is boxed.

    `gaps` are the indices before which a bar separates (heads).
    """
    full = cells.scale if scale is None else scale
    for i in range(len(cells)):
        if i in gaps:
            line.add("│", theme.FAINT)
        char, style = cell(float(cells.values[i]), bool(cells.known[i]), full)
        target = int(cells.targets[i])
        body = max(1, size - 1)
        if cells.fresh[i]:
            style += theme.FRESH
        if target == selected:
            style = theme.HANGING_BOXED if style.reverse else style + theme.BOXED
        line.add(char * body, style, target)
        if size > 1:
            line.add("▏" if target == selected else " ", theme.STRONG)
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
        return "·".rjust(size), theme.FAINT
    if value == 0:
        return "0".rjust(size), theme.FAINT
    if math.isnan(value):
        return "?".rjust(size), theme.WARNING
    level = min(9, int(abs(value) / scale * 10)) if 0 < scale < float("inf") else 9
    ramp = theme.HEAT_PLUS if value > 0 else theme.HEAT_MINUS
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
        if cells.fresh[i]:
            style += theme.FRESH
        line.add(text, theme.CURSOR if target == selected else style, target)
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
        heat_row(picture.line(), cells[r, left:right], size, selected, scale)
    if (top, bottom, left, right) != (0, rows, 0, columns):
        note = f"{top}-{bottom - 1}/{rows}" + (
            f" × {left}-{right - 1}/{columns}" if (left, right) != (0, columns) else ""
        )
        picture.line().fit(note, max(width, 1), theme.DIM)
    return picture


def bar(value: float, scale: float, width: int) -> str:
    """A horizontal bar of up to `width` cells for a number from 0 to `scale`."""
    if not (scale > 0 and value > 0):
        return ""
    eighths = max(1, round(min(value / scale, 1.0) * width * 8))
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
