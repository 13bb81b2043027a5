"""Texts of the user: shortened for a sentence, compared in either spelling of their letters, recognised by encoding.

A letter can be composed (ë as one character) or decomposed (e and the mark on it). Documents may have either; macOS
decomposes, keyboards mostly compose. To a person both are the same. So are a Korean syllable and its letters.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

from engine.hangul import letters
from engine.language.say import say

LONGEST = 60  # characters


def shortened(text: str, longest: int = LONGEST) -> str:
    """`text`, or the beginning of a long one, and how long it is."""
    return text if len(text) <= longest else say("engine.text.long", beginning=text[:longest], n=len(text))


def quoted(text: str) -> str:
    """`text` as Python writes it; of a long one the beginning, and how long it is."""
    return repr(text) if len(text) <= LONGEST else say("engine.text.long", beginning=repr(text[:LONGEST]), n=len(text))


def shortened_repr(value: Any) -> str:
    """Any value as Python writes it, shortened."""
    return shortened(repr(value))


def forms(text: str) -> tuple[str, ...]:
    """A text as it is, composed, decomposed, and in Korean letters; each once."""
    if text.isascii():
        return (text,)
    both = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    return tuple(dict.fromkeys((text, *both, letters(text))))


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
    return say("engine.text.several_tokens", text=text, n_found=len(found), tokens=", ".join(map(ascii, found)))


_MARKS = (  # those of UTF-32 first, since one of them begins as one of UTF-16 does
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_LOOKED_AT = 1000  # bytes from the start


def wide_encoding(raw: bytes) -> str | None:
    """UTF-16 or UTF-32, if a text is in one of these; else None.

    It is known by the byte order mark, or by ASCII characters whose every other byte is zero.
    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return name
    even, odd = raw[:_LOOKED_AT:2], raw[1:_LOOKED_AT:2]
    for zeros, written in ((odd, even), (even, odd)):
        if zeros and not any(zeros) and all(written):
            return "UTF-16"
    return None
