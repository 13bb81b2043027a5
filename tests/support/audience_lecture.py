"""A lecture that is given to an audience, in the whole app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from microgpt_tui.app import MicrogptApp
from microgpt_tui.audience.address import JoinAddress
from microgpt_tui.audience.audience import LiveAudience
from microgpt_tui.audience.process import ServerOptions
from microgpt_tui.dialogs.join import JoinScreen
from microgpt_tui.panes.registry import screen_names
from microgpt_tui.screens.lecture import LectureScreen
from microgpt_tui.storage.startup import Start
from tests.support.audience_server import StandIn
from tests.support.harness import DOCS, until
from tests.support.lecture_harness import PAGES, lecture_of, ready

HEAD = "---\nconfig: n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3\ndata: docs.txt\n"
OPTIONS = ServerOptions("0.0.0.0", 8001, "AB2CD3", 1000, 8, None, "en")


@contextmanager
def audience(
    options: ServerOptions = OPTIONS, command: Sequence[str] | None = None, kept: Path | None = None
) -> Iterator[LiveAudience]:
    """An audience whose server is started by a command, or the real one."""
    made = LiveAudience(options, kept, command)
    made.open(lambda port: JoinAddress(f"http://10.0.0.5:{port}/", options.code))
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def lecture_with(
    tmp_path: Path,
    follows: LiveAudience,
    pages: str = PAGES,
    size: tuple[int, int] = (120, 36),
    welcome: bool = False,
    chapters: int = 1,
) -> AsyncIterator[Pilot[Any]]:
    """A lecture with an audience, at its first page; with `welcome`, at the address before it."""
    (tmp_path / "docs.txt").write_text("\n".join(DOCS), encoding="utf-8")
    lecture = lecture_of(tmp_path, pages.replace("---\n", HEAD, 1), chapters=chapters)
    app = MicrogptApp(Start(*lecture.run(screen_names())), lecture, audience=follows)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: any(isinstance(s, LectureScreen) and ready(s) for s in app.screen_stack))
        await until(pilot, lambda: isinstance(app.screen, JoinScreen))
        if not welcome:
            await pilot.press("space")
            await until(pilot, lambda: isinstance(app.screen, LectureScreen) and "The first page" in padded(pilot))
        yield pilot


@asynccontextmanager
async def lecture_with_stand_in(
    tmp_path: Path,
    server: StandIn,
    pages: str = PAGES,
    size: tuple[int, int] = (120, 36),
    welcome: bool = False,
    kept: Path | None = None,
    chapters: int = 1,
) -> AsyncIterator[Pilot[Any]]:
    """The same with a stand-in for the server, which knows the page by then."""
    with audience(OPTIONS, server.command, kept) as follows:
        async with lecture_with(tmp_path, follows, pages, size, welcome, chapters) as pilot:
            await until(pilot, lambda: welcome or server.table.get("page") is not None)
            yield pilot


def padded(pilot: Pilot[Any]) -> str:
    """The screen with the blanks at the ends of its lines."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips(pilot.app.size))
