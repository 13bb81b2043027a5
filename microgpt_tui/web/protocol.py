"""The messages between a browser's page, the server and a client process. Pure: no input or output.

The page sends JSON lists. The process reads and writes packets: a letter (D for what a terminal carries, M for JSON
about it), the length as four bytes, the most significant first, and the payload.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from microgpt_tui.texts.say import say

READY = b"__GANGLION__\n"
"""The line that a process writes before its first packet."""

HEAD = 5
"""Bytes before the payload."""

SMALLEST, LARGEST = (20, 5), (500, 200)
"""Columns and rows that a terminal may have."""


def packet(letter: bytes, payload: bytes) -> bytes:
    """One packet."""
    return letter + len(payload).to_bytes(4, "big") + payload


def bounded_size(width: Any, height: Any) -> tuple[int, int]:
    """The size of a terminal, between SMALLEST and LARGEST. Raises ValueError for what is no number."""
    try:
        size = int(width), int(height)
    except (TypeError, OverflowError):
        raise ValueError(say("web.protocol.by_no_size", width=width, height=height)) from None
    columns, rows = (min(max(n, low), high) for n, low, high in zip(size, SMALLEST, LARGEST, strict=True))
    return columns, rows


def for_process(message: str) -> bytes | None:
    """A page's message as a packet for the process; None for one that is not for it."""
    try:
        match json.loads(message):
            case ["stdin", str(typed)]:
                return packet(b"D", typed.encode())
            case ["resize", {"width": width, "height": height}]:
                columns, rows = bounded_size(width, height)
                return _meta(type="resize", width=columns, height=rows)
            case ["focus" | "blur" as what]:
                return _meta(type=what)
    except (ValueError, RecursionError):  # no JSON, no size, or half a character
        pass
    return None


class Unpacker:
    """Splits a stream into packets."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The letter and the payload of each packet that this piece completes."""
        self._rest += piece
        while len(self._rest) >= HEAD:
            end = HEAD + int.from_bytes(self._rest[1:HEAD], "big")
            if len(self._rest) < end:
                return
            letter, payload = bytes(self._rest[:1]), bytes(self._rest[HEAD:end])
            del self._rest[:end]
            yield letter, payload


class PasteLimit:
    """Cuts long pastes in a terminal's input, since Textual collects a paste in memory until it ends.

    A paste that is cut ends there for the reader; the rest up to its real end is dropped. `cut` is called once for
    each.
    """

    BEGIN, END = "\x1b[200~", "\x1b[201~"

    def __init__(self, longest: int, cut: Callable[[], None]) -> None:
        self._longest, self._cut = longest, cut
        self._before = ""  # outside of a paste: the last characters, in which one may begin
        self._held = ""  # in a paste: characters that may be the begin of its end, and so are not passed on yet
        self._left: int | None = None  # in a paste: how many characters may still come; None outside

    def feed(self, typed: str) -> str:
        """The part of the input to pass on."""
        passed = ""
        while typed:
            if self._left is None:
                known, both = len(self._before), self._before + typed
                begin = both.find(self.BEGIN)
                if begin < 0:
                    self._before = both[1 - len(self.BEGIN) :]
                    return passed + typed
                upto = begin + len(self.BEGIN) - known
                passed, typed = passed + typed[:upto], typed[upto:]
                self._before, self._left = "", self._longest
            else:
                both, self._held = self._held + typed, ""
                end = both.find(self.END)
                inside = both if end < 0 else both[:end]
                if end < 0:
                    held = next(n for n in range(len(self.END) - 1, -1, -1) if both.endswith(self.END[:n]))
                    inside, self._held = both[: len(both) - held], both[len(both) - held :]
                passed += self._within(inside)
                typed = ""
                if end >= 0:
                    passed += self.END if self._left >= 0 else ""
                    typed, self._left = both[end + len(self.END) :], None
        return passed

    def _within(self, inside: str) -> str:
        """The part of what is typed inside a paste that is passed on. `_left` is negative after the cut."""
        assert self._left is not None
        if self._left < 0:
            return ""
        if len(inside) <= self._left:
            self._left -= len(inside)
            return inside
        taken, self._left = inside[: self._left], -1
        self._cut()
        return taken + self.END


def _meta(**about: Any) -> bytes:
    return packet(b"M", json.dumps(about).encode())
