"""A series of numbers over time: a curve of columns with its axis, or one line of cells. Columns are spots."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.style import Style

from engine.immutable import immutable
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import EIGHTHS, cell, heat
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.texts.say import say

HERE, MARK = "▲", "◆"
LINE = 6  # eighths of a line that a curve in one line fills at most: a gap parts it from those above and below
AXIS = 7  # characters for the numbers on the axis of two curves
MARGIN = 6  # the same for one curve, whose axis begins at 0
Target = Callable[[int], Hashable]
"""What the i-th number of a series stands for."""


@immutable
class Column:
    """The mean of the numbers `first` to `last` (exclusive) of a series, None where they are still to come."""

    first: int
    last: int
    mean: float | None

    @property
    def drawn(self) -> bool:
        """Whether there is a height to draw."""
        return self.mean is not None and math.isfinite(self.mean)


def columns(values: Sequence[float | None], room: int, ahead: int = 0) -> list[Column]:
    """A column a number, or, where there are more than `room` of them, means of neighbours; `ahead` are to come.

    Numbers that are None are not known.
    """
    n = len(values) + ahead
    count = min(n, max(1, room))
    bounds = [i * n // count for i in range(count + 1)] if count else []
    pairs = list(pairwise(bounds))
    parts = ((first, last, [v for v in values[first:last] if v is not None]) for first, last in pairs)
    return [Column(first, last, sum(known) / len(known) if known else None) for first, last, known in parts]


def sparkline(
    line: Line, values: Sequence[float | None], room: int, target: Target, ahead: int = 0, unsigned: bool = False
) -> Line:
    """Append a series in one line of at most `room` characters; signs differ as in `cell`, unless it has none.

    `ahead` is as in `curve`.
    """
    parts = columns(values, room, ahead)
    scale = max((abs(c.mean or 0.0) for c in parts if c.drawn), default=0.0)
    for column in parts:
        known, mean = column.mean is not None, column.mean or 0.0
        style: Style | None
        if theme.signs_only and not unsigned:  # in one colour, a bar could belong to the line above or below
            text, style = heat(mean, known, scale, 1)
        else:
            text, style = cell(mean, known, scale * 8 / LINE)
        line.add(text, theme.DIM if unsigned and column.drawn else style, target(column.last - 1))
    return line


def curve(
    title: str, values: Sequence[float | None], width: int, height: int, here: int, target: Target, ahead: int = 0,
    marks: Mapping[int, float] | None = None,
) -> Picture:  # fmt: skip
    """A curve with its axis, `height` lines in all, at least three; the last line marks number `here`.

    Its columns stand on 0, unless numbers are negative. `ahead` more numbers have their places, but are not drawn.
    `marks` are other numbers on the same axis, by place. A title, if any, takes the first line.
    """
    picture, plot = Picture(), max(1, height - (2 if title else 1))
    parts = columns(values, width - MARGIN - 1, ahead)
    if title:
        picture.line().most(_titled(title, len(values) + ahead, len(parts), width), width, theme.DIM)
    targets = [target(c.last - 1) for c in parts]
    marks = {i: mark for i, mark in sorted((marks or {}).items()) if math.isfinite(mark)}
    last_in = {bisect(parts, i, key=lambda c: c.first) - 1: mark for i, mark in marks.items()}  # of each column
    means = [*(c.mean or 0.0 for c in parts if c.drawn), *marks.values()]
    low, high = min(0.0, *means, 0.0), max(0.0, *means, 0.0)
    labels = {plot - 1: f"{low:.3g}", 0: f"{high:.3g}"} if high > low else {plot - 1: f"{high:.3g}"}
    for row in range(plot):
        line = picture.line().fit(labels.get(row, ""), MARGIN - 1, theme.DIM, right=True).add(" ")
        for at, (column, stands_for) in enumerate(zip(parts, targets, strict=True)):
            text, style = _part(column, low, high, plot, plot - 1 - row)
            if column.first <= here < column.last:
                style = theme.HERE_BAR
            if at in last_in and _floor(last_in[at], low, high, plot) == plot - 1 - row:
                text, style = MARK, theme.TARGET
            line.add(text, style, stands_for)
    at = next((i for i, c in enumerate(parts) if c.first <= here < c.last), len(parts))
    _mark(picture.line(" " * MARGIN), at, say("drawing.curve.step", here=here), width, target(here))
    return picture


def _titled(title: str, n: int, count: int, width: int) -> str:
    """The title, with how many of n numbers each of so many columns stands for, if that is more than one."""
    if n <= count:
        return title
    whole = say("drawing.curve.each_column_mean_steps", title=title, n=each(n, count))
    short = say("drawing.curve.means", title=title, n=each(n, count))
    return next((text for text in (whole, short) if cell_len(text) <= width), title)


def each(n: int, count: int) -> str:
    """How many of n numbers each of so many columns stands for."""
    return f"{n // count}" + (f"-{n // count + 1}" if n % count else "")


def _part(column: Column, low: float, high: float, plot: int, floor: int) -> tuple[str, Style]:
    """The part of a column that lies on one of `plot` floors, counted from the ground."""
    if column.mean is None:
        return ("·" if floor == 0 else " "), theme.FAINT
    if not math.isfinite(column.mean):
        return ("?" if floor == 0 else " "), theme.WARNING
    top = _top(column.mean, low, high, plot)
    eighths = 1 + top - floor * 8
    return (EIGHTHS[min(eighths, 8) - 1] if eighths > 0 else " "), theme.DIM


def _top(value: float, low: float, high: float, plot: int) -> int:
    """How many eighths of a line above the ground a number stands, the first of them being 0."""
    return round((value - low) / (high - low) * (plot * 8 - 1)) if high > low else 0


def _floor(value: float, low: float, high: float, plot: int) -> int:
    """The line that a number stands on, counted from the ground."""
    return _top(value, low, high, plot) // 8


def _mark(line: Line, at: int, says: str, width: int, target: Hashable) -> None:
    """Point at column `at`, and say it on the side where there is room."""
    left, room = line.width, cell_len(says)
    if at > room + 2:
        line.add("0", theme.DIM)
    if left + at + 2 + room <= width:
        line.to(left + at).add(HERE, theme.NEW, target).add(f" {says}", theme.NEW)
    elif at > room:
        line.to(left + at - room - 1).add(f"{says} ", theme.NEW).add(HERE, theme.NEW, target)
    else:
        line.to(left + at).add(HERE, theme.NEW, target)


MARKS = {(True, False): "●", (False, True): "○", (True, True): "◉", (False, False): " "}


def curves(first: Sequence[float], second: Sequence[float], width: int, height: int, target: Target) -> Picture:
    """Both with one axis, `height` lines, at least two; a shorter series ends earlier. Columns are spots."""
    n, picture = max(len(first), len(second)), Picture()
    parts = [columns(series, width - AXIS - 2, n - len(series)) for series in (first, second)]
    means = [column.mean or 0.0 for part in parts for column in part if column.drawn]
    low, high = min(means, default=0.0), max(means, default=0.0)
    labels = {height - 1: plain(low), 0: plain(high)} if high > low else {height // 2: plain(high)}
    for floor in reversed(range(height)):
        label = labels.get(height - 1 - floor, "")
        line = picture.line().fit(label, AXIS, theme.DIM, right=True).add("┤" if label else "│", theme.FAINT)
        for one, other in zip(*parts, strict=True):
            here = _on(one, low, high, height, floor), _on(other, low, high, height, floor)
            line.add(MARKS[here], _style(here), target(one.last - 1))
    return picture


def _on(column: Column, low: float, high: float, height: int, floor: int) -> bool:
    """Whether a number lies on one of the floors, counted from the ground."""
    if column.mean is None or not math.isfinite(column.mean):
        return False
    return floor == (round((column.mean - low) / (high - low) * (height - 1)) if high > low else height // 2)


def _style(here: tuple[bool, bool]) -> Style:
    return theme.TEXT if here[0] == here[1] else theme.MINUS if here[0] else theme.PLUS
