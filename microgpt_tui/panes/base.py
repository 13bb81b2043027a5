"""`Pane`: a picture of a frame. It names the scalar under the mouse, and finds the one next to the selected one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
from textual import events
from textual.message import Message

from engine.timeline.events import Moment, Phase
from engine.timeline.view import View
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.series import Series
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import exact, number
from microgpt_tui.drawing.picture import Picture, Spot
from microgpt_tui.drawing.wrapped_text import wrapped
from microgpt_tui.operations.canvas import Board
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.picture_view import PictureView
from microgpt_tui.widgets.textual_fixes import AbstractMeta


class Pane(PictureView, can_focus=True):
    """A pane of the debugger. Subclasses override `draw`, and `series` if they show figures of past steps."""

    TITLE: ClassVar[str] = ""

    class SeriesMissing(Message):
        """Figures of past steps that the pane shows are not all known."""

        def __init__(self, pane: Pane, series: Sequence[Series[Any]]) -> None:
            self.pane, self.series = pane, series
            super().__init__()

    class Followed(Message):
        """A scalar of the picture is to be selected; backspace returns to the one that it was followed from."""

        def __init__(self, row: int) -> None:
            self.row = row
            super().__init__()

    def __init__(self, name: str) -> None:
        super().__init__(name, self.TITLE)
        self.frame: Frame | None = None
        self.named = False  # whether its own name stands above the picture, whatever else does
        self._spot: tuple[int, int] | None = None  # line and column that the cursor went to at this moment

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        """The picture of a frame, for this many cells; it may be longer, then it scrolls. Every pane has its own."""
        del frame, width, height
        return Picture()

    def heading(self, frame: Frame) -> str:
        """The title above the picture."""
        del frame
        return self.TITLE

    def series(self, frame: Frame, width: int, height: int) -> Sequence[Series[Any]]:
        """The figures of past steps that a picture of this size shows. What is missing comes with a later frame."""
        del frame, width, height
        return ()

    @classmethod
    def lacks(cls, view: View) -> str:
        """Why a run has nothing that the pane could ever show, as a sentence; empty where it has.

        Such a pane has no place on the screen.
        """
        del view
        return ""

    @classmethod
    def shows_series(cls) -> bool:
        """Whether the pane ever shows figures of past steps."""
        return cls.series is not Pane.series

    def show(self, frame: Frame) -> None:
        """Draw another frame."""
        if self.frame is None or frame.moment != self.frame.moment:
            self._spot = None
        self.frame = frame
        self.redraw()

    def let_go(self) -> None:
        """The run begins to move: keep the picture, and read nothing of the run any more."""
        self.frame = None

    # What `PictureView` asks for.

    def picture_for(self, width: int, height: int) -> Picture | None:
        return None if self.frame is None else self.draw(self.frame, width, height)

    def title_now(self) -> str:
        if self.frame is None:
            return self.title
        heading = self.heading(self.frame)
        return heading if not self.named or heading.startswith(self.TITLE) else f"{self.TITLE}: {heading}"

    def top_of(self, picture: Picture, height: int) -> int:
        """Where a pane stands scrolled follows from the frame, never from the way that led to it."""
        return top_of(picture.focus or 0, picture.height, height)

    def redraw(self) -> None:
        super().redraw()
        if self.frame and self.shows_series() and self.display:
            missing = [series for series in self.series(self.frame, *self.content_size) if series.missing]
            if missing:
                self.post_message(self.SeriesMissing(self, missing))

    def dragged_to(self, target: Hashable) -> None:
        here = None if self.frame is None else self.frame.moment
        there = target.step != here.step if here and isinstance(target, SameEvent) else target != here
        if here is None or there:
            super().dragged_to(target)

    # Pointing. Textual also calls the handlers of the base class.

    def on_click(self, event: events.Click) -> None:
        """Remember where the cursor went to."""
        target, offset = self.target_at(event), event.get_content_offset(self)
        if target is not None and offset is not None:
            self._spot = offset.y + self.top, offset.x

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Say what is under the mouse."""
        self.tooltip = self.tooltip_for(self.target_at(event))

    def tooltip_for(self, target: Hashable) -> str | None:
        """What is said of a spot under the mouse: the name of a scalar, with its number."""
        if isinstance(target, int) and self.frame is not None:
            name = f"{self.frame.explain.name(target)}  {exact(self.frame.value(target))}"
            if self.frame.backward:
                name += f"\n∂{self.frame.explain.name(target)}  {exact(self.frame.gradient(target))}"
            return product(self.frame, target) or name
        return None

    def neighbour(self, dx: int, dy: int) -> int | Moment | None:
        """The row of the scalar next to the selected one on the picture, in a direction; None at the edge.

        A pane whose arrow keys move through time gives the moment that they lead to.

        The next one of its own tensor comes first, then any other. A scalar may stand in several places, a strip and a
        table below it, say: the cursor goes on from where it was.
        """
        if self.frame is None:
            return None
        spots = [s for s in self.picture.spots() if isinstance(s.target, int)]
        others = [s for s in spots if s.target != self.frame.selected]
        places = set(spots) - set(others)
        # Before it has gone anywhere, up and down among all follows the last of these places, else the first.
        start, last = self._spot or (0, 0), self._spot or ((0, 0) if dx else (self.picture.height, 0))
        nearest = min(places, key=lambda s: _distance(s, *start), default=None)
        if nearest and dy and not self.has_focus and self._in_row(nearest, others):  # ← and → move through time
            dx, dy = dy, 0
        elif dy:  # a cell may be several lines high: what stands beside one of them is not below another
            lines = {s.y for s in places}
            others = [s for s in others if s.y not in lines]
        found = _next([nearest], self._of_same_tensor(others), dx, dy) if nearest else None
        found = found or _next(sorted(places, key=lambda s: _distance(s, *last)), others, dx, dy)
        if found is None and others and not places:
            found = others[0]
        if found is not None:
            self._spot = found.y, found.x
        return None if found is None else found.target  # type: ignore[return-value]

    def _of_same_tensor(self, spots: Sequence[Spot]) -> list[Spot]:
        """Those that belong to the tensor or the matrix of the selected scalar."""
        assert self.frame is not None
        name = self.frame.name_of(self.frame.selected)
        if name is None:
            return []
        names = {row: self.frame.name_of(row) for row in {s.target for s in spots if isinstance(s.target, int)}}
        return [s for s in spots if names[s.target] == name]  # type: ignore[index]

    def _in_row(self, here: Spot, spots: list[Spot]) -> bool:
        """Whether the place is in what the operation makes, from left to right: then down is on, and up is back."""
        assert self.frame is not None
        made = {int(row) for row in self.frame.operation.rows.flat} if self.frame.operation.rows.ndim < 2 else set()
        return here.target in made and any(s.y == here.y and s.target in made for s in spots)


class PositionPane(Pane, metaclass=AbstractMeta):
    """A pane of one token position. A run may have none; the update phase leaves alone what it shows.

    Subclasses override `draw_position`, and `lacks` if they need more than a run that says what its positions compute.
    """

    FROZEN: ClassVar[str]  # what it says in the update phase
    NOT_SAID: ClassVar[str] = ""  # why it has nothing to show of a run that does not say what its positions compute

    @classmethod
    def lacks(cls, view: View) -> str:
        if not view.program.n:
            return say("panes.base.no_positions")
        return "" if view.program.span(0) else cls.NOT_SAID

    def heading(self, frame: Frame) -> str:
        """The title, with the position."""
        if frame.phase is Phase.UPDATE:
            return self.TITLE
        where = f"{frame.called('pos', frame.pos)} {frame.token(frame.pos)}"
        return f"{self.TITLE} ─ {'∂, ' if frame.backward else ''}{where}"

    def title_now(self) -> str:
        return super().title_now() if self.frame is None or self.frame.program.n else self.title

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        board = Board(frame, width, height)
        if not frame.program.n:
            board.note(say("panes.base.nothing_to_show"))
        elif frame.phase is Phase.UPDATE:
            board.note(self.FROZEN)
        else:
            self.draw_position(board)
        return board.picture

    @abstractmethod
    def draw_position(self, board: Board) -> None:
        """Draw the frame's position in the forward or the backward phase."""


def top_of(focus: int, lines: int, height: int) -> int:
    """The first of so many lines that is shown in this height, so that the `focus` is in the middle of them."""
    return max(0, min(focus - height // 2, lines - height))


def product(frame: Frame, row: int) -> str | None:
    """What a weight of the linear layer on the stage is multiplied with, and the result; None for any other scalar."""
    operation = frame.operation
    if operation.kind != "linear" or not frame.forward:
        return None
    found = np.argwhere(operation.operands["w"] == row)
    if not len(found):
        return None
    i, j = map(int, found[0])
    x = int(operation.operands["x"][j])
    weight, factor = frame.used_value(row), frame.value(x)
    if weight is None or factor is None:
        return None
    words = f"w[{i},{j}] {number(weight)} · x[{j}] {number(factor)} = {number(weight * factor)}"
    return f"{words}\n{frame.explain.name(row)}  {exact(weight)}"


def says(picture: Picture, text: str, width: int, height: int) -> Picture:
    """Add a sentence, over as many lines as it needs and as there are."""
    for line in wrapped(text, width)[: max(1, height)]:
        picture.line(line, theme.DIM)
    return picture


def _next(places: Sequence[Spot], spots: Sequence[Spot], dx: int, dy: int) -> Spot | None:
    """The nearest of some spots in a direction, from the first of the places where there is one."""
    for here in places:
        way = [s for s in spots if _lies(s, here, dx, dy)]
        if way:
            return min(way, key=lambda s: _distance(s, here.y, here.x))
    return None


def _distance(spot: Spot, y: int, x: int) -> tuple[int, int]:
    return abs(spot.y - y), abs(spot.x - x)


def _lies(spot: Spot, here: Spot, dx: int, dy: int) -> bool:
    """Whether a spot lies in a direction: on the same line, or on any line above or below."""
    return spot.y == here.y and (spot.x - here.x) * dx > 0 if dx else (spot.y - here.y) * dy > 0
