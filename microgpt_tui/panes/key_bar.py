"""The last line: the keys that come first, as many as fit; a click does what the key does."""

from __future__ import annotations

from functools import lru_cache

from rich.style import Style

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.keys import KEYS, Key
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane

FIRST = ("event.next", "event.previous", "scalar.next", "position.next", "phase.next", "step.next", "run")
"""The keys that are wanted most: these come first, the others in the order of the table."""


class KeyBar(Pane, can_focus=False):
    """One line that is drawn once. (Textual's own makes a widget a key, and makes all of them anew at every focus.)"""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del frame, height
        return Picture([_line(width, (theme.STRONG, theme.TEXT))])


@lru_cache(8)
def _line(width: int, styles: tuple[Style, ...]) -> Line:
    """The line in so many cells; `styles` are those in use, which two themes differ in."""
    del styles
    line = Line()
    *keys, help_, leave = (key for key in KEYS if key.show)  # the way to all keys, and the way out: always
    keys.sort(key=lambda key: FIRST.index(key.id) if key.id in FIRST else len(FIRST))
    for key in keys:
        if line.width + _width(key) + _width(help_) + _width(leave) <= width:
            _add(line, key)
    return _add(_add(line, help_), leave)


def _width(key: Key) -> int:
    return _add(Line(), key).width


def _add(line: Line, key: Key) -> Line:
    return line.add(f" {key.shown} ", theme.STRONG, key).add(f"{key.description} ", theme.TEXT, key)
