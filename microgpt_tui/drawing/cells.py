"""Numbers as cells. Positive ones grow from the bottom, negative ones from the top: the sign needs no colour."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
from rich.style import Style

from engine.immutable import immutable_by_identity
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import brief
from microgpt_tui.drawing.picture import Line, Picture

EIGHTHS = "▁▂▃▄▅▆▇█"
PLUS_SIGNS, MINUS_SIGNS = ":+*#", "╶-=≡"  # of narrow cells where colours are few, from small to large
GAMMA = 0.7  # below 1: small values can be told from nothing, from the last row of a hall
BEYOND = 1 + 1e-9  # the share of the scale from which on a value does not fit it
THICK = 4  # characters from which on the edges of a frame leave enough of a cell
NUMBER = 7  # characters that a heatmap's cell needs to hold its number
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@immutable_by_identity
class Cells:
    """Numbers to draw, which of them are known, what each one stands for, and which have just changed, in one shape.

    What has changed is framed, less bright while the frame is `fading`.
    """

    values: Array
    known: Mask
    targets: npt.NDArray[np.int32]
    fresh: Mask
    digits: bool = False  # whether the user wants to read numbers in cells
    fading: bool = False

    @property
    def scale(self) -> float:
        """The largest known magnitude: what fills a cell."""
        finite = self.known & np.isfinite(self.values)
        return float(np.abs(self.values[finite]).max()) if finite.any() else 0.0

    def __getitem__(self, part: int | slice | tuple[int | slice, ...]) -> Cells:
        """A row of a matrix, or some of the elements, as numpy cuts arrays."""
        values, known, targets, fresh = self.values[part], self.known[part], self.targets[part], self.fresh[part]
        return Cells(values, known, targets, fresh, self.digits, self.fading)

    @property
    def edge(self) -> Style:
        """How the frame of what has changed is drawn beside a number."""
        return theme.FAINT if self.fading else theme.STRONG

    def __len__(self) -> int:
        return len(self.values)


def as_matrix(rows: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """A parameter's rows as (rows, columns): a vector is one row, what has more dimensions has its last in columns."""
    return rows.reshape(-1, rows.shape[-1]) if rows.ndim else rows.reshape(1, 1)


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


def heat_size_for(n: int, room: int, most: int = 4, digits: bool = False) -> int:
    """The width of a heatmap's cells: as wide as n of them have room for, wide enough for numbers with `digits`."""
    if digits and n * NUMBER <= room:
        return NUMBER
    return size_for(n, room, most)


def window(n: int, room: int, centre: int) -> tuple[int, int]:
    """The part of n lines or columns to show when only `room` of them fit, with `centre` in it."""
    if n <= room:
        return 0, n
    first = min(max(0, centre - room // 2), n - room)
    return first, first + room


def heat(
    value: float, known: bool, scale: float, size: int, lit: bool = True, digits: bool = False
) -> tuple[str, Style | None]:
    """One cell of a heatmap: its background is the value, and it is empty where the value is not known.

    Less `lit` it is fainter. With `digits`, and where colours are few, a wide cell holds the number, one of two or more
    characters its sign and its tenths of the scale, a single character says roughly the same. "!" is a value beyond
    the scale.
    """
    text = digits or theme.signs_only
    if not known:
        return ("·" if text else "").rjust(size), theme.FAINT if text else None
    if math.isnan(value):
        return "?".rjust(size), theme.WARNING
    share = abs(value) / scale if 0 < scale < math.inf else math.inf if value else 0.0
    level = round(min(share, 1.0) ** GAMMA * (theme.LEVELS - 1))
    if theme.signs_only:  # few colours make other values of shades, and other shades of what is fainter
        style = (theme.LIT_PLUS if value > 0 else theme.LIT_MINUS) if lit and value else theme.FAINT
    elif value < 0:
        style = (theme.HEAT_MINUS if lit else theme.FADED_MINUS)[level]
    else:
        style = (theme.HEAT_PLUS if lit else theme.FADED_PLUS)[level]
    if not text:
        return ("!" if share > BEYOND else "").ljust(size), style
    if size >= NUMBER:
        return brief(value, size - 1).rjust(size - 1) + " ", style
    if value == 0:
        return "0".rjust(size), style
    tenths = min(9, int(share * 10)) if share <= BEYOND else 9
    if size == 1:
        return "!" if share > BEYOND else (PLUS_SIGNS if value > 0 else MINUS_SIGNS)[min(tenths // 3, 3)], style
    return ("+" if value > 0 else "-") + ("!" if share > BEYOND else f"{tenths}").ljust(size - 1), style


def heat_row(line: Line, cells: Cells, size: int, selected: Hashable, scale: float, lit: bool = True) -> Line:
    """Append one row of a heatmap, `size` characters a cell; the selected one is marked."""
    return line.add_cells(_heat_cells(cells, size, selected, scale, lit))


def heat_under(line: Line, cells: Cells, size: int, scale: float, lit: bool = True) -> Line:
    """Append a further line of a row of a heatmap: its colours. What its first line says in characters stands once."""
    if theme.signs_only:
        return line.add_cells((" " * size, None, target) for target in cells.targets.tolist())
    return heat_row(line, replace(cells, digits=False), size, None, scale, lit)


def _heat_cells(
    cells: Cells, size: int, selected: Hashable, scale: float, lit: bool
) -> Iterator[tuple[str, Style | None, Hashable]]:
    digits, blank = cells.digits, " " * size
    coloured = not (digits or theme.signs_only) and 0 < scale < math.inf
    plus, minus = (theme.HEAT_PLUS, theme.HEAT_MINUS) if lit else (theme.FADED_PLUS, theme.FADED_MINUS)
    most = theme.LEVELS - 1
    rows = zip(cells.values.tolist(), cells.known.tolist(), cells.targets.tolist(), cells.fresh.tolist(), strict=True)
    for value, known, target, fresh in rows:
        if coloured and known and -scale <= value <= scale:  # as `heat` has it, for most of all cells
            text, style = blank, (minus if value < 0 else plus)[round((abs(value) / scale) ** GAMMA * most)]
        else:
            text, style = heat(value, known, scale, size, lit, digits)
        if target == selected:
            text, style = _marked(text), theme.CURSOR if theme.signs_only else theme.HERE_CELL
        elif fresh and style is not None:
            text, style = _framed(text, cells.fading), style + (theme.FADING if cells.fading else theme.FRESH)
        yield text, style, target


def _framed(text: str, fading: bool) -> str:
    """A cell between edges, if it has room for them and holds no digits; thinner ones while they are fading."""
    if text.strip() or len(text) < 2:
        return text
    left, right = ("▌", "▐") if len(text) >= THICK and not fading else ("▏", "▕")
    return left + text[1:-1] + right


def edges(fresh: bool | np.bool_) -> tuple[str, str]:
    """What stands before and after a number: the edges of a frame if the last key has written it, else blanks."""
    return ("▐", "▌") if fresh else (" ", " ")


def _marked(text: str) -> str:
    """A cell with the mark of what is selected, unless it holds digits."""
    if len(text) == 1:
        return "◆"
    return text if text.strip() else "[" + text[1:-1] + "]"


def half_row(line: Line, upper: Cells, lower: Cells | None, size: int, scale: float, selected: Hashable = None,
             lit: tuple[bool, bool] = (True, True)) -> Line:  # fmt: skip
    """Append two rows of a heatmap in one line: the upper half of a cell's character is the first, the lower the other.

    Cells stand for the upper row's scalars, or the lower row's where one of these is selected.
    """
    return line.add_cells(_half_cells(upper, lower, size, scale, selected, lit))


def _half_cells(upper: Cells, lower: Cells | None, size: int, scale: float, selected: Hashable,
                lit: tuple[bool, bool]) -> Iterator[tuple[str, Style | None, Hashable]]:  # fmt: skip
    both, neither = "▀" * size, " " * size
    marked = "◆" if size == 1 else "[" + " " * (size - 2) + "]"
    above = zip(_backs(upper, scale, lit[0]), upper.targets.tolist(), strict=True)
    below = zip(*((_backs(lower, scale, lit[1]), lower.targets.tolist()) if lower is not None else ()), strict=True)
    for (back, target), (other, beneath) in zip_longest(above, below, fillvalue=(None, None)):
        if selected is not None and selected in (target, beneath):
            yield marked, theme.HERE_CELL, selected
        else:
            text = both if back or other else neither
            yield text, _halves(back or theme.BACKGROUND, other or theme.BACKGROUND), target


def _backs(cells: Cells, scale: float, lit: bool) -> Iterator[str | None]:
    """The background of each cell of a row, None where it has none."""
    for value, known in zip(cells.values.tolist(), cells.known.tolist(), strict=True):
        style = heat(value, known, scale, 1, lit)[1]
        yield None if style is None or style.bgcolor is None else style.bgcolor.name


@lru_cache(8192)
def _halves(upper: str, lower: str) -> Style:
    return Style(color=upper, bgcolor=lower)


def signed_strip(
    lines: Sequence[Line], cells: Cells, size: int, scale: float, selected: Hashable = None, gap: bool = True
) -> None:
    """Append a row of bars to lines, on one axis in their middle: up from it is positive, down negative.

    Each number takes `size` characters, the last of them blank if there is a `gap` and room for one. The bar of the
    selected one, or its place on the axis, is in the colour of what is here. What is beyond the scale is full, with "!"
    at its end.
    """
    body = size - 1 if gap and size > 1 else size
    blank = " " * (size - body)
    half = len(lines) // 2
    drawn: list[list[tuple[str, Style | None, Hashable]]] = [[] for _ in lines]
    rows = zip(cells.values.tolist(), cells.known.tolist(), cells.targets.tolist(), cells.fresh.tolist(), strict=True)
    for value, known, target, fresh in rows:
        eighths, beyond = 0, known and 0 < scale < abs(value) / BEYOND
        if known and value and not math.isnan(value):
            share = min(abs(value) / scale, 1.0) if 0 < scale < math.inf else 1.0
            eighths = max(1, round(share * half * 8))
        for k, row in enumerate(drawn):
            up = k < half
            above = 8 * (half - 1 - k if up else k - half)  # eighths of the cells nearer to the axis
            fill = min(eighths - above, 8) if eighths > above and (value > 0) == up else 0
            style: Style
            if up:
                text, style = EIGHTHS[fill - 1] if fill else " ", theme.PLUS
            elif 0 < fill < 8:
                text, style = EIGHTHS[7 - fill], theme.HANGING
            else:
                text, style = "█" if fill else " ", theme.MINUS
            if k == half - 1 and known and not eighths:
                text, style = ("?", theme.WARNING) if math.isnan(value) else ("▁", theme.FAINT)
            if target == selected:
                if k == half - 1 and not eighths:
                    text = "▁"
                style = theme.HANGING_HERE if style is theme.HANGING else theme.HERE_BAR
            elif fresh and style is not theme.HANGING:
                style += theme.RAN if cells.fading else theme.BOXED  # a band behind all bars that are new
            if fill and beyond and k == (0 if up else len(lines) - 1):
                row.append(("!", style + Style(reverse=True), target))
                row.append((text * (body - 1), style, target))
                row.append((blank, None, None))
            elif fresh or not blank or style is theme.HANGING or style is theme.HANGING_HERE:
                row.append((text * body, style, target))
                if blank:
                    row.append((blank, None, None))
            else:
                row.append((text * body + blank, style, target))
    for line, row in zip(lines, drawn, strict=True):
        line.add_cells(row)


def diverging(line: Line, value: float, known: bool, scale: float, half: int, target: Hashable = None) -> Line:
    """Append a horizontal bar that starts in the middle of 2 * `half` + 1 characters: right is positive.

    What is beyond the scale is full, with "!" at its end.
    """
    eighths, beyond = 0, known and 0 < scale < abs(value) / BEYOND
    if known and value and not math.isnan(value):
        eighths = max(1, round(min(abs(value) / scale if scale > 0 else 1.0, 1.0) * half * 8))
    full, rest = divmod(eighths, 8)
    right = "█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "") if value > 0 else ""
    start = half - full - (1 if rest else 0)
    if eighths and value < 0:
        line.add(" " * start, None, target)
        if rest:
            line.add("▉▊▋▌▍▎▏"[rest - 1], theme.HANGING, target)
        line.add("!" * beyond, theme.HANGING, target).add("█" * (full - beyond), theme.MINUS, target)
    else:
        line.add(" " * half, None, target)
    line.add("│", theme.FAINT, target)
    if right and beyond:
        line.add(right[1:], theme.PLUS, target).add("!", theme.PLUS + Style(reverse=True), target)
    else:
        line.add(right, theme.PLUS, target)
    return line.add(" " * (half - len(right)), None, target)


def half_diverging(
    line: Line, values: Sequence[float | None], scale: float, half: int, target: Hashable = None
) -> Line:
    """Append two bars in one line, one in its upper and one in its lower half, as `diverging` does with one.

    A bar has whole characters, one at least if it is not 0.
    """
    lengths: list[float] = []
    for value in values:
        if value is None or not value or math.isnan(value):
            lengths.append(0)
        else:
            share = min(abs(value) / scale, 1.0) if 0 < scale < math.inf else 1.0
            lengths.append(math.copysign(max(1, round(share * half)), value))
    for x in range(-half, half + 1):
        if x == 0:
            line.add("│", theme.FAINT, target)
            continue
        reached = [length * x > 0 and abs(length) >= abs(x) for length in lengths]
        char = "█" if all(reached) else "▀" if reached[0] else "▄" if reached[-1] else " "
        line.add(char, theme.PLUS if x > 0 else theme.MINUS if any(reached) else None, target)
    return line


def heatmap(
    cells: Cells, size: int, width: int, height: int, selected: Hashable = None, scale: float | None = None
) -> Picture:
    """A matrix, one line a row, cut around the selected cell to what fits; says so if it is cut and there is room."""
    rows, columns = cells.values.shape
    found = np.argwhere(cells.targets == selected)
    i, j = (int(found[0][0]), int(found[0][1])) if len(found) else (0, 0)
    top, bottom = window(rows, height if rows <= height else height - 1, i)
    left, right = window(columns, max(1, width // size), j)
    scale = cells.scale if scale is None else scale
    picture = Picture()
    for r in range(top, bottom):
        heat_row(picture.line(), cells[r, left:right], size, selected, scale)
    if (top, bottom, left, right) != (0, rows, 0, columns):
        note = f"{top}-{bottom - 1}/{rows}"
        notes = [note] if (top, bottom) != (0, rows) else []
        if (left, right) != (0, columns):
            across = f"{left}-{right - 1}/{columns}"
            notes = [f"{note} × {across}", f"{note}×{across}", *notes]
        picture.line().add(next((note for note in notes if len(note) <= width), ""), theme.DIM)
    return picture


def bar(value: float, scale: float, width: int) -> str:
    """A horizontal bar of up to `width` cells for a number from 0 to `scale`."""
    if not (scale > 0 and value > 0):
        return ""
    eighths = max(1, round(min(value / scale, 1.0) * width * 8))
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
