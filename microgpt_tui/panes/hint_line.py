"""One line that says what the keys do on the chosen pane, or on the stage."""

from __future__ import annotations

from rich.cells import cell_len

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import hints
from microgpt_tui.panes.base import Pane

GAP = 3  # cells between two hints


class HintLine(Pane, can_focus=False):
    """The hints, as many as fit, each whole; none while the run moves, whose keys the explanation says."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        picture = Picture()
        line = picture.line(" ")
        for hint in () if frame.around.live else hints(frame):
            if line.width + cell_len(hint) + 1 > width:
                break
            line.add(hint, theme.DIM).add(" " * GAP)
        return picture
