"""`Original`: the user's copy of `microgpt.py`, running in a process of its own, message by message.

Knows how the copy is run and when it cannot be; nothing of what its numbers should be.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.errors import EngineError

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

    def __enter__(self) -> Original:
        self._folder = tempfile.TemporaryDirectory(prefix="microgpt-verify-", ignore_cleanup_errors=True)
        Path(self._folder.name, "input.txt").write_bytes(self._data)
        # Isolated, so that nothing in the environment changes it; UTF-8, as the engine reads documents.
        command = [sys.executable, "-I", "-X", "utf8", str(CHILD), str(self.script.resolve()), str(self._until or 0)]
        self._process = subprocess.Popen(
            command, cwd=self._folder.name, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="ascii",
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
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
        for line in self._process.stdout or ():
            message = json.loads(line)
            last = message["kind"]
            if last == "cannot":
                raise self.cannot(message["why"])
            yield message
        if last not in ("end", "crash"):
            raise self.cannot(f"its process died with status {self._process.wait()}")

    def cannot(self, why: str) -> NotComparable:
        """The error for a copy that cannot be compared."""
        return NotComparable(f"{self.script} cannot be compared with the engine: {why}")
