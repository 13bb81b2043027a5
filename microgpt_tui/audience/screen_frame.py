"""`ScreenFrame`: what stands on the screen, line by line, for viewers elsewhere; `FramePacer`: when to look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual._context import visible_screen_stack
from textual.app import App
from textual.geometry import Size
from textual.strip import Strip

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.look import Look
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.drawing.theme import Colours

INTERVAL = 0.05  # seconds at least between two frames
SOON = 0.005  # seconds until it is seen again whether there is something to be painted first
Changes = dict[str, Any]
"""Values for JSON by key; None for a key that is gone."""


class ScreenFrame:
    """The screen of an app as it was seen last."""

    def __init__(self) -> None:
        self._size = Size()
        self._strips: list[Strip] = []
        self._colours: Colours | None = None

    def changes(self, app: App[Any]) -> Changes:
        """What the top screen shows other than it did last time: its `size`, and each `row/N` as runs of one style.

        To be called in the app's thread. A screen that is not laid out for the size of the app shows nothing yet.
        """
        visible_screen_stack.set(list(app._background_screens))  # which are seen through a dialog
        size, colours = app.size, theme.THEMES.get(app.theme, theme.DARK)
        compositor = app.screen._compositor
        if compositor.size != size:
            return {}
        strips = compositor.render_strips(size)
        found: Changes = {}
        if size != self._size:
            found["size"] = [size.width, size.height]
            found |= {f"row/{y}": None for y in range(len(strips), len(self._strips))}
        known = self._strips if colours is self._colours else []
        for y, strip in enumerate(strips):
            if y >= len(known) or strip != known[y]:
                found[f"row/{y}"] = runs(strip, colours)
        self._size, self._strips, self._colours = size, strips, colours
        return found


def runs(line: Iterable[Segment], colours: Colours) -> list[list[str]]:
    """A line as texts with their styles; neighbours of one style are one text."""
    found: list[list[str]] = []
    for text, style, control in line:
        if control or not text:
            continue
        written = style_text(style, colours)
        if found and found[-1][1] == written:
            found[-1][0] += text
        else:
            found.append([text, written])
    for run in found:
        run[0] = printable(run[0])
    return found


@lru_cache(4096)
def style_text(style: Style | None, colours: Colours) -> str:
    """A style as `#rrggbb/#rrggbb/biu`: text, background, and whether it is bold, italic, underlined."""
    look = Look.of(style or Style(), colours)
    flags = "b" * look.bold + "i" * look.italic + "u" * look.underlined
    return f"{look.colour}/{look.background}/{flags}"


class FramePacer:
    """Calls something soon after the screen of an app was painted, at most once in INTERVAL.

    What is about to be painted comes first: keys do not wait for it, unless they come so fast that there is no rest.
    """

    def __init__(self, app: App[Any], called: Callable[[], None]) -> None:
        self._app, self._called = app, called
        self._last = self._wanted = -INTERVAL  # when it was called last, and since when it is wanted again
        self._timer: asyncio.TimerHandle | None = None

    def painted(self) -> None:
        """The screen was painted. To be called in the app's thread."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._wanted = max(loop.time(), self._last + INTERVAL)
            self._timer = loop.call_at(self._wanted, self._call)

    def stop(self) -> None:
        """Call nothing from now on."""
        if self._timer is not None:
            self._timer.cancel()

    def _call(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._paints and now < self._wanted + INTERVAL:
            self._timer = loop.call_later(SOON, self._call)
            return
        self._last, self._timer = now, None
        self._called()

    @property
    def _paints(self) -> bool:
        """Whether something is about to be painted, or a message may lead to that."""
        screen = self._app.screen
        wants = screen._dirty_widgets or screen._repaint_required or screen._layout_required
        return bool(wants or self._app.message_queue_size or screen.message_queue_size)
