"""`FrameStream`: the lecturer's screen as a table, of which each viewer gets what has changed since what it has."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any

KEPT = 64  # versions after which a deleted key is forgotten; who is further behind gets everything


class FrameStream:
    """A table of keys and values, with the version in which each has changed last.

    Viewers have no queues, only the version that they have. So a slow one skips to the latest, and costs nothing
    meanwhile. What a viewer gets is encoded once for all that are as far.
    """

    def __init__(self) -> None:
        self.session = token_urlsafe(16)
        """The name of this table; versions of another one mean nothing here."""
        self.version = 0
        self.closed = False
        self._entries: dict[str, tuple[int, str]] = {}  # when it changed, and its value as JSON; null: deleted
        self._encoded: dict[int, bytes] = {}  # of this version, by the version after which
        self._changed = asyncio.Event()

    def update(self, changes: Mapping[str, Any]) -> None:
        """Make the next version. A value of None deletes its key; no changes make a sign of life."""
        self.version += 1
        for key, value in changes.items():
            self._entries[key] = self.version, json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        forgotten = self.version - KEPT
        for key in [key for key, (when, value) in self._entries.items() if value == "null" and when <= forgotten]:
            del self._entries[key]
        self._encoded.clear()
        self._wake()

    def close(self) -> None:
        """Let all that wait go on; there is no further version."""
        self.closed = True
        self._wake()

    def knows(self, session: str, version: str) -> bool:
        """Whether there is such a version of this table, or 0, the one before all."""
        return session == self.session and version.isdecimal() and int(version[:20]) <= self.version

    async def newer(self, version: int) -> bool:
        """Wait for a version after this one; False if there will be none."""
        while self.version <= version and not self.closed:
            await self._changed.wait()
        return self.version > version

    def difference(self, after: int) -> bytes:
        """What has changed after a version, or all there is if that is not known; JSON, deflated.

        It may repeat what has changed a little earlier, so that there are few differences to encode.
        """
        behind = self.version - after
        base = self.version - (1 << (behind - 1).bit_length()) if after > 0 and 0 < behind <= KEPT else 0
        base = max(base, 0)
        if base not in self._encoded:
            self._encoded[base] = self._encode(base)
        return self._encoded[base]

    def _encode(self, base: int) -> bytes:
        entries = (
            f"{json.dumps(key)}:{value}"
            for key, (when, value) in self._entries.items()
            if when > base and (base or value != "null")
        )
        head = f'"session":"{self.session}","version":{self.version},"whole":{"false" if base else "true"}'
        return zlib.compress(f'{{{head},"changes":{{{",".join(entries)}}}}}'.encode())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
