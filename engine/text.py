"""A document, or what somebody typed, in the middle of a sentence: never longer than that bears."""

from __future__ import annotations

from typing import Any

LONGEST = 60  # characters


def shortened(text: str, longest: int = LONGEST) -> str:
    """`text`, or the beginning of a long one, and how long it is."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def quoted(text: str) -> str:
    """`text` as Python writes it; of a long one the beginning, and how long it is."""
    return repr(text) if len(text) <= LONGEST else f"{text[:LONGEST]!r}... ({len(text):,} characters)"


def told(value: Any) -> str:
    """Any value as Python writes it, shortened."""
    return shortened(repr(value))
