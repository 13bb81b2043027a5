"""Drawing without a terminal: many pages of one screen in one run of the app, and screens that fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine import Session
from engine.timeline.events import Moment
from microgpt_tui.export.headless import screenshots
from microgpt_tui.export.screenshot import Screenshot
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens import debugger as debugger_module
from microgpt_tui.screens.debugger import DebuggerScreen
from tests.support.harness import DOCS, SMALL, debugger, screen, text, until

STEPS = (3, 0, 20)


class Marked(DebuggerScreen):
    """A debugger's screen that someone has added to."""

    CSS_PATH = Path(debugger_module.__file__).with_name("debugger.tcss")


async def taken(run: Session, pages: Callable[[Marked], AsyncIterator[str]]) -> list[Screenshot]:
    return await screenshots(lambda: Marked(run, arrangement=Arrangement()), pages, (120, 36), "microgpt-dark")


async def test_every_page_is_drawn_as_in_a_terminal() -> None:
    async def pages(marked: Marked) -> AsyncIterator[str]:
        for step in STEPS:
            marked.notify("this passes")
            marked.navigator.go(Moment(step))
            yield f"step {step}"

    run = Session(SMALL, DOCS)
    shots = await taken(run, pages)
    assert [shot.title for shot in shots] == [f"step {step}" for step in STEPS]
    run = Session(SMALL, DOCS)
    async with debugger((120, 36), run) as pilot:
        for step, shot in zip(STEPS, shots, strict=True):
            screen(pilot).navigator.go(Moment(step))
            await until(pilot, lambda shot=shot: text(pilot) + "\n" == shot.txt())


async def test_an_error_in_a_page_is_raised() -> None:
    async def pages(marked: Marked) -> AsyncIterator[str]:
        yield "the first"
        raise KeyError("the second")

    with pytest.raises(KeyError, match="the second"):
        await taken(Session(SMALL, DOCS), pages)


async def test_drawing_ends_when_it_is_cancelled() -> None:
    begun, ended = asyncio.Event(), threading.Event()

    async def pages(marked: Marked) -> AsyncIterator[str]:
        marked.run_worker(ended.wait, thread=True)
        begun.set()
        yield "the page that is never ready"

    drawing = asyncio.create_task(taken(Session(SMALL, DOCS), pages))
    await begun.wait()
    try:
        drawing.cancel()  # once, as ctrl+c does
        done, _ = await asyncio.wait({drawing}, timeout=60)
        assert done == {drawing}
        assert drawing.cancelled()
    finally:
        ended.set()
        drawing.cancel()


async def test_a_screen_that_fails_gives_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: object) -> None:
        raise ValueError("cannot be drawn")

    async def pages(marked: Marked) -> AsyncIterator[str]:
        monkeypatch.setattr(marked.query_one("#stage", Pane), "draw", draw)
        marked.navigator.go(Moment(2))
        yield "broken"

    with pytest.raises(ValueError, match="cannot be drawn"):
        await taken(Session(SMALL, DOCS), pages)
