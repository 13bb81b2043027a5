"""One line that says how to read the colours of the stage: their scale, what is here, what is not yet computed."""

from __future__ import annotations

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import heat
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.operations.registry import legend_of
from microgpt_tui.panes.base import Pane

SHADES = (1.0, 0.6, 0.25)  # of the swatch, as shares of the scale


class LegendLine(Pane, can_focus=False):
    """The legend of the operation on the stage."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        legend, picture = legend_of(frame), Picture()
        if legend.bar:
            line = picture.line(" bar ", theme.DIM).add("█████", theme.PLUS).add(f" {legend.bar}", theme.TEXT)
        else:
            line = picture.line(" colour ", theme.DIM)
            scale = plain(legend.scale) if legend.scale else "its max"
            line.add(f"−{scale} ", theme.MINUS)
            for share in (*(-s for s in SHADES), *reversed(SHADES)):
                line.add(*heat(share, True, 1.0, 2))
            line.add(f" +{scale}", theme.PLUS)
        line.add("   ▸ here", theme.NEW).add("   · not yet", theme.DIM)
        for note in (*legend.notes, "! beyond the scale"):
            text = f"   {note}"
            if line.width + len(text) + 1 <= width:
                line.add(text, theme.DIM)
        return picture
