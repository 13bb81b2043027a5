"""Many viewers behind nginx, as the documentation has it set up, cost the server one request a frame."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector, web

from microgpt_tui.web.audience_server import AudienceServer
from tests.support.chromium import browser, needs_chromium
from tests.support.wait import PATIENCE, met
from tests.support.web_clients import AUDIENCE, Serving, serving, stand_in

DOCS = Path(__file__).resolve().parents[2] / "docs" / "audience.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
VIEWERS, FRAMES = 150, 6
CODE = "ABC234"
Behind = tuple[str, Serving, Counter[str]]
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def configuration(folder: Path, port: int, target: int) -> str:
    """The configuration in the documentation, with ports and a folder of this machine."""
    (documented,) = re.findall(r"^```nginx\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    changes = {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "127.0.0.1:8001": f"127.0.0.1:{target}",
        "/var/cache/nginx/lecture": f"{folder}/cache",
    }
    for written, here in changes.items():
        assert written in documented
        documented = documented.replace(written, here)
    places = "".join(f"{name}_temp_path {folder}/{name};\n" for name in TEMPORARY)
    user = "user root;\n" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    main = f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/errors;\nevents {{ worker_connections 2000; }}\n"
    return f"{main}http {{\naccess_log off;\n{places}{documented}}}\n"


@asynccontextmanager
async def behind_nginx(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[str, Serving, Counter[str]]]:
    """The address of nginx, the server behind it, and how often each path has been asked for there."""
    asked: Counter[str] = Counter()
    answer = AudienceServer._send_difference

    async def counted(self: AudienceServer, request: web.Request) -> web.Response:
        asked[request.path] += 1
        return await answer(self, request)

    monkeypatch.setattr(AudienceServer, "_send_difference", counted)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    async with serving(kind=AUDIENCE, token=CODE, places=VIEWERS + 2, public=f"{address}/") as there:
        file = folder / "nginx.conf"
        file.write_text(configuration(folder, port, there.port), encoding="utf-8")
        assert NGINX is not None
        process = await asyncio.create_subprocess_exec(NGINX, "-p", folder, "-c", file, "-e", folder / "errors")
        try:
            await met(lambda: listens(port))
            yield address, there, asked
        finally:
            process.terminate()
            await process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def follow(session: ClientSession, address: str, last: dict[str, Any], seen: list[dict[str, Any]]) -> None:
    """A viewer, as the page does it, until it has seen the last changes."""
    async with session.get(f"{address}/session") as answer:
        name = (await answer.json())["session"]
    version = 0
    while not seen or seen[-1] != last:
        async with session.get(f"{address}/frames/{name}/{version}") as answer:
            message = await answer.json()
        version = message["version"]
        seen.append(message["changes"])


async def test_many_viewers_cost_one_request_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        behind_nginx(tmp_path, monkeypatch) as (address, there, asked),
        ClientSession(connector=TCPConnector(limit=0)) as session,
    ):
        assert isinstance(there.site, AudienceServer)
        async with session.get(f"{address}/?code={CODE}") as answer:
            cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
        session.cookie_jar.update_cookies(cookies)
        all_seen: list[list[dict[str, Any]]] = [[] for _ in range(VIEWERS)]
        last = {"row/0": [["frame", str(FRAMES - 1)]]}
        viewers = [asyncio.create_task(follow(session, address, last, seen)) for seen in all_seen]
        async with asyncio.timeout(PATIENCE):
            for n in range(FRAMES):
                changes = {"row/0": [["frame", str(n)]]}
                await met(lambda n=n: all(len(seen) > n for seen in all_seen))  # all wait for this one
                there.site.update(changes)
            await asyncio.gather(*viewers)
        assert sum(asked.values()) == len(asked) == FRAMES + 1  # each path once; the first told what there was before
        assert all(len(seen) == FRAMES + 1 for seen in all_seen)


async def test_the_proxy_keeps_nothing_for_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with behind_nginx(tmp_path, monkeypatch) as (address, _, asked), ClientSession() as session:
        for path in ("/", "/session", "/frames/x/0", "/frames/x/0", "/answer", "/page/audience.js"):
            async with session.get(address + path) as answer:
                assert answer.status == 401
        async with session.get(f"{address}/stream") as answer:
            assert answer.status == 404
        assert not asked


@needs_chromium
async def test_a_page_behind_the_proxy_follows_answers_and_explores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    async with behind_nginx(tmp_path, monkeypatch) as (address, there, asked), browser(tmp_path / "profile") as page:
        assert isinstance(there.site, AudienceServer)
        question = {"id": "1", "text": "Which?", "options": ["a", "b"], "open": True, "hidden": True, "right": None}
        there.site.update({"question": question, "page": {"title": "Here", "language": "en"}})
        await page.go(f"{address}/?code={CODE}")
        await page.wait("Here", script="document.querySelector('#title')?.textContent")
        await page.wait("Choose", script="document.querySelector('#verdict')?.textContent")
        await page.tell("document.querySelectorAll('#options button')[1].click()")
        await page.wait("Your answer: b) b.", script="document.querySelector('#verdict')?.textContent")
        there.site.update({"page": {"title": "There", "language": "en"}})
        await page.wait("There", script="document.querySelector('#title')?.textContent")
        assert "told {'viewers': 1}" in there.all_reports
        assert "told {'counts': {'question': '1', 'counts': [0, 1]}}" in there.all_reports
        assert asked
        await page.tell("document.querySelector('#explore').click()")
        await page.wait("pid ")
