"""The last line: the keys that come first, as many as fit; a click does what the key does."""

from __future__ import annotations

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
        picture = Picture()
        line = picture.line()
        *keys, help_, leave = (key for key in KEYS if key.show)  # the way to all keys, and the way out: always
        keys.sort(key=lambda key: FIRST.index(key.id) if key.id in FIRST else len(FIRST))
        for key in keys:
            if line.width + _width(key) + _width(help_) + _width(leave) <= width:
                _add(line, key)
        _add(_add(line, help_), leave)
        return picture


def _width(key: Key) -> int:
    return _add(Line(), key).width


def _add(line: Line, key: Key) -> Line:
    return line.add(f" {key.display or key.keys} ", theme.STRONG, key).add(f"{key.description} ", theme.TEXT, key)
