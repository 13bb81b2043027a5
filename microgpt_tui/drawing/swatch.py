"""Swatches: the shades of a scale, with its ends, for lines that say how to read a picture."""

from __future__ import annotations

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import heat
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line
from microgpt_tui.texts.say import say

SHADES = (1.0, 0.6, 0.25)  # as shares of the scale, on either side of 0


def signed_swatch(line: Line, scale: float) -> Line:
    """Append the shades from minus to plus this magnitude; of 0, that it is the largest of what is shown."""
    end = plain(scale) if scale else say("drawing.swatch.its_max")
    line.add(f"−{end} ", theme.MINUS)
    shares = (*(-s for s in SHADES), *reversed(SHADES))
    for size in (2, 1) if theme.signs_only else (2,):  # cells of one character have other signs than wider ones
        line.add(f" {say('drawing.swatch.or')} " if size == 1 else "", theme.DIM)
        for share in shares:
            line.add(*heat(share, True, 1.0, size))
    return line.add(f" +{end}", theme.PLUS)


def share_swatch(line: Line) -> Line:
    """Append the shades from 0 to 100%."""
    line.add("0% ", theme.DIM)
    for share in reversed(SHADES):
        line.add(*heat(share, True, 1.0, 2))
    return line.add(" 100%", theme.PLUS)
