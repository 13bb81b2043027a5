"""The debugger on a small run, driven by keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from engine import Config, Run, Session
from engine.timeline.events import Moment
from microgpt_tui.app import ThemedApp
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.debugger import DebuggerScreen

DOCS = ["anna", "ben", "가나다"]
PATIENCE = 3000  # looks, each a hundredth of a second or more apart
SMALL = Config(n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3)


@cache
def session() -> Session:
    """One small run for all of a test."""
    return Session(SMALL, DOCS)


def at(moment: Moment, row: int | None = None, cell: int | None = None, run: Session | None = None) -> Frame:
    """A frame of a moment."""
    run = run or session()
    run.seek(moment)
    return Frame(run.view(), Focus(run.moment, row, cell))


class Debugger(ThemedApp):
    """The debugger's screen alone, on a run that is ready."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run_ = run

    def on_mount(self) -> None:
        self.push_screen(DebuggerScreen(self.run_))


@asynccontextmanager
async def debugger(size: tuple[int, int] = (120, 36), run: Run | None = None) -> AsyncIterator[Pilot[None]]:
    """The debugger at the first event of step 0."""
    run = run or session()
    run.seek(first_moment(run.program, 0))
    app = Debugger(run)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    """Let the app work until a condition is met; fails if it never is."""
    for _ in range(PATIENCE):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError(f"this never happened; the screen:\n{text(pilot)}")


async def go(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, each when the run stands where the one before has led: with plain loops, that takes a thread."""
    for key in keys:
        await pilot.press(key)
        await until(pilot, lambda: not screen(pilot).motion.busy)
    await pilot.pause()


async def answer(pilot: Pilot[Any], words: str) -> None:
    """Give the dialog that asks for a line these words."""
    await until(pilot, lambda: bool(pilot.app.screen.query(Input)))
    pilot.app.screen.query_one(Input).value = words
    await pilot.press("enter")
    await pilot.pause()


def screen(pilot: Pilot[None]) -> DebuggerScreen:
    """The debugger's screen."""
    found = pilot.app.screen_stack[1]
    assert isinstance(found, DebuggerScreen)
    return found


def name(pilot: Pilot[None]) -> str:
    """The event that is shown."""
    return screen(pilot).session.view().event.name


def text(pilot: Pilot[Any]) -> str:
    """All that stands on the screen, line by line."""
    app = pilot.app
    lines = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text.rstrip() for strip in lines)


def notes(pilot: Pilot[Any]) -> str:
    """The notifications, line by line."""
    return "\n".join(note.message for note in pilot.app._notifications)


def drawn(pilot: Pilot[None]) -> dict[str, object]:
    """What every pane shows: title, styled text, and where it is scrolled."""
    return {
        str(pane.id): (
            pane.title,
            pane.top,
            tuple(tuple(line.segments) for line in pane.picture.lines),
        )
        for pane in screen(pilot).query(Pane)
        if pane.display
    }


async def click_on(pilot: Pilot[None], pane: str, target: object) -> None:
    """Click the first spot of a pane that stands for `target`."""
    widget = screen(pilot).query_one(f"#{pane}", Pane)
    spot = next(s for s in widget.picture.spots() if s.target == target)
    gutter = widget.gutter.top_left
    x, y = spot.x + gutter[0], spot.y - widget.top + gutter[1]
    await pilot.click(f"#{pane}", offset=(x, y))
