"""An audience that follows a lecture: what its server is told, and what the lecturer sees of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from microgpt_tui.app import MicrogptApp
from microgpt_tui.audience.address import JoinAddress
from microgpt_tui.audience.audience import LiveAudience
from microgpt_tui.audience.process import ServerOptions
from microgpt_tui.panes.registry import screen_names
from microgpt_tui.screens.lecture import LectureScreen
from microgpt_tui.storage.startup import Start
from tests.support.audience_server import StandIn, stand_in
from tests.support.harness import DOCS, notes, text, until
from tests.support.lecture_harness import PAGES, lecture_of, ready

HEAD = "---\nconfig: n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3\ndata: docs.txt\n"
OPTIONS = ServerOptions("0.0.0.0", 8001, "AB2CD3", 1000, 8, None, "en")


@contextmanager
def audience(server: StandIn) -> Iterator[LiveAudience]:
    made = LiveAudience(OPTIONS, server.command)
    made.open(lambda port: JoinAddress(f"http://10.0.0.5:{port}/", OPTIONS.code))
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def given(
    tmp_path: Path, server: StandIn, pages: str = PAGES, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[Pilot[Any]]:
    """A lecture with an audience, at its first page."""
    (tmp_path / "docs.txt").write_text("\n".join(DOCS), encoding="utf-8")
    lecture = lecture_of(tmp_path, pages.replace("---\n", HEAD, 1))
    with audience(server) as follows:
        app = MicrogptApp(Start(*lecture.run(screen_names())), lecture, audience=follows)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: any(isinstance(s, LectureScreen) and ready(s) for s in app.screen_stack))
            await pilot.pause()
            yield pilot


async def test_the_server_knows_what_it_was_started_with_and_sees_the_screen(tmp_path: Path) -> None:
    with stand_in() as server:
        async with given(tmp_path, server) as pilot:
            await until(pilot, lambda: "The first page" in text(pilot) and server.rows() == padded(pilot))
            assert server.starts == [
                {
                    "host": "0.0.0.0",
                    "port": 8001,
                    "code": "AB2CD3",
                    "viewers": 1000,
                    "visitors": 8,
                    "public_url": None,
                    "language": "en",
                }
            ]
            await pilot.press("right")
            await until(pilot, lambda: "A question" in text(pilot) and server.rows() == padded(pilot))
        assert server.table["ended"] is True


def padded(pilot: Pilot[Any]) -> str:
    """The screen with the blanks at the ends of its lines."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips(pilot.app.size))


async def test_a_line_that_is_not_painted_anew_is_not_sent_anew(tmp_path: Path) -> None:
    with stand_in() as server:
        async with given(tmp_path, server) as pilot:
            await until(pilot, lambda: bool(server.changes) and server.rows() == padded(pilot))
            server.changes.clear()
            await pilot.press("full_stop")
            await until(pilot, lambda: server.table["blank"] and not server.rows().strip())
            before = {key for changes in server.changes for key in changes}
            assert {f"row/{y}" for y in range(36)} | {"blank"} == before
            server.changes.clear()
            await pilot.press("full_stop", "h")
            await until(pilot, lambda: server.rows() == padded(pilot))
            server.changes.clear()
            await pilot.press("h")  # the page count below the lecture
            await until(pilot, lambda: server.rows() == padded(pilot))
            assert {key for changes in server.changes for key in changes} == {"row/35"}


async def test_the_lecturer_sees_how_many_watch(tmp_path: Path) -> None:
    with stand_in() as server:
        async with given(tmp_path, server) as pilot:
            await until(pilot, lambda: "0 watching" in text(pilot).splitlines()[-1])
            server.say({"viewers": 317})
            await until(pilot, lambda: "317 watching" in text(pilot).splitlines()[-1])
            for wrong in (-1, True, "9", None, 1e3, 10**9, [5]):
                server.say({"viewers": wrong})
            server.say(b"no json\n[1]\n\xff\n" + b"x" * 200_000 + b"\n" + b'{"viewers": 318}\n')
            await until(pilot, lambda: "318 watching" in text(pilot).splitlines()[-1])


async def test_a_server_that_dies_is_told_of_once_and_started_again_with_all_that_there_is(tmp_path: Path) -> None:
    with stand_in() as server:
        async with given(tmp_path, server) as pilot:
            await until(pilot, lambda: bool(server.changes) and server.rows() == padded(pilot))
            server.say({"viewers": 4})
            await until(pilot, lambda: "4 watching" in text(pilot))
            server.answer = {"viewers": 0}  # neither ready nor failed
            server.die()
            await until(pilot, lambda: len(server.starts) > 1)
            assert "0 watching" in text(pilot)
            server.die()
            await until(pilot, lambda: len(server.starts) > 2)
            assert notes(pilot).count("has ended") == 1
            server.answer = {"ready": {"port": 8123}}
            server.die()
            await until(pilot, lambda: len(server.starts) > 3 and "can see the lecture again" in notes(pilot))
            assert server.starts[1:] == [server.starts[0] | {"port": 8123}] * 3
            await until(pilot, lambda: "size" in server.table and server.rows() == padded(pilot))


async def test_reports_are_shown_and_a_flood_of_them_leaves_the_keys_free(tmp_path: Path) -> None:
    with stand_in() as server:
        async with given(tmp_path, server) as pilot:
            server.say({"report": "10.0.0.7 sent what is \x1b[31mno request"})
            await until(pilot, lambda: r"10.0.0.7 sent what is \x1b[31mno request" in notes(pilot))
            for n in range(2000):
                server.say({"viewers": n, "report": f"line {n}"})
            await pilot.press("right")
            await until(pilot, lambda: "A question" in text(pilot))
