"""The operation itself, drawn in the way that explains it."""

from __future__ import annotations

from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.explanations.sentences import pane_title, title_of
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.adam import in_brief
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.source import line_at_work
from microgpt_tui.texts.say import say

LEAST = 10  # lines from which there is room for a line of source
LEAST_OF_WEIGHT = 13  # lines from which there is room for the chosen weight in numbers


class Stage(Pane):
    """The stage. Arrow keys move the cell cursor on it.

    On a narrow screen, which has no room for the source, the line of it that is at work stands at the bottom; in the
    update phase the chosen weight stands above it, in numbers.
    """

    TITLE = pane_title("stage")

    def heading(self, frame: Frame) -> str:
        title, event = title_of(frame), frame.stage_event
        if not frame.backward or event.is_parameter or not frame.moment.tick:
            return title
        way = "from" if frame.stepping_inside else "to"
        return f"{title} ─ {say(f'panes.stage.{way}', name=event.name)}"  # what the line of place names

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        return draw(frame, width, height)

    def picture_for(self, width: int, height: int) -> Picture | None:
        frame = self.frame
        narrow = self.is_attached and self.screen.has_class("-narrow")
        if frame is None or not narrow or height < LEAST:
            return super().picture_for(width, height)
        weight = frame.phase is Phase.UPDATE and bool(frame.program.ticks(frame.phase)) and height >= LEAST_OF_WEIGHT
        below = in_brief(frame, width) if weight else Picture()
        picture = self.draw(frame, width, height - 1 - below.height)
        if picture.height + below.height < height:
            picture.below(below)
            picture.lines += [Line() for _ in range(height - 1 - picture.height)]
            picture.lines.append(line_at_work(frame, width))
        return picture
