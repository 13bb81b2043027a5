"""`Pane`: shows the picture that it draws of a frame, line by line, scrolls it, and turns clicks into messages."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from microgpt_tui.frame import Frame
from microgpt_tui.widgets.numbers import exact
from microgpt_tui.widgets.picture import Picture


class Pane(Widget, can_focus=True):
    """A pane of the debugger. Subclasses draw. Lines are kept as strips until the picture changes."""

    TITLE: ClassVar[str] = ""

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
        super().__init__(id=name)
        self.frame: Frame | None = None
        self.picture = Picture()
        self.border_title = self.TITLE
        self.top = 0  # the first line of the picture that is shown
        self._title = self._subtitle = ""
        self._base = Style()
        self._strips: dict[int, Strip] = {}

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
        self.frame = frame
        self._redraw()

    def on_resize(self, event: events.Resize) -> None:
        """Draw again for the new size."""
        del event
        self._redraw()

    def on_show(self, event: events.Show) -> None:
        """Catch up with what was shown elsewhere in the meantime."""
        del event
        self._redraw()

    def _redraw(self) -> None:
        size = self.content_size
        if self.frame is None or not self.is_attached or not self.display or not size.width or not size.height:
            return
        title = self.heading(self.frame)
        if title != self._title:  # setting it repaints, even if it is the same
            self.border_title = self._title = title
        picture, base = self.draw(self.frame, size.width, size.height), self.rich_style
        # Where a pane stands scrolled follows from the frame, never from the way that led to it.
        top = max(0, min((picture.focus or 0) - size.height // 2, picture.height - size.height))
        before, self.picture = self.picture, picture
        if (top, base, picture.height) == (self.top, self._base, before.height):
            self._repaint(picture.changed(before))
        else:
            self._base = base
            self._strips.clear()
            self._scroll(top)

    def _repaint(self, lines: list[int]) -> None:
        """Paint these lines of the picture again, and no others."""
        for number in lines:
            self._strips.pop(number, None)
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
        subtitle = f"{self.top + 1}-{last} of {self.picture.height}" if hidden else ""
        if subtitle != self._subtitle:
            self.border_subtitle = self._subtitle = subtitle
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        event.stop()
        self._scroll(self.top + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        event.stop()
        self._scroll(self.top - 3)

    def render_line(self, y: int) -> Strip:
        """One line of the picture, as scrolled."""
        number, width = y + self.top, self.content_size.width
        if number >= self.picture.height:
            return Strip.blank(width, self._base)
        strip = self._strips.get(number)
        if strip is None or strip.cell_length != width:
            line = self.picture.lines[number]
            under = Style(color=self._base.color, bgcolor=self._base.bgcolor)
            strip = Strip(line.segments, line.width).adjust_cell_length(width).apply_style(under)
            self._strips[number] = strip
        return strip

    def target_at(self, event: events.MouseEvent) -> Hashable:
        """What the mouse points at."""
        offset = event.get_content_offset(self)
        return self.picture.at(offset.x, offset.y + self.top) if offset else None

    def on_click(self, event: events.Click) -> None:
        """Tell what was pointed at."""
        target = self.target_at(event)
        if target is not None:
            self.post_message(self.Chosen(self, target))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Name the scalar under the mouse, with its number."""
        target = self.target_at(event)
        if isinstance(target, int) and self.frame is not None:
            self.tooltip = f"{self.frame.explain.name(target)}  {exact(self.frame.value(target))}"
        else:
            self.tooltip = None

    def neighbour(self, dx: int, dy: int) -> int | None:
        """The row of the scalar next to the selected one on the picture, in a direction; None at the edge."""
        if self.frame is None:
            return None
        spots = [s for s in self.picture.spots() if isinstance(s.target, int)]
        chosen = [s for s in spots if s.target == self.frame.selected]
        if not chosen:
            return next((s.target for s in spots if isinstance(s.target, int)), None)
        # A scalar may stand in a strip and, below it, in a table: sideways follows the strip, up and down the table.
        here = chosen[0] if dx else chosen[-1]
        if dx:
            line = [s for s in spots if s.y == here.y and (s.x - here.x) * dx > 0]
            return min(line, key=lambda s: abs(s.x - here.x)).target if line else None  # type: ignore[return-value]
        column = [s for s in spots if (s.y - here.y) * dy > 0]
        if not column:
            return None
        return min(column, key=lambda s: (abs(s.y - here.y), abs(s.x - here.x))).target  # type: ignore[return-value]
