"""A page in a headless Chromium, driven by its own protocol: type keys, wait until its terminal shows something."""

from __future__ import annotations

import asyncio
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

PATIENCE = 90.0  # seconds until a condition counts as never met
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
    "--window-size=1280,800",
)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

# The page keeps its terminal to itself. It is caught when the page's script gives it the first of its parts, and read
# as what xterm.js holds in its cells.
CATCH = """
Object.defineProperty(Object.prototype, 'fitAddon', {
  configurable: true,
  set(addon) {
    delete Object.prototype.fitAddon;
    this.fitAddon = addon;
    window.caught = this.terminal;
  },
});
"""
SCREEN = """
(() => {
  const buffer = window.caught?.buffer.active;
  return buffer ? Array.from({length: window.caught.rows}, (_, y) =>
    buffer.getLine(buffer.viewportY + y)?.translateToString(true) ?? '').join('\\n') : '';
})()
"""


class PageChangedError(Exception):
    """The page was replaced by another while a script ran in it, as after a redirection."""


class Page:
    """One page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, count(1)
        self.addresses: list[str] = []  # of all that it has asked for, in its order

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=PATIENCE)
            if answer.get("method") == "Network.requestWillBeSent":
                self.addresses.append(answer["params"]["request"]["url"])
            if answer.get("id") == number:
                if "navigated" in answer.get("error", {}).get("message", ""):
                    raise PageChangedError
                assert "error" not in answer, answer
                return answer["result"]

    async def go(self, address: str) -> None:
        """Open an address."""
        await self.call("Page.navigate", url=address)

    async def tell(self, script: str) -> Any:
        """Evaluate an expression in the page."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def press(self, key: str) -> None:
        """Type a letter."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def wait(self, *texts: str, script: str = SCREEN) -> str:
        """Wait until the terminal, or what a script reads, has all these texts; returns the whole."""
        shown = ""
        try:
            async with asyncio.timeout(PATIENCE):
                while not (shown and all(text in shown for text in texts)):
                    with suppress(PageChangedError):
                        shown = await self.tell(script) or ""
        except TimeoutError:
            raise AssertionError(f"never shown: {texts}\n{shown}") from None
        return shown

    async def picture(self, path: Path) -> None:
        """Write a picture of the page."""
        path.write_bytes(b64decode((await self.call("Page.captureScreenshot"))["data"]))


@asynccontextmanager
async def browser(folder: Path, *more: str) -> AsyncIterator[Page]:
    """A browser with an empty profile in `folder`, and an empty page; `more`: flags."""
    assert CHROMIUM is not None
    flags = (*FLAGS, *more, f"--user-data-dir={folder}", "about:blank")
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *flags, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while b"DevTools listening on ws://" not in (line := await process.stderr.readline()):
                assert line, "chromium has ended"
        port = line.decode().split("/devtools")[0].rsplit(":")[-1]
        reading = asyncio.create_task(process.stderr.read())  # or it would stop when the pipe is full
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                target = next(t for t in await answer.json(content_type=None) if t["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                await page.call("Page.enable")
                await page.call("Network.enable")
                await page.call("Page.addScriptToEvaluateOnNewDocument", source=CATCH)
                yield page
    finally:
        process.terminate()
        await process.wait()
    await reading
