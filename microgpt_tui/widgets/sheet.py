"""`Sheet`: a picture on the screen that is drawn anew for its size; spots of it can be clicked and dragged along."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from microgpt_tui.drawing.picture import Picture

Drawing = Callable[[int, int], Picture]
"""Draws for so many columns and lines; what is longer scrolls."""


class Sheet(Widget):
    """Shows what it was given to draw. Knows nothing of what it is about."""

    class Chosen(Message):
        """Someone pointed at a spot."""

        def __init__(self, target: Hashable) -> None:
            self.target = target
            super().__init__()

    def __init__(self, name: str, title: str = "") -> None:
        super().__init__(id=name)
        self.picture = Picture()
        self.top = 0
        self.border_title = title or None
        self._draw: Drawing | None = None
        self._drawn_for = Size()
        self._base = Style()
        self._held: int | None = None  # the line on which the mouse button is held

    def show(self, draw: Drawing) -> None:
        """Draw something else."""
        self._draw = draw
        self.redraw()

    def redraw(self) -> None:
        """Draw again."""
        self._drawn_for = width, height = self.content_size
        if self._draw is not None and self.is_attached and width and height:
            self.picture = self._draw(width, height).within(width)
            self._scroll(self.top)

    def _scroll(self, top: int) -> None:
        height = self.content_size.height
        self.top = max(0, min(top, self.picture.height - height))
        last = min(self.top + height, self.picture.height)
        whole = self.picture.height <= height
        self.border_subtitle = None if whole else f"{self.top + 1}-{last} of {self.picture.height}"
        self.refresh()

    def scroll_lines(self, lines: int) -> bool:
        """Scroll down so many lines, or up; whether there is anything to scroll."""
        self._scroll(self.top + lines)
        return self.picture.height > self.content_size.height

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines of the sheet; its own colours, which take Textual longer to find than all else, are found once."""
        if self.content_size != self._drawn_for:
            self.redraw()
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """A line of the picture, on the sheet's own colours."""
        width, number, base = self.content_size.width, y + self.top, self._base
        if number >= self.picture.height:
            return Strip.blank(width, base)
        line = self.picture.lines[number]
        segments = [Segment(text, base + style if style else base) for text, style, _ in line.segments]
        return Strip(segments, line.width).adjust_cell_length(width, base)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        event.stop()
        self.scroll_lines(-3)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Choose, and take hold of the line."""
        offset = event.get_content_offset(self)
        target = None if offset is None else self.picture.at(offset.x, offset.y + self.top)
        if offset is not None and target is not None:
            self._held = offset.y + self.top
            self.capture_mouse()
            self.post_message(self.Chosen(target))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag along the line."""
        if self._held is not None:
            target = self.picture.at(event.get_content_offset_capture(self).x, self._held)
            if target is not None:
                self.post_message(self.Chosen(target))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go."""
        del event
        self._held = None
        self.release_mouse()
