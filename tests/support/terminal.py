"""A program in a real terminal (tmux): type keys, wait until the screen shows something."""

from __future__ import annotations

import os
import select
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
LOOK = 0.05  # seconds between two looks at what is not on the screen, and so tells nobody that it has changed

# The loops run uncompiled, with the same bits: a process that has little to do starts in half the time.
PLAIN = {"NUMBA_DISABLE_JIT": "1"}
COMPILED = {"NUMBA_DISABLE_JIT": "0"}

UNLIKE = "[unlike before]"  # said of a terminal that was not left as it was found

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

Shows = str | Callable[[str], bool]


class Terminal:
    """One running program, behind a client of tmux that is told of all that the program writes."""

    def __init__(self, client: subprocess.Popen[bytes]) -> None:
        assert client.stdin is not None
        assert client.stdout is not None
        self._commands, self._told, self._lines = client.stdin, client.stdout.fileno(), b""
        self._answer()  # to attaching

    def _line(self) -> bytes:
        while b"\n" not in self._lines:
            more = os.read(self._told, 2**16)
            assert more, "tmux has ended"
            self._lines += more
        line, _, self._lines = self._lines.partition(b"\n")
        return line

    def _answer(self) -> str:
        """What tmux answers to a command, all between two marks; what it tells unasked comes before them."""
        while not (line := self._line()).startswith(b"%begin "):
            pass
        mark, answer = line.removeprefix(b"%begin"), []
        while (line := self._line()) not in (b"%end" + mark, b"%error" + mark):
            answer.append(line)
        text = b"\n".join(answer).decode()
        assert line.startswith(b"%end"), text
        return text

    def _tmux(self, *args: str) -> str:
        self._commands.write(shlex.join(args).encode() + b"\n")
        self._commands.flush()
        return self._answer()

    def listen(self) -> None:
        """Wait until the program has written something, or for a moment."""
        if not self._lines:
            select.select([self._told], [], [], LOOK)

    def screen(self, styles: bool = False) -> str:
        """What the screen shows; with its escape sequences, if asked for."""
        return self._tmux("capture-pane", "-p", *["-e"] * styles, "-t", "main") + "\n"

    def press(self, *keys: str) -> None:
        """Type keys, by tmux's names."""
        self._tmux("send-keys", "-t", "main", *keys)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the window."""
        self._tmux("resize-window", "-t", "main", "-x", str(width), "-y", str(height))

    def wait(self, *shows: Shows) -> str:
        """Wait until one screen shows all these texts and meets all these conditions; returns it.

        A screen may be looked at while it is being drawn: what is expected is waited for, all of it.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            screen = self.screen()
            if all(show in screen if isinstance(show, str) else show(screen) for show in shows):
                return screen
            assert time.monotonic() < deadline, f"never shown: {shows}\n{screen}"
            self.listen()

    def left(self, status: int, *shows: Shows) -> str:
        """Wait until the program has ended with this status, in good order; returns the screen."""
        screen = self.wait(f"[status {status}]", *shows)
        assert "Traceback" not in screen
        assert UNLIKE not in screen, screen
        return screen


@contextmanager
def terminal(
    command: list[str], size: tuple[int, int] = (120, 36), cwd: Path | None = None, **environment: str
) -> Iterator[Terminal]:
    """Run `command` in a terminal of its own; when it ends, its exit status is shown as [status N].

    If the terminal treats keys in another way than before, that is said, too. What is typed from then on is not shown.
    Its loops are plain, unless the `environment` says otherwise.
    """
    tmux = ["tmux", "-u", "-L", f"test-{uuid.uuid4().hex[:8]}"]
    settings = [f"{name}={value}" for name, value in {"COLORTERM": "truecolor", **PLAIN, **environment}.items()]
    line = shlex.join(["env", "-u", "COLUMNS", "-u", "LINES", *settings, *command])
    end = f'status=$?; test "$before" = "$(stty -g)" || echo "{UNLIKE}"; stty -echo; echo; echo "[status $status]"'
    inside = f"before=$(stty -g); {line}; {end}; cat"
    new = ["new-session", "-d", "-s", "main", "-x", str(size[0]), "-y", str(size[1]), "-c", str(cwd or Path.cwd())]
    before, after = ["start-server", ";", "set", "-g", "status", "off"], ["set", "-g", "window-size", "manual"]
    subprocess.run([*tmux, "-f", "/dev/null", *before, ";", *new, inside, ";", *after], check=True)
    client = subprocess.Popen([*tmux, "-C", "attach"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Terminal(client)
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)
        client.communicate()
