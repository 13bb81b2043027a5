"""A progress line for work that takes longer than a second: on a terminal only, and never in the way of the results."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from microgpt_tui.printing import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, ProgressColumn

PATIENCE = 1.0  # seconds until it shows


class Waiting:
    """A line with a bar (when `total` is known), a note and the time left. It goes away with the work.

    `stream` is where it shows, the error output unless told otherwise. A context manager.
    """

    def __init__(self, what: str, total: float | None = None, stream: TextIO | None = None) -> None:
        self._what, self._total, self._stream = what, total, stream or sys.stderr
        self._note, self._done = "", 0.0
        self._lock = threading.RLock()
        self._progress: Progress | None = None
        self._over = False
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Waiting:
        if self._stream.isatty():
            self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._progress is not None:
                with suppress(OSError):  # the terminal may be gone; the work is not
                    self._progress.stop()

    def update(self, done: float, note: str = "", total: float | None = None, what: str | None = None) -> None:
        """Say how far the work is; cheap enough to be called thousands of times a second.

        The progress draws what was said last, several times a second, also when nothing is said for long after it.
        """
        self._done, self._note = done, note
        self._total, self._what = total or self._total, what or self._what

    def print(self, line: str) -> None:
        """Print a line of results on the same stream, above the progress if that shows. Raises BrokenPipeError."""
        with self._lock:
            if self._progress is not None:
                self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                self._stream.write(line + "\n")
                self._stream.flush()

    def share(self, done: float) -> bool:
        """`update` for the engine, which asks after each report whether to stop: no."""
        self.update(done)
        return False

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        with self._lock:
            if self._over:
                return
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                _left(),
            )
            console = Console(file=self._stream)
            told = self._tell

            class Current(Progress):
                def get_renderables(self) -> Iterable[RenderableType]:
                    told(self)
                    return super().get_renderables()

            self._progress = Current(
                *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._progress.add_task(self._what, total=self._total, note="")
            self._progress.start()

    def _tell(self, progress: Progress) -> None:
        """Give the progress what was said last. It does so itself before it draws."""
        note, what = printable(self._note), printable(self._what)
        for task in progress.task_ids:
            progress.update(task, completed=self._done, total=self._total, note=note, description=what)


def _left() -> ProgressColumn:
    """The time left, where it is known how much there is to do."""
    from rich.progress import Task, TimeRemainingColumn
    from rich.text import Text

    class Left(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            return Text.assemble(super().render(task), " left") if task.total else Text("")

    return Left()
