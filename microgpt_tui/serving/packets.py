"""What goes between a browser's page, the server and a process that Textual's web driver runs in. Pure functions.

The page sends JSON lists. The process reads and writes packets: a letter (D for what a terminal carries, M for JSON
about it), the length as four bytes, the most significant first, and the payload.
"""

from __future__ import annotations

import json
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


def _meta(**about: Any) -> bytes:
    return packet(b"M", json.dumps(about).encode())
