"""Stopped and continued in a real terminal: the shell gets its terminal back, and so does the program."""

from __future__ import annotations

import errno
import io
import re
import shlex
import shutil
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest
from textual.drivers._writer_thread import MAX_QUEUED_WRITES

from microgpt_tui.widgets.terminal_driver import TerminalWriter
from tests.support.terminal import Terminal, needs_tmux, terminal
from tests.support.wait import PATIENCE, ended

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

# The command line itself, in a process that tells its number.
PROGRAM = """
import os, pathlib, sys
pathlib.Path(sys.argv.pop(1)).write_text(str(os.getpid()))
from microgpt_tui.__main__ import main
main()
"""
SMALL = ("--n-embd", "4", "--n-head", "2", "--block-size", "4")
BASH = ["bash", "--norc", "--noprofile", "-i"]


def command(tmp_path: Path, *options: str) -> list[str]:
    (tmp_path / "program.py").write_text(PROGRAM)
    return [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "pid"), *options]


def process(tmp_path: Path) -> psutil.Process:
    return psutil.Process(int((tmp_path / "pid").read_text()))


def state(term: Terminal) -> str:
    """Whether the terminal shows another screen than the shell's, and tells of the mouse."""
    return term._tmux("display-message", "-p", "-t", "main", "#{alternate_on}#{mouse_any_flag}#{cursor_flag}")


def typed(term: Terminal, line: str) -> None:
    term._tmux("send-keys", "-t", "main", "-l", line)
    term.press("Enter")


def in_the_shell(term: Terminal, number: int) -> None:
    """Wait until the shell has the terminal, and treats keys as before; `number` is new each time."""
    term.wait("ready>")
    typed(term, f'test "$before" = "$(stty -g)" && echo same-$(({number} * 2)). || stty -a')
    term.wait(f"same-{number * 2}.")


def whole(screen: str) -> bool:
    """Whether the debugger fills the screen."""
    lines = screen.rstrip("\n").splitlines()
    return (
        len(lines) == 36 and lines[0].lstrip().startswith("step") and "q quit" in lines[-1] and "ready>" not in screen
    )


def still(now: str, looks: list[str]) -> bool:
    """Whether a screen is the same at two looks, one after the other; the frame around what is new goes by itself."""
    looks.append(now)
    return looks[-2:-1] == [now]


@needs_tmux
@needs_bash
def test_a_shell_stops_and_continues_the_debugger(tmp_path: Path) -> None:
    places = {"XDG_STATE_HOME": str(tmp_path), "PS1": "ready> "}
    with terminal(BASH, **places) as term:
        term.wait("ready>")
        typed(term, "before=$(stty -g)")
        typed(term, shlex.join(command(tmp_path, *SMALL)))
        term.wait("FORWARD", whole)
        term.press("space")
        term.wait(lambda screen: re.search(r"step (?:[3-9]|\d[\d,]+)/", screen) is not None)
        assert state(term) == "110"
        # ctrl+z, while training runs
        term.press("C-z")
        term.wait("Stopped")
        in_the_shell(term, 1)
        assert state(term) == "001"
        running = process(tmp_path)
        assert running.status() == psutil.STATUS_STOPPED
        typed(term, "fg")
        term.wait(whole)
        term.press("space")
        looks: list[str] = []
        term.wait(whole, lambda now: "space pauses" not in now and still(now, looks))
        screen = looks[-1]
        assert state(term) == "110"
        # stopped by another process, and continued in the background, where it stops at once
        running.send_signal(signal.SIGSTOP)
        term.wait("Stopped")
        in_the_shell(term, 2)
        typed(term, "bg; wait %1; clear; jobs")
        term.wait(lambda now: "Stopped" in now.splitlines()[0])
        in_the_shell(term, 3)
        assert running.status() == psutil.STATUS_STOPPED
        typed(term, "fg")
        assert term.wait(whole, lambda now: now == screen)
        # asked to stop by another process
        running.send_signal(signal.SIGTSTP)
        term.wait("Stopped")
        in_the_shell(term, 4)
        typed(term, "fg")
        term.wait(lambda now: now == screen)
        term.press("]")
        term.wait(whole, lambda now: now != screen)
        term.press("q")
        in_the_shell(term, 5)
        assert state(term) == "001"
        ended(running)


@needs_tmux
@needs_bash
def test_a_program_that_waits_for_the_notes_is_stopped_with_them(tmp_path: Path) -> None:
    """As `uv run` waits for what it runs; the shell would not notice otherwise."""
    wrapped = shlex.join(["sh", "-c", f"{shlex.join(command(tmp_path, 'lecture', '--notes'))}; true"])
    with terminal(BASH, XDG_STATE_HOME=str(tmp_path), PS1="ready> ") as term:
        term.wait("ready>")
        typed(term, "before=$(stty -g)")
        typed(term, wrapped)
        term.wait("Waiting for a lecture")
        for number in (1, 2):
            term.press("C-z")
            in_the_shell(term, number)
            assert process(tmp_path).status() == psutil.STATUS_STOPPED
            typed(term, "clear; fg")
            term.wait("Waiting for a lecture", lambda screen: "ready>" not in screen)
        term.press("q")
        in_the_shell(term, 3)


@needs_tmux
@needs_bash
def test_a_shell_has_its_cursor_while_training_is_stopped(tmp_path: Path) -> None:
    long = ("train", "--until", "1000000", "--num-steps", "1000000", *SMALL)
    with terminal(BASH, XDG_STATE_HOME=str(tmp_path), PS1="ready> ") as term:
        term.wait("ready>")
        typed(term, f"before=$(stty -g); clear; {shlex.join(command(tmp_path, *long))}")
        term.wait("steps/s", lambda _: state(term) == "000")
        term.press("C-z")
        in_the_shell(term, 1)
        assert state(term) == "001"
        typed(term, "clear; fg")
        term.wait("steps/s", lambda _: state(term) == "000")
        term.press("C-c")
        in_the_shell(term, 2)
        assert state(term) == "001"


@needs_tmux
def test_without_a_shell_it_goes_on(tmp_path: Path) -> None:
    with terminal(command(tmp_path, *SMALL), XDG_STATE_HOME=str(tmp_path)) as term:
        term.wait("FORWARD", whole)
        running = process(tmp_path)
        running.send_signal(signal.SIGSTOP)
        term.wait(lambda _: running.status() == psutil.STATUS_STOPPED)
        running.send_signal(signal.SIGCONT)
        term.press("]")
        term.wait("step 1/", whole)
        term.press("q")
        term.left(0)  # with the terminal as it was
    with terminal(command(tmp_path, *SMALL), XDG_STATE_HOME=str(tmp_path)) as term:
        term.wait("FORWARD", whole)
        term.press("C-z")
        term.wait("There is no shell to return to")
        term.press("]")
        term.wait("step 1/", whole)
        term.press("q")
        term.left(0)


class GoneAway(io.StringIO):
    """A closed terminal."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_a_closed_terminal_is_not_waited_for() -> None:
    gone = threading.Event()
    writer = TerminalWriter(GoneAway(), gone.set)
    writer.start()
    writes = threading.Thread(target=lambda: [writer.write("text") for _ in range(3 * MAX_QUEUED_WRITES)], daemon=True)
    writes.start()
    writes.join(PATIENCE)
    assert not writes.is_alive()
    assert gone.is_set()
    writer.stop()
