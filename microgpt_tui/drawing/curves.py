"""Two series of numbers over the same time, in one plot: ● one, ○ the other, ◉ where they are in one cell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.style import Style

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.curve import AXIS, Column, Target, columns
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Picture

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
