"""Lines that a line could become: its last word is completed from a vocabulary. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

LAST_WORD = re.compile(r"[\w.]*$")
CLOSING = ("]", ")", "'", '"')


class LineError(Exception):
    """A line that cannot be carried out: a sentence that says why and what to type, perhaps with a pointer below."""


def completed(line: str, words: Iterable[str]) -> list[str]:
    """The line with its last word completed in every possible way, in the order of `words`; not the line itself.

    After what closes a word no other begins.
    """
    found = LAST_WORD.search(line)
    start = line[found.start() :] if found else ""
    if not start and line.endswith(CLOSING):
        return []
    ways = dict.fromkeys(word for word in words if word.startswith(start) and word != start)
    return [line[: len(line) - len(start)] + word for word in ways]
