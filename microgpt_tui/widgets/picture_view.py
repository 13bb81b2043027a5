"""`PictureView`: shows a picture line by line, scrolls it, and tells which of its spots the mouse points at."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import ClassVar, Self

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.filter import LineFilter
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from microgpt_tui.drawing.picture import Line, Picture, new
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.dim_filter import DIM_FILTER

DASH = " ─ "  # between two parts of a title
Drawing = Callable[[int, int], Picture]
"""Draws for so many columns and lines; what is longer scrolls."""


def title_within(title: str, width: int) -> str:
    """A title in so many cells, if that can be: its last parts go, with a dash before each."""
    while cell_len(title) > width and DASH in title:
        title = title.rpartition(DASH)[0]
    return title


class PaintedStyles(dict[Style | None, Style]):
    """Styles of a picture as they are painted: on a view's colours, and as the app's line filters change them.

    A filter is asked once for each style. It cannot change texts: those of pictures are printable already.
    """

    def __init__(self, base: Style, filters: Sequence[LineFilter], background: Color) -> None:
        super().__init__()
        self._base, self._filters, self._background = base, filters, background

    def __missing__(self, style: Style | None) -> Style:
        segments = [Segment(" ", self._base + style if style else self._base)]
        for line_filter in self._filters:
            segments = line_filter.apply(segments, self._background)
        self[style] = painted = segments[0].style or self._base
        return painted


class PictureView(Widget):
    """A widget that shows one picture. Lines are cached as strips until the picture changes.

    What is drawn comes from `show_drawing`, or from a subclass that overrides `picture_for`.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"picture-view--title", "picture-view--note"}
    draggable: type | tuple[type, ...] = ()
    """Targets of these types are followed along their line while a mouse button is held."""

    class Chosen(Message):
        """The mouse pointed at a spot; `target` is what the spot stands for."""

        def __init__(self, view: PictureView, target: Hashable) -> None:
            self.view, self.target = view, target
            super().__init__()

        @property
        def control(self) -> PictureView:
            """The view that was clicked."""
            return self.view

    def __init__(self, name: str, title: str = "") -> None:
        self._base: Style | None = None  # the view's own colours, until they change
        self._styles = PaintedStyles(Style(), (), Color(0, 0, 0))  # those of the colours in `_base`
        self._parts: dict[str, Style] = {}  # of the words in the border
        self._strips: dict[int, Strip] = {}  # by their place in the widget, border and all
        self._borders: dict[int, Strip] = {}  # the first and the last of them without words, and an empty one
        self._painted = Size()  # how large the view was when they were drawn
        self.title, self.note = title, ""  # the words in the border, above and below
        self.key = ""  # what chooses the view, at the end of the upper border where there is room for it
        super().__init__(id=name)
        self.picture = Picture()
        self.top = 0  # the first line of the picture that is shown
        self.drawn_for = Size()  # the room that the picture was drawn for; none if it has to be drawn again
        self._drawing: Drawing | None = None
        self._dimmed = False
        self._held: Line | None = None  # the line on which the mouse button is held, as it was then

    # What is drawn.

    def show_drawing(self, drawing: Drawing) -> None:
        """Draw something else."""
        self._drawing = drawing
        self.redraw()

    def picture_for(self, width: int, height: int) -> Picture | None:
        """The picture for this many cells; it may be longer, then it scrolls. None keeps the one that is shown."""
        return self._drawing(width, height) if self._drawing else None

    def title_now(self) -> str:
        """The title above the picture."""
        return self.title

    def top_of(self, picture: Picture, height: int) -> int:
        """The line from which a new picture is shown; unless overridden, it stays scrolled as the last one was."""
        return max(0, min(self.top, picture.height - height))

    def redraw(self) -> None:
        """Draw again."""
        size = self.content_size if self.display and self.is_attached else Size()
        if not (size.width and size.height):
            self.drawn_for = Size()  # it is drawn when it is next painted
            return
        picture = self.picture_for(size.width, size.height)
        if picture is None:
            return
        title, self.title = self.title, self.title_now()
        if title != self.title:
            self._repaint_border(0)
        before, self.picture = self.picture, picture.within(size.width)
        top = self.top_of(self.picture, size.height)
        if (top, self.picture.height, size) == (self.top, before.height, self.drawn_for):
            self._repaint(self.picture.changed(before))
        else:
            self.drawn_for = size
            self.scroll_to_line(top)

    @property
    def dimmed(self) -> bool:
        """Whether the view is faded, because others are in question."""
        return self._dimmed

    @dimmed.setter
    def dimmed(self, dimmed: bool) -> None:
        if dimmed != self._dimmed:
            self._dimmed = dimmed
            self.refresh()

    # Scrolling.

    def scroll_to_line(self, top: int) -> None:
        """Show the picture from this line on, and say in the border how much of it that is."""
        height = self.content_size.height
        self.top = max(0, min(top, self.picture.height - height))
        hidden = self.picture.height > height
        last = min(self.top + height, self.picture.height)
        note, self.note = (
            self.note,
            say("widgets.picture_view.of", first=self.top + 1, last=last, height=self.picture.height) if hidden else "",
        )
        if note != self.note:
            self._repaint_border(self.outer_size.height - 1)
        self.refresh(self.content_size.region)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        event.stop()
        self.scroll_to_line(self.top + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        event.stop()
        self.scroll_to_line(self.top - 3)

    # Pointing.

    def target_at(self, event: events.MouseEvent) -> Hashable:
        """What the mouse points at."""
        offset = event.get_content_offset(self)
        return None if offset is None else self.picture.at(offset.x, offset.y + self.top)

    def on_click(self, event: events.Click) -> None:
        """Tell what was pointed at."""
        target = self.target_at(event)
        if target is not None:
            self.post_message(self.Chosen(self, target))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the line, if what is pointed at can be dragged."""
        offset = event.get_content_offset(self)
        if offset is not None and self.draggable and isinstance(self.target_at(event), self.draggable):
            self._held = self.picture.lines[offset.y + self.top]
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag along the line that is held."""
        if self._held is None or self.app.mouse_captured is not self:
            return
        x = min(max(event.get_content_offset_capture(self).x, 0), self.content_size.width - 1)
        target = Picture([self._held]).at(x, 0)
        if isinstance(target, self.draggable):
            self.dragged_to(target)

    def dragged_to(self, target: Hashable) -> None:
        """The mouse was dragged to another target of the line."""
        self.post_message(self.Chosen(self, target))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let the line go."""
        del event
        if self._held is not None:
            self._held = None
            self.release_mouse()

    # Painting.

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Ask to be painted again: lines of the content, or the whole view."""
        if repaint and regions:
            top = self.gutter.top
            for region in regions:
                for y in region.line_range:
                    self._strips.pop(y + top, None)
        elif repaint:
            self._base = None
            self._parts.clear()
            self._strips.clear()
            self._borders.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def _repaint(self, lines: list[int]) -> None:
        """Paint these lines of the picture again, and no others."""
        width, height = self.content_size
        regions: list[Region] = []
        for y in (n - self.top for n in lines if 0 <= n - self.top < height):
            if regions and regions[-1].bottom == y:  # neighbouring lines are one region
                regions[-1] = Region(0, regions[-1].y, width, regions[-1].height + 1)
            else:
                regions.append(Region(0, y, width, 1))
        if regions:
            self.refresh(*regions)

    def _repaint_border(self, y: int) -> None:
        gutter = self.gutter
        if gutter.top:
            self.refresh(Region(-gutter.left, y - gutter.top, self.outer_size.width, 1))

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a part of the view, as they were painted before unless they have changed.

        The base class composes a line in five steps, each with a strip of its own, which takes longer than drawing it.
        """
        if self.content_size != self.drawn_for:
            self.redraw()  # here, since Textual does not always tell of a new size, nor that a widget is back
        width, strips = self.outer_size.width, self._strips
        if self.outer_size != self._painted:
            self._painted = self.outer_size
            strips.clear()
            self._borders.clear()
        stale = [y for y in crop.line_range if y not in strips]
        if stale:
            framed = self._framed(stale)
            if self._dimmed:
                framed = (strip.apply_filter(DIM_FILTER, self.background_colors[1]) for strip in framed)
            strips.update(zip(stale, framed, strict=True))
        if crop.column_span == (0, width):
            return [strips[y] for y in crop.line_range]
        return [strips[y].crop(*crop.column_span) for y in crop.line_range]

    def _framed(self, numbers: list[int]) -> Iterator[Strip]:
        """Lines of the view, borders and all."""
        (width, height), gutter, (room, rows) = self.outer_size, self.gutter, self.content_size
        sides = self._border(gutter.top) if height > gutter.height else Strip([])
        left, right = sides.crop(0, gutter.left), sides.crop(width - gutter.right, width)
        for y in numbers:
            if y < gutter.top:
                yield self._titled(y, self.title, 2)
            elif y >= height - gutter.bottom:
                note = self.note if rows else ""  # of nothing, no part is shown
                yield self._titled(y, note, width - 4 - cell_len(note))
            else:
                yield Strip([*left, *self._content(y - gutter.top + self.top, room), *right], width)

    def _border(self, y: int) -> Strip:
        """A line with its border and nothing in it."""
        if y not in self._borders:
            (self._borders[y],) = super().render_lines(Region(0, y, self.outer_size.width, 1))
        return self._borders[y]

    def _titled(self, y: int, words: str, x: int) -> Strip:
        """The upper or the lower border, with words from column x on."""
        border, width, key = self._border(y), self.outer_size.width, "" if y else self.key
        if not (words or key):
            return border
        style = self._part("picture-view--note" if y else "picture-view--title")
        text = Line().most(f" {title_within(words, width - 6)} ", width - 4, style) if words else Line()
        x = max(2, x)
        end, at = x + text.width, width - len(key) - 4
        if not key or at < end:
            return Strip([*border.crop(0, x), *text.segments, *border.crop(end, width)], width)
        marked = Segment(f" {key} ", self._part("picture-view--note"))
        segments = [*border.crop(0, x), *text.segments, *border.crop(end, at), marked, *border.crop(width - 2, width)]
        return Strip(segments, width)

    def _part(self, part: str) -> Style:
        """How words in the border are painted."""
        if part not in self._parts:
            segments = [Segment(" ", self.get_component_rich_style(part))]
            for line_filter in self.get_line_filters():
                segments = line_filter.apply(segments, self.background_colors[1])
            self._parts[part] = segments[0].style or Style()
        return self._parts[part]

    def _content(self, number: int, width: int) -> list[Segment]:
        """A line of the picture on the view's colours, in exactly this many cells."""
        if self._base is None:
            self._colours()
        styles = self._styles
        if number >= self.picture.height:
            return [Segment(" " * width, styles[None])]
        line = self.picture.lines[number].cut(width)  # drawn for more room, where a moving run is waited for
        segments = [new(Segment, (text, styles[style], None)) for text, style, _ in line.segments]
        return [*segments, Segment(" " * (width - line.width), styles[None])] if line.width < width else segments

    def _colours(self) -> Style:
        style = self.rich_style
        self._base = Style(color=style.color, bgcolor=style.bgcolor)
        self._styles = PaintedStyles(self._base, self.get_line_filters(), self.background_colors[1])
        return self._base

    def render_line(self, y: int) -> Strip:
        """An empty line: what the base class puts a border around, see `render_lines`."""
        del y
        return Strip.blank(self.content_size.width, self._base or self._colours())
