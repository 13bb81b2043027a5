"""Completion of a typed line: its last word, from a vocabulary. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

LAST_WORD = re.compile(r"[\w.]*$")
CLOSING = ("]", ")", "'", '"')


class LineError(Exception):
    """A line that cannot be carried out: a sentence that says why and what to type, perhaps with a pointer below."""


def completed(line: str, words: Iterable[str]) -> list[str]:
    """The line with its last word completed in every possible way; not the line itself.

    First the words that begin with it, in the order of `words`, then those that contain it; capitals count as small
    letters. After what closes a word no other begins.
    """
    found = LAST_WORD.search(line)
    start = line[found.start() :] if found else ""
    if not start and line.endswith(CLOSING):
        return []
    sought, words = start.lower(), [word for word in dict.fromkeys(words) if word != start]
    begins = [word for word in words if word.lower().startswith(sought)]
    contains = [word for word in words if sought in word.lower() and word not in begins] if len(sought) > 1 else []
    return [line[: len(line) - len(start)] + word for word in (*begins, *contains)]
