"""Progress of work that takes long: a moving line on a terminal, else a line a minute on the error output."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from microgpt_tui.drawing.terminal_text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, ProgressColumn

PATIENCE = 1.0  # seconds until it shows on a terminal
SILENCE = 30.0  # seconds until a line says what is being done where the error output is no terminal
PAUSE = 60.0  # seconds between two of these lines


class Waiting:
    """A line with a bar (when `total` is known), a note and the time left. It goes away with the work.

    `stream` is where it shows, the error output unless told otherwise. An error output that is no terminal gets whole
    lines, and few of them. A context manager.
    """

    def __init__(self, what: str, total: float | None = None, stream: TextIO | None = None) -> None:
        self._what, self._total, self._stream = what, total, stream or sys.stderr
        self._note, self._done = "", 0.0
        self._lock = threading.RLock()
        self._progress: Progress | None = None
        self._over = False
        self._moving = self._stream.isatty()
        self._before: Any = None  # what was done at ctrl+z
        self._timer = self._timed(PATIENCE, self._show) if self._moving else self._timed(SILENCE, self._write)

    def __enter__(self) -> Waiting:
        if self._moving or self._stream is sys.stderr:
            self._begin()
        if (
            sys.platform != "win32"
            and self._moving
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN  # somebody wants this process not to hear it
        ):
            self._before = signal.signal(signal.SIGTSTP, self._stop)
        return self

    def _timed(self, seconds: float, work: Callable[[], None]) -> threading.Timer:
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        return timer

    def _begin(self) -> None:
        with suppress(RuntimeError):  # the system allows no more threads, and this one only shows how far it is
            self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if sys.platform != "win32" and self._before is not None:
            signal.signal(signal.SIGTSTP, self._before)
        with self._lock:
            self._timer.cancel()
            self._over = True
            if self._progress is not None:
                with suppress(OSError):  # the terminal may be gone; the work is not
                    self._progress.stop()

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """ctrl+z: the progress hides the cursor, and the shell needs it."""
        self._cursor("h")
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        signal.signal(number, self._stop)
        self._cursor("l")

    def _cursor(self, how: str) -> None:
        if self._progress is not None:
            with suppress(OSError):  # past Python's buffers, which may be in use at this instant
                os.write(self._stream.fileno(), f"\x1b[?25{how}".encode())

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

            progress = Current(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
            progress.add_task(self._what, total=self._total, note="")
            self._progress = progress  # before it hides the cursor, so that ctrl+z can show it again
            try:
                progress.start()
            except RuntimeError:  # the system allows no more threads
                self._progress = None

    def _write(self) -> None:
        """Say how far the work is, in a line of its own, and again after a pause."""
        with self._lock:
            if self._over:
                return
            share = f" ({self._done / self._total:.0%})" if self._total else ""
            with suppress(OSError):
                self._stream.write(printable(f"{self._what}{share} {self._note}".rstrip()) + "\n")
                self._stream.flush()
            self._timer = self._timed(PAUSE, self._write)
            self._begin()

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
