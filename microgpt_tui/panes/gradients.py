"""How far the gradients of the parameters have come: a line a matrix, and below it the chosen matrix as a heatmap."""

from __future__ import annotations

import math
import re

import numpy as np
from rich.cells import cell_len

from engine.timeline.events import Phase
from microgpt_tui.debugger import targets
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, as_matrix, bar, half_row, heat_row, heat_size_for, window
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Picture, squeezed
from microgpt_tui.drawing.wrapped_text import wrapped
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.panes.base import Pane, says
from microgpt_tui.texts.say import say

FIGURE = 8  # characters for a norm
LEAST_MAP = 4  # lines below which a heatmap is left out
LEAST_BAR, MOST_BAR = 2, 30


class Gradients(Pane):
    """Norm of every matrix's gradient, and how many positions have added to it."""

    TITLE = pane_title("gradients")

    def heading(self, frame: Frame) -> str:
        return f"{self.TITLE} ─ {say(f'panes.gradients.state.{frame.phase}')}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture = Picture()
        if frame.phase is Phase.FORWARD:
            return says(picture, say("panes.gradients.to_come"), width, height)
        for text in wrapped(frame.view.remark, width) if height > LEAST_MAP else ():
            picture.line(text, theme.WARNING)
        _table(picture, frame, width)
        if height - picture.height >= LEAST_MAP:
            _map(picture, frame, width, height - picture.height)
        return picture


def known_norm(cells: Cells) -> float | None:
    """The root of the sum of squares of what is known; None if nothing is."""
    values = cells.values[cells.known]
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.sum(values * values))) if values.size else None


def _in_order(frame: Frame) -> list[str]:
    """The matrices in the order in which gradient reaches them; those that it does not reach last."""
    begins = {name: first for name, (_, _, first) in frame.view.contributions.items()}
    return sorted(begins, key=lambda name: begins[name])


def _short(frame: Frame, name: str) -> str:
    """The name of a matrix without its layer, if the model has but one; else with the layer as L0."""
    layer, dot, rest = name.partition(".")
    if not dot or frame.program.specs[name].layer is None or not re.fullmatch(r"layer\d+", layer):
        return name
    return rest if frame.config.n_layer == 1 else f"{layer.replace('layer', 'L')} {rest}"


def _table(picture: Picture, frame: Frame, width: int) -> None:
    """A line for each matrix; the first of those that have just grown is to be seen."""
    matrices, counts, changed = frame.program.parameters, frame.view.contributions, _changed(frame)
    names = _in_order(frame)
    norms = {name: known_norm(frame.grad(matrices[name])) if counts[name][0] else None for name in names}
    scale = max((n for n in norms.values() if n is not None and math.isfinite(n)), default=0.0)
    first = next((i for i, name in enumerate(names) if name in changed), names.index(frame.matrix))
    picture.focus = picture.height + first
    label = min(max(cell_len(_short(frame, name)) for name in names) + 1, max(width - 2 * FIGURE - 1, 3))
    words = {
        name: say("panes.gradients.positions", done=done, planned=planned)
        for name, (done, planned, _) in counts.items()
    }
    share = max(map(cell_len, words.values())) + 1
    bars = min(MOST_BAR, width - label - FIGURE - share - 1)
    for name in names:
        new, norm = name in changed, norms[name]
        style = theme.NEW if new else theme.STRONG if name == frame.matrix else theme.TEXT
        line = picture.line().fit(squeezed(_short(frame, name), label - 1), label, style, targets.matrix(frame, name))
        known = theme.FAINT if norm is None else theme.NEW if new else theme.TEXT
        line.fit(plain(norm), FIGURE - 1, known, right=True).add(" ")
        if bars >= LEAST_BAR:
            text = bar(norm or 0.0, scale, bars)
            line.fit(text, bars, theme.PHASE_TEXT["backward"], targets.matrix(frame, name))
        line.fit(words[name] if norm is not None else "", share, theme.DIM, right=True)


def _changed(frame: Frame) -> set[str]:
    """The matrices whose gradient grew in the present event, or in the last tick if it is not over."""
    if not frame.backward:
        return set()
    tick = frame.moment.tick
    first = max(tick - 1, 0) if frame.stepping_inside else frame.event.first
    grown = frame.program.receivers_between(first, tick)
    grown = grown[grown < frame.program.n_params]
    matrices = frame.program.parameters
    return {name for name, rows in matrices.items() if ((grown >= rows.flat[0]) & (grown <= rows.flat[-1])).any()}


def _map(picture: Picture, frame: Frame, width: int, height: int) -> None:
    """The chosen matrix's gradient in so many lines, two rows a line where that shows more of it."""
    rows = as_matrix(frame.program.parameters[frame.matrix])
    cells, (count, columns) = frame.grad(rows), rows.shape
    scale, size, room = frame.scale(rows, True, frame.matrix), heat_size_for(rows.shape[1], width), height - 1
    halves = count > room and not theme.signs_only and not frame.where.digits
    chosen = np.argwhere(rows == frame.selected)
    i, j = (int(chosen[0][0]), int(chosen[0][1])) if len(chosen) else (0, 0)
    top, bottom = window(count, room * (1 + halves), i)
    left, right = window(columns, max(1, width // size), j)
    line = picture.line().add(f"∂{frame.matrix}", theme.STRONG)
    parts = [
        f"  ±{plain(scale)}",
        f" {say('panes.gradients.rows', first=top, last=bottom - 1, count=count)}",
        f" {say('panes.gradients.columns', first=left, last=right - 1, count=columns)}",
    ]
    shown = [True, (top, bottom) != (0, count), (left, right) != (0, columns)]
    for part in (part for part, there in zip(parts, shown, strict=True) if there):
        line.add(part if line.width + cell_len(part) <= width else "", theme.DIM)
    for r in range(top, bottom, 1 + halves):
        if halves:
            lower = cells[r + 1, left:right] if r + 1 < bottom else None
            half_row(picture.line(), cells[r, left:right], lower, size, scale, frame.selected)
        else:
            heat_row(picture.line(), cells[r, left:right], size, frame.selected, scale)
