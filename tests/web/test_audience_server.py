"""The server of an audience: frames go out to all, at the pace of each; answers come in, and nothing else."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psutil
import pytest
from aiohttp import (
    ClientSession,
    ClientWebSocketResponse,
    CookieJar,
    TCPConnector,
    WSCloseCode,
    WSMsgType,
    WSServerHandshakeError,
)

from microgpt_tui.web import audience_server, connections
from microgpt_tui.web.audience_server import AudienceServer
from tests.support.wait import PATIENCE, met
from tests.support.web_clients import AUDIENCE, PLAIN, Serving, serving, shown, stand_in

QUESTION = {"id": "6/2", "text": "Which?", "options": ["q", "k", "v"], "open": True, "hidden": True, "right": None,
            "counts": None}  # fmt: skip


def server(there: Serving) -> AudienceServer:
    assert isinstance(there.site, AudienceServer)
    return there.site


@asynccontextmanager
async def audience(places: int = 9, **how: Any) -> AsyncIterator[Serving]:
    async with serving(kind=AUDIENCE, places=places, **how) as there:
        yield there


async def frame(socket: ClientWebSocketResponse) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(zlib.decompress(await socket.receive_bytes(timeout=PATIENCE)))
    return message


async def until(socket: ClientWebSocketResponse, key: str, value: Any) -> dict[str, Any]:
    """The first message in which a key has this value."""
    while (message := await frame(socket))["changes"].get(key) != value:
        pass
    return message


# Frames.


async def test_a_viewer_gets_everything_and_then_what_changes() -> None:
    async with audience() as there:
        server(there).update({"row/0": [["one", ""]], "row/1": [["two", ""]]})
        async with await there.come() as socket:
            first = await frame(socket)
            assert first["whole"]
            rows = {"row/0": [["one", ""]], "row/1": [["two", ""]]}
            assert first["changes"] == {"size": [80, 24], "explore": True, **rows}
            server(there).update({"row/1": None})
            second = await frame(socket)
            assert (second["whole"], second["changes"]) == (False, {"row/1": None})
            assert second["version"] == first["version"] + 1


async def test_a_viewer_that_comes_back_gets_what_it_missed() -> None:
    async with audience() as there:
        async with await there.come() as socket:
            known = await frame(socket)
        server(there).update({"row/0": [["missed", ""]]})
        back = f"{there.address}/stream?session={known['session']}&after={known['version']}"
        headers = {"Origin": there.address}
        async with there.session.ws_connect(back, headers=headers) as socket:
            missed = await frame(socket)
            assert (missed["whole"], missed["changes"]) == (False, {"row/0": [["missed", ""]]})
        for odd in (
            "session=another&after=1",
            f"session={known['session']}&after=99999",
            "session=&after=x",
            "after=-1",
        ):
            async with there.session.ws_connect(f"{there.address}/stream?{odd}", headers=headers) as socket:
                assert (await frame(socket))["whole"]


async def test_frames_are_asked_for_one_by_one_where_there_are_no_websockets() -> None:
    async with audience() as there:
        async with there.session.get(f"{there.address}/session") as answer:
            session = (await answer.json())["session"]
            assert answer.headers["Cache-Control"] == "no-cache"
        async with there.session.get(f"{there.address}/frames/{session}/0") as answer:
            first = await answer.json()  # inflated by its Content-Encoding, as in a browser
            assert (answer.headers["Content-Encoding"], first["whole"]) == ("deflate", True)
            assert answer.headers["Cache-Control"] == "public, max-age=2, immutable"
            assert "Set-Cookie" not in answer.headers
        held = asyncio.ensure_future(there.session.get(f"{there.address}/frames/{session}/{first['version']}"))
        await met(lambda: len(there.connections) == 1)
        assert not held.done()
        server(there).update({"row/0": []})
        async with await held as answer:
            assert (await answer.json())["changes"] == {"row/0": []}
        no_versions = (f"/frames/{session}/{odd}" for odd in ("99", "9" * 200, "x", "-1"))
        for gone in (f"/frames/{session}x/1", f"/frames/x/{first['version']}", *no_versions):
            async with there.session.get(there.address + gone) as answer:
                assert (answer.status, await answer.read()) == (410, b"")


async def test_without_changes_there_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_server, "BEAT", 0.01)
    async with audience() as there, await there.come() as socket:
        await frame(socket)
        beating = asyncio.create_task(server(there).beat())
        signs = [await frame(socket) for _ in range(3)]
        beating.cancel()
        assert [sign["changes"] for sign in signs] == [{}, {}, {}]
        assert signs[0]["version"] < signs[1]["version"] < signs[2]["version"]


@pytest.mark.parametrize("sent", ['["stdin", "q"]', b"x", b"", b"x" * 10**6], ids=["text", "byte", "nothing", "long"])
async def test_a_message_on_the_stream_ends_it(sent: str | bytes) -> None:
    async with audience() as there, await there.come() as socket, await there.come() as other:
        await frame(socket)
        await frame(other)
        if isinstance(sent, str):
            await socket.send_str(sent)
        else:
            await socket.send_bytes(sent)
        message = await socket.receive(PATIENCE)
        assert message.type is WSMsgType.CLOSE
        assert message.data == (WSCloseCode.MESSAGE_TOO_BIG if sent else WSCloseCode.POLICY_VIOLATION)
        await met(lambda: server(there).viewers == 1)
        server(there).update({"row/0": [["for the other", ""]]})
        await until(other, "row/0", [["for the other", ""]])
        assert there.reports == []


class SlowViewer:
    """A viewer that reads nothing until it is told to, with as little room in the system as it gives."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> SlowViewer:
        import socket

        inner = socket.socket()
        inner.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        inner.setblocking(False)
        await asyncio.get_running_loop().sock_connect(inner, ("127.0.0.1", self.port))
        self.reader, self.writer = await asyncio.open_connection(sock=inner, limit=1024)
        self.writer.write(
            (
                f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nOrigin: http://127.0.0.1:{self.port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ).encode()
        )
        await self.reader.readuntil(b"\r\n\r\n")
        transport = self.writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()
        self.transport = transport
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def message(self) -> dict[str, Any]:
        """The next message."""
        _, length = await self.reader.readexactly(2)
        if length > 125:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        told: dict[str, Any] = json.loads(zlib.decompress(await self.reader.readexactly(length)))
        return told


def noise(n: int) -> str:
    """A text that cannot be deflated much."""
    import random

    return "".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))


async def test_a_slow_viewer_skips_to_the_latest_and_delays_nobody() -> None:
    """What waits for it does not grow with what happens meanwhile."""
    async with audience() as there, SlowViewer(there.port) as slow, await there.come() as quick:
        await met(lambda: server(there).viewers == 2)
        await frame(quick)
        for n in range(60):
            server(there).update({"row/0": noise(n), "n": n})
            assert (await frame(quick))["changes"]["n"] == n
        held = [viewer.connection.transport.get_write_buffer_size() for viewer in server(there)._streaming]
        assert 0 < max(held) <= len(server(there)._stream.difference(0))  # one frame, of the 60
        slow.transport.resume_reading()
        got = [(await slow.message())["version"]]
        while got[-1] < server(there)._stream.version:
            got.append((await slow.message())["version"])
        assert len(got) < 30
        assert got == sorted(set(got))
        server(there).update({"n": "after"})
        assert (await slow.message())["changes"]["n"] == "after"


async def test_a_viewer_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_server, "TAKEN", 0.2)
    monkeypatch.setattr(audience_server, "HEARTBEAT", None)
    monkeypatch.setattr(connections, "SMALL_BUFFERS", connections.SMALL_BUFFERS[:2])  # without the system's own limit
    async with audience() as there, SlowViewer(there.port), await there.come() as quick:
        await met(lambda: server(there).viewers == 2)
        await frame(quick)
        n = 0
        while server(there).viewers == 2:
            server(there).update({"row/0": noise(n), "n": n})
            assert (await frame(quick))["changes"]["n"] == n
            n += 1


# Places.


async def test_one_viewer_too_many_is_refused() -> None:
    async with audience(places=1) as there:
        async with await there.come() as socket:
            await frame(socket)
            with pytest.raises(WSServerHandshakeError) as refused:
                await there.come()
            assert refused.value.status == 503
        await met(lambda: server(there).viewers == 0)
        async with await there.come() as socket:
            await frame(socket)


async def test_nobody_can_take_all_places_from_one_address() -> None:
    async with audience(places=6) as there, AsyncExitStack() as stack:
        greedy = [await stack.enter_async_context(await there.come()) for _ in range(6)]
        students = []
        for n in range(2, 6):
            connector = TCPConnector(local_addr=(f"127.0.0.{n}", 0))
            session = await stack.enter_async_context(ClientSession(connector=connector))
            headers = {"Origin": there.address}
            students.append(
                await stack.enter_async_context(session.ws_connect(f"{there.address}/stream", headers=headers))
            )
        for stream in students:
            await frame(stream)
        assert server(there).viewers == 6
        with pytest.raises(WSServerHandshakeError):
            await there.come()  # the greedy one has no more than its share, but it has most
        server(there).update({"n": 1})
        for stream in (*students, *greedy[4:]):
            await until(stream, "n", 1)


async def test_those_without_a_stream_count_while_they_are_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_server, "BEAT", 0.01)
    async with audience(places=2) as there, viewer(there) as one, viewer(there) as two, viewer(there) as three:
        for session, status in ((one, 200), (one, 200), (two, 200), (three, 503), (one, 200)):
            async with session.get(f"{there.address}/answer?present") as answer:
                assert answer.status == status
        assert server(there).viewers == 2
        assert there.all_reports[-1] == "told {'viewers': 2}"
        monkeypatch.setattr(audience_server, "PRESENT", 0.0)
        beating = asyncio.create_task(server(there).beat())
        await met(lambda: server(there).viewers == 0)
        beating.cancel()
        assert there.all_reports[-1] == "told {'viewers': 0}"


# Answers.


@asynccontextmanager
async def viewer(there: Serving) -> AsyncIterator[ClientSession]:
    """A browser that has opened the page."""
    headers = {"Origin": there.address}
    async with ClientSession(cookie_jar=CookieJar(unsafe=True), headers=headers) as session:
        async with session.get(there.address) as page:
            assert page.status == 200
        yield session


async def answered(there: Serving, session: ClientSession, option: Any, question: Any = "6/2") -> int:
    body = {"question": question, "option": option}
    async with session.post(f"{there.address}/answer", json=body) as answer:
        return answer.status


async def own(there: Serving, session: ClientSession) -> Any:
    async with session.get(f"{there.address}/answer") as answer:
        return (await answer.json())["option"]


async def test_each_viewer_has_one_answer_that_it_may_change_until_the_reveal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_server, "ANSWERS", 100)
    async with audience() as there, viewer(there) as one, viewer(there) as two:
        assert await answered(there, one, 0) == 409  # nothing is asked yet
        server(there).update({"question": QUESTION})
        assert [await answered(there, one, 0), await answered(there, two, 1), await answered(there, one, 2)] == [
            200
        ] * 3
        assert there.all_reports[-1] == "told {'counts': {'question': '6/2', 'counts': [0, 1, 1]}}"
        assert (await own(there, one), await own(there, two)) == (2, 1)
        for option in (3, -1, "1", None, True):
            assert await answered(there, two, option) == 409
        server(there).update({"question": QUESTION | {"open": False, "right": 1}})
        assert await answered(there, one, 0) == 409
        assert (await own(there, one), await own(there, two)) == (2, 1)
        server(there).update({"question": QUESTION | {"id": "6/3"}})
        assert (await own(there, one), await answered(there, one, 0), await answered(there, one, 0, "6/3")) == (
            *(None, 409, 200),
        )


async def test_a_viewers_answer_is_told_to_nobody_else() -> None:
    """Not with another cookie, not on the stream, and not to one who changes the cookie."""
    async with audience() as there, viewer(there) as one, viewer(there) as two, await there.come() as socket:
        server(there).update({"question": QUESTION})
        assert await answered(there, one, 2) == 200
        assert await own(there, two) is None
        server(there).update({"row/0": []})
        message = await until(socket, "row/0", [])
        assert message["changes"] in ({"row/0": []}, {"question": QUESTION, "row/0": []})
        (cookie,) = [cookie for cookie in one.cookie_jar if cookie.key.startswith("microgpt-tui-viewer")]
        name, sign = cookie.value.split(".")
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        for forged in (f"{name}.", name, f"{name}x.{sign}", f"{name}.{sign[:-1]}", f".{sign}", "", "."):
            async with ClientSession(headers={"Cookie": f"{cookie.key}={forged}"}) as stranger:
                assert await own(there, stranger) is None


async def test_without_a_cookie_nothing_is_counted() -> None:
    """Or one who lets no cookies in would count as many."""
    async with audience() as there:
        server(there).update({"question": QUESTION})
        body = {"question": "6/2", "option": 1}
        async with there.session.post(
            f"{there.address}/answer", json=body, headers={"Origin": there.address}
        ) as answer:
            assert answer.status == 428
            assert "microgpt-tui-viewer-0" in answer.cookies
        assert not [line for line in there.all_reports if "counts" in line]


async def test_other_pages_cannot_answer_for_a_viewer() -> None:
    async with audience() as there, viewer(there) as one:
        server(there).update({"question": QUESTION})
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
            body = {"question": "6/2", "option": 1}
            async with one.post(f"{there.address}/answer", json=body, headers=headers) as answer:
                assert answer.status == 403
        assert await own(there, one) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"[]", b"{}", b'{"question": "6/2"}', b"null", b"\xff", b"[" * 400, b"{" + b" " * 10**6, b"1" * 499],
)
async def test_what_is_no_answer_is_refused(body: bytes) -> None:
    async with audience() as there, viewer(there) as one:
        server(there).update({"question": QUESTION})
        async with one.post(f"{there.address}/answer", data=body) as answer:
            assert answer.status == 400
        assert (await answered(there, one, 1), there.reports) == (200, [])


async def test_an_answer_that_comes_slowly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_server, "WHOLE_ANSWER", 0.05)
    monkeypatch.setattr(connections, "WHOLE", 0.1)  # for the rest of the body, while the answer goes out
    async with audience() as there:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
        told = "POST /answer HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 40\r\n\r\n{"
        writer.write(told.encode())
        assert b" 400 " in await reader.readline()
        writer.close()


async def test_answers_are_read_at_a_bounded_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_server, "ANSWERS", 3)
    async with audience() as there, viewer(there) as one, viewer(there) as two:
        server(there).update({"question": QUESTION})
        statuses = [await answered(there, one, n % 3) for n in range(30)]
        assert set(statuses) == {200, 429}
        assert statuses[:3] == [200, 200, 200]
        assert await answered(there, two, 1) == 200  # one does not use up what the other may


# Nothing but frames.


async def test_nothing_but_frames_and_the_page_goes_out() -> None:
    """Every address that is answered, with what it answers; no other is there, whatever the method."""
    async with audience() as there, viewer(there) as one:
        router = there.site.app().router
        known = {(route.method, resource.canonical) for resource in router.resources() for route in resource}
        read = ("", "stream", "session", "answer", "explore", "frames/{session}/{version}", "visit/{version}")
        assert known == {
            *{(method, f"/{path}") for method in ("GET", "HEAD") for path in read},
            ("POST", "/answer"),
            *{(method, path) for method in ("GET", "HEAD") for path in ("/static", "/page")},
        }
        for path in (
            "/ws",
            "/static/../audience.py",
            "/page/../__init__.py",
            "/page/%2e%2e/__init__.py",
            "/state",
            "/page",
        ):
            async with one.get(there.address + path) as answer:
                assert answer.status in (403, 404)
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            async with one.request(method, f"{there.address}/answer") as answer:
                assert answer.status == 405


# Visits.


async def explore(there: Serving, version: object) -> ClientWebSocketResponse:
    address = f"{there.address}/visit/{version}?width=90&height=30"
    return await there.session.ws_connect(address, headers={"Origin": there.address})


def moment(name: str) -> dict[str, Any]:
    return {"explore": {"arguments": ["--secret-of", name], "command": f"microgpt-tui {name}"}}


PRINTS_ITS_ARGUMENTS = PLAIN.replace('show(b"pid %d " % os.getpid())', 'show(" ".join([*sys.argv[1:], "."]).encode())')


async def test_a_viewer_explores_the_moment_that_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the lecture shows by then; what starts the process stays in the server."""
    stand_in(monkeypatch, PRINTS_ITS_ARGUMENTS)
    async with audience() as there, await there.come() as socket:
        await frame(socket)
        versions = {}
        for name in ("one", "two", "three"):
            server(there).update(moment(name) | {"row/0": name})
            message = await until(socket, "row/0", name)
            assert message["changes"] == {"explore": True, "row/0": name}
            versions[name] = message["version"]
            server(there).update({"row/0": "and on"})
        seen = {**versions, "three": "now"}
        for name, version in (("two", seen["two"]), ("one", seen["one"]), ("three", "now"), ("three", 10**9)):
            async with there.session.get(f"{there.address}/explore?at={version}") as page:
                text = await page.text()
                assert page.status == 200
                assert f'data-session-websocket-url="visit/{version}"' in text
                assert f"microgpt-tui {name}<" in text
                assert "--secret-of" not in text
            async with await explore(there, version) as visit:
                await shown(visit, f"--secret-of {name} .")
        async with await explore(there, versions["two"] + 1) as visit:
            await shown(visit, "--secret-of two .")


async def test_where_no_place_is_left_the_command_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with audience(places=1) as there:
        server(there).update(moment("--data 'a <b>'"))
        async with await explore(there, "now") as visit:
            await shown(visit, "pid")
            async with there.session.get(f"{there.address}/explore") as page:
                text = await page.text()
                assert page.status == 503
                assert "The one place to explore is taken" in text
                assert "<pre>microgpt-tui --data &#x27;a &lt;b&gt;&#x27;</pre>" in text
                assert '<a href="./">Back to the lecture</a>' in text
            with pytest.raises(WSServerHandshakeError) as refused:
                await explore(there, "now")
            assert refused.value.status == 503
        await met(lambda: there.reports[-1].endswith("left (0 of 1 here)"))
        async with there.session.get(f"{there.address}/explore") as page:
            assert page.status == 200


async def test_without_a_moment_there_is_nothing_to_explore() -> None:
    async with audience() as there:
        server(there).update({"explore": None})
        async with there.session.get(f"{there.address}/explore") as page:
            assert "There is nothing to explore" in await page.text()
        with pytest.raises(WSServerHandshakeError):
            await explore(there, "now")


async def test_visits_end_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with audience() as there, await explore(there, "now") as visit:
        found = re.search(r"pid (\d+) ", await shown(visit, "pid ", " "))
        assert found
    await met(lambda: not psutil.pid_exists(int(found[1])))
