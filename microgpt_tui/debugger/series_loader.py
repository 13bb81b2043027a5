"""`SeriesLoader`: replays figures over past steps in a thread, and tells the screen when it knows more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from engine import ConfigError, EngineError, Run, Stopped
from engine.expressions.scope import Scope
from engine.run.replay import replay
from engine.timeline.view import View
from microgpt_tui.debugger.series import Figure, Series
from microgpt_tui.texts.say import say

MOST_KNOWN = 20_000  # figures in `known`, about 10 MB; the oldest go
REST = 0.08  # seconds without another request until work begins: it would make a held key stutter
PAUSE = 0.1  # seconds between messages while there is more to come: each of them draws a pane
Wish = frozenset[tuple[Figure, int]]
"""Figures and the steps in which to read them."""


class SeriesLoader:
    """Works on the latest wish of each that asks, on all of them at once. What it has learned is in `known`."""

    class Learned(Message):
        """There are new figures in `known`, or all requested ones are there."""

    def __init__(self, owner: Screen[Any], session: Run) -> None:
        self.known: dict[tuple[Figure, int], Any] = {}  # written by the thread alone
        self._owner, self._session = owner, session
        self._scope = Scope.of_run(session)
        self._twin: Run | None = None
        self._wishes: dict[str | None, Wish] = {}
        self._working = False
        self._newer = threading.Event()  # set when the thread should work on something else
        self._lock = threading.Lock()  # held to change the wishes
        self._announced = 0.0
        self._complained = False

    def ask(self, courses: Iterable[Series[Any]], who: str | None = None) -> None:
        """Learn what these courses lack, in place of what was requested under the same name before. Returns at once."""
        wish = frozenset((course.figure, step) for course in courses for step in course.missing)
        with self._lock:
            before = self._wishes.get(who, frozenset())
            self._wishes[who] = wish
            if not self._working:
                self._working = True
                self._owner.run_worker(self._work, thread=True, group="series")
            elif not wish <= before:
                self._newer.set()

    def _work(self) -> None:
        """Answer wishes until there is none. There is one such thread at most, so its twin is its own."""
        worker = get_current_worker()
        while not worker.is_cancelled:
            with self._lock:
                wish: Wish = frozenset().union(*self._wishes.values())
                self._newer.clear()
            if self._newer.wait(REST) or not self._learn(wish, lambda: worker.is_cancelled or self._newer.is_set()):
                continue
            with self._lock:
                if not self._newer.is_set():
                    self._wishes.clear()
                    self._twin = None  # it takes as much memory as the run; the next wish makes another one
                    self._working = False
                    break
        self._tell()

    def _learn(self, wish: Wish, stop: Callable[[], bool]) -> bool:
        """Replay what is lacking; False if it was stopped before the end."""
        try:
            self._twin = self._twin or self._session.replay_copy()
        except ConfigError as error:  # no memory
            self._complain(say("debugger.series_loader.past_cannot_be_replayed", error=error))
            return True
        lacking: dict[int, list[Figure]] = {}
        for figure, step in wish - self.known.keys():
            lacking.setdefault(step, []).append(figure)
        readers = {figure: figure.reader(self._scope) for figure, _ in wish}

        def read(view: View) -> dict[tuple[Figure, int], Any]:
            step = view.moment.step
            return {(figure, step): readers[figure](view) for figure in lacking[step]}

        try:
            for _, found in replay(self._twin, lacking, read, lambda *_: stop()):
                self.known.update(found)
                while len(self.known) > MOST_KNOWN:
                    del self.known[next(iter(self.known))]
                if stop():
                    return False
                if time.monotonic() - self._announced > PAUSE:
                    self._tell()
        except Stopped:
            return False
        except EngineError:  # a fault on the way to a step that is not finished yet, or a script that runs no more
            self.known.update(dict.fromkeys(wish - self.known.keys()))
        return True

    def _complain(self, sentence: str) -> None:
        """Say once what is wrong."""
        if not self._complained:
            self._complained = True
            self._owner.app.notify(sentence, severity="warning", timeout=8, markup=False)  # any thread may

    def _tell(self) -> None:
        self._announced = time.monotonic()
        self._owner.post_message(self.Learned())
