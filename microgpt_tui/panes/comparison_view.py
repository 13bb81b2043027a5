"""The picture of two runs at one moment. Differences are this run minus the other."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from rich.cells import cell_len

from engine.autograd.tape import Rows
from engine.run.branches import original_name
from engine.timeline.comparison import first_difference, shifts
from engine.timeline.view import View
from microgpt_tui.debugger.frame import Context, Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, heat_row, heat_size_for, window
from microgpt_tui.drawing.curve import AXIS, curves, sparkline
from microgpt_tui.drawing.numbers import number, percent, plain, points
from microgpt_tui.drawing.picture import Line, Picture, beside
from microgpt_tui.operations.canvas import first_fitting
from microgpt_tui.operations.row_labels import labels_of
from microgpt_tui.texts.say import say

LABEL = 12  # cells for the name of a run, or of a position
LEAST_CURVE = 5  # lines, its title included
LEAST_MAP = 3
FIGURES, FIGURE = 16, 9  # characters of a probability before and after, and of its move
PLACE = 13  # characters of where a probability stands, and of its token
MOVED = PLACE + FIGURES + FIGURE + 2  # characters that it takes, with a gap
SIDE_BY_SIDE = 100  # cells from which probabilities stand beside the curves


def compare(frame: Frame, other: View, name: str, width: int, height: int) -> Picture:
    """Losses of this step, the tensor on the stage, its difference as a heatmap, loss curves, probabilities."""
    theirs = Frame(other, frame.where, Context())
    names = frame.around.branch or original_name(), name
    picture = Picture([_losses(frame, theirs, names, width)])
    picture.below(_tensor(frame, theirs, names, width, height - 1 - max(LEAST_CURVE, (height - 5) // 2)))
    return picture.below(_below(frame, theirs, names, width, height - picture.height))


def _losses(frame: Frame, theirs: Frame, names: tuple[str, str], width: int) -> Line:
    """The loss of this step in both, and the difference; in fewer words, and without it, where there is no room."""
    ours, other = frame.view.loss, theirs.view.loss
    line = Line()
    for here, gap, with_difference in (("full", 2, True), ("short", 2, True), ("short", 1, False)):
        line = Line().add(say(f"panes.comparison_view.losses_here.{here}"), theme.DIM)
        for label, loss in zip(names, (ours, other), strict=True):
            known = say("panes.comparison_view.not_yet") if loss is None else plain(loss)
            line.add(f"{' ' * gap}{label} ", theme.DIM).add(known, theme.STRONG)
        if with_difference and ours is not None and other is not None:
            line.add(f"  {say('panes.comparison_view.difference')} ", theme.DIM)
            line.add(number(ours - other), theme.signed(ours - other))
        if line.width <= width:
            break
    return line


def difference(frame: Frame, theirs: Frame, rows: Rows) -> Cells:
    """This run minus the other, where both are known."""
    ours, other = frame.shown(rows), theirs.shown(rows)
    known = ours.known & other.known
    with np.errstate(invalid="ignore"):
        return Cells(
            np.where(known, ours.values - other.values, 0.0), known, rows, np.zeros(rows.shape, dtype=np.bool_)
        )


def _tensor(frame: Frame, theirs: Frame, names: tuple[str, str], width: int, room: int) -> Picture:
    """The tensor on the stage in both, and the difference: of a matrix all of it, else at every position."""
    rows, event, picture = frame.stage_event.rows, frame.stage_event, Picture()
    what = f"d loss / d {event.name}" if frame.backward else event.name
    if rows.ndim == 2:
        cells = difference(frame, theirs, rows)
        title = say("panes.comparison_view.minus", what=what, ours=names[0], theirs=names[1])
        short = f"{'∂' * frame.backward}{event.name}: {say('panes.comparison_view.difference')}, {_at_most(cells)}"
        picture.line().most(first_fitting(width, f"{title}, {_at_most(cells)}", short) or short, width, theme.DIM)
        return picture.below(_matrix(frame, cells, width, max(1, room - 1)))
    n = len(rows)
    size = heat_size_for(n, width - LABEL)
    left, right = window(n, max(1, (width - LABEL) // size), frame.element())
    cut = say("panes.comparison_view.elements", first=left, last=right - 1, count=n) if (left, right) != (0, n) else ""
    picture.line().most(say("panes.comparison_view.both", what=what, cut=cut), width, theme.DIM)
    if event.layer is None and event.pos is not None and n == frame.program.tokenizer.vocab_size:
        _tokens(picture.line().to(LABEL), frame, (left, right, size))
    parts = frame.shown(rows)[left:right], theirs.shown(rows)[left:right]
    scale = max(part.scale for part in parts)
    for label, cells in zip(names, parts, strict=True):
        _row(picture, label, cells, size, frame.selected, scale)
    cells = difference(frame, theirs, rows)[left:right]
    _row(picture, say("panes.comparison_view.difference"), cells, size, frame.selected, cells.scale)
    if room - picture.height >= LEAST_MAP and event.pos is not None:
        picture.below(_positions(frame, theirs, (left, right, size), width, room - picture.height))
    return picture


def _matrix(frame: Frame, cells: Cells, width: int, room: int) -> Picture:
    """A matrix, a line a row, each with what the row stands for; cut around the selected cell to what fits."""
    picture, labels = Picture(), labels_of(frame, frame.stage_event.name)
    margin = max(map(cell_len, labels)) + 1
    rows, columns = cells.values.shape
    size = heat_size_for(columns, width - margin)
    found = np.argwhere(cells.targets == frame.selected)
    i, j = (int(found[0][0]), int(found[0][1])) if len(found) else (0, 0)
    top, bottom = window(rows, room if rows <= room else max(1, room - 1), i)
    left, right = window(columns, max(1, (width - margin) // size), j)
    for r in range(top, bottom):
        line = picture.line().fit(labels[r], margin - 1, theme.NEW if r == i and len(found) else theme.DIM).add(" ")
        heat_row(line, cells[r, left:right], size, frame.selected, cells.scale)
    if (top, bottom, left, right) != (0, rows, 0, columns) and picture.height < room:
        shown = say("panes.comparison_view.rows", first=top, last=bottom - 1, count=rows)
        if (left, right) != (0, columns):
            shown += say("panes.comparison_view.columns", first=left, last=right - 1, count=columns)
        picture.line().most(shown, width, theme.DIM)
    return picture


def _tokens(line: Line, frame: Frame, part: tuple[int, int, int]) -> None:
    """The tokens that columns stand for, each above its own; ^ for BOS, and nothing where one has no room."""
    left, right, size = part
    tokenizer, pos = frame.program.tokenizer, frame.stage_event.pos
    target = None if pos is None else frame.program.targets[pos]
    for token in range(left, right):
        name = "^" if token == tokenizer.bos else frame.token_name(token)
        name = name if cell_len(name) <= size else ""
        line.fit(name, size, theme.TARGET if token == target else theme.NEW if token == frame.cell else theme.DIM)


def _row(picture: Picture, label: str, cells: Cells, size: int, selected: Hashable, scale: float) -> None:
    heat_row(picture.line().fit(label, LABEL - 1, theme.TEXT).add(" "), cells, size, selected, scale)


def _positions(frame: Frame, theirs: Frame, part: tuple[int, int, int], width: int, room: int) -> Picture:
    """The difference of the tensor at every position, a line each, around the present one."""
    left, right, size = part
    event, picture = frame.stage_event, Picture()
    found = [frame.tensor(event.name, p, event.layer, event.head) for p in range(frame.program.n)]
    maps = [difference(frame, theirs, rows[left:right]) for rows in found if rows is not None]
    scale = max((cells.scale for cells in maps), default=0.0)
    picture.line().most(say("panes.comparison_view.at_every_position", at_most=_at_most(*maps)), width, theme.DIM)
    first, last = window(len(maps), room - 1, frame.pos)
    for pos in range(first, last):
        line = picture.line().fit(f"{pos} {frame.token(pos)}", LABEL - 1, theme.NEW if pos == frame.pos else theme.DIM)
        heat_row(line.add(" "), maps[pos], size, frame.selected, scale)
    return picture


def _at_most(*maps: Cells) -> str:
    """How large differences are, in words."""
    if not any(cells.known.any() for cells in maps):
        return say("panes.comparison_view.not_computed_yet")
    scale = max(cells.scale for cells in maps)
    return say("panes.comparison_view.at_most", scale=plain(scale)) if scale else say("panes.comparison_view.none")


def _below(frame: Frame, theirs: Frame, names: tuple[str, str], width: int, height: int) -> Picture:
    """Loss curves and probabilities, side by side where there is room."""
    if width >= SIDE_BY_SIDE:
        moved = _moved(frame, theirs, names, width // 3, height)
        return beside(_curves(frame, theirs, names, width - width // 3 - 2, height), moved)
    lines = max(2, height // 2)
    picture = _curves(frame, theirs, names, width, height - lines)
    return picture.below(_moved(frame, theirs, names, width, height - picture.height))


def _curves(frame: Frame, theirs: Frame, names: tuple[str, str], width: int, height: int) -> Picture:
    step, picture = frame.moment.step, Picture()
    ours, other = ([*f.view.losses[:step], *([] if f.view.loss is None else [f.view.loss])] for f in (frame, theirs))
    if not ours or not other or height < 3:
        return picture
    apart = first_difference(ours, other)
    which = "same" if apart is None else "apart"
    titles = [
        say(f"panes.comparison_view.losses.{which}.{form}", ours=names[0], theirs=names[1], step=apart)
        for form in ("full", "short")
    ]
    picture.line().most(first_fitting(width, *titles) or titles[-1], width, theme.DIM)

    def target(i: int) -> Hashable:
        return frame.in_step(i)

    apart_lines = int(height > LEAST_CURVE and apart is not None)
    picture.below(curves(ours, other, width, height - 1 - apart_lines, target))
    if apart_lines:
        short = say("panes.comparison_view.difference_short")
        differences = [a - b for a, b in zip(ours, other, strict=False)]
        sparkline(
            picture.line().fit(short, AXIS, theme.DIM, right=True).add("│", theme.FAINT),
            differences,
            width - AXIS - 2,
            target,
        )
    return picture


def _moved(frame: Frame, theirs: Frame, names: tuple[str, str], width: int, height: int) -> Picture:
    """The probabilities that moved most, as many as there are lines for."""
    picture, columns = Picture(), max(1, (width + 2) // MOVED)
    found = shifts(theirs.view, frame.view, (height - 1) * columns) if height > 1 else []
    if not found:
        return picture
    found = [shift for shift in found if shift.difference != 0]
    title = (
        say("panes.comparison_view.probabilities", before=names[1], after=names[0])
        if found
        else say("panes.comparison_view.no_probability_differs")
    )
    picture.line().most(title, width, theme.DIM)
    for i in range(0, len(found), columns):
        line = picture.line()
        for k, shift in enumerate(found[i : i + columns]):
            line.to(k * MOVED).fit(f"{shift.pos} {frame.token(shift.pos)}", 7, theme.DIM)
            line.add("→ ").fit(frame.token_name(shift.token_id), 4, theme.STRONG)
            line.add(
                f"{percent(shift.before)} → {percent(shift.after)}".ljust(FIGURES),
                theme.TEXT,
                shift.row,
            )
            line.fit(points(shift.difference), FIGURE, theme.signed(shift.difference), right=True)
    return picture
