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
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress

PATIENCE = 1.0  # seconds until it shows on a terminal
SILENCE = 30.0  # seconds until the first line on an error output that is no terminal
PAUSE = 60.0  # seconds between two of these lines


class Waiting:
    """A context that shows a bar (when `total` is known), a note and the time left, until the work is done.

    It shows on `stream`, by default the error output. An error output that is no terminal gets a line a minute.
    """

    def __init__(self, what: str, total: float | None = None, stream: TextIO | None = None) -> None:
        self._what, self._total, self._stream = what, total, stream or sys.stderr
        self._note, self._done = "", 0.0
        self._lock = threading.RLock()
        self._progress: Progress | None = None
        self._over = False
        self._moving = self._stream.isatty()
        self._before: Any = None  # the handler of ctrl+z
        self._set_timer(*((PATIENCE, self._show) if self._moving else (SILENCE, self._write)))

    def __enter__(self) -> Waiting:
        if self._moving or self._stream is sys.stderr:
            self._start_timer()
        if (
            sys.platform != "win32"
            and self._moving
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN  # as a shell without job control sets it
        ):
            self._before = signal.signal(signal.SIGTSTP, self._stop)
        return self

    def _set_timer(self, seconds: float, work: Callable[[], None]) -> None:
        self._timer = threading.Timer(seconds, work)
        self._timer.daemon = True

    def _start_timer(self) -> None:
        with suppress(RuntimeError):  # no more threads; the work goes on without its progress
            self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if sys.platform != "win32" and self._before is not None:
            signal.signal(signal.SIGTSTP, self._before)
        with self._lock:
            self._timer.cancel()
            del self._timer  # freed now; a ctrl+c that comes while the garbage collector does it is lost
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
        """Set how far the work is. Cheap: the progress draws the last values several times a second."""
        self._done, self._note = done, note
        self._total, self._what = total or self._total, what or self._what

    def tell(self, what: str, done: int, of: int, note: str | None = None) -> None:
        """Set what is done, and how far it is, in words of a `note`. An `of` of 0 is unknown, and is not spoken of."""
        note = note or say("cli.session.done_of", done=done, of=of)
        self.update(done, note if of else "", float(of) or None, what.capitalize())

    def print(self, line: str) -> None:
        """Print a line of results on the same stream, above the progress if that shows. Raises BrokenPipeError."""
        with self._lock:
            if self._progress is not None:
                self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                self._stream.write(line + "\n")
                self._stream.flush()

    def share(self, done: float) -> bool:
        """`update` as the engine's progress callback, whose result is whether to stop: no."""
        self.update(done)
        return False

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        waiting = self

        class TimeLeft(TimeRemainingColumn):
            def render(self, task: Task) -> Text:
                return Text.assemble(super().render(task), say("cli.progress.left")) if task.total else Text("")

        class Current(Progress):
            def get_renderables(self) -> Iterable[RenderableType]:
                note, what = printable(waiting._note), printable(waiting._what)
                for task in self.task_ids:
                    self.update(task, completed=waiting._done, total=waiting._total, note=note, description=what)
                return super().get_renderables()

        with self._lock:
            if self._over:
                return
            texts = TextColumn("{task.description}"), TextColumn("{task.fields[note]}", markup=False)
            columns = SpinnerColumn(), texts[0], BarColumn(), texts[1], TimeLeft()
            console = Console(file=self._stream)
            progress = Current(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
            progress.add_task(self._what, total=self._total, note="")
            self._progress = progress  # before it hides the cursor, so that ctrl+z can show it again
            try:
                progress.start()
            except RuntimeError:  # the system allows no more threads
                self._progress = None

    def _write(self) -> None:
        """Write a line on how far the work is, and another one after a pause."""
        with self._lock:
            if self._over:
                return
            share = f" ({self._done / self._total:.0%})" if self._total else ""
            with suppress(OSError):
                self._stream.write(printable(f"{self._what}{share} {self._note}".rstrip()) + "\n")
                self._stream.flush()
            self._set_timer(PAUSE, self._write)
            self._start_timer()
