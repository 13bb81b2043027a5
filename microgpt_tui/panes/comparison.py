"""This moment in two runs: the tensor on the stage in both and how it differs, losses, probabilities that moved."""

from __future__ import annotations

from engine.run.branches import original_name
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.panes.base import Pane, says
from microgpt_tui.texts.say import say

NOTHING = say("panes.comparison.nothing_yet")


def _named(name: str, changes: str) -> str:
    """A run, with what is changed in it."""
    return f"{name} ({changes})" if changes else name


class Comparison(Pane):
    """Both runs at the same moment; while the other one is on its way, or cannot come, a sentence says so."""

    TITLE = pane_title("comparison")

    def heading(self, frame: Frame) -> str:
        beside = frame.around.beside
        if beside is None:
            return self.TITLE
        here = _named(frame.around.branch or original_name(), frame.around.changes)
        return say("panes.comparison.beside", title=self.TITLE, here=here, other=_named(beside.name, beside.changes))

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        beside = frame.around.beside
        if beside is None:
            return says(Picture(), NOTHING, width, height)
        view = beside.at(frame.moment)
        if view is not None and not isinstance(view, str):
            from microgpt_tui.panes.comparison_view import compare  # here, since the first frame needs none of it

            return compare(frame, view, beside.name, width, height)
        if view is None:
            text = say("panes.comparison.on_its_way", name=beside.name)
        else:
            text = say("panes.comparison.does_not_come", name=beside.name, reason=view)
        return says(Picture(), text, width, height)
