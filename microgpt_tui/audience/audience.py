"""`LiveAudience`: those who follow a lecture in their browsers: what they see, how many they are, what they answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from textual.app import App

from microgpt_tui.audience.address import JoinAddress
from microgpt_tui.audience.process import AudienceProcess, Message, ServerOptions
from microgpt_tui.audience.screen_frame import Changes, ScreenFrame
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

MOST_REPORTS, LONGEST_REPORT = 3, 300  # lines for the lecturer that wait to be shown, and characters of one
MOST = 1_000_000  # viewers that can be believed


class LiveAudience:
    """The audience of one lecture. It is open from `open` to `close`.

    `on_news` is called, in a thread, when there is something new of it; not again before `news` was asked for.
    """

    def __init__(self, options: ServerOptions, command: Sequence[str] | None = None) -> None:
        self._options = options
        self._process = AudienceProcess(options, self._hear, self._lose, self._regain, command)
        self._frame = ScreenFrame()
        self._lock = threading.Lock()
        self._heard_of = False  # whether there is news that was not asked for
        self._reports: deque[str] = deque(maxlen=MOST_REPORTS)
        self.on_news: Callable[[], object] = lambda: None
        self.address = JoinAddress("", options.code)
        self.viewers = 0
        self.most_viewers = 0
        self.welcomed = False  # whether the address was shown, so that the first page may be

    def open(self, address: Callable[[int], JoinAddress]) -> None:
        """Start the server. `address` is that of a port. Raises AudienceError."""
        self._process.start()
        self.address = address(self._process.port)

    def close(self) -> None:
        """End the lecture for all viewers. May be called more than once."""
        self._process.close()

    def show(self, app: App[Any], of_lecture: Changes) -> None:
        """Show the screen of an app as it is now, and what else there is of the lecture."""
        self._process.send(self._frame.changes(app) | of_lecture)

    def news(self) -> list[str]:
        """Lines for the lecturer since the last time; viewers and answers are as new as they are."""
        with self._lock:
            self._heard_of = False
            reports = list(self._reports)
            self._reports.clear()
        return reports

    # In the threads of the process.

    def _hear(self, message: Message) -> None:
        viewers, report = message.get("viewers"), message.get("report")
        if _is_number(viewers):
            self.viewers = viewers
            self.most_viewers = max(self.most_viewers, viewers)
            self._tell()
        if isinstance(report, str):
            self._tell(printable(report)[:LONGEST_REPORT])

    def _lose(self) -> None:
        self.viewers = 0
        self._tell(say("program.audience.lost"))

    def _regain(self) -> None:
        self._tell(say("program.audience.back"))

    def _tell(self, report: str = "") -> None:
        with self._lock:
            if report:
                self._reports.append(report)
            first, self._heard_of = not self._heard_of, True
        if first:
            self.on_news()


def _is_number(value: object) -> TypeGuard[int]:
    """Whether a value from the server can be how many there are of something."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
