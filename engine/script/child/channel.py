"""Messages between the process of a script and the debugger.

Commands come as JSON lines. Messages go as JSON lines; the raw arrays that a message names follow its line.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from array import array
from typing import Any, Callable

BEAT = 0.5  # seconds between two signs of life
CHUNK = 1 << 20


def die() -> None:
    """End this process, and those that the script has started, at once."""
    try:
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)


class Channel:
    """The two pipes to the debugger. In their place the script has an empty input, and an output that is kept."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        self._in = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(2, 1)  # what programs that the script starts print is read from the standard error
        os.close(nothing)
        for kept in (self._out, self._in):
            os.set_inheritable(kept, False)
        self._lock = threading.RLock()
        self._commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._waiting = False
        self.sign: Callable[[], dict[str, Any]] = dict
        """What a sign of life tells besides that there is one."""

    def start(self) -> None:
        """Read commands and give signs of life from now on."""
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def send(self, kind: str, arrays: dict[str, array[Any]] | None = None, **what: Any) -> None:
        """One message, and the arrays that belong to it."""
        message: dict[str, Any] = {"kind": kind, **what}
        if arrays is not None:
            message["arrays"] = [[name, each.typecode, len(each)] for name, each in arrays.items()]
        line = (json.dumps(message) + "\n").encode("ascii")
        with self._lock:
            self._write(line)
            for each in (arrays or {}).values():
                if sys.byteorder == "big":
                    each = array(each.typecode, each)  # noqa: PLW2901
                    each.byteswap()
                self._write(memoryview(each).cast("B"))

    def command(self) -> dict[str, Any]:
        """The next command; waits for it."""
        self._waiting = True
        try:
            return self._commands.get()
        finally:
            self._waiting = False

    def _write(self, data: Any) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._out, view[:CHUNK]) :]
        except OSError:  # nobody reads
            die()

    def _read(self) -> None:
        """In a thread: commands, until the debugger is gone; then this process goes too."""
        try:
            with os.fdopen(self._in, "rb") as lines:
                for line in lines:
                    self._commands.put(json.loads(line))
        finally:
            die()

    def _beat(self) -> None:
        """In a thread: signs of life while the script runs."""
        pause = threading.Event()
        while True:
            pause.wait(BEAT)
            if not self._waiting:
                self.send("busy", **self.sign())
