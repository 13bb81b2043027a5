"""`Original`: the user's copy of `microgpt.py`, running in a process of its own, message by message.

It runs the copy and says when that cannot be done; `compare` judges the numbers.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import tokenize
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any

import psutil

from engine.errors import EngineError
from engine.text import shortened, wide_encoding

AHEAD = 4  # messages that are read before they are asked for
LOOK = 0.1  # seconds between two checks for ctrl+c while waiting for a message
IDLE = 60.0  # seconds in which a copy computes next to nothing until it counts as waiting for something
SHARE = 0.01  # of a processor that is next to nothing
BUSIEST = 600.0  # seconds of the processor from one message to the next until a copy counts as endless
TAIL = 4000  # bytes of the errors that a copy prints, the last ones, from which its last line is told
LONGEST = 300  # characters of that line
SINCE = {"": "since it was started", "begin": "since its training began", "step": "since its last training step"}
CHILD = Path(__file__).with_name("instrumented_child.py")


class NotComparable(EngineError):
    """A file that is no copy of `microgpt.py`, or a copy that differs in more than numbers."""


class Original:
    """Runs `script` with `data` for its input.txt, up to step `until` (None: all of them), with `arguments`.

    A context manager: leaving it ends the copy, however far it is. Raises NotComparable if there is no such file.
    """

    def __init__(self, script: Path, data: bytes, until: int | None, arguments: Sequence[str] = ()) -> None:
        if not script.is_file():
            what = "is a folder" if script.is_dir() else "does not exist"
            raise NotComparable(f"{script} {what}; give the path of your copy of microgpt.py")
        self.script, self._data, self._until, self._arguments = script, data, until, arguments
        self.busiest = BUSIEST
        """Seconds of the processor that the copy may take from one message to the next."""
        self._check_text()
        self._process: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue(AHEAD)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._printed = b""
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def _check_text(self) -> None:
        """Raise NotComparable for a file that Python would not take for text."""
        try:
            raw = self.script.read_bytes()
        except OSError as error:
            raise self.cannot(f"it cannot be read ({error.strerror})") from None
        wide = wide_encoding(raw)
        if wide:
            raise self.cannot(f"it is {wide} text; save it as UTF-8 and try again")
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            try:
                raw.decode(tokenize.detect_encoding(io.BytesIO(raw).readline)[0])
            except (SyntaxError, ValueError):
                line = raw.count(b"\n", 0, error.start) + 1
                raise self.cannot(f"line {line} is not UTF-8 text; save it as UTF-8 and try again") from None

    def __enter__(self) -> Original:
        self._folder = tempfile.TemporaryDirectory(prefix="microgpt-verify-", ignore_cleanup_errors=True)
        Path(self._folder.name, "input.txt").write_bytes(self._data)
        # Isolated, so that nothing in the environment changes it; UTF-8, as the engine reads documents.
        command = [sys.executable, "-I", "-X", "utf8", str(CHILD), str(self.script.absolute()), str(self._until or 0)]
        command += self._arguments
        self._process = subprocess.Popen(
            command, cwd=self._folder.name, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, encoding="ascii",
        )  # fmt: skip
        try:
            self._reader.start()
            self._listener.start()
        except RuntimeError:  # the system allows no more threads; the copy does not stay behind
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            while self._reader.is_alive():  # it may wait for somebody to take what it has read
                with suppress(Empty):
                    self._lines.get(timeout=LOOK)
            if self._listener.ident is not None:  # else the system did not let it start
                self._listener.join(LOOK)
            streams = [self._process.stdin, self._process.stdout]
            if not self._listener.is_alive():  # else a process that the copy has started still holds the other end
                streams.append(self._process.stderr)
            for stream in streams:
                if stream is not None:
                    stream.close()
        self._folder.cleanup()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the copy does, see `instrumented_child`: begin, step, step, ..., sample, ..., then end, exit or crash.

        Raises NotComparable for what cannot be watched, if the process dies, and if no message comes for long.
        """
        assert self._process is not None, "enter the context first"
        last = ""
        while line := self._next(SINCE.get(last, "since its last sample")):
            message = json.loads(line)
            last = message["kind"]
            if last == "cannot":
                raise self.cannot(message["why"])
            yield message
        if last not in ("end", "exit", "crash"):
            raise self.cannot(f"its process died with status {self._process.wait()}{self.said(self.printed())}")

    def printed(self) -> str:
        """The last line that the copy, which has ended, has printed to the standard error; empty if there is none."""
        self._listener.join(1.0)  # a process that the copy has started may go on
        lines = [line.strip() for line in self._printed.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @staticmethod
    def said(text: str) -> str:
        """What the copy said before it ended, as the end of a sentence."""
        return f", after it said: {shortened(' '.join(text.split()), LONGEST)}" if text.strip() else ""

    def _read(self) -> None:
        """In a thread: the lines of the copy, and an empty one at the end.

        A signal that comes just before a thread waits for a pipe is not heard until the pipe says something, so the
        main thread does not wait for one.
        """
        assert self._process is not None
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def _listen(self) -> None:
        """In a thread: the last of what the copy prints to the standard error."""
        assert self._process is not None
        assert self._process.stderr is not None
        while piece := os.read(self._process.stderr.fileno(), 2**16):
            self._printed = (self._printed + piece)[-TAIL:]

    def _next(self, since: str) -> str:
        """The next line; empty at the end. Raises NotComparable if the copy waits or computes for too long.

        Time counts as it passes here and on the copy's processor: a machine that was busy or asleep is no fault.
        """
        begun = used = self._used()
        waited = 0.0
        while True:
            with suppress(Empty):
                return self._lines.get(timeout=LOOK)
            waited += LOOK
            now = self._used()
            if now - begun > self.busiest:
                raise self.cannot(
                    f"it has computed for {self.busiest:,g} s {since}; give it a smaller model, or end its loop"
                )
            if waited >= IDLE:
                if now - used < SHARE * IDLE:
                    raise self.cannot(
                        f"it has only waited for {IDLE:g} s {since}; take out what it waits for, such as a pause, "
                        "a lock or another program"
                    )
                used, waited = now, 0.0

    def _used(self) -> float:
        """Seconds of the processor that the copy has used."""
        assert self._process is not None
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.Error:  # it has just ended
            return 0.0
        return float(times.user + times.system)

    def cannot(self, why: str) -> NotComparable:
        """The error for a copy that cannot be compared."""
        return NotComparable(f"{self.script} cannot be compared with the engine: {why}")
