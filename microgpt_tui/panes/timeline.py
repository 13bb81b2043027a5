"""The whole step as one bar: forward, backward, update, and a handle that can be dragged."""

from __future__ import annotations

from engine.events import PHASES, Moment, Phase
from microgpt_tui import palette
from microgpt_tui.frame import Frame
from microgpt_tui.panes.dragged import Dragged
from microgpt_tui.widgets.picture import Line, Picture

SHARES = {Phase.FORWARD: 0.42, Phase.BACKWARD: 0.42, Phase.UPDATE: 0.16}


class Timeline(Dragged, can_focus=False):
    """The bar. Every cell of it is a moment; click, or drag the handle."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        picture = Picture()
        line = picture.line(" ▕", palette.FAINT)
        room = width - 6
        for phase in PHASES:
            if phase is not Phase.FORWARD:
                line.add("┊", palette.FAINT)
            last = phase is Phase.UPDATE
            cells = width - line.width - 3 if last else round(room * SHARES[phase])
            _bar(line, frame, phase, max(cells, 4))
        line.add("▏", palette.FAINT)
        return picture


def _bar(line: Line, frame: Frame, phase: Phase, cells: int) -> None:
    stretches = frame.program.stretches(phase)
    begun = frame.phase.place >= phase.place
    label = f"{phase} " if cells > len(phase) + 4 else ""
    line.add(
        label, palette.PHASE_TEXT[phase] if begun else palette.DIM, Moment(frame.moment.step, phase, stretches[0].last)
    )
    cells -= len(label)
    here = _handle(frame, phase, cells)
    done = cells if frame.phase.place > phase.place else max(here, 0)
    stops = {_cell(stretch.index, len(stretches), cells) for stretch in frame.halts(phase)}
    for i in range(cells):
        end = stretches[min(i * len(stretches) // cells, len(stretches) - 1)].last
        line.spots.append((line.width + i, line.width + i + 1, Moment(frame.moment.step, phase, end)))
    for i in range(cells):
        if i == here:
            line.add("◉" if i in stops else "●", palette.NEW)
        elif i in stops:
            line.add("◆", palette.WARNING)
        else:
            line.add("━" if i < done else "─", palette.PHASE_TEXT[phase] if i < done else palette.FAINT)
    line.add(" ")


def _handle(frame: Frame, phase: Phase, cells: int) -> int:
    """The cell that the handle stands on."""
    if frame.phase is not phase:
        return -1
    return _cell(frame.event.index, len(frame.program.stretches(phase)), cells)


def _cell(index: int, count: int, cells: int) -> int:
    """The first cell that leads to an event, or beyond."""
    return min(-(-index * cells // count), cells - 1)
