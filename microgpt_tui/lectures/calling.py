"""`Call`: how to reach the lecture that is given on this computer, in a small file that only its user can read."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from engine.files import read_whole, write_whole
from microgpt_tui.desk import folder

HOST = "127.0.0.1"
LARGEST = 2**12  # bytes of a call


@dataclass(frozen=True, slots=True)
class Call:
    """A port on the loopback interface, the `token` that opens it, and the process that listens there."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    pid: int = field(default_factory=os.getpid)

    def write(self, file: Path) -> None:
        """Put it where followers look. Raises OSError."""
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(asdict(self)).encode(), mode=0o600)

    def withdraw(self, file: Path) -> None:
        """Take it away, unless another lecture's has come to its place."""
        with suppress(OSError):
            if read(file) == self:
                file.unlink()


def call_file() -> Path:
    """Where followers look."""
    return folder() / "lecture.json"


def read(file: Path) -> Call | None:
    """The call in a file; None if there is none, or its process is gone."""
    try:
        said = json.loads(read_whole(file, LARGEST))
        call = Call(int(said["port"]), str(said["token"]), int(said["pid"]))
        return call if 0 < call.port < 2**16 and psutil.pid_exists(call.pid) else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
