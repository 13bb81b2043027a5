"""The web server: one page with a terminal, and for each websocket that comes in a visitor with a process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from socket import socket

import textual_serve
from aiohttp import WSMsgType, web

from engine.errors import is_out_of_memory, is_out_of_threads
from microgpt_tui.serving import pages
from microgpt_tui.serving.door import Door
from microgpt_tui.serving.packets import fitting, for_process
from microgpt_tui.serving.visitor import GRACE, Visitor

HEARTBEAT = 15.0  # seconds between two questions whether a visitor is still there
NO_PROCESS = "the system starts no more processes; close other programs, raise its limits, or give fewer --visitors"
LONGEST = 2**20  # bytes that a page may send at once: a large paste


class Server:
    """Serves `arguments` of microgpt-tui to at most `places` visitors at once; `tell` hears who comes and goes."""

    def __init__(self, arguments: Sequence[str], places: int, door: Door, tell: Callable[[str], None]) -> None:
        self._arguments, self._places, self._door, self._tell = arguments, places, door, tell
        self._visitors: set[Visitor] = set()
        self._numbers = count(1)

    def app(self) -> web.Application:
        """The web application; cleaning it up ends all visitors."""
        app = web.Application(middlewares=[self._door.guard])
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/ws", self._visit),
                web.static("/static", Path(textual_serve.__file__).parent / "static"),
                web.static("/page", Path(pages.__file__).parent / "static"),
            ]
        )
        app.on_response_prepare.append(pages.protect)
        app.on_shutdown.append(self._close)
        return app

    @property
    def _here(self) -> int:
        return sum(not visitor.leaving for visitor in self._visitors)

    async def _page(self, request: web.Request) -> web.Response:
        return self._full() or pages.terminal(f"ws://{request.host}/ws")

    def _full(self) -> web.Response | None:
        if self._here < self._places:
            return None
        places = "The one place is" if self._places == 1 else f"All {self._places} places are"
        return pages.note(f"{places} taken; try again when somebody has left.", pages.AGAIN, status=503)

    async def _visit(self, request: web.Request) -> web.StreamResponse:
        try:
            size = fitting(request.query.get("width", 80), request.query.get("height", 24))
        except ValueError:
            return pages.note("The page asks for a terminal of no size; load it anew.", pages.AGAIN, status=400)
        if full := self._full():
            return full
        page, number = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LONGEST), next(self._numbers)
        visitor = Visitor(self._arguments, page.send_bytes, lambda line: self._tell(f"visitor {number}: {line}"))
        self._visitors.add(visitor)
        self._tell(f"visitor {number} came from {request.remote} ({self._here} of {self._places} here)")
        try:
            await page.prepare(request)
            try:
                await visitor.start(*size)
            except (OSError, RuntimeError) as error:  # no process, or no thread to wait for its end
                if not (is_out_of_threads(error) or is_out_of_memory(error)):
                    raise
                self._tell(f"visitor {number}: {NO_PROCESS}")
                await page.close()
                return page
            carrying = asyncio.create_task(_carry(visitor, page))
            await _listen(visitor, page)
            await visitor.end()
            await carrying
        finally:
            await visitor.end()
            self._visitors.discard(visitor)
            self._tell(f"visitor {number} left ({self._here} of {self._places} here)")
        return page

    async def _close(self, app: web.Application) -> None:
        del app
        await asyncio.gather(*(visitor.end() for visitor in self._visitors))


async def _carry(visitor: Visitor, page: web.WebSocketResponse) -> None:
    """Show what the process draws; when it has ended, so has the visit."""
    try:
        await visitor.run()
    finally:
        with suppress(ConnectionError):
            await page.close()


async def _listen(visitor: Visitor, page: web.WebSocketResponse) -> None:
    """Hand on what the page sends, until it is closed."""
    async for message in page:
        if message.type is WSMsgType.TEXT and (packet := for_process(message.data)):
            await visitor.send(packet)


def run(server: Server, listening: socket) -> None:
    """Serve until ctrl+c, SIGTERM or the end of the terminal; all visitors have ended when it returns."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        signal.signal(hangup, lambda *_: signal.raise_signal(signal.SIGTERM))  # the one that the web server hears
    web.run_app(server.app(), sock=listening, print=None, access_log=None, shutdown_timeout=2 * GRACE)
