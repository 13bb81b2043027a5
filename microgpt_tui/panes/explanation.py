"""What happens, why, and how to read it: the sentences of the present event, as many as fit."""

from __future__ import annotations

import textwrap

from microgpt_tui import palette
from microgpt_tui.frame import Frame
from microgpt_tui.motion import Live
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts import sentences
from microgpt_tui.widgets.cells import bar
from microgpt_tui.widgets.picture import Picture


class Explanation(Pane, can_focus=False):
    """The sentences; a fault speaks instead of them."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture = Picture()
        if frame.fault:
            for text in textwrap.wrap(frame.fault, width - 2)[:height]:
                picture.line(f" {text}", palette.WARNING)
            return picture
        if frame.around.live:
            return _live(frame.around.live, width)
        styles = (palette.STRONG, palette.TEXT, palette.DIM)
        for sentence, style in zip(sentences(frame), styles, strict=True):
            lines = textwrap.wrap(sentence, width - 2)
            if picture.height + len(lines) > height and picture.height:
                break
            for text in lines[:height]:
                picture.line(f" {text}", style)
        return picture


def _live(live: Live, width: int) -> Picture:
    """How a moving run is doing: what, how far, how fast, how long it will still take."""
    picture = Picture()
    left = abs(live.until - live.step) / live.a_second if live.a_second > 0 else None
    words = f" ▶ {live.doing}   step {live.step:,} of {live.until:,}   {live.a_second:,.0f} steps a second"
    picture.line().most(words + (f"   {_duration(left)} left" if left is not None else ""), width, palette.NOW)
    line = picture.line(" space pauses, + faster, - slower  ", palette.STRONG)
    room = max(0, width - line.width - 2)
    done = bar(live.step, live.until, room)
    line.add(f"{done:─<{room}}"[:room], palette.TEXT)
    return picture


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
