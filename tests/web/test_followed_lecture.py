"""A lecture with its real server: what a viewer sees and answers, and what becomes of it when the server is killed."""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientConnectionError, ClientSession, CookieJar, WSMsgType
from textual.pilot import Pilot

from tests.support.audience_lecture import HEAD, OPTIONS, audience, lecture_with, padded
from tests.support.commands import COMMAND
from tests.support.harness import DOCS, notes, text, until
from tests.support.lecture_harness import PAGES
from tests.support.terminal import Terminal, needs_tmux, terminal
from tests.support.wait import PATIENCE, ended

HERE = replace(OPTIONS, host="127.0.0.1", port=0, code=None)


class Viewer:
    """A browser's part: it follows the stream, and comes back when that breaks off."""

    def __init__(self, session: ClientSession, address: str) -> None:
        self._session, self.address = session, address
        self.table: dict[str, Any] = {}
        self.streams = 0

    async def follow(self) -> None:
        """Follow until it is cancelled."""
        while True:
            try:
                async with self._session.ws_connect(f"{self.address}stream", headers=self._origin) as stream:
                    self.streams += 1
                    async for message in stream:
                        assert message.type is WSMsgType.BINARY
                        self._take(json.loads(zlib.decompress(message.data)))
            except ClientConnectionError:
                pass
            await asyncio.sleep(0.05)

    def _take(self, frame: dict[str, Any]) -> None:
        table = ({} if frame["whole"] else self.table) | frame["changes"]
        self.table = {key: value for key, value in table.items() if value is not None}

    @property
    def rows(self) -> str:
        """The lecturer's screen."""
        size = self.table.get("size", (0, 0))
        return "\n".join("".join(part for part, _ in self.table[f"row/{y}"]) for y in range(size[1]))

    async def answer(self, option: int) -> int:
        """Answer the present question; the status says whether it was taken."""
        async with self._session.get(self.address):
            pass  # which gives the cookie
        said = {"question": self.table["question"]["id"], "option": option}
        async with self._session.post(f"{self.address}answer", json=said, headers=self._origin) as taken:
            return taken.status

    @property
    def _origin(self) -> dict[str, str]:
        return {"Origin": self.address.rstrip("/")}


@asynccontextmanager
async def followed(tmp_path: Path) -> AsyncIterator[tuple[Pilot[Any], Viewer]]:
    """A lecture at its first page, and somebody who follows it."""
    with audience(HERE) as follows:
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            viewer = Viewer(session, f"http://127.0.0.1:{follows.address.url.rsplit(':', 1)[1]}")
            following = asyncio.create_task(viewer.follow())
            try:
                async with lecture_with(tmp_path, follows) as pilot:
                    await until(pilot, lambda: viewer.rows == padded(pilot))
                    yield pilot, viewer
                async with asyncio.timeout(PATIENCE):
                    await asyncio.to_thread(follows.close)
                    while not viewer.table.get("ended"):
                        await asyncio.sleep(0.01)
            finally:
                following.cancel()


async def test_a_viewer_sees_the_lecture_and_answers(tmp_path: Path) -> None:
    async with followed(tmp_path) as (pilot, viewer):
        await until(pilot, lambda: "1 watching" in text(pilot))
        await pilot.press("right")
        await until(pilot, lambda: "question" in viewer.table)
        assert await viewer.answer(2) < 300
        await until(pilot, lambda: "1 answered" in text(pilot))
        await until(pilot, lambda: viewer.table["question"]["counts"] == [0, 0, 1])
        await pilot.press("right")
        await until(pilot, lambda: viewer.table["question"]["right"] == 2 and viewer.rows == padded(pilot))
        assert await viewer.answer(1) >= 400  # too late


async def test_a_killed_server_is_there_again_at_the_same_address(tmp_path: Path) -> None:
    async with followed(tmp_path) as (pilot, viewer):
        (server,) = (child for child in psutil.Process().children() if "web.audience" in " ".join(child.cmdline()))
        server.kill()
        await until(pilot, lambda: "has ended; it is started again" in notes(pilot))
        await until(pilot, lambda: viewer.streams == 2)
        await pilot.press("right")
        await until(pilot, lambda: "A question" in text(pilot) and viewer.rows == padded(pilot))
        await until(pilot, lambda: "1 watching" in text(pilot))


# In a terminal.


@contextmanager
def in_terminal(tmp_path: Path) -> Iterator[tuple[Terminal, psutil.Process]]:
    """A lecture with an audience on this computer, at the address before its first page; and its server."""
    file = tmp_path / "small.md"
    (tmp_path / "docs.txt").write_text("\n".join(DOCS), encoding="utf-8")
    file.write_text(PAGES.replace("---\n", HEAD, 1), encoding="utf-8")
    options = ("--audience", "--host", "127.0.0.1", "--port", "0", "--results", str(tmp_path / "results.json"))
    with terminal([*COMMAND, "lecture", str(file), *options], (80, 24)) as term:
        term.wait("Follow this lecture", "http://127.0.0.1:")
        (lecturer,) = (p for p in psutil.process_iter() if str(file) in _words(p) and "tmux" not in _words(p)[0])
        (server,) = (child for child in lecturer.children() if "web.audience" in " ".join(_words(child)))
        yield term, server


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() or [""]
    except psutil.Error:
        return [""]


@needs_tmux
def test_the_end_of_a_lecture_ends_its_server_and_tells_what_was(tmp_path: Path) -> None:
    with in_terminal(tmp_path) as (term, server):
        term.press("Space")
        term.wait("The first page", "0 watching")
        term.press("@")
        term.wait("Follow this lecture")
        term.press("q")
        term.wait("The first page")
        term.press("q")
        screen = term.left(0, "The audience has left: 0 viewers at most watched at once.")
        assert "It asks for no code" in screen
        assert f"The results are in {tmp_path / 'results.json'}" in screen.replace("\n", "")
        assert not server.is_running()


@needs_tmux
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_lecture_that_is_killed_leaves_no_server(tmp_path: Path) -> None:
    with in_terminal(tmp_path) as (_, server):
        lecturer = server.parent()
        assert lecturer is not None
        lecturer.kill()
        ended(server)
