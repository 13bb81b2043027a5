"""However the program ends in a real terminal, --resume returns to where the user was."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from engine.timeline.events import Moment, Phase
from microgpt_tui.storage import saved_session
from tests.support.terminal import Terminal, needs_tmux, terminal
from tests.support.wait import ended

# The command line itself, in a process that tells its number, with a fault put into one pane for a step from 3 on.
PROGRAM = """
import os, pathlib, sys
pathlib.Path(sys.argv.pop(1)).write_text(str(os.getpid()))
fault = sys.argv.pop(1)
from microgpt_tui.panes.tokens import Tokens
from microgpt_tui.__main__ import main
show = Tokens.show
def broken(self, frame):
    if frame.moment.step == 3 and fault == "program":
        raise RuntimeError("the fault")
    if frame.moment.step == 4 and fault == "memory":
        bytearray(2**60)
    show(self, frame)
Tokens.show = broken
main()
"""
SMALL = ("--n-embd", "4", "--n-head", "2", "--block-size", "4")
PLACE = Moment(2, Phase.BACKWARD, 1)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def command(tmp_path: Path, *options: str, fault: str = "none") -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(tmp_path / "pid"), fault, *options]


def pid(tmp_path: Path) -> int:
    return int((tmp_path / "pid").read_text())


def to_the_place(term: Terminal) -> None:
    term.wait("FORWARD")
    term.press("]")
    term.wait("step 1/")
    term.press("]")
    term.wait("step 2/")
    term.press(*":backward", "Enter")
    term.wait("step 2/", "BACKWARD")
    term.press("5")


def paused(term: Terminal, there: Moment) -> None:
    """Wait until the autosave of a pause."""
    term.wait(lambda _: saved_session.session_file().exists() and saved_session.load_session().moment == there)


def returns_there(tmp_path: Path, step: int = 2) -> None:
    with terminal(command(tmp_path, "--resume"), cwd=Path.cwd()) as term:
        term.wait(f"step {step}/", "BACKWARD")
        term.press("q")
        term.left(0)
    assert saved_session.load_session().pane == "qkv"


@needs_tmux
def test_killed_then_the_terminal_closed_then_left(tmp_path: Path) -> None:
    """Each time it is where it was, and goes on from there."""
    with terminal(command(tmp_path, *SMALL)) as term:
        to_the_place(term)
        paused(term, PLACE)
        os.kill(pid(tmp_path), signal.SIGKILL)
        term.wait("[status 137]")
    with terminal(command(tmp_path, "--resume")) as term:
        term.wait("step 2/", "BACKWARD")
        assert saved_session.load_session().moment == PLACE
        term.press("]")
        term.wait("step 3/", "BACKWARD")
        process = psutil.Process(pid(tmp_path))
    ended(process)
    assert saved_session.load_session().moment == replace(PLACE, step=3)
    returns_there(tmp_path, step=3)


@needs_tmux
def test_a_new_session_does_not_overwrite_the_one_before(tmp_path: Path) -> None:
    with terminal(command(tmp_path, *SMALL)) as term:
        to_the_place(term)
        term.press("q")
        assert "--resume-earlier" not in term.left(0)
    files = {path: path.read_bytes() for path in saved_session.state_folder().iterdir()}
    with terminal(command(tmp_path, *SMALL)) as term:
        term.wait("FORWARD")
        term.press("q")
        term.left(0)
    assert {path: path.read_bytes() for path in saved_session.state_folder().iterdir()} == files
    with terminal(command(tmp_path, *SMALL)) as term:
        term.wait("FORWARD")
        term.press("]")
        term.wait("step 1/")
        term.press("q")
        term.left(0, lambda screen: "microgpt-tui --resume-earlier" in " ".join(screen.split()))
    with terminal(command(tmp_path, "--resume-earlier")) as term:
        term.wait("step 2/", "BACKWARD")
        term.press("q")
        term.left(0)
    assert saved_session.load_session().moment.step == 1
    assert saved_session.load_session(earlier=True).moment == PLACE


@needs_tmux
def test_crashed_then_out_of_memory(tmp_path: Path) -> None:
    says = "microgpt-tui --resume returns to where you were"
    with terminal(command(tmp_path, *SMALL, fault="program")) as term:
        to_the_place(term)
        paused(term, PLACE)
        term.press("]")
        term.wait("[status 1]", "the fault", lambda screen: says in " ".join(screen.split()))
    with terminal(command(tmp_path, "--resume", fault="memory")) as term:
        term.wait("step 3/", "BACKWARD")
        term.press("]")
        screen = term.left(2, lambda screen: says in " ".join(screen.split()))
        assert "there is not enough memory to go on" in " ".join(screen.split())
    returns_there(tmp_path, step=4)
