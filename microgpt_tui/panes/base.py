"""`Pane`: shows the picture that it draws of a frame, line by line, scrolls it, and turns clicks into messages."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import ClassVar, Self

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.numbers import exact
from microgpt_tui.drawing.picture import Line, Picture, Spot
from microgpt_tui.widgets.dim_filter import FADED


class Pane(Widget, can_focus=True):
    """A pane of the debugger. Subclasses draw. Lines are kept as strips until the picture changes."""

    TITLE: ClassVar[str] = ""
    COMPONENT_CLASSES: ClassVar[set[str]] = {"pane--title", "pane--note"}

    class Chosen(Message):
        """Someone pointed at a scalar (its row), at a moment, or at a layer, head or matrix."""

        def __init__(self, pane: Pane, target: Hashable) -> None:
            self.pane, self.target = pane, target
            super().__init__()

        @property
        def control(self) -> Pane:
            """The pane that was clicked."""
            return self.pane

    def __init__(self, name: str) -> None:
        self._base: Style | None = None  # the pane's own colours, until they change
        self._lines: dict[int, Strip] = {}  # by their place in the widget, border and all
        self._borders: dict[int, Strip] = {}  # the first and the last of them without words, and an empty one
        self._painted = Size()  # how large the pane was when they were drawn
        self.title, self.note = self.TITLE, ""  # the words in the border, above and below
        super().__init__(id=name)
        self.frame: Frame | None = None
        self.picture = Picture()
        self.top = 0  # the first line of the picture that is shown
        self.drawn_for = Size()  # the room that the picture was drawn for; none if it is not that of the frame
        self._dimmed = False
        self._spot: tuple[int, int] | None = None  # line and column that the cursor went to at this moment

    @property
    def dimmed(self) -> bool:
        """Whether the pane stands back behind others that are in question."""
        return self._dimmed

    @dimmed.setter
    def dimmed(self, dimmed: bool) -> None:
        if dimmed != self._dimmed:
            self._dimmed = dimmed
            self.refresh()

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        """The picture of a frame, for this many cells; it may be larger, then it scrolls. Every pane has its own."""
        del frame, width, height
        return Picture()

    def heading(self, frame: Frame) -> str:
        """The title above the picture."""
        del frame
        return self.TITLE

    def show(self, frame: Frame) -> None:
        """Draw another frame."""
        if self.frame is None or frame.moment != self.frame.moment:
            self._spot = None
        self.frame = frame
        self.redraw()

    def let_go(self) -> None:
        """The run begins to move: keep the picture, and read nothing of the run any more."""
        self.frame = None

    def redraw(self) -> None:
        """Draw the frame again."""
        size = self.content_size
        if self.frame is None:
            return
        if not (self.is_attached and self.display and size.width and size.height):
            self.drawn_for = Size()  # it is drawn when it is next painted
            return
        title, self.title = self.title, self.heading(self.frame)
        if title != self.title:
            self._repaint_border(0)
        picture = self.draw(self.frame, size.width, size.height).within(size.width)
        # Where a pane stands scrolled follows from the frame, never from the way that led to it.
        top = max(0, min((picture.focus or 0) - size.height // 2, picture.height - size.height))
        before, self.picture = self.picture, picture
        if (top, picture.height, size) == (self.top, before.height, self.drawn_for):
            self._repaint(picture.changed(before))
        else:
            self.drawn_for = size
            self._scroll(top)

    def _repaint(self, lines: list[int]) -> None:
        """Paint these lines of the picture again, and no others."""
        width, height = self.content_size
        regions = [Region(0, n - self.top, width, 1) for n in lines if 0 <= n - self.top < height]
        if regions:
            self.refresh(*regions)

    def _scroll(self, top: int) -> None:
        """Show the picture from this line on, and say in the border how much of it that is."""
        height = self.content_size.height
        self.top = max(0, min(top, self.picture.height - height))
        hidden = self.picture.height > height
        last = min(self.top + height, self.picture.height)
        note, self.note = self.note, f"{self.top + 1}-{last} of {self.picture.height}" if hidden else ""
        if note != self.note:
            self._repaint_border(self.outer_size.height - 1)
        self.refresh(self.content_size.region)

    def _repaint_border(self, y: int) -> None:
        gutter = self.gutter
        if gutter.top:
            self.refresh(Region(-gutter.left, y - gutter.top, self.outer_size.width, 1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        event.stop()
        self._scroll(self.top + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        event.stop()
        self._scroll(self.top - 3)

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Ask to be painted again: lines of the content, or the whole pane."""
        if repaint and regions:
            for region in regions:
                for y in region.line_range:
                    self._lines.pop(y + self.gutter.top, None)
        elif repaint:
            self._base = None
            self._lines.clear()
            self._borders.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a part of the pane, as they were painted before unless they have changed.

        The base class composes a line in five steps, each with a strip of its own, which takes longer than drawing it.
        """
        if self.content_size != self.drawn_for:
            self.redraw()  # here, since Textual does not always tell of a new size, nor that a pane is back
        width, lines = self.outer_size.width, self._lines
        if self.outer_size != self._painted:
            self._painted = self.outer_size
            lines.clear()
            self._borders.clear()
        stale = [y for y in crop.line_range if y not in lines]
        if stale:
            framed = self._framed(stale)
            if self._dimmed:
                framed = (strip.apply_filter(FADED, self.background_colors[1]) for strip in framed)
            lines.update(zip(stale, framed, strict=True))
        if crop.column_span == (0, width):
            return [lines[y] for y in crop.line_range]
        return [lines[y].crop(*crop.column_span) for y in crop.line_range]

    def _framed(self, numbers: list[int]) -> Iterator[Strip]:
        """Lines of the pane, borders and all."""
        (width, height), gutter, (room, rows) = self.outer_size, self.gutter, self.content_size
        filters, background = self.get_line_filters(), self.background_colors[1]
        sides = self._border(gutter.top) if height > gutter.height else Strip([])
        left, right = sides.crop(0, gutter.left), sides.crop(width - gutter.right, width)
        for y in numbers:
            if y < gutter.top:
                yield self._titled(y, self.title, 2)
            elif y >= height - gutter.bottom:
                note = self.note if rows else ""  # of nothing, no part is shown
                yield self._titled(y, note, width - 4 - cell_len(note))
            else:
                segments = self._content(y - gutter.top + self.top, room)
                for line_filter in filters:
                    segments = line_filter.apply(segments, background)
                yield Strip([*left, *segments, *right], width)

    def _border(self, y: int) -> Strip:
        """A line with its border and nothing in it."""
        if y not in self._borders:
            (self._borders[y],) = super().render_lines(Region(0, y, self.outer_size.width, 1))
        return self._borders[y]

    def _titled(self, y: int, words: str, x: int) -> Strip:
        """The upper or the lower border, with words from column x on."""
        border, width = self._border(y), self.outer_size.width
        if not words:
            return border
        style = self.get_component_rich_style("pane--note" if y else "pane--title")
        text = Line().most(f" {words} ", width - 4, style)
        x = max(2, x)
        segments: list[Segment] = text.segments
        for line_filter in self.get_line_filters():
            segments = line_filter.apply(segments, self.background_colors[1])
        return Strip([*border.crop(0, x), *segments, *border.crop(x + text.width, width)], width)

    def _content(self, number: int, width: int) -> list[Segment]:
        """A line of the picture on the pane's colours, in exactly this many cells."""
        base = self._base or self._colours()
        if number >= self.picture.height:
            return [Segment(" " * width, base)]
        line = self.picture.lines[number].cut(width)  # drawn for more room, where a moving run is waited for
        segments = [Segment(text, base + style if style else base) for text, style, _ in line.segments]
        return [*segments, Segment(" " * (width - line.width), base)] if line.width < width else segments

    def _colours(self) -> Style:
        style = self.rich_style
        self._base = Style(color=style.color, bgcolor=style.bgcolor)
        return self._base

    def render_line(self, y: int) -> Strip:
        """An empty line: what the base class puts a border around, see `render_lines`."""
        del y
        return Strip.blank(self.content_size.width, self._base or self._colours())

    def target_at(self, event: events.MouseEvent) -> Hashable:
        """What the mouse points at."""
        offset = event.get_content_offset(self)
        return None if offset is None else self.picture.at(offset.x, offset.y + self.top)

    def on_click(self, event: events.Click) -> None:
        """Tell what was pointed at."""
        target, offset = self.target_at(event), event.get_content_offset(self)
        if target is not None and offset is not None:
            self._spot = offset.y + self.top, offset.x
            self.post_message(self.Chosen(self, target))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Name the scalar under the mouse, with its number."""
        target = self.target_at(event)
        if isinstance(target, int) and self.frame is not None:
            self.tooltip = f"{self.frame.explain.name(target)}  {exact(self.frame.value(target))}"
        else:
            self.tooltip = None

    def neighbour(self, dx: int, dy: int) -> int | None:
        """The row of the scalar next to the selected one on the picture, in a direction; None at the edge.

        A scalar may stand in several places, a strip and a table below it, say: the cursor goes on from where it was.
        """
        if self.frame is None:
            return None
        spots = [s for s in self.picture.spots() if isinstance(s.target, int)]
        others = [s for s in spots if s.target != self.frame.selected]
        # Before it has gone anywhere, sideways follows the first of these places, up and down the last.
        y, x = self._spot or ((0, 0) if dx else (self.picture.height, 0))
        places = sorted(set(spots) - set(others), key=lambda s: _distance(s, y, x))
        ways = ([s for s in others if _lies(s, here, dx, dy)] for here in places)
        way, here = next(((way, here) for way, here in zip(ways, places, strict=True) if way), (others, None))
        if not way or (places and here is None):
            return None
        spot = min(way, key=lambda s: _distance(s, here.y, here.x)) if here else way[0]
        self._spot = spot.y, spot.x
        return spot.target  # type: ignore[return-value]


def _distance(spot: Spot, y: int, x: int) -> tuple[int, int]:
    return abs(spot.y - y), abs(spot.x - x)


def _lies(spot: Spot, here: Spot, dx: int, dy: int) -> bool:
    """Whether a spot lies in a direction: on the same line, or on any line above or below."""
    return spot.y == here.y and (spot.x - here.x) * dx > 0 if dx else (spot.y - here.y) * dy > 0
