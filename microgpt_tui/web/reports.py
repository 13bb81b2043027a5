"""What the server says to its owner about the requests of others: one sentence of a kind, and then their number."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

PERIOD = 60.0  # seconds in which a kind is said once


class Reports:
    """Sentences for the owner, who hears each kind once in a period: what strangers send must not fill a terminal."""

    def __init__(self, tell: Callable[[str], None], period: float = PERIOD) -> None:
        self._tell, self._period = tell, period
        self._more: dict[Hashable, int] = {}  # for each kind of this period, how often it came again
        self._last: dict[Hashable, str] = {}

    def say(self, kind: Hashable, sentence: str) -> None:
        """Say a sentence now, or count it if one of its kind was said a short while ago."""
        if kind in self._more:
            self._more[kind] += 1
            self._last[kind] = sentence
            return
        self._tell(sentence)
        self._begin(kind)

    def _begin(self, kind: Hashable) -> None:
        self._more[kind] = 0
        asyncio.get_running_loop().call_later(self._period, self._end, kind)

    def _end(self, kind: Hashable) -> None:
        more = self._more.pop(kind)
        last = self._last.pop(kind, "")
        if more:
            self._tell(f"{more} more of this kind in {self._period:g} seconds, the last one: {last}")
            self._begin(kind)


class ReportHandler(logging.Handler):
    """Makes a sentence of what the web server and the event loop log, which would print tracebacks."""

    def __init__(self, reports: Reports) -> None:
        super().__init__(logging.WARNING)
        self._reports, self._loop = reports, asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record; its kind is the line of code that it comes from."""
        error = record.exc_info[1] if record.exc_info else None
        first = record.getMessage().split("\n", 1)[0]
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._reports.say, (record.pathname, record.lineno), trouble(first, error))


def trouble(what: str, error: BaseException | None) -> str:
    """A sentence about something that nobody expected."""
    return f"the web server says: {what}" + (f" ({type(error).__name__}: {error})" if error else "")


def report_of_loop(reports: Reports) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """A handler for what goes wrong in the event loop itself, as when no more connections can be taken."""

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        reports.say((context["message"], type(error)), trouble(context["message"], error))

    return report
