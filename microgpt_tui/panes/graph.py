"""The graph around the selected scalar: what it was made from to the left, what uses it to the right."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from textual.binding import BindingType

from engine.expressions.watch import describe_scalar
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.graph import BOX, Box, GraphBuilder, GraphNode, Placed, placed, placed_edges
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.grid import Grid
from microgpt_tui.drawing.numbers import exact, number
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.say import say

MOST_STEPS, ONE_SIDE = 2, 3  # to either side; where there is nothing on the other one
FIGURE = 7  # cells of a number
CONTENT = 2 * FIGURE + 3  # value, sign of the gradient, gradient
LEAST, MOST = CONTENT + 2, 34  # cells of a box
GAP, WIDE_GAP = FIGURE + 2, 15  # cells between two columns: the local gradient, an arrow, and where lines meet
HEAD = 3  # lines above the graph


class Graph(Pane):
    """Boxes with value and gradient, joined by lines with the local gradients. One box is chosen."""

    TITLE = pane_title("graph")
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("graph.child", "left", "walk(-1, 0)"),
        Key("graph.user", "right", "walk(1, 0)"),
        Key("graph.below", "down", "walk(0, 1)"),
        Key("graph.above", "up", "walk(0, -1)"),
        Key("graph.follow", "enter", "follow_box"),
    )

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._at = 0  # which box is chosen
        self._layout, self._room = Placed(), (0, 0)

    def heading(self, frame: Frame) -> str:
        return say("panes.graph.around", title=self.TITLE, scalar=describe_scalar(frame.view, frame.selected))

    def show(self, frame: Frame) -> None:
        before = self.frame
        if before is None or (before.moment, before.selected) != (frame.moment, frame.selected):
            self._at = 0
        self._layout = Placed()
        super().show(frame)

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        lines = max(height - HEAD, BOX)
        if not self._layout.boxes or self._room != (width, lines):
            builder, self._room = GraphBuilder(frame), (width, lines)
            steps = _steps((width + GAP) // (LEAST + GAP), *builder.sides(frame.selected))
            self._layout = placed(builder.around(frame.selected, steps, lines))
            self._at = min(self._at, len(self._layout.boxes) - 1)
        chosen = self._layout.boxes[self._at]
        picture = _head(frame, chosen.node, width)
        picture.below(_Drawing(frame, self._layout, chosen, width, lines).picture())
        picture.focus = HEAD + chosen.y + 1 if picture.height > height else 0
        return picture

    # Walking.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """There is nothing to walk on before anything is drawn."""
        return bool(self._layout.boxes) if action in ("walk", "follow_box") else True

    def action_walk(self, dx: int, dy: int) -> None:
        """Choose the box in a direction; what lies beyond the last column is put in the middle."""
        layout, here = self._layout, self._layout.boxes[self._at]
        if dy:
            column = sorted((box for box in layout.boxes if box.column == here.column), key=lambda box: box.y)
            place = column.index(here) + dy
            there = column[place] if 0 <= place < len(column) else None
        elif here.inward is not None and here.column * dx < 0:
            there = here.inward
        else:
            hung = layout.beyond(here, dx)
            there = min(hung, key=lambda box: abs(box.y - here.y)) if hung else None
            if there is None and here.column in (layout.columns[0], layout.columns[-1]):
                self.action_follow_box()
        if there is not None:
            self._at = layout.boxes.index(there)
            self.redraw()

    def action_follow_box(self) -> None:
        """Select the chosen box's scalar: the graph is then the one around it."""
        node = self._layout.boxes[self._at].node
        if self.frame is not None and node.row != self.frame.selected:
            self.post_message(self.Followed(node.row))


def _steps(columns: int, children: bool, users: bool) -> tuple[int, int]:
    """How many steps of children and of users fit into so many columns, the one of the middle included."""
    others = max(columns - 1, 0)
    if not (children and users):
        return min(others, ONE_SIDE) * children, min(others, ONE_SIDE) * users
    return min(-(-others // 2), MOST_STEPS), min(others // 2, MOST_STEPS)


def _head(frame: Frame, node: GraphNode, width: int) -> Picture:
    """The chosen scalar in full: its name and formula, its value and its gradient."""
    picture = Picture()
    name = describe_scalar(frame.view, node.row)
    line = picture.line().most(name, width, theme.STRONG, node.row)
    pieces = [(" = ", None), *frame.explain.names_in_formula(node.row)] if node.operation else []
    for text, row in pieces:
        if line.width + cell_len(text) > width - 2:
            line.add(" …", theme.DIM)
            break
        line.add(text, theme.DIM if row is None else theme.TEXT, row)
    line = picture.line().add(f"{say('panes.graph.data')} ", theme.DIM).add(exact(node.data), theme.TEXT)
    instead = frame.no_gradient(node.row)
    line.add(f"   {say('panes.graph.grad')} ", theme.DIM).most(
        instead or exact(node.grad), width - line.width - 8, theme.TEXT
    )
    alone = node.row < frame.program.n_params and not frame.explain.users(node.row)
    picture.line(say("panes.graph.unused") if alone else "", theme.DIM)
    return picture


def _shortened(name: str, width: int) -> str:
    """A name in so many cells: its beginning and its end, with the index, tell it from others."""
    kept = len(name)
    while cell_len(cut := name if kept == len(name) else f"{name[: kept // 2]}…{name[-((kept + 1) // 2) :]}") > width:
        kept -= 1
        if kept <= 0:
            return "…"[:width]
    return cut


class _Drawing:
    """A layout in characters: the columns around the chosen box, as many as fit."""

    def __init__(self, frame: Frame, layout: Placed, chosen: Box, width: int, lines: int) -> None:
        self.frame, self.layout, self.chosen = frame, layout, chosen
        self._widths = self._fitting(width)
        self._gap = self._gap_for(width)
        self._x = self._places(width)
        self._top = max(0, (lines - layout.height) // 2)
        self._grid = Grid(width, max(lines, layout.height))

    def _fitting(self, width: int) -> dict[int, int]:
        """The width of each column: names in full where there is room for them."""
        wanted = dict.fromkeys(self.layout.columns, LEAST)
        for box in self.layout.boxes:
            title = cell_len(box.node.name) + cell_len(box.node.operation) + 3
            wanted[box.column] = min(MOST, max(wanted[box.column], title))
        cap = MOST
        while cap > LEAST and sum(min(cap, w) for w in wanted.values()) + GAP * (len(wanted) - 1) > width:
            cap -= 1
        return {column: min(cap, w, width) for column, w in wanted.items()}

    def _gap_for(self, width: int) -> int:
        gaps = len(self._widths) - 1
        return min(WIDE_GAP, (width - sum(self._widths.values())) // gaps) if gaps else 0

    def _places(self, width: int) -> dict[int, int]:
        """The first cell of each column; the whole stands in the middle."""
        used = sum(self._widths.values()) + self._gap * (len(self._widths) - 1)
        x, places = max(0, (width - used) // 2), {}
        for column, size in self._widths.items():
            places[column] = x
            x += size + self._gap
        return places

    def picture(self) -> Picture:
        """Lines first, then what stands on them."""
        shown = list(placed_edges(self.layout))
        for light in (False, True):
            for child, user in shown:
                if self.layout.outer(child, user).subtree.new is light:
                    self._line(child, user, theme.NEW if light else theme.FAINT)
        for child, user in shown:
            self._local(child, user)
        for box in self.layout.boxes:
            self._box(box)
        for more in self.layout.folded:
            if more.rest is None:
                text = say("panes.graph.more", count=more.count)
            else:
                text = say("panes.graph.more_together", count=more.count, sum=number(more.rest))
            self._grid.text(self._x[more.column] + 1, self._top + more.y, text, theme.DIM)
        return self._grid.picture()

    def _ends(self, child: Box, user: Box) -> tuple[int, int, int]:
        """The first and the last cell between two boxes, and the one where the lines to the inner box meet."""
        first, last, tight = (
            self._x[child.column] + self._widths[child.column],
            self._x[user.column] - 1,
            self._gap == GAP,
        )
        if child.column < 0:
            return first, last, last - (not (tight and self.frame.backward))
        return first, last, first + (not tight or self.frame.backward)

    def _line(self, child: Box, user: Box, style: Style) -> None:
        (first, last, joint), grid = self._ends(child, user), self._grid
        a, b = self._top + child.y + 1, self._top + user.y + 1
        grid.across(first, joint, a, style)
        if a != b:
            grid.down(joint, min(a, b), max(a, b), style)
        grid.across(joint, last, b, style)
        back = self.frame.backward  # values flow to the users, gradients to the children
        grid.text(*((first, a, "◂") if back else (last, b, "▸")), style)

    def _local(self, child: Box, user: Box) -> None:
        subtree = self.layout.outer(child, user).subtree
        if subtree.local is None:
            return
        text = f"{subtree.times}×" * (subtree.times > 1) + number(subtree.local)
        (first, last, joint), back = self._ends(child, user), self.frame.backward
        x, end, y = (first + back, joint, child.y) if child.column < 0 else (joint + 1, last + back, user.y)
        self._grid.text(x + max(0, (end - x - len(text)) // 2), self._top + y + 1, text, theme.signed(subtree.local))

    def _box(self, box: Box) -> None:
        node, x, y, size = box.node, self._x[box.column], self._top + box.y, self._widths[box.column]
        middle, grid = box.column == 0, self._grid
        frame_style = theme.NEW if node.new else theme.STRONG if middle else theme.DIM
        grid.box(x, y, size, BOX, frame_style, node.row)
        style = theme.CURSOR if box is self.chosen else theme.STRONG if middle else theme.TEXT
        name = _shortened(node.name, size - 2 - (cell_len(node.operation) + 1 if node.operation else 0))
        grid.text(x + 1, y, name, style, node.row)
        if node.operation:
            grid.text(x + size - 1 - cell_len(node.operation), y, node.operation, theme.STRONG, node.row)
        value = "·" if node.data is None else number(node.data)
        style = theme.FAINT if node.data is None else theme.signed(node.data)
        grid.text(x + 1, y + 1, value.rjust(FIGURE), style, node.row)
        if not node.plain:
            gradient = "·" if node.grad is None else number(node.grad)
            style = theme.FAINT if node.grad is None else theme.signed(node.grad)
            grid.text(x + size - 2 - FIGURE - 1, y + 1, "∂", theme.DIM, node.row)
            grid.text(x + size - 1 - FIGURE, y + 1, gradient.rjust(FIGURE), style, node.row)
