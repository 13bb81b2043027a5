"""The web server of an audience: frames go out to all viewers, and one answer of each comes in."""

from __future__ import annotations

import asyncio
import hmac
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from secrets import token_bytes, token_urlsafe
from time import monotonic
from typing import Any

from aiohttp import WSCloseCode, web

from microgpt_tui.texts.say import say
from microgpt_tui.web import pages
from microgpt_tui.web.access import AccessControl, Public, network_address, read_body
from microgpt_tui.web.answers import Answers
from microgpt_tui.web.connections import Connection
from microgpt_tui.web.frame_stream import FrameStream
from microgpt_tui.web.site import WebSite
from microgpt_tui.web.visits import HEARTBEAT, Visits

BEAT = 3.0  # seconds without a change until a version without changes says that the lecture goes on
TAKEN = 8.0  # seconds in which a viewer must take what it is sent
CLOSED = 0.5  # seconds for a viewer to answer that the stream is closed
AGE = 2  # seconds for which a proxy may hand out a difference again
PRESENT = 40.0  # seconds for which a viewer without a stream counts as present after it was heard of
MOMENTS = 500  # moments of the lecture that can be explored after it has gone on
MAX_ANSWER = 500  # bytes of an answer
WHOLE_ANSWER = 10.0  # seconds until an answer is whole
ANSWERS = 4  # answers a second that are read of one viewer, and, times all places, of all together


class Rate:
    """Allows so many calls a second in the long run, and as many at once."""

    def __init__(self, most: float) -> None:
        self._most = self._left = most
        self.last = monotonic()
        """When it was asked last."""

    def allows(self) -> bool:
        """Whether one more is allowed now; it counts."""
        now = monotonic()
        self._left = min(self._most, self._left + self._most * (now - self.last))
        self.last = now
        allowed = self._left >= 1
        self._left -= allowed
        return allowed


@dataclass(frozen=True)
class Explored:
    """What opens a moment of the lecture: arguments for a process of this server, and the command for elsewhere."""

    arguments: tuple[str, ...]
    command: str


@dataclass(eq=False)
class Viewer:
    """A viewer that has a stream."""

    socket: web.WebSocketResponse
    connection: Connection
    network: str
    taken: int = 0
    """The version that it has taken."""


class AudienceServer(WebSite):
    """Serves one lecture to at most `places` viewers, of whom some may explore it in visits of their own.

    `tell` gets the number of viewers, and counts of answers.
    """

    def __init__(
        self,
        places: int,
        visits: Visits,
        access: AccessControl,
        tell: Callable[[Mapping[str, Any]], None],
        port: int,
        public: Public | None = None,
    ) -> None:
        super().__init__(access, public)
        self._visits = visits
        self._explored: list[tuple[int, Explored]] = []  # since which version
        self._places, self._tell = places, tell
        self._stream, self._answers = FrameStream(), Answers(places)
        self._cookie, self._key = f"microgpt-tui-viewer-{port}", token_bytes(32)
        self._streaming: dict[Viewer, None] = {}  # the oldest first
        self._polling: dict[str, float] = {}  # when those without a stream were heard of last
        self._rates: dict[str, Rate] = {}  # of those who have answered lately
        self._rate = Rate(ANSWERS * places)
        self._told = 0
        self._updated = monotonic()

    def routes(self, prefix: str) -> Iterable[web.AbstractRouteDef]:
        """The page, the two ways to the frames, and the way of the answers."""
        return [
            web.get(prefix, self._page),
            web.get(f"{prefix}stream", self._send_frames),
            web.get(f"{prefix}session", self._send_session),
            web.get(f"{prefix}frames/{{session}}/{{version}}", self._send_difference),
            web.get(f"{prefix}answer", self._send_answer),
            web.post(f"{prefix}answer", self._take_answer),
            web.get(f"{prefix}explore", self._explore),
            web.get(f"{prefix}visit/{{version}}", self._connect),
        ]

    def update(self, changes: Mapping[str, Any]) -> None:
        """Pass changes on to all viewers."""
        if "question" in changes:
            self._answers.ask(changes["question"])
        if "explore" in changes:  # what opens a moment is for this server; viewers are told that there is something
            self._keep_moment(changes["explore"])
            changes = {**changes, "explore": changes["explore"] is not None or None}
        self._stream.update(changes)
        self._updated = monotonic()

    async def beat(self) -> None:
        """Show that the lecture goes on, and forget who has not been heard of; until it is cancelled."""
        while True:
            await asyncio.sleep(BEAT / 4)
            self._forget()
            if self._stream.version and monotonic() - self._updated >= BEAT:
                self.update({})

    async def last_seen(self, patience: float) -> None:
        """Wait until all that take something have taken the last version, at most for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while any(viewer.taken < self._stream.version for viewer in self._streaming):
                    await asyncio.sleep(0.01)

    async def close(self) -> None:
        """End all streams and visits."""
        self._stream.close()
        await self._visits.close()
        await asyncio.gather(*(viewer.socket.close(code=WSCloseCode.GOING_AWAY) for viewer in list(self._streaming)))

    @property
    def viewers(self) -> int:
        """How many look on."""
        return len(self._streaming) + len(self._polling)

    async def _page(self, request: web.Request) -> web.Response:
        page = pages.audience()
        self._give_cookie(request, page)
        return page

    # Frames.

    async def _send_frames(self, request: web.Request) -> web.StreamResponse:
        """A websocket on which every frame goes out, and nothing may come in."""
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, timeout=CLOSED, max_msg_size=1, compress=False)
        if not socket.can_prepare(request):
            return pages.no_websocket()
        connection = request.protocol
        assert isinstance(connection, Connection)
        viewer = Viewer(socket, connection, network_address(connection.address))
        if self.viewers >= self._places and not self._make_place(viewer.network):
            return self._full()
        connection.release()
        self._streaming[viewer] = None
        self._polling.pop(self._name(request) or "", None)
        self._tell_viewers()
        session, after = request.query.get("session", ""), request.query.get("after", "")
        version = int(after) if self._stream.knows(session, after) else 0
        try:
            await socket.prepare(request)
            connection.hold_little()
            sending = asyncio.create_task(self._send(viewer, version))
            try:
                await socket.receive()  # a message, which no page of this server sends; or the end
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError):
                    await sending
        finally:
            self._streaming.pop(viewer, None)
            self._tell_viewers()
        await socket.close(code=WSCloseCode.POLICY_VIOLATION)
        return socket

    async def _send(self, viewer: Viewer, version: int) -> None:
        with suppress(ConnectionError):
            while await self._stream.newer(version):
                difference, version = self._stream.difference(version), self._stream.version
                try:
                    async with asyncio.timeout(TAKEN):
                        await viewer.socket.send_bytes(difference)
                        await viewer.connection.drained()
                    viewer.taken = version
                except TimeoutError:
                    viewer.connection.drop()
                    return

    def _make_place(self, network: str) -> bool:
        """Drop the oldest stream of the network that has most, if that leaves it as many as the newcomer's has.

        So nobody can take all places from one address. Behind a proxy all have the same, and the first ones stay.
        """
        counts = Counter(viewer.network for viewer in self._streaming)
        largest, most = max(counts.items(), key=itemgetter(1), default=("", 0))
        if most <= counts[network] + 1:
            return False
        oldest = next(viewer for viewer in self._streaming if viewer.network == largest)
        del self._streaming[oldest]
        oldest.connection.drop()
        return True

    async def _send_session(self, request: web.Request) -> web.Response:
        """The name under which the frames are asked for one by one."""
        del request
        return web.json_response({"session": self._stream.session})

    async def _send_difference(self, request: web.Request) -> web.Response:
        """What is newer than a version, as soon as there is something. A proxy may ask once for all viewers."""
        session, after = request.match_info["session"], request.match_info["version"]
        if not self._stream.knows(session, after) or not await self._stream.newer(int(after)):
            return web.Response(status=410, headers={"Cache-Control": "public, max-age=1"})
        return web.Response(
            body=self._stream.difference(int(after)),
            content_type="application/json",
            headers={"Content-Encoding": "deflate", "Cache-Control": f"public, max-age={AGE}, immutable"},
        )

    # Answers.

    async def _send_answer(self, request: web.Request) -> web.Response:
        """What this viewer has answered; a sign of life of one without a stream."""
        viewer = self._name(request)
        if "present" in request.query and viewer is not None and not self._count_polling(viewer):
            return self._full()
        option = self._answers.of(viewer) if viewer else None
        answer = web.json_response({"question": self._answers.question, "option": option})
        self._give_cookie(request, answer)
        return answer

    async def _take_answer(self, request: web.Request) -> web.Response:
        viewer = self._name(request)
        own = self._rates.setdefault(viewer, Rate(ANSWERS)) if viewer else None
        if (own and not own.allows()) or not self._rate.allows():
            return _refusal(429)
        try:
            async with asyncio.timeout(WHOLE_ANSWER):
                said = json.loads(await read_body(request, MAX_ANSWER))
            question, option = said["question"], said["option"]
        except (TimeoutError, web.RequestPayloadError, ValueError, RecursionError, LookupError, TypeError):
            return _refusal(400)
        if viewer is None:  # it has to come again with the cookie, or one without cookies would count many times
            unknown = _refusal(428)
            self._give_cookie(request, unknown)
            return unknown
        if not self._answers.answer(viewer, question, option):
            return _refusal(409)
        self._tell({"counts": {"question": self._answers.question, "counts": list(self._answers.counts)}})
        return web.json_response({"taken": True})

    # Visits.

    def _keep_moment(self, explore: Mapping[str, Any] | None) -> None:
        arguments, command = (explore["arguments"], explore["command"]) if explore is not None else ((), "")
        self._explored.append((self._stream.version + 1, Explored(tuple(map(str, arguments)), str(command))))
        del self._explored[:-MOMENTS]

    def _moment(self, version: str) -> Explored:
        """What opens the moment that a viewer saw in a version; the present one, if there is no such version."""
        seen = int(version) if self._stream.knows(self._stream.session, version) else self._stream.version
        place = bisect_right(self._explored, seen, key=itemgetter(0))
        return self._explored[max(0, place - 1)][1] if self._explored else Explored((), "")

    async def _explore(self, request: web.Request) -> web.Response:
        version = request.query.get("at", "")
        moment = self._moment(version)
        if not moment.command:
            return pages.no_explorer(say("web.explore.nothing"), "")
        if self._visits.full:
            return pages.no_explorer(say("web.explore.full", n=self._visits.places), moment.command)
        return pages.explorer(f"visit/{version if version.isdecimal() else 'now'}", moment.command)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        moment = self._moment(request.match_info["version"])
        if not moment.command:
            return pages.no_explorer(say("web.explore.nothing"), "")
        return await self._visits.connect(request, moment.arguments)

    # Viewers.

    def _name(self, request: web.Request) -> str | None:
        """The name of the viewer whose cookie it is; None if this server has not made it."""
        name, _, sign = request.cookies.get(self._cookie, "").partition(".")
        return name if hmac.compare_digest(sign.encode(errors="replace"), self._sign(name).encode()) else None

    def _sign(self, name: str) -> str:
        return hmac.digest(self._key, name.encode(errors="replace"), "sha256").hex()[:32]

    def _give_cookie(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Give a viewer without a valid cookie one. It tells viewers apart, and nothing about them."""
        if self._name(request) is None:
            name = token_urlsafe(12)
            self._access.set_cookie(request, answer, self._cookie, f"{name}.{self._sign(name)}")

    def _count_polling(self, viewer: str) -> bool:
        """Count one that asks for frames one by one; False if there is no place."""
        if viewer not in self._polling and self.viewers >= self._places:
            return False
        self._polling[viewer] = monotonic()
        self._tell_viewers()
        return True

    def _forget(self) -> None:
        now = monotonic()
        self._polling = {name: heard for name, heard in self._polling.items() if now - heard <= PRESENT}
        self._rates = {name: rate for name, rate in self._rates.items() if now - rate.last <= 1}
        self._tell_viewers()

    def _tell_viewers(self) -> None:
        if self.viewers != self._told:
            self._told = self.viewers
            self._tell({"viewers": self._told})

    def _full(self) -> web.Response:
        return web.json_response({"full": self._places}, status=503)


def _refusal(status: int) -> web.Response:
    refused = web.json_response({"taken": False}, status=status)
    refused.force_close()  # whatever is left of its body
    return refused
