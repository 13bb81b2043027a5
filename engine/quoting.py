"""`quoted`: a document, or what somebody typed, in quotes in the middle of a sentence."""

from __future__ import annotations

LONGEST = 60  # characters


def quoted(text: str) -> str:
    """`text` as Python writes it; of a long one the beginning, and how long it is."""
    return repr(text) if len(text) <= LONGEST else f"{text[:LONGEST]!r}... ({len(text):,} characters)"
