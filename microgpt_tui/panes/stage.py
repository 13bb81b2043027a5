"""The operation itself, drawn in the way that explains it."""

from __future__ import annotations

from microgpt_tui.frame import Frame
from microgpt_tui.panes.base import Pane
from microgpt_tui.stage.drawings import draw
from microgpt_tui.texts import title_of
from microgpt_tui.widgets.picture import Picture


class Stage(Pane):
    """The stage. Arrow keys move the cell cursor on it."""

    TITLE = "Stage"

    def heading(self, frame: Frame) -> str:
        return title_of(frame.stretch)

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        return draw(frame, width, height)
