"""What happens, why, and how to read it: the sentences of the present event, as many as fit."""

from __future__ import annotations

from engine.timeline.run import ENDLESS
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.run_controller import Live
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.drawing.wrapping import wrapped
from microgpt_tui.explanations.sentences import sentences
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.say import say


class Explanation(Pane, can_focus=False):
    """The sentences; a fault speaks instead of them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._live: Live | None = None  # of a run that moves, and stands at no moment that could be shown

    def show(self, frame: Frame) -> None:
        self._live = None
        super().show(frame)

    def show_live(self, live: Live) -> None:
        """Say how a moving run is doing, without a frame of it."""
        self._live = live
        self.redraw()

    def picture_for(self, width: int, height: int) -> Picture | None:
        return _live(self._live, width) if self._live is not None else super().picture_for(width, height)

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture = Picture()
        if frame.fault:
            for text in wrapped(frame.fault, width - 2)[:height]:
                picture.line(f" {text}", theme.WARNING)
            return picture
        if frame.around.live:
            return _live(frame.around.live, width)
        styles = (theme.STRONG, theme.TEXT, theme.DIM, theme.DIM)
        for sentence, style in zip(sentences(frame), styles, strict=False):
            if picture.height >= height:
                break
            lines = (sentence,) if len(sentence) * 2 < width else wrapped(sentence, width - 2)
            if picture.height + len(lines) > height and picture.height:
                continue  # a shorter one may fit
            for text in lines[:height]:
                picture.line(f" {text}", style)
        return picture


def _live(live: Live, width: int) -> Picture:
    """How a moving run is doing: what, how far, how fast, how long it will still take."""
    picture = Picture()
    known = live.until < ENDLESS
    left = abs(live.until - live.step) / live.a_second if live.a_second > 0 and known else None
    step = "of" if known else "alone"
    place = say(f"panes.explanation.step.{step}", step=live.step, until=live.until)
    words = f" ▶ {live.doing}   {place}   {_speed(live)}{f', {live.slowed}' if live.slowed else ''}"
    if left is not None:
        words += f"   {say('panes.explanation.left', time=_duration(left))}"
    picture.line().most(words, width, theme.NOW)
    line = picture.line(f" {say('panes.explanation.keys')}  ", theme.STRONG)
    room = max(0, width - line.width - 2)
    done = bar(live.step, live.until, room)
    line.add(f"{done:─<{room}}"[:room], theme.TEXT)
    return picture


def _speed(live: Live) -> str:
    """How fast a run is and, beside it, how fast it is meant to be: the unit once."""
    pace, speed = live.pace, f"{live.a_second:,.0f}"
    if pace is not None and pace.events:
        return pace.name
    if pace is not None and pace.a_second:
        return say("panes.explanation.speed.kept", speed=speed, pace=pace.a_second)
    return say("panes.explanation.speed.alone" if pace is None else "panes.explanation.speed.flat_out", speed=speed)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
