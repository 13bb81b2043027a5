"""Draws screens without a terminal, and takes a screenshot of each when it no longer changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, TypeVar

from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.worker import WorkerCancelled

from microgpt_tui.app import ThemedApp
from microgpt_tui.drawing import theme
from microgpt_tui.export.screenshot import Screenshot

S = TypeVar("S", bound=Screen[Any])


async def screenshots(
    make: Callable[[], S],
    pages: Callable[[S], AsyncIterator[str]],
    size: tuple[int, int],
    theme_name: str,
    signs: bool = False,
) -> list[Screenshot]:
    """Screenshots of the pages of a screen.

    `make` makes the screen, in the app; `pages` changes it and yields the title of each page. `size` is columns and
    lines, `theme_name` a name of `theme.THEMES`. `signs` lets cells tell sign and size by characters, for text
    without colours. Notifications, which depend on the clock, are not shown.
    """
    app = ThemedApp(theme_name, signs)
    # Textual means `run_test` for tests; unlike `run_async` with a pilot, it ends when it is cancelled, as by ctrl+c.
    async with app.run_test(size=size) as pilot:
        screen = make()
        await app.push_screen(screen)
        await settled(pilot)
        taken = [await settled(pilot, title) async for title in pages(screen)]
    _check_cancelled()
    return taken


async def settled(pilot: Pilot[Any], title: str = "") -> Screenshot:
    """The screen, once no worker works, no message waits, and it looks the same twice in a row.

    Raises RuntimeError if the app broke off.
    """
    app, last = pilot.app, None
    while True:
        with suppress(WorkerCancelled):  # replaced by another worker
            await app.workers.wait_for_complete()
        await pilot.pause()
        _check_cancelled()
        if app.return_code:
            raise RuntimeError("the screen broke off while it was drawn")
        working = any(not worker.is_finished for worker in app.workers)
        if working or any(node.message_queue_size for node in (app, *app.screen.walk_children(with_self=True))):
            last = None
            continue
        now = screenshot(app, title)
        if now == last:
            return now
        last = now


def _check_cancelled() -> None:
    """Raise CancelledError if this task was cancelled, since Textual suppresses that in places."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def screenshot(app: App[Any], title: str = "") -> Screenshot:
    """The present screen of a running app."""
    # Textual offers a screen's lines only as a finished SVG, which loads fonts and cannot align wide characters.
    lines = app.screen._compositor.render_strips(app.size)
    colours = theme.THEMES.get(app.theme, theme.DARK)
    return Screenshot.of(title, app.size.width, colours, lines)
