"""The operation itself, drawn in the way that explains it."""

from __future__ import annotations

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.sentences import title_of


class Stage(Pane):
    """The stage. Arrow keys move the cell cursor on it."""

    TITLE = "Stage"

    def heading(self, frame: Frame) -> str:
        return title_of(frame)

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        return draw(frame, width, height)
