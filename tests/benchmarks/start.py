"""Seconds from the command to the first event on the screen, beside an app that imports the same libraries and draws
nothing. Run by hand: python tests/benchmarks/start.py [ROUNDS]

Cold: no compiled loops are kept yet. Python keeps its bytecode, as of an installed program. Each program runs in a
terminal of its own, 120 x 36; they take turns.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EMPTY = """
import numpy, platformdirs, psutil, rich_click
from textual.app import App
from textual.widgets import Static

class Empty(App):
    def compose(self):
        yield Static("nothing is drawn")

Empty().run()
"""
PATIENCE = 120.0
BUDGETS = {"warm": "at most 1.2 s, 1.9 times", "cold": "at most 1.7 s, 1.9 times"}


def seconds_until(command: Sequence[str], shown: bytes, environment: dict[str, str]) -> float:
    """Seconds until the program writes these characters; then it is ended."""
    start = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        os.execvpe(command[0], list(command), {**inherited, **environment})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    found = b""
    while shown not in found:
        ready, _, _ = select.select([terminal], [], [], PATIENCE)
        found += os.read(terminal, 2**16) if ready else b""
        if not ready:
            raise TimeoutError(found[-500:].decode(errors="replace"))
    took = time.perf_counter() - start
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    return took


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    program = [sys.executable, "-m", "microgpt_tui"]
    took: dict[str, list[float]] = {"warm": [], "cold": [], "an app that draws nothing": []}
    with tempfile.TemporaryDirectory() as folder:
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_STATE_HOME": f"{folder}/state"}
        terminal["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        warm = {**terminal, "NUMBA_CACHE_DIR": f"{folder}/warm", "XDG_CACHE_HOME": f"{folder}/warm-home"}
        seconds_until([*program, "train", "--until", "1"], b"loss", warm)
        seconds_until(program, b"embed", warm)
        seconds_until([sys.executable, "-c", EMPTY], b"nothing is drawn", terminal)
        for i in range(rounds):
            took["an app that draws nothing"].append(
                seconds_until([sys.executable, "-c", EMPTY], b"nothing is drawn", terminal)
            )
            took["warm"].append(seconds_until(program, b"embed", warm))
            cold = {"NUMBA_CACHE_DIR": f"{folder}/{i}", "XDG_CACHE_HOME": f"{folder}/{i}-home"}
            took["cold"].append(seconds_until(program, b"embed", {**terminal, **cold}))
    empty = statistics.median(took["an app that draws nothing"])
    for name, times in took.items():
        median = statistics.median(times)
        against = f"best {min(times):.2f}   {median / empty:.2f} times the empty app"
        print(f"{name:<30}{median:8.2f} s   {against}    {BUDGETS.get(name, '')}")


if __name__ == "__main__":
    main()
