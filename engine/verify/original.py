"""`Original`: the user's copy of `microgpt.py`, running in a process of its own, message by message.

Knows how the copy is run and when it cannot be; nothing of what its numbers should be.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any

from engine.errors import EngineError

AHEAD = 4  # messages that are read before they are asked for
LOOK = 0.1  # seconds after which somebody who waits for a message hears that ctrl+c was pressed
CHILD = Path(__file__).with_name("child.py")


class NotComparable(EngineError):
    """A file that is no copy of `microgpt.py`, or a copy that differs in more than numbers."""


class Original:
    """Runs `script` with `data` for its input.txt, up to step `until` (None: all of them).

    A context manager: leaving it ends the copy, however far it is. Raises NotComparable if there is no such file.
    """

    def __init__(self, script: Path, data: bytes, until: int | None) -> None:
        if not script.is_file():
            what = "is a folder" if script.is_dir() else "does not exist"
            raise NotComparable(f"{script} {what}; give the path of your copy of microgpt.py")
        self.script, self._data, self._until = script, data, until
        self._process: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue(AHEAD)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Original:
        self._folder = tempfile.TemporaryDirectory(prefix="microgpt-verify-", ignore_cleanup_errors=True)
        Path(self._folder.name, "input.txt").write_bytes(self._data)
        # Isolated, so that nothing in the environment changes it; UTF-8, as the engine reads documents.
        command = [sys.executable, "-I", "-X", "utf8", str(CHILD), str(self.script.resolve()), str(self._until or 0)]
        self._process = subprocess.Popen(
            command, cwd=self._folder.name, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="ascii",
        )  # fmt: skip
        try:
            self._reader.start()
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
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
        self._folder.cleanup()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the copy does, see `child`: begin, step, step, ..., sample, ..., then end or crash.

        Raises NotComparable for what cannot be watched, and if the process dies.
        """
        assert self._process is not None, "enter the context first"
        last = ""
        while line := self._next():
            message = json.loads(line)
            last = message["kind"]
            if last == "cannot":
                raise self.cannot(message["why"])
            yield message
        if last not in ("end", "crash"):
            raise self.cannot(f"its process died with status {self._process.wait()}")

    def _read(self) -> None:
        """In a thread: the lines of the copy, and an empty one at the end.

        A signal that comes just before a thread waits for a pipe is not heard until the pipe says something, so the
        main thread does not wait for one.
        """
        assert self._process is not None
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def _next(self) -> str:
        """The next line; empty at the end."""
        while True:
            with suppress(Empty):
                return self._lines.get(timeout=LOOK)

    def cannot(self, why: str) -> NotComparable:
        """The error for a copy that cannot be compared."""
        return NotComparable(f"{self.script} cannot be compared with the engine: {why}")
