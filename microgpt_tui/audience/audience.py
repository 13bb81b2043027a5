"""`LiveAudience`: those who follow a lecture in their browsers: what they see, how many they are, what they answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from textual.app import App

from microgpt_tui.audience.address import JoinAddress
from microgpt_tui.audience.process import AudienceProcess, Message, ServerOptions
from microgpt_tui.audience.question import Question
from microgpt_tui.audience.results import Results, ResultsError
from microgpt_tui.audience.screen_frame import Changes, ScreenFrame
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

MOST_REPORTS, LONGEST_REPORT = 3, 300  # lines for the lecturer that wait to be shown, and characters of one
MOST = 1_000_000  # viewers that can be believed


class LiveAudience:
    """The audience of one lecture, from `open` to `close`.

    `on_news` is called, in a thread, when there is something new of it; not again before `news` was asked for.
    `results` is the file that keeps how many have chosen what.
    """

    def __init__(
        self, options: ServerOptions, results: Path | None = None, command: Sequence[str] | None = None
    ) -> None:
        """Raises ResultsError for a file that holds something else."""
        self._process = AudienceProcess(options, self._hear, self._lose, self._regain, command)
        self._frame = ScreenFrame()
        self._lock = threading.Lock()  # for what the threads of the process write
        self._told = True  # whether the news were asked for
        self._reports: deque[str] = deque(maxlen=MOST_REPORTS)
        self._question: Question | None = None  # as it was asked last
        self._counts: tuple[int, ...] = ()
        self._recorded: tuple[int, ...] = ()  # the counts of this vote that the results hold
        self._results_file, self._results = results, _earlier(results)
        self.on_news: Callable[[], object] = lambda: None
        self.address = JoinAddress("", options.code)
        self.viewers = self.most_viewers = 0
        self.address_shown = False  # whether the address was shown, so that the first page may be

    def open(self, address: Callable[[int], JoinAddress]) -> None:
        """Start the server. `address` is that of a port.

        Raises AudienceError, or ResultsError for a file that cannot be written.
        """
        if self._results_file is not None:
            self._results.write(self._results_file)
        self._process.start()
        self.address = address(self._process.port)

    def close(self) -> None:
        """End the lecture for all viewers, and keep the results. Raises ResultsError. May be called more than once."""
        self._process.close()
        self._record()
        if self._results_file is not None:
            self._results.write(self._results_file)

    # What the audience is shown.

    def show(self, app: App[Any], of_lecture: Changes) -> None:
        """Show the screen of an app as it is now, and what else there is of the lecture."""
        self._process.send(self._frame.changes(app) | of_lecture)

    def ask(self, question: Question | None) -> None:
        """Ask a question, or the same one again as it is by now; None ends the vote."""
        before = self._question
        if question == before:
            return
        if question is None or before is None or question.id != before.id:
            self._record()
            with self._lock:
                self._question, self._counts, self._recorded = question, (0,) * _options(question), ()
            return
        self._question = question
        if question.revealed:
            self._record()

    def counts_of(self, question: Question) -> tuple[int, ...]:
        """How many have chosen each option of a question."""
        with self._lock:
            asked = self._question is not None and self._question.id == question.id
            return self._counts if asked and len(self._counts) == len(question.options) else (0,) * _options(question)

    # What comes from it.

    def news(self) -> list[str]:
        """Lines for the lecturer since the last time; the viewers and their answers are as new as they are."""
        with self._lock:
            self._told = True
            reports = list(self._reports)
            self._reports.clear()
        return reports

    def _record(self) -> None:
        """Keep the counts of this vote, if there are any new ones."""
        with self._lock:
            question, counts, recorded = self._question, self._counts, self._recorded
            if question is None or not any(counts) or counts == recorded:
                return
            self._results.record(question, counts, again=bool(recorded))
            self._recorded = counts
            if self._results_file is None:
                return
            try:
                self._results.write(self._results_file, durable=False)
                return
            except ResultsError as error:
                report = f"{error}."
        self._tell(report)

    # In the threads of the process.

    def _hear(self, message: Message) -> None:
        viewers, report, answers = message.get("viewers"), message.get("report"), message.get("counts")
        if _is_number(viewers):
            self.viewers = viewers
            self.most_viewers = max(self.most_viewers, viewers)
        if isinstance(answers, dict):
            self._count(answers)
        self._tell(printable(report[:LONGEST_REPORT]) if isinstance(report, str) else "")

    def _count(self, answers: Message) -> None:
        counts = answers.get("counts")
        with self._lock:
            asked = self._question
            if asked is None or answers.get("question") != asked.id or not isinstance(counts, list):
                return
            if len(counts) == len(asked.options) and all(map(_is_number, counts)):
                self._counts = tuple(counts)

    def _lose(self) -> None:
        self._record()
        with self._lock:
            self._recorded = ()  # the next server counts anew
        self.viewers = 0
        self._tell(say("program.audience.lost"))

    def _regain(self) -> None:
        self._tell(say("program.audience.back"))

    def _tell(self, report: str = "") -> None:
        with self._lock:
            if report:
                self._reports.append(report)
            first, self._told = self._told, False
        if first:
            self.on_news()


def _earlier(results: Path | None) -> Results:
    """The results that are in a file already."""
    try:
        return Results() if results is None else Results.read(results)
    except FileNotFoundError:
        return Results()


def _options(question: Question | None) -> int:
    return 0 if question is None else len(question.options)


def _is_number(value: object) -> TypeGuard[int]:
    """Whether a value from the server can be how many there are of something."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
