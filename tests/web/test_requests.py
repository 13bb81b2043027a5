"""Odd requests: each kind is reported in one sentence, and does not keep other clients out."""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientWebSocketResponse

from microgpt_tui.web import access, connections, secret
from microgpt_tui.web.audience_server import AudienceServer
from microgpt_tui.web.reports import ReportHandler, Reports, logged_to
from tests.support.wait import PATIENCE, met
from tests.support.web_clients import Kind, Serving, both_kinds, serving, shown, stand_in

TOKEN = "a-token-of-the-test"
FORM = "application/x-www-form-urlencoded"
UNREADABLE = "127.0.0.1 sent what is no request for a page; it is refused"


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", "")).encode()


def post(body: bytes, kind: str = FORM, *headers: str) -> bytes:
    length = () if headers and headers[-1].startswith("Transfer") else (f"Content-Length: {len(body)}",)
    told = ("Host: localhost", "Origin: http://localhost", f"Content-Type: {kind}", *headers, *length)
    return "\r\n".join(("POST / HTTP/1.1", *told, "", "")).encode() + body


async def answer(there: Serving, request: bytes) -> bytes:
    """The first line of the answer; empty if the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
    writer.write(request)
    line = await reader.readline()
    writer.close()
    return line


@pytest.mark.parametrize(
    ("request_", "status", "told"),
    [
        pytest.param(post(b"xx", "multipart/form-data"), 401, None, id="multipart without a boundary"),
        pytest.param(post(b"xx", "multipart/form-data; boundary=b"), 401, None, id="multipart that is none"),
        pytest.param(post(b"token=x", f"{FORM}; charset=nosuch"), 403, None, id="unknown charset"),
        pytest.param(post(b"token=\xff\xfe"), 403, None, id="no UTF-8"),
        pytest.param(post(b"token=" + b"x" * 10**5), 403, None, id="long token"),
        pytest.param(post(b"&".join([b"a=1"] * 5000)), 401, None, id="many fields"),
        pytest.param(post(b"no gzip", FORM, "Content-Encoding: gzip"), 401, None, id="bad gzip"),
        pytest.param(post(b"nonsense\r\n", FORM, "Transfer-Encoding: chunked"), 400, UNREADABLE, id="bad chunks"),
        pytest.param(get("/" + "a" * 9000), 400, UNREADABLE, id="long address"),
        pytest.param(get("http://["), 400, UNREADABLE, id="bad address"),
        pytest.param(b"GET \x00 nonsense\r\n\r\n", 400, UNREADABLE, id="garbage"),
        pytest.param(get("/static/" + "a" * 3000), 404, None, id="name that no file can have"),
        pytest.param(get("/static/" + "%EA%B0%80" * 90), 404, None, id="name too long in bytes"),
        pytest.param(get("/static" + "/a" * 3000), 404, None, id="deep path"),
        pytest.param(get("/ws", "Origin: http://localhost"), 401, None, id="no websocket"),
        pytest.param(get("/", "Cookie: \xff=;;;==\x01"), 400, UNREADABLE, id="odd cookie"),
        pytest.param(
            *(b"\x16\x03\x01\x02\x00\x01", None),
            *("127.0.0.1 asked for https, which only a proxy before this server understands",),
            id="https",
        ),
    ],
)
@both_kinds
async def test_malformed_requests_are_refused(
    kind: Kind,
    request_: bytes,
    status: int | None,
    told: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(secret, "PAUSE", 0)
    request_ = request_.replace(b"token=", f"{kind.secret.FIELD}=".encode().ljust(6, b"x"))  # of the same length
    request_ = request_.replace(b"/ws", b"/" + kind.socket.encode())
    async with serving(kind=kind, token=TOKEN) as there:
        line = await answer(there, request_)
        assert line.split()[1:2] == ([] if status is None else [str(status).encode()])
        assert there.reports == ([told] if told else [])
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@both_kinds
async def test_impossible_paths_are_not_found(kind: Kind) -> None:
    async with serving(kind=kind) as there:
        for path in ("/static/" + "a" * 3000, "/static/%00", "/static/%ff", "/static" + "/a" * 3000):
            assert (await answer(there, get(path))).split()[1] == b"404"
        assert (await answer(there, get(f"/{kind.socket}", "Origin: http://localhost"))).split()[1] == b"400"
        assert there.reports == []


@both_kinds
async def test_a_silent_connection_is_closed(kind: Kind) -> None:
    async with serving(kind=kind, whole=0.05) as there:
        assert await answer(there, b"") == b""
        assert there.reports == []  # as browsers open some in advance


@both_kinds
async def test_a_slow_request_is_closed(kind: Kind) -> None:
    async with serving(kind=kind) as there:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
        writer.write(get("/"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"Content-Length: (\d+)", head)
        assert length
        await reader.readexactly(int(length[1]))
        there.connections.whole = 0.05
        writer.write(get("/")[:-2])
        assert await reader.read() == b""
        writer.close()
        assert there.reports == ["127.0.0.1 sent no whole request in 0.05 seconds; its connection is closed"]


async def still_there(there: Serving, visit: ClientWebSocketResponse) -> None:
    """Wait until a websocket gets what is sent to it now."""
    if isinstance(there.site, AudienceServer):
        there.site.update({"row/0": [["still here", ""]]})
        while b"still here" not in zlib.decompress(await visit.receive_bytes(timeout=PATIENCE)):
            pass
    else:
        await visit.send_str('["stdin", "still here"]')
        await shown(visit, "still here")


@both_kinds
async def test_the_time_limit_of_requests_does_not_apply_to_websockets(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    async with serving(kind=kind, whole=0.5) as there, await there.come() as visit:
        assert await answer(there, b"") == b""  # the time of one that came later is over
        await still_there(there, visit)


@both_kinds
async def test_a_slow_form_is_refused(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "WHOLE_FORM", 0.05)
    monkeypatch.setattr(connections, "WHOLE", 0.1)  # for the rest of the body, while the answer goes out
    async with serving(kind=kind, token=TOKEN) as there:
        assert (await answer(there, post(b"token=x")[:-1])).split()[1] == b"408"


@both_kinds
async def test_silent_connections_do_not_exclude_others(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with serving(kind=kind, most=4) as there, AsyncExitStack() as stack:
        visit = await stack.enter_async_context(await there.come())
        other, its_end = await asyncio.open_connection("127.0.0.1", there.port, local_addr=("127.0.0.2", 0))
        stack.callback(its_end.close)
        silent = [await asyncio.open_connection("127.0.0.1", there.port) for _ in range(40)]
        for _, writer in silent:
            stack.callback(writer.close)
        assert await silent[0][0].read() == b""  # the oldest has been closed
        async with there.session.get(there.address) as page:
            assert page.status == 200
        await met(lambda: len(there.connections) <= 4)
        its_end.write(get("/"))
        assert (await other.readline()).split()[1] == b"200"  # none of the address that has few
        await still_there(there, visit)
        sentence = "there are more than 4 connections, most of them from 127.0.0.1; the oldest from there are closed"
        assert there.reports[-1] == sentence
        assert there.reports.count(sentence) == 1


@both_kinds
async def test_repeated_reports_are_counted(kind: Kind) -> None:
    async with serving(kind=kind, period=0.2) as there:
        for _ in range(4):
            await answer(there, b"GET \x00 nonsense\r\n\r\n")
        await met(lambda: len(there.reports) >= 2)
        assert there.reports[0] == UNREADABLE
        assert re.fullmatch(rf"\d more of this kind in 0.2 seconds, the last one: {UNREADABLE}", there.reports[1])


@both_kinds
async def test_an_error_of_the_loop_or_a_log_record_is_reported_in_one_sentence(kind: Kind) -> None:
    reports: list[str] = []
    error = {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")}
    async with serving(kind=kind) as there:
        with logged_to(there.connections.reports):
            for _ in range(100):
                asyncio.get_running_loop().call_exception_handler(error)
        await met(lambda: bool(there.reports))
        sentence = "socket.accept() out of system resource (OSError: [Errno 24] Too many open files)"
        assert there.reports == [f"the web server says: {sentence}"]
    logger = logging.Logger("of the test")
    logger.addHandler(ReportHandler(Reports(reports.append)))
    for number in range(3):
        try:
            raise ValueError(number)
        except ValueError:
            logger.exception("it broke\nin two lines")
    await met(lambda: bool(reports))
    assert reports == ["the web server says: it broke (ValueError: 0)"]


@pytest.mark.parametrize(
    ("limit", "left"),
    [((64, 64), None), ((256, 256), None), ((300, 300), 28), ((300, 400), 128), ((300, 10**6), 256), ((-1, -1), 256)],
)
def test_the_limit_on_open_files_bounds_connections(
    limit: tuple[int, int], left: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource", reason="this system has no such limit")
    now = limit

    def change(_: int, to: tuple[int, int]) -> None:
        nonlocal now
        now = to

    monkeypatch.setattr(resource, "getrlimit", lambda _: now)
    monkeypatch.setattr(resource, "setrlimit", change)
    if left is None:
        with pytest.raises(
            ValueError, match=r"8 visitors need 288 open files, and the system allows \d+ \(ulimit -n\)"
        ):
            connections.max_connections(8)
    else:
        assert connections.max_connections(8) == left
