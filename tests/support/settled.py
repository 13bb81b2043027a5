"""Waiting until an app under test is idle, which is known from its pending work, not from a clock; and starting it.

Textual's own test pilot sleeps until the process uses little time, which waits too long on a quiet machine and much
too long on a busy one. Work of threads is not waited for: a test that needs it says what it waits for.

Every app reads the same style sheets; within a process of tests, each is read once for each set of colours.
"""

from __future__ import annotations

import asyncio

import textual.app
import textual.pilot
from textual._context import active_app
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.screen import Screen

ROUNDS = 500  # of drawing; an app that is never at rest, as one that trains, is looked at all the same


async def drained() -> None:
    """Let every task run until each waits for a timer, a thread or the terminal."""
    loop = asyncio.get_running_loop()
    for _ in range(ROUNDS * 10):
        await asyncio.sleep(0)  # gives way once
        due = loop._scheduled and loop._scheduled[0].when() <= loop.time()  # type: ignore[attr-defined]
        if not loop._ready and not due:  # type: ignore[attr-defined]
            return


def undrawn(screen: Screen[object]) -> bool:
    """Whether a screen waits for its next frame, to lay out, draw, or call back."""
    wants = screen._layout_required or screen._scroll_required or screen._repaint_required or screen._dirty_widgets
    return bool(screen._callbacks or (screen.is_current and not screen.app._batch_count and wants))


async def settled(min_sleep: float = 0, max_sleep: float = 0) -> None:
    """In the place of Textual's `wait_for_idle`: all messages are seen to, and all frames drawn."""
    await drained()
    app = active_app.get()
    for _ in range(ROUNDS):
        if app._resize_timer is not None and app._screen_stack:
            app._check_resize()  # the new size, which a timer tells otherwise
            await drained()
        if not app._screen_stack or not undrawn(app.screen):
            return
        app.screen._on_timer_update()  # the frame, which a timer draws otherwise
        await drained()


_read: dict[object, list[RuleSet]] = {}
_rules = Stylesheet._parse_rules


def rules(self: Stylesheet, css: str, *place: object, **more: object) -> list[RuleSet]:
    """In the place of Textual's own, which remembers what it has read as long as an app lives."""
    asked = tuple(self._variables.items()), css, place, tuple(more.items())
    if asked not in _read:
        _read[asked] = _rules(self, css, *place, **more)  # type: ignore[arg-type]
    return _read[asked]


def install() -> None:
    """Let every pilot wait so, and every app start so."""
    Stylesheet._parse_rules = rules  # type: ignore[method-assign]
    textual.pilot.wait_for_idle = textual.app.wait_for_idle = settled  # type: ignore[assignment]
