"""A server in the test's own process, clients that are plain websockets, and small processes in place of debuggers.

There are two kinds of servers, of a debugger and of an audience; what holds for both is tested with both.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from microgpt_tui.web import client_process
from microgpt_tui.web.access import AccessControl, Public
from microgpt_tui.web.audience_server import AudienceServer
from microgpt_tui.web.connections import MOST, WHOLE, Connections
from microgpt_tui.web.reports import PERIOD, Reports
from microgpt_tui.web.secret import ShortCode, Token
from microgpt_tui.web.server import DebuggerServer
from microgpt_tui.web.site import WebSite, opened
from microgpt_tui.web.visits import Visits
from tests.support.wait import PATIENCE

ECHO = """
import os, signal, sys
{before}
def show(text):
    sys.stdout.buffer.write(b"D" + len(text).to_bytes(4, "big") + text)
    sys.stdout.buffer.flush()
sys.stdout.buffer.write(b"__GANGLION__\\n")
show(b"pid %d " % os.getpid())
while piece := os.read(0, 1000):
    if b"q" in piece[5:]:
        sys.exit()
    show(piece[5:])
{after}
"""
STUBBORN = ECHO.format(before="signal.signal(signal.SIGTERM, signal.SIG_IGN)", after="while True: signal.pause()")
PLAIN = ECHO.format(before="", after="")


def stand_in(monkeypatch: pytest.MonkeyPatch, script: str = PLAIN) -> None:
    """Start, for each client, a process that prints its id, and then what is typed; q ends it."""
    monkeypatch.setattr(client_process, "COMMAND", (sys.executable, "-c", script))


@dataclass(frozen=True)
class Kind:
    """A kind of server: what makes it, and how its pages, its websocket and its secret can be told."""

    make: Callable[[Sequence[str], int, AccessControl, Callable[[str], None], Public | None], WebSite]
    marker: str
    """What stands in its page and in no other."""
    socket: str
    """The address of its websocket."""
    secret: type[Token]
    page_file: str
    """A file that its page loads."""


def _audience(
    arguments: Sequence[str], places: int, access: AccessControl, show: Callable[[str], None], public: Public | None
) -> AudienceServer:
    visits = Visits(places, show, show)
    made = AudienceServer(places, visits, access, lambda message: show(f"told {message}"), 0, public)
    made.update({"size": [80, 24], "explore": {"arguments": arguments, "command": "microgpt-tui"}})
    return made


DEBUGGER = Kind(DebuggerServer, "data-session-websocket-url", "ws?width=120&height=36", Token, "page/terminal.js")
AUDIENCE = Kind(_audience, 'id="question"', "stream", ShortCode, "page/audience.js")
both_kinds = pytest.mark.parametrize("kind", [DEBUGGER, AUDIENCE], ids=["debugger", "audience"])


@dataclass
class Serving:
    """A running server, a browser's cookies, and the lines that the server prints."""

    kind: Kind
    site: WebSite
    address: str
    session: ClientSession
    connections: Connections
    all_reports: list[str] = field(default_factory=list)

    @property
    def reports(self) -> list[str]:
        """The lines, without the figures that the lecturer's program gets."""
        return [line for line in self.all_reports if not line.startswith("told ")]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.rpartition(":")[2])

    def come(self, **how: str) -> asyncio.Future[ClientWebSocketResponse]:
        """Connect as the server's own page does, or with other headers."""
        headers = {"Origin": self.address, **how}
        return asyncio.ensure_future(self.session.ws_connect(f"{self.address}/{self.kind.socket}", headers=headers))  # type: ignore[arg-type]


@asynccontextmanager
async def serving(
    *arguments: str,
    kind: Kind = DEBUGGER,
    token: str | None = None,
    places: int = 2,
    public: str | None = None,
    most: int = MOST,
    whole: float = WHOLE,
    period: float = PERIOD,
) -> AsyncIterator[Serving]:
    """Serve on a free port of 127.0.0.1, as the command does."""
    reports: list[str] = []
    address = None if public is None else Public.parse(public)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        access = AccessControl(kind.secret(token) if token else None, 0, address)
        site = kind.make(arguments, places, access, reports.append, address)
        connections = Connections(Reports(reports.append, period), most, whole)
        async with opened(site, listening, connections), ClientSession(cookie_jar=None) as session:
            yield Serving(kind, site, f"http://127.0.0.1:{port}", session, connections, reports)


async def shown(socket: ClientWebSocketResponse, *texts: str) -> str:
    """All that a client's terminal gets from now on, up to where it has these texts."""
    got = b""
    async with asyncio.timeout(PATIENCE):
        while not all(text.encode() in got for text in texts):
            got += await socket.receive_bytes()
    return got.decode(errors="replace")
