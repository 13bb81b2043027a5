"""The web server: one page with a terminal, and for each websocket that comes in a visitor with a process."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from socket import socket

import textual_serve
from aiohttp import WSMsgType, web

from engine.errors import is_out_of_memory, is_out_of_threads
from microgpt_tui.web import pages
from microgpt_tui.web.access import Door, Public
from microgpt_tui.web.client_process import GRACE, Visitor
from microgpt_tui.web.connections import BACKLOG, Connection, Connections, watch
from microgpt_tui.web.protocol import fitting, for_process
from microgpt_tui.web.reports import ReportHandler, report_of_loop

HEARTBEAT = 15.0  # seconds between two questions whether a visitor is still there
NO_PROCESS = "the system starts no more processes; close other programs, raise its limits, or give fewer --visitors"
LONGEST = 2**17  # bytes that a page may send at once: the longest paste, with all its characters escaped


class Server:
    """Serves `arguments` of microgpt-tui to at most `places` visitors at once; `tell` hears who comes and goes."""

    def __init__(
        self,
        arguments: Sequence[str],
        places: int,
        door: Door,
        tell: Callable[[str], None],
        public: Public | None = None,
    ) -> None:
        self._arguments, self._places, self._door, self._tell = arguments, places, door, tell
        self._public = public
        self._visitors: set[Visitor] = set()
        self._numbers = count(1)

    def app(self) -> web.Application:
        """The web application; cleaning it up ends all visitors."""
        app = web.Application(middlewares=[watch, self._door.guard])
        path = self._public.path if self._public else "/"
        for before in {"/", path}:  # a proxy that serves it under a path hands on the path, or leaves it out
            app.add_routes(
                [
                    web.get(before, self._page),
                    web.get(f"{before}ws", self._visit),
                    web.static(f"{before}static", Path(textual_serve.__file__).parent / "static"),
                    web.static(f"{before}page", Path(pages.__file__).parent / "static"),
                ]
            )
        if path != "/":
            app.router.add_get(path.rstrip("/"), self._with_slash)
        app.on_response_prepare.append(pages.protector(self._public.host if self._public else None))
        app.on_shutdown.append(self._close)
        return app

    @property
    def _here(self) -> int:
        return sum(not visitor.leaving for visitor in self._visitors)

    async def _page(self, request: web.Request) -> web.Response:
        del request
        return self._full() or pages.terminal()

    async def _with_slash(self, request: web.Request) -> web.Response:
        """The page's own addresses are relative to where it is, which must end with a slash."""
        del request
        assert self._public is not None
        raise web.HTTPFound(self._public.path)

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
        if not web.WebSocketResponse().can_prepare(request):
            return pages.note("This is the address of a websocket, and no page.", pages.AGAIN, status=400)
        if isinstance(request.protocol, Connection):
            request.protocol.visit()
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


@asynccontextmanager
async def opened(server: Server, listening: socket, connections: Connections) -> AsyncIterator[None]:
    """While the server answers at a socket; all visitors have ended at the end."""
    loop, reports = asyncio.get_running_loop(), connections.reports
    before = loop.get_exception_handler()
    loop.set_exception_handler(report_of_loop(reports))
    runner = web.AppRunner(server.app(), shutdown_timeout=2 * GRACE)
    await runner.setup()
    assert runner.server is not None
    accept = partial(Connection, runner.server, connections)
    try:
        listener = await loop.create_server(accept, sock=listening, backlog=BACKLOG)
        try:
            yield
        finally:
            listener.close()
    finally:
        await runner.cleanup()
        loop.set_exception_handler(before)


def run_server(server: Server, listening: socket, connections: Connections) -> None:
    """Serve until ctrl+c, SIGTERM or the end of the terminal; all visitors have ended when it returns."""
    with suppress(KeyboardInterrupt):  # where the loop takes no signals, as on Windows
        asyncio.run(_until_signal(server, listening, connections))


async def _until_signal(server: Server, listening: socket, connections: Connections) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, stop.set)
    handler = ReportHandler(connections.reports)
    for name in ("aiohttp", "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
    async with opened(server, listening, connections):
        await stop.wait()
