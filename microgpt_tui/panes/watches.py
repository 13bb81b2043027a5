"""What the user watches: each expression with its value at this moment, its gradient, and its course so far."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType

from engine.expressions.expression import Answer
from engine.expressions.watch import Watch
from microgpt_tui.debugger.frame import Frame, WatchLine
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.debugger.series import Series, Watched, series_of
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.curve import sparkline
from microgpt_tui.drawing.numbers import UNKNOWN, number
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.panes.adam import span
from microgpt_tui.panes.base import Pane, says
from microgpt_tui.texts.say import say

VALUE, GRADIENT = 10, 12  # cells, with a gap before
LEAST_COURSE = 8  # cells from which a course is shown
NONE = say("panes.watches.nothing_yet")


class Watches(Pane):
    """One line a watch. The keys are for the chosen one."""

    TITLE = pane_title("watches")
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("watch.next", "down", "screen.watch_line(1)"),
        Key("watch.previous", "up", "screen.watch_line(-1)"),
        Key("watch.drop", "d,delete", "screen.unwatch"),
    )

    def heading(self, frame: Frame) -> str:
        count = len(frame.around.annotations.watches)
        return f"{self.TITLE} ─ {count}" if count else self.TITLE

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture, watches = Picture(), frame.watches
        if not watches:
            return says(picture, NONE, width, height)
        names, room = _columns(watches, width)
        for i, watch in enumerate(watches):
            _line(picture.line(), frame, watch, i == frame.around.watch, (names, room))
        picture.focus = frame.around.watch
        courses = self.series(frame, width, height)
        if courses and height > len(watches):
            slowest = max(courses, key=lambda c: len(c.missing))
            picture.line().most(span(slowest, room, width), width, theme.DIM)
        return picture

    def series(self, frame: Frame, width: int, height: int) -> list[Series[Any]]:
        del height
        watches = frame.watches
        if not (frame.view.replays and frame.moment.step and watches) or not _columns(watches, width)[1]:
            return []
        return [_course(frame, watch) for watch in watches if watch.lasting]

    def on_click(self, event: events.Click) -> None:
        """Choose the watch that was clicked; the base class tells what else was pointed at."""
        offset = event.get_content_offset(self)
        if offset is not None and self.frame is not None and offset.y + self.top < len(self.frame.watches):
            self.post_message(self.Chosen(self, WatchLine(offset.y + self.top)))


def _columns(watches: list[Watch], width: int) -> tuple[int, int]:
    """Cells for the expressions, and for the courses: 0 if there is no room for them."""
    longest = max(Line().add(watch.text).width for watch in watches) + 2
    names = min(longest, max(12, width - VALUE - GRADIENT - LEAST_COURSE - 2))
    room = width - names - VALUE - GRADIENT - 2
    return names, room if room >= LEAST_COURSE else 0


def _line(line: Line, frame: Frame, watch: Watch, chosen: bool, columns: tuple[int, int]) -> None:
    names, room = columns
    row, value = watch.row(frame.view), watch.value(frame.view)
    style = theme.STRONG if row is not None and row == frame.selected else theme.TEXT
    line.add("▸ " if chosen else "  ", theme.NEW).fit(watch.text, names - 2, style, row)
    sign = theme.signed(value) if isinstance(value, float) else theme.TEXT
    line.fit(shown(value), VALUE, sign, row, right=True)
    words = f"∂ {number(frame.gradient(row))}" if row is not None and watch.expression.of_data else ""
    line.fit(words, GRADIENT, theme.DIM, right=True)
    if not room or not frame.moment.step:
        return
    line.add("  ")
    if not watch.lasting:
        line.most(say("panes.watches.add_pos"), room, theme.FAINT)
        return
    found = {step: float(v) for step, v in _course(frame, watch).known.items() if isinstance(v, int | float)}
    steps = list(found)
    sparkline(line, list(found.values()), room, lambda i: frame.in_step(steps[i]))


def _course(frame: Frame, watch: Watch) -> Series[Any]:
    return series_of(Watched(watch.text), frame.around.past, frame.view)


def shown(value: Answer) -> str:
    """A value in a few cells: a dot for what is not known."""
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "true" if value else "false"
        case float():
            return number(value)
        case tuple():
            return f"[{' '.join(map(number, value))}]"
    return str(value)
