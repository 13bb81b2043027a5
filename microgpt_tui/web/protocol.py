"""What goes between a browser's page, the server and a process that Textual's web driver runs in. No input or output.

The page sends JSON lists. The process reads and writes packets: a letter (D for what a terminal carries, M for JSON
about it), the length as four bytes, the most significant first, and the payload.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

READY = b"__GANGLION__\n"
"""The line that a process writes before its first packet."""

HEAD = 5
"""Bytes before the payload."""

SMALLEST, LARGEST = (20, 5), (500, 200)
"""Columns and rows that a terminal may have, so that no visitor asks for a screen of a billion cells."""


def packet(letter: bytes, payload: bytes) -> bytes:
    """One packet."""
    return letter + len(payload).to_bytes(4, "big") + payload


def fitting(width: Any, height: Any) -> tuple[int, int]:
    """The size of a terminal that somebody asks for, within reason. Raises ValueError for what is no number."""
    try:
        asked = int(width), int(height)
    except (TypeError, OverflowError):
        raise ValueError(f"{width!r} by {height!r} is no size") from None
    columns, rows = (min(max(n, low), high) for n, low, high in zip(asked, SMALLEST, LARGEST, strict=True))
    return columns, rows


def for_process(message: str) -> bytes | None:
    """A page's message as a packet for the process; None for one that says nothing to it."""
    try:
        said = json.loads(message)
        match said:
            case ["stdin", str(typed)]:
                return packet(b"D", typed.encode())
            case ["resize", {"width": width, "height": height}]:
                columns, rows = fitting(width, height)
                return _meta(type="resize", width=columns, height=rows)
            case ["focus" | "blur" as what]:
                return _meta(type=what)
    except (ValueError, RecursionError):  # no JSON, no size, or half a character
        pass
    return None


class Unpacker:
    """Makes packets of pieces of a stream of them."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The letter and the payload of each packet that a piece completes."""
        self._rest += piece
        while len(self._rest) >= HEAD:
            end = HEAD + int.from_bytes(self._rest[1:HEAD], "big")
            if len(self._rest) < end:
                return
            letter, payload = bytes(self._rest[:1]), bytes(self._rest[HEAD:end])
            del self._rest[:end]
            yield letter, payload


class PasteLimit:
    """Cuts pastes in what a terminal sends: Textual collects a paste, character by character, until its end comes.

    A paste that is cut ends there for the reader, and what follows up to its real end is left out. `cut` is called
    once for each.
    """

    BEGIN, END = "\x1b[200~", "\x1b[201~"

    def __init__(self, longest: int, cut: Callable[[], None]) -> None:
        self._longest, self._cut = longest, cut
        self._before = ""  # outside of a paste: the last characters, in which one may begin
        self._held = ""  # in a paste: characters that may be the begin of its end, and so are not passed on yet
        self._left: int | None = None  # in a paste: how many characters may still come; None outside

    def feed(self, typed: str) -> str:
        """What to pass on of it."""
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
        """What to pass on of a part of a paste. A negative rest says that this one has been cut."""
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
