"""A document, or what somebody typed, in the middle of a sentence: never longer than that bears."""

from __future__ import annotations

LONGEST = 60  # characters


def shortened(text: str) -> str:
    """`text`, or the beginning of a long one, and how long it is."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


def quoted(text: str) -> str:
    """`text` as Python writes it; of a long one the beginning, and how long it is."""
    return repr(text) if len(text) <= LONGEST else f"{text[:LONGEST]!r}... ({len(text):,} characters)"
