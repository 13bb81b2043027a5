"""A program in a real terminal (tmux): type keys, wait until the screen shows something."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 90.0  # seconds until a condition counts as never met; nothing waits for the clock

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """One running program."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def _tmux(self, *args: str) -> str:
        return subprocess.run(["tmux", "-L", self._socket, *args], check=True, text=True, capture_output=True).stdout

    def screen(self) -> str:
        """What the screen shows."""
        return self._tmux("capture-pane", "-p", "-t", "main")

    def press(self, *keys: str) -> None:
        """Type keys, by tmux's names."""
        self._tmux("send-keys", "-t", "main", *keys)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the window."""
        self._tmux("resize-window", "-t", "main", "-x", str(width), "-y", str(height))

    def wait(self, shows: str | Callable[[str], bool]) -> str:
        """Wait until the screen shows a text, or meets a condition; returns it."""
        met = (lambda screen: shows in screen) if isinstance(shows, str) else shows
        deadline = time.monotonic() + PATIENCE
        while not met(screen := self.screen()):
            assert time.monotonic() < deadline, f"never shown: {shows}\n{screen}"
        return screen


@contextmanager
def terminal(
    command: list[str], size: tuple[int, int] = (120, 36), cwd: Path | None = None, **environment: str
) -> Iterator[Terminal]:
    """Run `command` in a terminal of its own; when it ends, its exit status is shown as [status N]."""
    socket = f"test-{uuid.uuid4().hex[:8]}"
    settings = [f"{name}={value}" for name, value in {"COLORTERM": "truecolor", **environment}.items()]
    line = " ".join(map(shlex.quote, ["env", "-u", "COLUMNS", "-u", "LINES", *settings, *command]))
    width, height = map(str, size)
    start = ["tmux", "-L", socket, "-f", "/dev/null", "new-session", "-d", "-s", "main", "-x", width, "-y", height]
    subprocess.run([*start, "-c", str(cwd or Path.cwd()), f"{line}; echo [status $?]; cat"], check=True)
    try:
        running = Terminal(socket)
        running._tmux("set", "-g", "status", "off")
        running.resize(*size)
        yield running
    finally:
        subprocess.run(["tmux", "-L", socket, "kill-server"], capture_output=True, check=False)
