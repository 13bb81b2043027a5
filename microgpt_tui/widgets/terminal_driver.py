"""Textual's driver for terminals of Linux and macOS, with which the program can be stopped and continued.

Textual takes over a terminal a second time when it is continued (SIGCONT) after a stop that it did not cause
(SIGSTOP); it then takes its own mode for the one to restore at the end. It also stops itself alone, without the
programs that wait for it, as `uv run` does, so that no shell notices.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from textual.drivers._writer_thread import WriterThread


class TerminalWriter(WriterThread):
    """Writes to the terminal until it has gone away, and throws away what comes after that.

    Textual's own ends there without a word. Its queue then fills up, and the program waits for it without an end, deaf
    to the signal that says that the terminal has gone away.
    """

    def __init__(self, file: IO[str], gone: Callable[[], None]) -> None:
        super().__init__(file)
        self._gone = gone

    def run(self) -> None:
        """Write until `stop` is called."""
        try:
            super().run()
        except OSError:
            self._gone()
            while self._queue.get() is not None:
                pass


if sys.platform != "win32":
    from textual.drivers.linux_driver import LinuxDriver

    class TerminalDriver(LinuxDriver):
        """Draws and listens as Textual does, while the program is in the foreground of its terminal."""

        _taken = False  # whether the terminal is in the program's mode

        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            if sys.__stderr__ is None or not sys.__stderr__.isatty():
                self._file = sys.__stdout__  # the error output is redirected: it keeps what is written to it

        def start_application_mode(self) -> None:
            """Take over the terminal, once the program is in its foreground."""
            while self._in_background() and _stopped(signal.SIGTTOU):
                pass
            self._taken = True
            super().start_application_mode()  # type: ignore[no-untyped-call]
            self._taken = self._writer_thread is not None and self._writer_thread.is_alive()
            if self._taken and self._writer_thread is not None and self._file is not None:
                self._writer_thread.stop()
                self._writer_thread = TerminalWriter(self._file, self._gone)
                self._writer_thread.start()

        def _gone(self) -> None:
            """The terminal has gone away: end as at the signal that says so."""
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(partial(self._app.exit, return_code=128 + signal.SIGHUP))

        def stop_application_mode(self) -> None:
            """Leave the terminal as it was found."""
            if self._taken:
                super().stop_application_mode()

        def write(self, data: str) -> None:
            """Write to the terminal; without one, nothing."""
            if self._taken:
                super().write(data)

        def close(self) -> None:
            """Have all that is to be written to the terminal written."""
            if self._taken:
                super().close()
            self._taken = False

        def suspend(self) -> bool:
            """Leave the terminal to the shell until the program is continued. False if there is none to continue it."""
            self.suspend_application_mode()
            stopped = _stopped(signal.SIGTSTP)
            self._take_again()
            return stopped

        def _take_again(self) -> None:
            self.resume_application_mode()
            self._app.refresh(layout=True)

        def _in_background(self) -> bool:
            """Whether the terminal belongs to another program, mostly the shell."""
            try:
                return os.tcgetpgrp(self.fileno) != os.getpgrp()
            except OSError:  # there is no terminal, or it has gone away
                return False

        def _sigtstp_application(self, *_: object) -> None:
            """Another process asks the program to stop: do it when Textual is not in the middle of something."""
            if self._loop.is_closed():
                os.kill(os.getpid(), signal.SIGSTOP)
            else:
                self._loop.call_soon_threadsafe(self._suspend_if_taken)

        def _sigcont_application(self, *_: object) -> None:
            """The program was stopped from outside, and is continued."""
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._continued)

        def _suspend_if_taken(self) -> None:
            if self._taken:
                self.suspend()

        def _continued(self) -> None:
            """Take the terminal anew: whoever had it meanwhile has changed its mode and what it shows."""
            if self._taken:
                while self._in_background() and _stopped(signal.SIGTTOU):
                    pass
                self.suspend_application_mode()  # this also brings the mode back that is to be restored at the end
                self._take_again()


def _stopped(number: int) -> bool:
    """Stop this program, and those that wait for it, until a shell continues them; at once with False if none can.

    The system does not stop a program by SIGTSTP or SIGTTOU if there is no shell that could continue it.
    """
    continued = False

    def note(*_: object) -> None:
        nonlocal continued
        continued = True

    if sys.platform != "win32":
        before = {each: signal.getsignal(each) for each in (number, signal.SIGCONT)}
        signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGCONT, note)
        try:
            os.kill(0, number)
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
    return continued
