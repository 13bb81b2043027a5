"""What a script has printed so far, and the traceback that it ended with, if it did."""

from __future__ import annotations

import re
import textwrap
from functools import lru_cache

from engine.timeline.view import View
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.panes.base import Pane, says
from microgpt_tui.texts.say import say

MOST = 2000  # of the last lines are shown
ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
"""What terminals obey: colours, movements of the cursor, titles."""
TRACEBACK = "Traceback (most recent call last):"


class Output(Pane):
    """The printed lines, the last of them in sight; the wheel goes back to earlier ones."""

    TITLE = pane_title("output")

    @classmethod
    def lacks(cls, view: View) -> str:
        return say("panes.output.prints_nothing") if view.printed is None else ""

    def heading(self, frame: Frame) -> str:
        count = len(printed_lines(frame.view.printed or ""))
        return f"{self.TITLE} ─ {say('panes.output.lines', n=count)}" if count else self.TITLE

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture = Picture(list(_wrapped(frame.view.printed or "", width)))
        if not picture.lines:
            return says(picture, say("panes.output.nothing_yet"), width, height)
        picture.focus = picture.height - 1
        return picture


@lru_cache(4)
def printed_lines(text: str) -> tuple[str, ...]:
    """The lines of a printed text as a terminal would leave them: without colours, each as it was last written over."""
    plain = ESCAPE.sub("", text).expandtabs()
    lines = [next((part for part in reversed(line.split("\r")) if part), "") for line in plain.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(lines)


@lru_cache(8)
def _wrapped(text: str, width: int) -> tuple[Line, ...]:
    """The last printed lines over as many lines as they need; those of a traceback stand out."""
    found: list[Line] = []
    lines = printed_lines(text)
    failed = max((i for i, line in enumerate(lines) if line == TRACEBACK), default=len(lines))
    for i, line in enumerate(lines[-MOST:], max(0, len(lines) - MOST)):
        style = theme.WARNING if i >= failed else theme.TEXT
        parts = textwrap.wrap(line, width, drop_whitespace=False, replace_whitespace=False) or [""]
        found += [Line().add(part, style) for part in parts]
    return tuple(found)
