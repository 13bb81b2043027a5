"""Reports to the server's owner about requests of strangers: one sentence of each kind, then a count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress

from microgpt_tui.texts.say import say

PERIOD = 60.0  # seconds in which a kind is reported once


class Reports:
    """Passes each kind of sentence on once in a period, so that strangers cannot fill the owner's terminal."""

    def __init__(self, show: Callable[[str], None], period: float = PERIOD) -> None:
        self._show, self._period = show, period
        self._more: dict[Hashable, int] = {}  # further sentences of each kind in this period
        self._last: dict[Hashable, str] = {}

    def say(self, kind: Hashable, sentence: str) -> None:
        """Show a sentence, or count it if one of its kind was shown in this period."""
        if kind in self._more:
            self._more[kind] += 1
            self._last[kind] = sentence
            return
        self._start(kind, sentence)

    def _start(self, kind: Hashable, sentence: str) -> None:
        self._show(sentence)
        self._more[kind] = 0
        asyncio.get_running_loop().call_later(self._period, self._end, kind)

    def _end(self, kind: Hashable) -> None:
        more = self._more.pop(kind)
        last = self._last.pop(kind, "")
        if more:
            self._start(kind, say("web.reports.more_kind_seconds_last", more=more, period=self._period, last=last))


class ReportHandler(logging.Handler):
    """Reports log records of the web server and the event loop without their tracebacks."""

    def __init__(self, reports: Reports) -> None:
        super().__init__(logging.WARNING)
        self._reports, self._loop = reports, asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record; its kind is its line of code and message template."""
        error = record.exc_info[1] if record.exc_info else None
        first = record.getMessage().split("\n", 1)[0]
        kind = (record.pathname, record.lineno, str(record.msg).split("\n", 1)[0])
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._reports.say, kind, trouble(first, error))


@contextmanager
def logged_to(reports: Reports) -> Iterator[None]:
    """A context in which what the web server and the event loop log is reported."""
    handler, loggers = ReportHandler(reports), [logging.getLogger(name) for name in ("aiohttp", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)


def trouble(what: str, error: BaseException | None) -> str:
    """A sentence about an unexpected error."""
    return say("web.reports.web_server_says", what=what) + (f" ({type(error).__name__}: {error})" if error else "")
