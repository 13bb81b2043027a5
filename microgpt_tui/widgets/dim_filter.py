"""A line filter that fades a widget: its colours go most of the way to the background."""

from __future__ import annotations

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

SHARE = 0.62  # of the way to the background; what is left can still be read from near


class DimFilter(LineFilter):
    """Fades text and its background alike. Where there are no colours, text is dim."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text in fainter colours."""
        return [
            segment if segment.control else Segment(segment.text, _dimmed(segment.style or Style(), background))
            for segment in segments
        ]


@lru_cache(4096)
def _dimmed(style: Style, background: Color) -> Style:
    if style.reverse:
        style = Style(color=style.bgcolor, bgcolor=style.color, bold=style.bold, underline=style.underline)
    front, behind = (
        None if colour is None or colour.is_default else Color.from_rich_color(colour).blend(background, SHARE)
        for colour in (style.color, style.bgcolor)
    )
    return Style(
        color=None if front is None else front.rich_color,
        bgcolor=None if behind is None else behind.rich_color,
        underline=style.underline,
        bold=False,
        dim=front is None,
        meta=style.meta or None,
    )


DIM_FILTER = DimFilter()
