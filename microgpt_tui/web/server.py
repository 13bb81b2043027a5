"""The web server: one page with a terminal, and a client process for each websocket."""

from __future__ import annotations

import asyncio
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
from microgpt_tui.texts.say import say
from microgpt_tui.web import pages
from microgpt_tui.web.access import AccessControl, Public
from microgpt_tui.web.client_process import GRACE, ClientProcess
from microgpt_tui.web.connections import BACKLOG, Connection, Connections, mark_answering
from microgpt_tui.web.protocol import bounded_size, for_process
from microgpt_tui.web.reports import logged_to

HEARTBEAT = 15.0  # seconds between two pings
NO_PROCESS = say("web.server.system_starts_no_more")
MAX_MESSAGE = 2**17  # bytes of a page's message: the longest paste, with all its characters escaped


class Server:
    """Serves `arguments` of microgpt-tui to at most `places` clients at once; `show` gets a line for the owner."""

    def __init__(
        self,
        arguments: Sequence[str],
        places: int,
        access: AccessControl,
        show: Callable[[str], None],
        public: Public | None = None,
    ) -> None:
        self._arguments, self._places, self._access, self._show = arguments, places, access, show
        self._public = public
        self._clients: set[ClientProcess] = set()
        self._numbers = count(1)

    def app(self) -> web.Application:
        """The web application; cleaning it up ends all client processes."""
        app = web.Application(middlewares=[mark_answering, self._access.check])
        path = self._public.path if self._public else "/"
        for prefix in {"/", path}:  # a proxy that serves it under a path may pass on the path or remove it
            app.add_routes(
                [
                    web.get(prefix, self._page),
                    web.get(f"{prefix}ws", self._connect),
                    web.static(f"{prefix}static", Path(textual_serve.__file__).parent / "static"),
                    web.static(f"{prefix}page", Path(pages.__file__).parent / "static"),
                ]
            )
        if path != "/":
            app.router.add_get(path.rstrip("/"), self._with_slash)
        app.on_response_prepare.append(pages.protector(self._public.host if self._public else None))
        app.on_shutdown.append(self._close)
        return app

    @property
    def _present(self) -> int:
        return sum(not client.ending for client in self._clients)

    async def _page(self, request: web.Request) -> web.Response:
        del request
        return self._full() or pages.terminal()

    async def _with_slash(self, request: web.Request) -> web.Response:
        del request  # the page's own addresses are relative to its address, which must end with a slash
        assert self._public is not None
        raise web.HTTPFound(self._public.path)

    def _full(self) -> web.Response | None:
        if self._present < self._places:
            return None
        return pages.note(say("web.server.full", n=self._places), pages.AGAIN, status=503)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        try:
            size = bounded_size(request.query.get("width", 80), request.query.get("height", 24))
        except ValueError:
            return pages.note(say("web.server.page_asks_terminal_no"), pages.AGAIN, status=400)
        if full := self._full():
            return full
        if not web.WebSocketResponse().can_prepare(request):
            return pages.note(say("web.server.address_websocket_no_page"), pages.AGAIN, status=400)
        if isinstance(request.protocol, Connection):
            request.protocol.release()
        page, number = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE), next(self._numbers)
        client = ClientProcess(
            self._arguments,
            page.send_bytes,
            lambda line: self._show(say("web.server.visitor", number=number, says=line)),
        )
        self._clients.add(client)
        self._show(
            say(
                "web.server.visitor_came_from_here",
                number=number,
                remote=request.remote,
                present=self._present,
                places=self._places,
            )
        )
        try:
            await page.prepare(request)
            try:
                await client.start(*size)
            except (OSError, RuntimeError) as error:  # no process, or no thread to wait for its end
                if not (is_out_of_threads(error) or is_out_of_memory(error)):
                    raise
                self._show(say("web.server.visitor", number=number, says=NO_PROCESS))
                await page.close()
                return page
            output = asyncio.create_task(_show_output(client, page))
            await _forward_input(client, page)
            await client.end()
            await output
        finally:
            await client.end()
            self._clients.discard(client)
            self._show(say("web.server.visitor_left_here", number=number, present=self._present, places=self._places))
        return page

    async def _close(self, app: web.Application) -> None:
        del app
        await asyncio.gather(*(client.end() for client in self._clients))


async def _show_output(client: ClientProcess, page: web.WebSocketResponse) -> None:
    """Show the output of the process, and close the page when it ends."""
    try:
        await client.run()
    finally:
        with suppress(ConnectionError):
            await page.close()


async def _forward_input(client: ClientProcess, page: web.WebSocketResponse) -> None:
    """Pass on what the page sends, until it is closed."""
    async for message in page:
        if message.type is WSMsgType.TEXT and (packet := for_process(message.data)):
            await client.send(packet)


@asynccontextmanager
async def opened(server: Server, listening: socket, connections: Connections) -> AsyncIterator[None]:
    """A context in which the server answers at a socket; at its end all client processes have ended."""
    runner = web.AppRunner(server.app(), shutdown_timeout=2 * GRACE)
    await runner.setup()
    assert runner.server is not None
    accept = partial(Connection, runner.server, connections)
    try:
        listener = await asyncio.get_running_loop().create_server(accept, sock=listening, backlog=BACKLOG)
        try:
            yield
        finally:
            listener.close()
    finally:
        await runner.cleanup()


def run_server(server: Server, listening: socket, connections: Connections) -> None:
    """Serve until ctrl+c, SIGTERM or the end of the terminal."""
    with suppress(KeyboardInterrupt):  # where the loop takes no signals, as on Windows
        asyncio.run(_until_signal(server, listening, connections))


async def _until_signal(server: Server, listening: socket, connections: Connections) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, stop.set)
    with logged_to(connections.reports):
        async with opened(server, listening, connections):
            await stop.wait()
