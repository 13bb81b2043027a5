"""`Historian`: replays a parameter's updates over past steps in a thread, and tells the screen when it knows more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from engine import Session, Stopped
from engine.replay import course_of, replay
from engine.view import AdamStep
from microgpt_tui.frame import Course

MOST_KNOWN = 20_000  # updates kept, about 10 MB; the oldest go
REST = 0.08  # seconds without another request until work begins: it would make a held key stutter
PAUSE = 0.1  # seconds between messages while there is more to come: each of them draws the pane


class Historian:
    """Works on one request at a time, the latest. What it has learned is in `known`, by parameter row and step."""

    class Learned(Message):
        """There are new updates in `known`, or all that were asked for are there."""

    def __init__(self, owner: Screen[Any], session: Session) -> None:
        self.known: dict[tuple[int, int], AdamStep] = {}  # written by the thread alone
        self._owner, self._session = owner, session
        self._twin: Session | None = None
        self._wanted: Course | None = None  # what the thread works on, if there is one
        self._newer = threading.Event()  # set when it should work on something else
        self._lock = threading.Lock()  # held to change `_wanted`
        self._told = 0.0

    def ask(self, course: Course) -> None:
        """Learn what this course lacks, instead of whatever was asked for before. Returns at once."""
        with self._lock:
            before, self._wanted = self._wanted, course
            if before is None:
                self._owner.run_worker(self._work, thread=True, group="historian")
            elif before.row != course.row or not set(course.missing) <= set(before.missing):
                self._newer.set()

    def _work(self) -> None:
        """Answer requests until there is none. There is one such thread at most, so the twin is its own."""
        worker = get_current_worker()
        while not worker.is_cancelled:
            with self._lock:
                course = self._wanted
                self._newer.clear()
            assert course is not None
            if self._newer.wait(REST) or not self._learn(course, lambda: worker.is_cancelled or self._newer.is_set()):
                continue
            with self._lock:
                if not self._newer.is_set():
                    self._wanted = None
                    break
        self._tell()

    def _learn(self, course: Course, stop: Callable[[], bool]) -> bool:
        """Replay what is lacking; False if it was stopped before the end."""
        self._twin = self._twin or self._session.twin()
        row, steps = course.row, [step for step in course.missing if (course.row, step) not in self.known]
        try:
            for step, update in replay(self._twin, steps, course_of(row), lambda *_: stop()):
                self.known[row, step] = update
                if len(self.known) > MOST_KNOWN:
                    del self.known[next(iter(self.known))]
                if stop():
                    return False
                if time.monotonic() - self._told > PAUSE:
                    self._tell()
        except Stopped:
            return False
        return True

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._owner.post_message(self.Learned())
