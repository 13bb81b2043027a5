"""This moment in two runs: the tensor on the stage in both and how it differs, losses, probabilities that moved."""

from __future__ import annotations

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.panes.base import Pane, says
from microgpt_tui.panes.comparison_view import compare

NOTHING = (
    "There is nothing to compare with yet: e sets the selected number, x switches a head, the MLP or a position off. "
    "Each makes a branch of this run; the run itself stays as it is."
)


def _named(name: str, changes: str) -> str:
    """A run, with what is changed in it."""
    return f"{name} ({changes})" if changes else name


class Comparison(Pane):
    """Both runs at the same moment; while the other one is on its way, or cannot come, a sentence says so."""

    TITLE = "What if"

    def heading(self, frame: Frame) -> str:
        beside = frame.around.beside
        if beside is None:
            return self.TITLE
        here = _named(frame.around.branch or "original", frame.around.changes)
        return f"{self.TITLE} ─ {here} beside {_named(beside.name, beside.changes)}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        beside = frame.around.beside
        if beside is None:
            return says(Picture(), NOTHING, width, height)
        view = beside.at(frame.moment)
        if view is not None and not isinstance(view, str):
            return compare(frame, view, beside.name, width, height)
        words = "is on its way to this moment …" if view is None else f"does not come here: {view}."
        return says(Picture(), f"{beside.name} {words}", width, height)
