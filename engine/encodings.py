"""Which encoding the bytes of a text file are in, where it is not UTF-8."""

from __future__ import annotations

import codecs

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
    for zeros, letters in ((odd, even), (even, odd)):
        if zeros and not any(zeros) and all(letters):
            return "UTF-16"
    return None
