"""How far the gradients of the parameters have come: a line a matrix, and below it the chosen matrix as a heatmap."""

from __future__ import annotations

import math

import numpy as np

from engine.timeline.events import Phase
from microgpt_tui.debugger import targets
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, as_matrix, bar, heat_size_for, heatmap, window
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane, says

FIGURE = 10  # cells for a norm
LEAST_MAP = 4  # lines below which a heatmap is left out
WORDS = {  # above the table, in full and in short; in the update, and before it
    True: ("frozen: the update reads them and changes none", "frozen in this phase"),
    False: ("norm so far, and how much of it is complete", "norm, share done"),
}


class Gradients(Pane):
    """Norm and completeness of every parameter gradient."""

    TITLE = "Gradients"

    def heading(self, frame: Frame) -> str:
        state = {Phase.FORWARD: "not yet", Phase.BACKWARD: frame.matrix, Phase.UPDATE: f"{frame.matrix}, frozen"}
        return f"Gradients ─ {state[frame.phase]}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture = Picture()
        if frame.phase is Phase.FORWARD:
            return says(picture, "not yet: gradients come in the backward phase", width, height)
        count, update = len(frame.program.parameters), frame.phase is Phase.UPDATE
        words = update or height >= 2 * LEAST_MAP or count > height
        above = picture.line() if height > LEAST_MAP and words else None
        room = min(count, height - picture.height)
        if height - picture.height - count < LEAST_MAP:
            room = min(room, max(9, height // 2))
        if height - picture.height - room < LEAST_MAP:
            room = min(count, height - picture.height)
        first, last = _table(picture, frame, width, room)
        if above is not None:
            part = f"{first + 1}-{last} of {count} · " if room < count else ""
            full, short = WORDS[update]
            above.most(part + (full if len(part + full) <= width else short), width, theme.DIM)
        if height - picture.height >= LEAST_MAP:
            _map(picture, frame, width, height - picture.height)
        return picture


def known_norm(cells: Cells) -> float | None:
    """The root of the sum of squares of what is known; None if nothing is."""
    values = cells.values[cells.known]
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.sum(values * values))) if values.size else None


def label(line: Line, frame: Frame, name: str, size: int, new: bool) -> None:
    """The name of a matrix, with a mark if it is the chosen one; choosing it is what it stands for."""
    chosen = name == frame.matrix
    style = theme.NEW if new else theme.STRONG if chosen else theme.TEXT
    line.fit(f"{'▸' if chosen else ' '}{name}", size, style, targets.matrix(frame, name))


def label_width(frame: Frame, width: int) -> int:
    """Cells for the names of matrices, so that the figures beside them fit."""
    return min(max(len(name) for name in frame.program.parameters) + 2, width - FIGURE - 5)


def _table(picture: Picture, frame: Frame, width: int, room: int) -> tuple[int, int]:
    """A line for each matrix, as many as there is room for; from which to which, exclusive."""
    matrices = frame.program.parameters
    names, changed, size = list(matrices), _changed(frame), label_width(frame, width)
    begun = {name: frame.view.arrived(matrices[name]).any() for name in names}
    norms = {name: known_norm(frame.grad(matrices[name])) if begun[name] else None for name in names}
    scale = max((n for n in norms.values() if n is not None and math.isfinite(n)), default=0.0)
    chosen = names.index(frame.matrix)
    first, last = window(len(names), room, chosen)
    longest = 2 * len(str(max(rows.size for rows in matrices.values()))) + 7
    share = longest if width - size - FIGURE >= longest + 6 else 5
    bars = min(30, width - size - FIGURE - share - 4)
    for name in names[first:last]:
        if name == frame.matrix:
            picture.focus = picture.height
        line = picture.line()
        label(line, frame, name, size, name in changed)
        norm = norms[name]
        known = theme.TEXT if norm is not None else theme.FAINT
        line.fit(plain(norm), FIGURE - 1, theme.NEW if name in changed else known, right=True)
        line.add("◂" if name in changed else " ", theme.NEW)
        line.fit(_share(frame, name, share), share, theme.DIM, right=True)
        if bars > 2 and norm is not None:
            line.add("  ").add(bar(norm, scale, bars), theme.TEXT, targets.matrix(frame, name))
    return first, last


def _share(frame: Frame, name: str, room: int) -> str:
    """How many elements of the gradient are complete."""
    whole = frame.view.complete(frame.program.parameters[name])
    done, size = int(np.count_nonzero(whole)), whole.size
    words = "whole" if done == size else f"{min(99, done * 100 // size)}%"
    return f"{done}/{size} {words:>5}" if room > 5 else words


def _changed(frame: Frame) -> set[str]:
    """The matrices whose gradient grew in the present event, or in the last tick if it is not over."""
    if not frame.backward:
        return set()
    tick = frame.moment.tick
    first = max(tick - 1, 0) if frame.stepping_inside else frame.event.first
    grown = frame.program.receivers[first:tick]
    grown = grown[grown < frame.program.n_params]
    matrices = frame.program.parameters
    return {name for name, rows in matrices.items() if ((grown >= rows.flat[0]) & (grown <= rows.flat[-1])).any()}


def _map(picture: Picture, frame: Frame, width: int, height: int) -> None:
    rows = as_matrix(frame.program.parameters[frame.matrix])
    cells, columns = frame.grad(rows), rows.shape[1]
    line = picture.line().most(f"∂{frame.matrix}", width, theme.STRONG)
    about = f"  {rows.shape[0]}×{columns}, brightest is {plain(cells.scale)}" + (
        ", · not yet" if frame.backward else ""
    )
    if line.width + len(about) <= width:
        line.add(about, theme.DIM)
    size = heat_size_for(columns, width)
    cut = int(columns * size > width)  # the line that says so
    picture.below(heatmap(cells, size, width, height - 1 - cut, frame.selected))
