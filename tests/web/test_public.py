"""Behind a proxy or a port forwarder the page works at any path, and only at the given public address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, WSServerHandshakeError

from microgpt_tui.web.access import Public
from tests.support.chromium import Page, browser, needs_chromium
from tests.support.proxy import certificate, needs_openssl, proxy
from tests.support.wait import met
from tests.support.web_clients import Serving, serving, shown, stand_in

TOKEN = "a-token-of-the-test"
PUBLIC = "https://example.org/debugger/"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://example.org", "https://example.org/"),
        ("https://EXAMPLE.org:443/a/b", "https://example.org/a/b/"),
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9000/"),
        ("https://[::1]:8443/x/", "https://[::1]:8443/x/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_public_addresses(text: str, read: str) -> None:
    assert str(Public.parse(text)) == read


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.org", "example.org:8000", "ftp://example.org/", "https://", "https://x:99999/", "https://a b/"),
        *("https://me:secret@example.org/", "https://example.org/?token=1", "https://example.org/#a", "http://[/"),
        *("https://example.org/{a}/", "https://example.org/a b/"),
    ],
)
def test_bad_public_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="is no address of a page; write one like https"):
        Public.parse(text)


@pytest.mark.parametrize("path", ["/", "/debugger/"])
async def test_only_the_public_address_is_answered_beside_this_computers_own(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy may hand on the browser's Host or write its own, and leave out the path or not."""
    stand_in(monkeypatch)
    async with serving(public=PUBLIC) as there:
        for host, status in (
            *(("example.org", 200), ("example.org:443", 200), ("Example.org", 200), ("localhost:1", 200)),
            *(("example.org:80", 403), ("evil.example", 403)),
        ):
            async with there.session.get(there.address + path, headers={"Host": host}) as answer:
                assert answer.status == status
                policy = answer.headers["Content-Security-Policy"]
                assert "connect-src 'self' " in policy
                assert "wss://example.org" in policy
            for origin in ("https://example.org", "https://evil.example", "http://example.org.evil.example"):
                headers = {"Host": host, "Origin": origin}
                if status == 200 and origin == "https://example.org":
                    async with there.session.ws_connect(f"{there.address}{path}ws", headers=headers) as socket:
                        await shown(socket, "pid")
                else:
                    with pytest.raises(WSServerHandshakeError):
                        await there.session.ws_connect(f"{there.address}{path}ws", headers=headers)
        async with there.session.get(f"{there.address}/debugger", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "/debugger/")
        await met(lambda: there.reports[-1].endswith("left (0 of 2 here)"))


async def test_an_error_page_says_what_to_do() -> None:
    async with serving() as there:
        for headers in ({"Host": "forwarded.example"}, {"Origin": "https://forwarded.example"}):
            async with there.session.get(there.address, headers=headers) as answer:
                assert answer.status == 403
                assert "start it with --public-url" in await answer.text()


async def test_the_cookie_of_an_encrypted_page_stays_encrypted() -> None:
    async with serving(token=TOKEN, public=PUBLIC) as there:
        for host, secure in (("example.org", True), ("127.0.0.1", False)):
            async with there.session.get(f"{there.address}/?token={TOKEN}", headers={"Host": host}) as answer:
                assert ("Secure" in answer.headers["Set-Cookie"]) == secure


@asynccontextmanager
async def proxied(folder: Path, strips: bool) -> AsyncIterator[tuple[str, Serving]]:
    """The server behind a proxy with https, that asks for a token; the public address."""
    async with proxy(certificate(folder), "/a/debugger/", strips) as before:
        public = f"https://localhost:{before.port}/a/debugger/"
        async with serving(token=TOKEN, public=public) as there:
            before.target = there.port
            yield public, there


@needs_openssl
@pytest.mark.parametrize("strips", [True, False])
async def test_through_a_proxy_with_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strips: bool) -> None:
    stand_in(monkeypatch)
    async with (
        proxied(tmp_path, strips) as (public, _),
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as session,
    ):
        async with session.get(public, ssl=False) as answer:
            assert answer.status == 401
        origin = {"Origin": public.removesuffix("/a/debugger/")}
        async with session.post(public, data={"token": TOKEN}, headers=origin, ssl=False) as answer:
            assert answer.status == 200
        for path in ("", "static/js/textual.js", "page/terminal.js"):
            async with session.get(public + path, ssl=False) as answer:
                assert answer.status == 200
        async with session.ws_connect(f"{public}ws", headers=origin, ssl=False) as socket:
            await shown(socket, "pid")


PHONE = {"deviceScaleFactor": 3, "mobile": True}
SENDS = """(() => {
  const send = WebSocket.prototype.send;
  window.sent = [0];
  WebSocket.prototype.send = function (said) { window.sent.push(said.length); return send.call(this, said); };
})()"""
ROOM = "window.caught && window.caught.cols >= 80 && window.caught.rows >= 24 ? 'enough' : ''"


async def paste(page: Page, text: str) -> None:
    """Put a text on the browser's clipboard, and press ctrl+v."""
    await page.tell(
        "(() => { const area = document.createElement('textarea'); document.body.append(area);"
        f" area.value = {text!r}; area.select(); document.execCommand('copy'); area.remove();"
        " document.querySelector('.xterm-helper-textarea').focus(); })()"
    )
    key = {"key": "v", "code": "KeyV", "windowsVirtualKeyCode": 86, "modifiers": 2}
    await page.call("Input.dispatchKeyEvent", type="rawKeyDown", commands=["paste"], **key)
    await page.call("Input.dispatchKeyEvent", type="keyUp", **key)


@needs_openssl
@needs_chromium
async def test_in_a_browser_through_a_proxy_with_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with (
        proxied(tmp_path, strips=True) as (public, there),
        browser(tmp_path / "profile", "--ignore-certificate-errors") as page,
    ):
        await page.go(f"{public}?token={TOKEN}")
        await page.wait("pid ")
        await page.press("k")
        await page.wait("pid ", "k")
        socket = public.replace("https", "wss") + "ws?"
        assert await page.tell("window.location.href") == public
        assert (
            await page.tell(
                "window.caught.element.closest('[data-session-websocket-url]').dataset.sessionWebsocketUrl + '?'"
            )
            == socket
        )
        assert [asked for asked in page.addresses if not asked.startswith((public, "data:"))] == []
        await paste(page, "from the clipboard")
        await page.wait("from the clipboard")
        await page.tell(SENDS)
        await paste(page, "x" * 200_000)
        await page.wait(str(len('["stdin",""]') + 10_001), script="window.sent.join()")
        assert len(there.reports) == 1


@needs_chromium
async def test_in_a_browser_on_a_phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with serving() as there, browser(tmp_path / "profile") as page:
        await page.call("Emulation.setDeviceMetricsOverride", width=390, height=760, **PHONE)
        await page.go(there.address)
        await page.wait("pid ")
        await page.wait("enough", script=ROOM)
        await page.call("Emulation.setDeviceMetricsOverride", width=844, height=340, **PHONE)
        await page.wait("sideways", script="window.innerWidth > window.innerHeight ? 'sideways' : ''")
        await page.wait("enough", script=ROOM)
        await page.call("Emulation.setDeviceMetricsOverride", width=390, height=760, **PHONE)
        await page.wait("upright", script="window.innerWidth < window.innerHeight ? 'upright' : ''")
        await page.wait("enough", script=ROOM)
