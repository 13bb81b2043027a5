"""`Telling`: the side of a lecture that others on this computer follow: it hands the present notes to whoever asks.

A follower sends the token and a line break, is sent a line of JSON, and sends a line break whenever it wants to be sent
what is new by then. So a slow one never holds anything up, and is never sent anything but the latest.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from microgpt_tui.lectures.calling import HOST, Call
from microgpt_tui.lectures.notes import Notes

PATIENCE = 5.0  # seconds for sending the token, and for hanging up
MOST = 32  # followers at once
LONGEST = 256  # bytes that a follower may send at once


class Telling:
    """Tells followers. Where it may not listen, or cannot write the call to `file`, it is silent about it."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock = file, clock
        self._call: Call | None = None
        self._server: asyncio.Server | None = None
        self._followers: set[asyncio.StreamWriter] = set()
        self._notes: Notes | None = None
        self._since = 0.0  # when they were told
        self._changed = asyncio.Event()  # set when there are others, and replaced

    async def open(self) -> None:
        """Listen, if it does not already."""
        if self._server is not None:
            return
        try:
            self._server = await asyncio.start_server(self._serve, HOST, 0, limit=LONGEST)
            self._call = Call(self._server.sockets[0].getsockname()[1])
            self._call.write(self._file)
        except (OSError, RuntimeError):  # the latter where links lead in a circle
            await self.close()

    async def close(self) -> None:
        """The lecture has ended: hang up, and listen no more."""
        server, call, self._server, self._call = self._server, self._call, None, None
        if call is not None:
            call.withdraw(self._file)
        self._tell(None)
        if server is not None:
            server.close()
            for follower in self._followers:
                follower.transport.abort()
            with suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), PATIENCE)

    def tell(self, notes: Notes) -> None:
        """Let followers know, if it is new to them; that time has passed is not."""
        if self._notes is None or replace(notes, elapsed=self._notes.elapsed) != self._notes:
            self._tell(notes)

    def _tell(self, notes: Notes | None) -> None:
        self._notes, self._since = notes, self._clock()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One follower, until it is gone."""
        try:
            if len(self._followers) < MOST:
                self._followers.add(writer)
                if await self._admitted(reader):
                    await self._keep_telling(reader, writer)
        except (OSError, ValueError, EOFError):  # it is gone, says too much, or too little in time
            pass
        finally:
            self._followers.discard(writer)
            writer.transport.abort()

    async def _admitted(self, reader: asyncio.StreamReader) -> bool:
        token = await asyncio.wait_for(reader.readline(), PATIENCE)
        return self._call is not None and secrets.compare_digest(token.strip(), self._call.token.encode())

    async def _keep_telling(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told: Notes | None = None
        while self._server is not None and not reader.at_eof():
            notes = self._notes
            if notes is None or notes is told:
                await self._changed.wait()
                continue
            told = notes
            writer.write(replace(notes, elapsed=notes.elapsed + self._clock() - self._since).line())
            await writer.drain()
            await reader.readexactly(1)  # it is ready for more
