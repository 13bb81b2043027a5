"""The whole step as one bar: forward, backward, update, marks on it, and a handle that can be dragged."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache

from rich.cells import cell_len
from rich.style import Style
from textual import events

from engine.immutable import immutable
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.say import say

SHARES = {Phase.FORWARD: 0.42, Phase.BACKWARD: 0.42, Phase.UPDATE: 0.16}
LEAST = 4  # cells of a phase's bar


@immutable
class Share:
    """A cell of the bar of a phase, out of so many."""

    phase: Phase
    cell: int
    cells: int

    def moment(self, frame: Frame) -> Moment:
        """The end of the event that the cell stands for, in the step of a frame."""
        found = frame.program.events(self.phase)
        event = found[min(self.cell * len(found) // self.cells, len(found) - 1)]
        return Moment(frame.moment.step, self.phase, event.last)


class Timeline(Pane, can_focus=False):
    """The bar. Every cell of it leads to a moment; click, or drag the handle.

    Which moment is found when it is asked for: to draw the bar, the events of later phases need not be known.
    """

    draggable = Moment, Share

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        picture = Picture()
        line = picture.line(" ")
        room = width - 2
        for phase in PHASES:
            last = phase is Phase.UPDATE
            cells = width - line.width - 1 if last else round(room * SHARES[phase])
            _bar(line, frame, phase, cells - (not last))
            line.add("" if last else " ")
        return picture

    def target_at(self, event: events.MouseEvent) -> Hashable:
        return self._moment(super().target_at(event))

    def dragged_to(self, target: Hashable) -> None:
        super().dragged_to(self._moment(target))

    def _moment(self, target: Hashable) -> Hashable:
        return target.moment(self.frame) if isinstance(target, Share) and self.frame else target


def _bar(line: Line, frame: Frame, phase: Phase, cells: int) -> None:
    begun = frame.phase.place >= phase.place
    label = f"{say(f'explanations.phase.{phase}')} "
    line.add(label, theme.PHASE_TEXT[phase] if begun else theme.DIM, Share(phase, 0, 1))
    cells = max(LEAST, cells - cell_len(label))
    signs = _signs(frame, phase, cells)
    here = _cell(frame, frame.moment, cells) if frame.phase is phase else 0
    done = cells if frame.phase.place > phase.place else here
    line.spots += _shares(phase, line.width, cells)
    at = 0
    for cell, (sign, style, target) in sorted(signs.items()):
        _track(line, at, cell, done, phase)
        line.add(sign, style, target)
        at = cell + 1
    _track(line, at, cells, done, phase)


@lru_cache(64)
def _shares(phase: Phase, x: int, cells: int) -> tuple[tuple[int, int, Share], ...]:
    """The cells of a phase's bar, from column `x` on."""
    return tuple((x + i, x + i + 1, Share(phase, i, cells)) for i in range(cells))


def _track(line: Line, first: int, last: int, done: int, phase: Phase) -> None:
    """The cells from `first` up to `last` that carry no sign; those before `done` are behind us."""
    behind = min(max(done, first), last)
    line.add("━" * (behind - first), theme.PHASE_TEXT[phase]).add("─" * (last - behind), theme.FAINT)


def _signs(frame: Frame, phase: Phase, cells: int) -> dict[int, tuple[str, Style, Moment | None]]:
    """What stands on the bar of a phase, by cell: breakpoints, the handle, the letters of marks."""
    signs: dict[int, tuple[str, Style, Moment | None]] = {}
    here = _cell(frame, frame.moment, cells) if frame.phase is phase else -1
    for event in frame.halts(phase):
        end = Moment(frame.moment.step, phase, event.last)
        signs[_cell(frame, end, cells)] = "◆", theme.WARNING, end
    if here >= 0:
        signs[here] = "◉" if here in signs else "●", theme.HERE_BAR, None
    for letter, moment in sorted(frame.around.annotations.marks.items()):
        if (moment.step, moment.phase) == (frame.moment.step, phase):
            cell = _cell(frame, moment, cells)
            signs[cell] = letter, theme.NOW if cell == here else theme.STRONG, moment
    return signs


def _cell(frame: Frame, moment: Moment, cells: int) -> int:
    """The cell that a moment of this step stands on: the first one that leads to its event, or beyond."""
    count = len(frame.program.events(moment.phase))
    return min(-(-frame.program.event_at(moment).index * cells // count), cells - 1)
