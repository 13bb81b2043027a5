"""Texts with pieces replaced."""

from __future__ import annotations


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """The text with others in the places of some of its pieces; it has to have each of them."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
