"""Letters that are written in two ways: composed, ë as one character, or decomposed, as e and the mark on it.

Documents may have either; macOS likes to decompose. Keyboards mostly compose. To a person both are the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping


def forms(text: str) -> tuple[str, ...]:
    """A text as it is, composed, and decomposed; each once."""
    if text.isascii():
        return (text,)
    return tuple(dict.fromkeys((text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))))


def same(a: str, b: str) -> bool:
    """Whether two texts are the same to a person."""
    return a == b or (not a.isascii() and unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b))


def occurs(part: str, text: str) -> bool:
    """Whether a text has this part, written in either way."""
    return any(form in text for form in forms(part))


def spelled(text: str, alphabet: Collection[str]) -> str:
    """The text with every letter written as the alphabet has it; as it is where that cannot be."""
    for form in forms(text):
        found = "".join(c if c in alphabet else unicodedata.normalize("NFD", c) for c in form)
        if all(c in alphabet for c in found):
            return found
    return text


def token_id(text: str, ids: Mapping[str, int]) -> int | None:
    """The token that a text means."""
    return next((ids[form] for form in forms(text) if form in ids), None)


def split(text: str, ids: Mapping[str, int]) -> str:
    """A sentence on a letter that is several tokens, as the documents write it; empty for any other text."""
    found = spelled(text, ids)
    if len(unicodedata.normalize("NFC", text)) != 1 or len(found) < 2 or any(c not in ids for c in found):
        return ""
    return f"{text!r} is {len(found)} tokens, as the documents write it: {', '.join(map(ascii, found))}"
