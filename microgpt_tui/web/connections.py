"""The connections to the server: how many there are, and how long each may take until it has sent a whole request.

A websocket counts among the server's places instead. When there are too many other connections, the address that has
most of them loses its oldest one. So no stranger keeps others out, and all clients may use one proxy.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError

from microgpt_tui.texts.say import say
from microgpt_tui.web.access import network_address
from microgpt_tui.web.reports import Reports, trouble

try:
    import resource
except ImportError:  # on Windows, which has no such limit
    resource = None  # type: ignore[assignment]

MOST = 256  # connections that are no websockets
FEWEST = 16  # that a server needs
BACKLOG = 64  # connections that the system accepts at once; for a moment they exceed the bound
WHOLE = 10.0  # seconds until a request is whole
TLS = b"\x16\x03"  # how a browser begins that asks for https
IDLE = 75.0  # seconds that a connection may stay open between two requests
SMALL_BUFFERS = (  # what the system holds of a stream's bytes, and for how many ms without a sign of the other side
    (socket.SOL_SOCKET, "SO_SNDBUF", 2**16),
    (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", 2**14),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 15_000),
)
FILES, FILES_OF_CLIENT = 48, 12  # open files of the server itself, and of a client: pipes, twice while it starts


class Connection(web.RequestHandler):
    """One connection. It is closed when a request is not whole in time."""

    def __init__(self, server: web.Server, all_connections: Connections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # which turns it off
            auto_decompress=False,  # a small body stays small
            keepalive_timeout=IDLE,
            lingering_time=WHOLE,
        )
        self._all = all_connections
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False
        self._began = False  # whether a request has begun that is not answered
        self.address = say("web.connections.client")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the first request."""
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else self.address
        super().connection_made(transport)
        self._start_timer()
        self._all.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop counting it."""
        self._stop_timer()
        self._all.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request; the first one starts the time for the whole request."""
        if not self._answering:
            if not self._began and data.startswith(TLS):
                sentence = say("web.connections.asked_https_which_only", address=self.address)
                self._all.reports.say("https", sentence)
                return self.drop()
            self._began = True
            if self._timer is None:
                self._start_timer()
        return super().data_received(data)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A context in which a request, whose head is whole, is answered."""
        self._stop_timer()
        self._answering, self._began = True, False
        try:
            yield
        finally:
            self._answering = False

    def release(self) -> None:
        """Stop counting it, since it has become a websocket."""
        self._all.remove(self)

    async def drained(self) -> None:
        """Wait until the system has taken all that was written; see `Connection.hold_little`."""
        await self._drain_helper()

    def hold_little(self) -> None:
        """Keep what is written and not yet sent small, so that a slow reader gets what is new."""
        if self.transport is None:
            return
        self.transport.set_write_buffer_limits(high=0)
        inner = self.transport.get_extra_info("socket")
        for level, name, value in SMALL_BUFFERS:
            if inner is not None and (number := getattr(socket, name, None)) is not None:
                with suppress(OSError):
                    inner.setsockopt(level, number, value)

    def drop(self) -> None:
        """Close it at once."""
        if self.transport is not None:
            self.transport.abort()

    def log_exception(self, *args: Any, **how: Any) -> None:
        """Report a request that could not be read or answered, without a traceback."""
        error = how.get("exc_info")
        if isinstance(error, HttpProcessingError):
            self._all.reports.say("unreadable", say("web.connections.sent_what_no_request", address=self.address))
        else:
            what = str(args[0] % args[1:]) if args else say("web.connections.request_failed")
            self._all.reports.say(("failed", type(error)), trouble(what, error))

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._all.whole, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._began:  # browsers open connections that they may never use; these are not reported
            sentence = say("web.connections.sent_no_whole_request", address=self.address, whole=self._all.whole)
            self._all.reports.say("slow", sentence)
        self.drop()


class Connections:
    """The connections that are no websockets, at most `most`, oldest first."""

    def __init__(self, reports: Reports, most: int = MOST, whole: float = WHOLE) -> None:
        self.reports, self.whole = reports, whole
        self._most = most
        self._open: dict[Connection, str] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Count one more; above the bound, drop the oldest one of the network that has most."""
        self._open[connection] = network_address(connection.address)
        if len(self._open) <= self._most:
            return
        ((largest, _),) = Counter(self._open.values()).most_common(1)
        oldest = next(other for other, network in self._open.items() if network == largest)
        self.reports.say(
            "many",
            say("web.connections.there_more_than_connections", most=self._most, address=oldest.address),
        )
        self.remove(oldest)
        oldest.drop()

    def remove(self, connection: Connection) -> None:
        """Stop counting a connection, if it is counted."""
        self._open.pop(connection, None)


@web.middleware
async def mark_answering(request: web.Request, handler: Any) -> web.StreamResponse:
    """Tell a connection that its request is being answered."""
    connection = request.protocol
    with connection.answering() if isinstance(connection, Connection) else nullcontext():
        answer: web.StreamResponse = await handler(request)
    return answer


def max_connections(clients: int, viewers: int = 0) -> int:
    """How many connections the limit on open files allows beside clients and viewers. It is raised if possible.

    Raises ValueError with a sentence if there are too few.
    """
    most = MOST + viewers  # each viewer may have one beside its stream
    if resource is None:
        return most
    others = FILES + FILES_OF_CLIENT * clients + viewers + 2 * BACKLOG
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = others + most
    if soft != unlimited and soft < wanted:
        raised = wanted if hard == unlimited else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    rest = most if soft == unlimited else min(most, soft - others)
    if rest < FEWEST:
        needed = others + FEWEST
        if viewers:
            raise ValueError(say("web.connections.viewers_need_open_files", viewers=viewers, needed=needed, soft=soft))
        raise ValueError(say("web.connections.visitors_need_open_files", clients=clients, needed=needed, soft=soft))
    return rest
