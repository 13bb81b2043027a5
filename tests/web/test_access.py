"""Access: on loopback only for the server's own pages, elsewhere only with the token."""

from __future__ import annotations

import logging
import time

import pytest
from aiohttp import ClientSession, CookieJar, WSServerHandshakeError

from microgpt_tui.web import secret
from microgpt_tui.web.access import is_loopback
from tests.support.web_clients import Serving, serving, shown, stand_in

TOKEN = "a-token-of-the-test"


async def refusal(there: Serving, **headers: str) -> int:
    with pytest.raises(WSServerHandshakeError) as refused:
        await there.come(**headers)
    return refused.value.status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost:8000", 200), ("127.0.0.1", 200), ("127.1.2.3:80", 200), ("[::1]:8000", 200)),
        *(("evil.example:8000", 403), ("localhost.evil.example", 403), ("192.168.0.4:8000", 403), ("[", 403)),
    ],
)
async def test_on_loopback_only_loopback_names_are_answered(host: str, status: int) -> None:
    async with serving() as there, there.session.get(there.address, headers={"Host": host}) as answer:
        assert answer.status == status
        assert ("data-session-websocket-url" in await answer.text()) == (status == 200)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:1", "http://localhost", "null", "", "file://", "http://["]
)
async def test_pages_of_other_origins_do_not_get_a_websocket(origin: str) -> None:
    async with serving() as there:
        assert await refusal(there, Origin=origin) == 403
        assert there.reports == []


async def test_head_is_answered_as_get_without_a_body() -> None:
    async with serving() as there, there.session.head(there.address) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 0


async def test_a_websocket_without_an_origin_is_refused() -> None:
    async with serving() as there:
        with pytest.raises(WSServerHandshakeError):
            await there.session.ws_connect(f"{there.address}/ws")


async def test_a_form_asks_for_the_token_and_a_cookie_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with serving(token=TOKEN) as there, ClientSession(cookie_jar=CookieJar(unsafe=True)) as there.session:
        for path in ("/", "/ws", "/static/js/textual.js", "/page/terminal.js"):
            async with there.session.get(there.address + path) as answer:
                assert (answer.status, 'name="token"' in await answer.text()) == (401, True)
        assert await refusal(there) == 401
        form = {"data": {"token": f" {TOKEN} "}, "headers": {"Origin": there.address}}
        async with there.session.post(there.address, **form) as answer:
            assert answer.status == 200
            assert "HttpOnly" in answer.headers["Set-Cookie"]
            assert "SameSite=Strict" in answer.headers["Set-Cookie"]
            assert 'url=./"' in await answer.text()
        async with there.session.get(there.address) as answer:
            assert "data-session-websocket-url" in await answer.text()
        assert await refusal(there, Origin="http://evil.example") == 403
        async with await there.come() as socket:
            await shown(socket, "pid")


async def test_the_printed_address_gives_access() -> None:
    async with serving(token=TOKEN) as there, there.session.get(f"{there.address}/?token={TOKEN}") as answer:
        assert TOKEN in answer.headers["Set-Cookie"]
        assert TOKEN not in await answer.text()
        assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "가", "None"])
async def test_the_answer_to_a_wrong_token_is_delayed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    monkeypatch.setattr(secret, "PAUSE", 0.05)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.CRITICAL, "aiohttp.access")
    async with serving(token=TOKEN) as there:
        start = time.monotonic()
        async with there.session.get(there.address, params={"token": wrong}) as answer:
            assert answer.status == 403
            assert "That is not the token" in await answer.text()
            assert "Set-Cookie" not in answer.headers
        assert time.monotonic() - start >= 0.05
        async with there.session.get(there.address, headers={"Cookie": "microgpt-tui-0=wrong"}) as answer:
            assert answer.status == 401
        async with there.session.get(f"{there.address}/?token={TOKEN}"):
            pass
        assert TOKEN not in caplog.text + " ".join(there.reports)


async def test_forms_of_other_origins_are_refused() -> None:
    async with serving(token=TOKEN) as there:
        for headers in ({}, {"Origin": "http://evil.example"}):
            async with there.session.post(there.address, data={"token": TOKEN}, headers=headers) as answer:
                assert answer.status == 403


@pytest.mark.parametrize(
    ("host", "is_one"), [("localhost", True), ("::1", True), ("127.0.0.9", True), ("0.0.0.0", False), ("::", False)]
)
def test_loopback(host: str, is_one: bool) -> None:
    assert is_loopback(host) == is_one
