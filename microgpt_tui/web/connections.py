"""The connections to the server: how many there are, and how long each may take until it has sent a whole request.

A visit, that is, a websocket, counts among the server's places instead. When there are too many of the others, room
is made by the address that has the most of them: it loses its oldest one. So nobody keeps others out by connecting
often, and all visitors may come through one proxy, and thus from one address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError

from microgpt_tui.web.reports import Reports, trouble

try:
    import resource
except ImportError:  # Windows has no limit to speak of
    resource = None  # type: ignore[assignment]

MOST = 256  # connections that are no visits
FEWEST = 16  # with which a server is of use
BACKLOG = 64  # connections that the system accepts at once; these are beyond the bound for a moment
WHOLE = 10.0  # seconds until a request is whole
TLS = b"\x16\x03"  # how a browser begins that asks for https
IDLE = 75.0  # seconds that a connection may stay open between two requests
FILES, FILES_OF_VISITOR = 48, 12  # open files of the server itself, and of a visitor: pipes, twice while it starts


class Connection(web.RequestHandler):
    """One connection. It is closed when a request has begun, or should have, and is not whole in time."""

    def __init__(self, server: web.Server, others: Connections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # which turns it off
            auto_decompress=False,  # a small body stays small
            keepalive_timeout=IDLE,
            lingering_time=WHOLE,
        )
        self._others = others
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False
        self._began = False  # whether anything has come that is not answered
        self.address = "somebody"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the time for the first request runs."""
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else self.address
        super().connection_made(transport)
        self._start_timer()
        self._others.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._stop_timer()
        self._others.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; with its first one the time for the whole request runs."""
        if not self._answering:
            if not self._began and data.startswith(TLS):
                sentence = f"{self.address} asked for https, which only a proxy before this server understands"
                self._others.reports.say("https", sentence)
                return self.drop()
            self._began = True
            if self._timer is None:
                self._start_timer()
        return super().data_received(data)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While a request, whose head is whole, is being answered."""
        self._stop_timer()
        self._answering, self._began = True, False
        try:
            yield
        finally:
            self._answering = False

    def visit(self) -> None:
        """It has become a visit, and is no longer counted here."""
        self._others.remove(self)

    def drop(self) -> None:
        """Close it at once."""
        if self.transport is not None:
            self.transport.abort()

    def log_exception(self, *args: Any, **how: Any) -> None:
        """Report what could not be read or answered. The web server's own way would print a traceback."""
        error = how.get("exc_info")
        if isinstance(error, HttpProcessingError):
            self._others.reports.say("unreadable", f"{self.address} sent what is no request for a page; it is refused")
        else:
            what = str(args[0] % args[1:]) if args else "a request failed"
            self._others.reports.say(("failed", type(error)), trouble(what, error))

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._others.whole, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._began:  # browsers open connections that they may never use; nobody needs to hear of these
            sentence = (
                f"{self.address} sent no whole request in {self._others.whole:g} seconds; its connection is closed"
            )
            self._others.reports.say("slow", sentence)
        self.drop()


class Connections:
    """The connections that are no visits, at most `most`, oldest first."""

    def __init__(self, reports: Reports, most: int = MOST, whole: float = WHOLE) -> None:
        self.reports, self.whole = reports, whole
        self._most = most
        self._open: dict[Connection, str] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Count one more; when it is one too many, drop the oldest one of who has the most."""
        self._open[connection] = _network(connection.address)
        if len(self._open) <= self._most:
            return
        by_network: dict[str, list[Connection]] = {}
        for other, network in self._open.items():
            by_network.setdefault(network, []).append(other)
        oldest = max(by_network.values(), key=len)[0]
        self.reports.say(
            "many",
            f"there are more than {self._most} connections, most of them from {oldest.address}; "
            "the oldest from there are closed",
        )
        self.remove(oldest)
        oldest.drop()

    def remove(self, connection: Connection) -> None:
        """Count one less; one that is not counted makes no difference."""
        self._open.pop(connection, None)


@web.middleware
async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
    """Let a connection know that its request has come."""
    connection = request.protocol
    with connection.answering() if isinstance(connection, Connection) else nullcontext():
        answer: web.StreamResponse = await handler(request)
    return answer


def _network(address: str) -> str:
    """Who counts as one: an address, or the network of an address of version 6, since each of these has millions."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def allowed(visitors: int) -> int:
    """How many connections the limit on open files leaves beside the visitors. It is raised where that is possible.

    Raises ValueError with a sentence if it leaves too few.
    """
    if resource is None:
        return MOST
    others = FILES + FILES_OF_VISITOR * visitors + 2 * BACKLOG
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = others + MOST
    if soft != unlimited and soft < wanted:
        raised = wanted if hard == unlimited else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    left = MOST if soft == unlimited else min(MOST, soft - others)
    if left < FEWEST:
        raise ValueError(
            f"{visitors} visitors need {others + FEWEST} open files, and the system allows {soft} (ulimit -n); "
            "give fewer --visitors, or allow more"
        )
    return left
