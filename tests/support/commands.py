"""Ways to run the command line: inside the test's process, as a process of its own, and in a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from microgpt_tui.cli import cli
from tests.support.terminal import PLAIN
from tests.support.wait import PATIENCE, gone, met

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "microgpt_tui"]
IMPATIENT = """
import sys
from microgpt_tui.__main__ import main
from microgpt_tui.cli import _progress
_progress.PATIENCE = float(sys.argv.pop(1))
main()
"""
SMALL = ("--n-embd", "4", "--n-head", "2", "--block-size", "4")


def invoke(*args: Any) -> Result:
    """Run a command in this process; an exception that would be a traceback fails the test."""
    result = CliRunner().invoke(cli, [str(a) for a in args], prog_name="microgpt-tui")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def error_of(result: Result) -> str:
    """The one sentence that a refused command says, and nothing else."""
    assert result.exit_code == 2, (result.output, result.exit_code)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    return result.stderr.removeprefix("error: ").strip()


def environment() -> dict[str, str]:
    """Where the commands run that tests start: with plain loops."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **PLAIN}


def _command(*args: Any, patience: float | None = None) -> list[str]:
    return [*(COMMAND if patience is None else [sys.executable, "-c", IMPATIENT, str(patience)]), *map(str, args)]


class Started(subprocess.Popen[str]):
    """A process; where the test fails that waits for it in a `with`, it is killed, and nothing waits for ever."""

    def __exit__(self, kind: type[BaseException] | None, *how: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, *how)


def start(*args: Any, patience: float | None = None, **how: Any) -> Started:
    """Start a command as a process of its own; its progress shows after `patience` seconds, not the usual ones.

    A signal may come while it has just opened a file. That it is then left to be closed is no fault.
    """
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    surroundings = {**environment(), "PYTHONWARNINGS": "error,ignore::ResourceWarning"}
    return Started(_command(*args, patience=patience), env=surroundings, text=True, **pipes)


def cut_off(*args: Any) -> tuple[str, str, int]:
    """A command whose output is closed after one line: the line, what it says of errors, and its status."""
    with start(*args) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        return line, said, process.wait(PATIENCE)


def interrupted(name: str, pid_file: Path, *args: Any) -> int:
    """The status of a command that gets a signal once its script has written its id into a file; both have to end."""
    with start(*args) as process:
        asyncio.run(met(lambda: pid_file.exists() and bool(pid_file.read_text())))
        process.send_signal(getattr(signal, name))
        _, said = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in said
    asyncio.run(met(lambda: gone(int(pid_file.read_text()))))
    return process.returncode


@dataclass
class Ended:
    """How a process in a terminal ended, and all that it wrote there."""

    status: int
    screen: str


def in_terminal(*args: Any, patience: float | None = None, shown: Callable[[str], None] = lambda text: None) -> Ended:
    """Run a command in a terminal; `shown` is called with all that it has written whenever it has written more."""
    pty = pytest.importorskip("pty", exc_type=ImportError, reason="this system has no terminals to be had")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, _command(*args, patience=patience), {**environment(), "TERM": "xterm-256color"})
    written = b""
    while True:
        try:
            piece = os.read(terminal, 2**16)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        written += piece
        shown(written.decode(errors="ignore"))
    os.close(terminal)
    return Ended(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written.decode())


def json_lines(text: str) -> list[dict[str, Any]]:
    """JSON lines, read as strictly as the standard says: no NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
