"""The web server of the debugger: one page with a terminal, and a client process for each websocket."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from socket import socket

from aiohttp import web

from microgpt_tui.web import pages
from microgpt_tui.web.access import AccessControl, Public
from microgpt_tui.web.connections import Connections
from microgpt_tui.web.reports import logged_to
from microgpt_tui.web.site import WebSite, opened
from microgpt_tui.web.visits import Visits


class DebuggerServer(WebSite):
    """Serves `arguments` of microgpt-tui to at most `places` clients at once; `show` gets a line for the owner."""

    def __init__(
        self,
        arguments: Sequence[str],
        places: int,
        access: AccessControl,
        show: Callable[[str], None],
        public: Public | None = None,
    ) -> None:
        super().__init__(access, public)
        self._arguments, self._visits = arguments, Visits(places, show, show)

    def routes(self, prefix: str) -> Iterable[web.AbstractRouteDef]:
        """The page and its websocket."""
        return [web.get(prefix, self._page), web.get(f"{prefix}ws", self._connect)]

    async def close(self) -> None:
        """End all client processes."""
        await self._visits.close()

    async def _page(self, request: web.Request) -> web.Response:
        del request
        return self._visits.refusal() or pages.terminal()

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        return await self._visits.connect(request, self._arguments)


def run_server(server: DebuggerServer, listening: socket, connections: Connections) -> None:
    """Serve until ctrl+c, SIGTERM or the end of the terminal."""
    with suppress(KeyboardInterrupt):  # where the loop takes no signals, as on Windows
        asyncio.run(_until_signal(server, listening, connections))


async def _until_signal(server: DebuggerServer, listening: socket, connections: Connections) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, stop.set)
    with logged_to(connections.reports):
        async with opened(server, listening, connections):
            await stop.wait()
