"""`Visits`: a client process for each websocket of a page with a terminal, at most so many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count

from aiohttp import WSMsgType, web

from engine.errors import is_out_of_memory, is_out_of_threads
from microgpt_tui.texts.say import say
from microgpt_tui.web import pages
from microgpt_tui.web.client_process import ClientProcess
from microgpt_tui.web.connections import Connection
from microgpt_tui.web.protocol import bounded_size, for_process

HEARTBEAT = 15.0  # seconds between two pings
NO_PROCESS = say("web.server.system_starts_no_more")
MAX_MESSAGE = 2**17  # bytes of a page's message: the longest paste, with all its characters escaped


class Visits:
    """The visits that go on, at most `places`.

    `warn` gets lines about trouble for the owner, `tell`, if the owner wants to know, one for each that begins or ends.
    """

    def __init__(self, places: int, warn: Callable[[str], None], tell: Callable[[str], None] | None = None) -> None:
        self.places, self._warn = places, warn
        self._tell: Callable[[str], object] = tell or str
        self._clients: set[ClientProcess] = set()
        self._numbers = count(1)

    @property
    def present(self) -> int:
        """How many go on."""
        return sum(not client.ending for client in self._clients)

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return self.present >= self.places

    def refusal(self) -> web.Response | None:
        """The page that says that all places are taken; None if there is one."""
        if not self.full:
            return None
        return pages.note(say("web.server.full", n=self.places), pages.AGAIN, status=503)

    async def connect(self, request: web.Request, arguments: Sequence[str]) -> web.StreamResponse:
        """Run `arguments` of microgpt-tui for a websocket, until either ends."""
        try:
            size = bounded_size(request.query.get("width", 80), request.query.get("height", 24))
        except ValueError:
            return pages.note(say("web.server.page_asks_terminal_no"), pages.AGAIN, status=400)
        if refusal := self.refusal():
            return refusal
        if not web.WebSocketResponse().can_prepare(request):
            return pages.no_websocket()
        if isinstance(request.protocol, Connection):
            request.protocol.release()
        page, number = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE), next(self._numbers)
        client = ClientProcess(
            arguments,
            page.send_bytes,
            lambda line: self._warn(say("web.server.visitor", number=number, says=line)),
        )
        self._clients.add(client)
        self._tell(
            say(
                "web.server.visitor_came_from_here",
                number=number,
                remote=request.remote,
                present=self.present,
                places=self.places,
            )
        )
        try:
            await page.prepare(request)
            try:
                await client.start(*size)
            except (OSError, RuntimeError) as error:  # no process, or no thread to wait for its end
                if not (is_out_of_threads(error) or is_out_of_memory(error)):
                    raise
                self._warn(say("web.server.visitor", number=number, says=NO_PROCESS))
                await page.close()
                return page
            output = asyncio.create_task(_show_output(client, page))
            await _forward_input(client, page)
            await client.end()
            await output
        finally:
            await client.end()
            self._clients.discard(client)
            self._tell(say("web.server.visitor_left_here", number=number, present=self.present, places=self.places))
        return page

    async def close(self) -> None:
        """End all client processes."""
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
