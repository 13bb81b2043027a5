"""`Picture`: styled lines and the spots on them that stand for something. What panes draw, and widgets show."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from engine.immutable import immutable
from microgpt_tui.drawing.terminal_text import printable

new = tuple.__new__  # makes a segment without the detour of named tuples: a picture has hundreds of them


@immutable
class Spot:
    """Cells `x` to `end` (exclusive) of line `y` stand for `target`."""

    y: int
    x: int
    end: int
    target: Hashable


@dataclass(eq=False)
class Line:
    """One line in the making. Control characters and the like are shown, never sent to the terminal."""

    segments: list[Segment] = field(default_factory=list)
    spots: list[tuple[int, int, Hashable]] = field(default_factory=list)
    width: int = 0

    def add(self, text: str, style: Style | None = None, target: Hashable = None) -> Line:
        """Append text; cells of it stand for `target` if there is one."""
        text, width = measured(text)
        segments, start = self.segments, self.width
        self.width = end = start + width
        if target is not None:
            self.spots.append((start, end, target))
        if segments:
            before, last, _ = segments[-1]
            if last is style:
                segments[-1] = new(Segment, (before + text, style, None))  # fewer segments paint faster
                return self
        segments.append(new(Segment, (text, style, None)))
        return self

    def add_cells(self, cells: Iterable[tuple[str, Style | None, Hashable]]) -> Line:
        """Append printable texts of characters that take one cell each, as `add` does one by one."""
        segments, spots, end = self.segments, self.spots, self.width
        text, style = (segments[-1].text, segments[-1].style) if segments else ("", None)
        first = len(text)  # what is in the line already
        for more, its_style, target in cells:
            start, end = end, end + len(more)
            if target is not None:
                spots.append((start, end, target))
            if its_style is style and segments:
                text += more
                continue
            if len(text) > first:
                segments[-1] = new(Segment, (text, style, None))
            segments.append(new(Segment, (more, its_style, None)))
            text, style, first = more, its_style, len(more)
        if len(text) > first:
            segments[-1] = new(Segment, (text, style, None))
        self.width = end
        return self

    def fit(
        self, text: str, width: int, style: Style | None = None, target: Hashable = None, right: bool = False
    ) -> Line:
        """Append text in exactly `width` cells: padded, or cut with an ellipsis."""
        text, size = measured(text)
        if size > width:
            text = set_cell_size(text, width - 1) + "…" if width > 1 else "…"[:width]
        elif right:
            text = " " * (width - size) + text
        else:
            text += " " * (width - size)
        return self.add(text, style, target)

    def most(self, text: str, width: int, style: Style | None = None, target: Hashable = None) -> Line:
        """Append text, cut with an ellipsis if it is wider than `width` cells."""
        return self.fit(text, min(measured(text)[1], max(width, 0)), style, target)

    def to(self, column: int) -> Line:
        """Pad with spaces up to a column."""
        if column > self.width:
            self.add(" " * (column - self.width))
        return self

    def cut(self, width: int) -> Line:
        """This line in at most `width` cells: what is left out leaves an ellipsis, unless it was blank."""
        if self.width <= width:
            return self
        line, blank = Line(), cell_len("".join(s.text for s in self.segments).rstrip()) <= width
        limit = width if blank else max(width - 1, 0)
        for segment in self.segments:
            room = limit - line.width
            line.add(segment.text if segment.cell_length <= room else set_cell_size(segment.text, room), segment.style)
        line.spots = [(x, min(end, width), target) for x, end, target in self.spots if x < width]
        return line if blank else line.add("…"[:width], self.segments[-1].style)

    def extend(self, other: Line) -> Line:
        """Append another line."""
        self.spots += [(x + self.width, end + self.width, target) for x, end, target in other.spots]
        self.segments += other.segments
        self.width += other.width
        return self


@dataclass(eq=False)
class Picture:
    """Lines, top to bottom. `focus` is the line that must be seen when not all of them fit."""

    lines: list[Line] = field(default_factory=list)
    focus: int | None = None

    @property
    def width(self) -> int:
        """Cells of the widest line."""
        return max((line.width for line in self.lines), default=0)

    @property
    def height(self) -> int:
        """How many lines there are."""
        return len(self.lines)

    def line(self, text: str = "", style: Style | None = None) -> Line:
        """Start a new line below, with this text if any."""
        self.lines.append(Line())
        return self.lines[-1].add(text, style) if text else self.lines[-1]

    def below(self, other: Picture) -> Picture:
        """Put another picture below this one."""
        if other.focus is not None:
            self.focus = self.height + other.focus
        self.lines += other.lines
        return self

    def within(self, width: int) -> Picture:
        """This picture with every line cut to `width` cells."""
        self.lines = [line if line.width <= width else line.cut(width) for line in self.lines]
        return self

    def spots(self) -> Iterable[Spot]:
        """All spots, top to bottom."""
        return (Spot(y, x, end, target) for y, line in enumerate(self.lines) for x, end, target in line.spots)

    def at(self, x: int, y: int) -> Hashable:
        """What stands at a cell; None if nothing does."""
        if not 0 <= y < self.height:
            return None
        return next((target for start, end, target in reversed(self.lines[y].spots) if start <= x < end), None)

    def changed(self, before: Picture) -> list[int]:
        """The lines that look different from those of a picture of the same height."""
        pairs = zip(self.lines, before.lines, strict=True)
        return [i for i, (now, then) in enumerate(pairs) if now is not then and now.segments != then.segments]

    def text(self) -> str:
        """The plain text."""
        return "\n".join("".join(s.text for s in line.segments).rstrip() for line in self.lines)


def beside(left: Picture, right: Picture, gap: int = 2) -> Picture:
    """Two pictures side by side."""
    column, joined = left.width + gap, Picture(focus=left.focus if left.focus is not None else right.focus)
    for i in range(max(left.height, right.height)):
        line = joined.line()
        if i < left.height:
            line.extend(left.lines[i])
        if i < right.height:
            line.to(column).extend(right.lines[i])
    return joined


def squeezed(text: str, width: int) -> str:
    """A text in at most `width` cells: where it is wider, an ellipsis stands for its middle, between dots if there are.

    The first and the last word of a name such as layers0.neurons.w tell it from others.
    """
    text, size = measured(text)
    if size <= width:
        return text
    first, _, rest = text.partition(".")
    ends = f"{first}.….{rest.rpartition('.')[2]}"
    if rest and measured(ends)[1] <= width:
        return ends
    head = max(0, (width - 1) // 2)
    tail = max(0, width - 1 - head)
    end = set_cell_size(text[::-1], tail)[::-1] if tail else ""
    return (set_cell_size(text, head) + "…" + end)[: max(width, 0)]


@lru_cache(4096)
def measured(text: str) -> tuple[str, int]:
    """The text as it may be printed, and how many cells it takes."""
    text = printable(text)
    return text, cell_len(text)
