"""`Answers`: what the viewers have answered to the present question, one each, in memory only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Answers:
    """The answers to one question at a time, at most `most`; a viewer may change its own while the question is open."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.question: str | None = None
        self._options = 0
        self._open = False
        self._chosen: dict[str, int] = {}
        self.counts: list[int] = []
        """How many have chosen each option."""

    def ask(self, question: Mapping[str, Any] | None) -> None:
        """Take the question as the lecture tells it now; another one begins without answers."""
        name = None if question is None else str(question["id"])
        options = 0 if question is None else len(question["options"])
        if (name, options) != (self.question, self._options):
            self.question, self._options = name, options
            self._chosen, self.counts = {}, [0] * options
        self._open = question is not None and bool(question["open"])

    def answer(self, viewer: str, question: Any, option: Any) -> bool:
        """Take a viewer's answer; False if it comes too late, or is none."""
        if not self._open or question != self.question or type(option) is not int or not 0 <= option < self._options:
            return False
        before = self._chosen.get(viewer)
        if before is None and len(self._chosen) >= self._most:
            return False
        if before is not None:
            self.counts[before] -= 1
        self._chosen[viewer] = option
        self.counts[option] += 1
        return True

    def of(self, viewer: str) -> int | None:
        """What a viewer has answered."""
        return self._chosen.get(viewer)
