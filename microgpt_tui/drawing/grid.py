"""`Grid`: a picture that is put together cell by cell: boxes, lines that join where they meet, text over them."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import groupby

from rich.cells import cell_len
from rich.style import Style

from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.drawing.terminal_text import printable

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
JOINTS = {
    UP: "│", DOWN: "│", UP | DOWN: "│", LEFT: "─", RIGHT: "─", LEFT | RIGHT: "─",
    UP | RIGHT: "╰", UP | LEFT: "╯", DOWN | RIGHT: "╭", DOWN | LEFT: "╮",
    UP | DOWN | RIGHT: "├", UP | DOWN | LEFT: "┤", LEFT | RIGHT | DOWN: "┬", LEFT | RIGHT | UP: "┴",
    UP | DOWN | LEFT | RIGHT: "┼",
}  # fmt: skip
Cell = tuple[str, Style | None, Hashable]
BLANK: Cell = (" ", None, None)


class Grid:
    """So many cells. What lies outside is left out; what is written later covers what is there."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._cells: list[list[Cell]] = [[BLANK] * width for _ in range(height)]
        self._joints: dict[tuple[int, int], int] = {}

    def text(self, x: int, y: int, text: str, style: Style | None = None, target: Hashable = None) -> None:
        """Write from a cell on. A wide character needs two, the second of which is then empty."""
        for char in printable(text):
            size = cell_len(char)
            if 0 <= y < self.height and x >= 0 and x + size <= self.width and size:
                self._uncover(x, y)
                self._cells[y][x] = (char, style, target)
                if size == 2:
                    self._uncover(x + 1, y)
                    self._cells[y][x + 1] = ("", style, target)
            x += size

    def _uncover(self, x: int, y: int) -> None:
        """Leave no half of a wide character that stands here."""
        row = self._cells[y]
        if row[x][0] == "":
            row[x - 1] = BLANK
        if x + 1 < self.width and row[x + 1][0] == "":
            row[x + 1] = BLANK

    def across(self, x: int, end: int, y: int, style: Style) -> None:
        """A line from the middle of one cell to that of another one to the right."""
        for at in range(x, end + 1):
            self._join(at, y, (LEFT if at > x else 0) | (RIGHT if at < end else 0), style)

    def down(self, x: int, y: int, end: int, style: Style) -> None:
        """A line from the middle of one cell to that of another one below."""
        for at in range(y, end + 1):
            self._join(x, at, (UP if at > y else 0) | (DOWN if at < end else 0), style)

    def box(self, x: int, y: int, width: int, height: int, style: Style, target: Hashable = None) -> None:
        """An empty frame, which covers what is there."""
        self.text(x, y, f"╭{'─' * (width - 2)}╮", style, target)
        for at in range(y + 1, y + height - 1):
            self.text(x, at, f"│{' ' * (width - 2)}│", style, target)
        self.text(x, y + height - 1, f"╰{'─' * (width - 2)}╯", style, target)

    def _join(self, x: int, y: int, ways: int, style: Style) -> None:
        self._joints[x, y] = ways = self._joints.get((x, y), 0) | ways
        if ways:
            self.text(x, y, JOINTS[ways], style)

    def picture(self) -> Picture:
        """The lines, with few segments."""
        picture = Picture()
        for row in self._cells:
            line: Line = picture.line()
            for (style, target), cells in groupby(row, key=lambda cell: cell[1:]):
                line.add("".join(char for char, _, _ in cells), style, target)
        return picture
