"""The embedding matrices in two dimensions: each row is a point, on axes that stay the same through the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from engine.explain.principal_axes import nearest_rows
from engine.model.recording import Floats
from engine.timeline.events import Phase, StepProgram
from engine.timeline.view import View
from microgpt_tui.debugger.embedding_axes import Plane, embedding_matrices, plane_of, planes_ahead
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.series import Series
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.grid import Grid
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.drawing.picture import Picture, beside
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.panes.base import Pane, says
from microgpt_tui.texts.say import say

NONE = say("panes.embeddings.no_matrix")
NEAREST = 6  # rows that are named as the nearest ones
FIRST_SHARE = 0.6  # of the width, for the first of two planes
MARGIN = 1.08
AROUND = [  # places beside one that is taken, the nearest first; a line is as high as two columns are wide
    (dx, dy) for _, dx, dy in sorted((dx * dx + 4 * dy * dy, dx, dy) for dx in range(-16, 17) for dy in range(-8, 9))
]


class Embeddings(Pane):
    """Letters and positions as points. What the present position reads is marked, and its target."""

    TITLE = pane_title("embeddings")

    @classmethod
    def lacks(cls, view: View) -> str:
        return "" if embedding_matrices(view.program.specs) else NONE

    def heading(self, frame: Frame) -> str:
        return f"{self.TITLE} ─ {', '.join(embedding_matrices(frame.program.specs))}"

    def series(self, frame: Frame, width: int, height: int) -> Sequence[Series[Any]]:
        del width, height
        return (planes_ahead(frame.view, frame.around.past),)

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        names = embedding_matrices(frame.program.specs)
        if not names:
            return says(Picture(), NONE, width, height)
        (ahead,) = self.series(frame, width, height)
        found: Mapping[str, Plane] | None = next(iter(ahead.known.values()), None)
        foot = _axes_note(ahead, found)
        lines = height - 2
        rooms = [width] if len(names) == 1 else [int(width * FIRST_SHARE)]
        rooms += [(width - sum(rooms)) // max(1, len(names) - 1) - 2] * (len(names) - 1)
        picture = Picture()
        for name, room in zip(names, rooms, strict=True):
            first = frame.view.first_parameters(name)
            plane = found[name] if found else plane_of(first, first)
            drawn = _plane(frame, name, plane, room, lines)
            picture = beside(picture, drawn) if picture.lines else drawn
        picture.line().most(_nearest_words(frame, names, width), width, theme.TEXT)
        picture.line().most(foot, width, theme.DIM)
        return picture


def _axes_note(ahead: Series[Any], found: Mapping[str, Plane] | None) -> str:
    """Which axes these are."""
    steps = [step + 1 for step in (*ahead.known, *ahead.missing)]
    if not steps:
        return say("panes.embeddings.axes.of_start")
    if found:
        return say("panes.embeddings.axes.same", step=steps[0])
    if ahead.missing:
        return say("panes.embeddings.axes.until_copy", step=steps[0])
    return say("panes.embeddings.axes.never", step=steps[0])


def _here(frame: Frame, name: str) -> tuple[int | None, int | None]:
    """The row of a matrix that the present position reads, and that of the token to come; None without a position."""
    pos = frame.stage_event.pos
    if pos is None:
        return None, None
    target = frame.target_id(pos) if frame.program.specs[name].tokens else None
    return _read(frame.program, name).get(pos), target


_READ: WeakKeyDictionary[StepProgram, dict[str, dict[int, int]]] = WeakKeyDictionary()


def _read(program: StepProgram, name: str) -> dict[int, int]:
    """The row of a matrix that the embedding of each position reads."""
    known = _READ.setdefault(program, {})
    if name not in known:
        known[name] = found = {}
        for event in program.events(Phase.FORWARD):
            for rows in event.operands.values() if event.kind == "embed" and event.pos is not None else ():
                parameter = program.parameter_of(int(rows.flat[0]))
                if event.pos is not None and parameter is not None and parameter[0] == name:
                    found[event.pos] = parameter[1][0]
    return known[name]


def _selected(frame: Frame, name: str) -> tuple[int, int] | None:
    """The row and the column of the selected number, if it is one of this matrix."""
    place = frame.program.parameter_of(frame.selected)
    if place is None or place[0] != name or len(place[1]) != 2:
        return None
    return place[1][0], place[1][1]


def _label(frame: Frame, name: str, row: int) -> str:
    return frame.token_name(row) if frame.program.specs[name].tokens else str(row)


def _nearest_words(frame: Frame, names: Sequence[str], width: int) -> str:
    """What is nearest to the selected row, else to the one that is read, in all dimensions."""
    chosen = [(name, place[0]) for name in names if (place := _selected(frame, name))]
    read = [(name, row) for name in names if (row := _here(frame, name)[0]) is not None]
    if not (chosen or read):
        return ""
    name, row = (chosen or read)[0]
    matrix = frame.data(frame.program.parameters[name]).values
    near = nearest_rows(matrix, row, NEAREST)
    said = say("panes.embeddings.nearest", name=_label(frame, name, row), count=matrix.shape[1])
    for other, distance in near:
        further = f"{said}  {_label(frame, name, other)} {plain(distance)}"
        if cell_len(further) > width:
            break
        said = further
    return said


def _plane(frame: Frame, name: str, plane: Plane, width: int, height: int) -> Picture:
    """One matrix: what it is, its points, how far the axes reach."""
    rows = frame.program.parameters[name]
    matrix = frame.data(rows).values
    picture, grid = Picture(), Grid(max(width, 1), max(height - 3, 1))
    line = picture.line().most(name, width, theme.STRONG)
    line.most(f"  {rows.shape[0]:,}×{rows.shape[1]:,}", width - line.width, theme.DIM)
    if not np.isfinite(matrix).all():
        return says(picture, say("panes.embeddings.not_finite"), width, height - 1)
    share = f"{100 * plane.axes.share(matrix):.1f}%"
    full, short = (
        say("panes.embeddings.variance.full", count=rows.shape[1], share=share),
        say("panes.embeddings.variance.short", count=rows.shape[1], share=share),
    )
    picture.line().most(full if cell_len(full) <= width else short, width, theme.TEXT)
    left_out = _points(frame, name, plane, matrix, grid)
    picture.below(grid.picture())
    without = say("panes.embeddings.no_room", count=left_out) if left_out else ""
    forms = list(_reach(plane))
    said = next((form + without for form in forms if cell_len(form + without) <= width), None)
    said = said or next((form for form in forms if cell_len(form) <= width), forms[-1])
    picture.line().most(said, width, theme.DIM)
    return picture


def _reach(plane: Plane) -> Iterator[str]:
    """From where to where the two axes go, in fewer and fewer characters."""
    (left, low), (right, high) = (limit.tolist() for limit in (plane.low, plane.high))
    between = f" {say('panes.embeddings.to')} "
    for digits, to in ((3, between), (2, between), (2, " ")):
        yield f"→ {number(left, digits)}{to}{number(right, digits)}  ↑ {number(low, digits)}{to}{number(high, digits)}"
    yield f"→ {number(left, 1)} {number(right, 1)} ↑ {number(low, 1)} {number(high, 1)}"
    yield f"→ {left:+.1g} {right:+.1g} ↑ {low:+.1g} {high:+.1g}"


def _unit(plane: Plane, grid: Grid) -> float:
    """How much a line is high, and two columns are wide."""
    lines, columns = max(grid.height - 1, 1), max(grid.width - 1, 1) / 2
    across, up = (plane.high - plane.low).tolist()
    return MARGIN * max(across / columns, up / lines) or 1.0


def _points(frame: Frame, name: str, plane: Plane, matrix: Floats, grid: Grid) -> int:
    """Draw the cross of the axes and all points; how many had no room."""
    unit, rows = _unit(plane, grid), frame.program.parameters[name]
    middle = (plane.low + plane.high) / 2

    def cell(point: Floats) -> tuple[int, int]:
        right, up = ((point - middle) / unit).tolist()
        return round((grid.width - 1) / 2 + 2 * right), round((grid.height - 1) / 2 - up)

    centre_x, centre_y = cell(np.zeros(2))  # the mean of the rows from which the axes come
    grid.across(0, grid.width - 1, centre_y, theme.FAINT)
    grid.down(centre_x, 0, grid.height - 1, theme.FAINT)
    selected, taken, left_out = _selected(frame, name), set[tuple[int, int]](), 0
    at = plane.axes.project(matrix)
    for row in _order(frame, name, len(matrix)):
        label, style = _look(frame, name, row)
        there = cell(at[row])
        x, y = min(max(there[0], 0), grid.width - 1), min(max(there[1], 0), grid.height - 1)
        for dx, dy in AROUND:
            mark = "~" if (x + dx, y + dy) != there else ""
            size = cell_len(mark + label)
            place = x + dx - (size - 1) // 2, y + dy
            cells = {(place[0] + i, place[1]) for i in range(size)}
            if 0 <= place[0] <= grid.width - size and 0 <= place[1] < grid.height and not cells & taken:
                taken |= cells | {(place[0] - 1, place[1]), (place[0] + size, place[1])}
                target = int(rows[row, selected[1] if selected else 0])
                grid.text(*place, mark + label, style, target)
                break
        else:
            left_out += 1
    return left_out


def _order(frame: Frame, name: str, count: int) -> Iterator[int]:
    """The rows, those first that must stand at their very places."""
    selected = _selected(frame, name)
    first = [row for row in (*_here(frame, name), selected and selected[0]) if row is not None]
    yield from dict.fromkeys((*first, *range(count)))


def _look(frame: Frame, name: str, row: int) -> tuple[str, Style]:
    """How a row is written, and in which style: here, target, selected, of this document, others."""
    read, target = _here(frame, name)
    selected = _selected(frame, name)
    label = ("◎" if row == target else "") + _label(frame, name, row)
    if row == read:
        return f"[{label}]", theme.NOW
    if selected is not None and row == selected[0]:
        return label, theme.CURSOR
    if row == target:
        return label, theme.TARGET
    used = row in _read(frame.program, name).values()
    return label, theme.STRONG if used else theme.DIM
