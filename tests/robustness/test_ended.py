"""Signals that end the program: finished work is saved, the exit status names the signal, no process remains."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from engine.checkpoint import checkpoint
from microgpt_tui.cli.train import _StepReporter
from microgpt_tui.lectures.speaker_notes import FILES
from microgpt_tui.storage import saved_session
from tests.support.commands import SMALL, environment, invoke, start
from tests.support.terminal import COMPILED, PATIENCE, Terminal, needs_tmux, terminal
from tests.support.wait import ended

LONG = ("--until", "1000000", "--num-steps", "1000000", *SMALL)
STATUS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def number_of(name: str) -> int:
    return int(getattr(signal, name))


# The command line.


@pytest.mark.parametrize("name", STATUS)
def test_signals_end_train_between_steps_and_while_it_saves(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, tell, synced = tmp_path / "run.safetensors", _StepReporter.report, []

    def told(self: _StepReporter, step: int, loss: float) -> None:
        tell(self, step, loss)
        if step == 2:
            signal.raise_signal(number_of(name))

    def sync(descriptor: int) -> None:
        synced.append(descriptor)
        signal.raise_signal(number_of(name))

    monkeypatch.setattr(_StepReporter, "report", told)
    monkeypatch.setattr(os, "fsync", sync)
    before = signal.getsignal(number_of(name))
    result = invoke("train", "--until", "9", "--save", save, *SMALL)
    assert result.exit_code == STATUS[name]
    assert result.stderr.startswith("stopped by ")
    assert "3 of 9 steps are done and saved" in result.stderr
    assert checkpoint.load(save).step == 3
    assert len(synced) == 1
    assert signal.getsignal(number_of(name)) == before


@needs_tmux
def test_the_terminal_is_closed_during_training(tmp_path: Path) -> None:
    """The terminal is closed; the run is saved."""
    save = tmp_path / "run.safetensors"
    command = [sys.executable, "-m", "microgpt_tui", "train", *LONG, "--save", str(save)]
    with terminal(command, PYTHONPATH=environment()["PYTHONPATH"], **COMPILED) as term:
        term.wait("steps/s")
        running = found(str(save))
    ended(running)
    assert checkpoint.load(save).step > 0


def test_signals_end_serve() -> None:
    """By ctrl+c, by the system, and by the end of a terminal that no longer reads."""
    servers = {name: start("serve", "--port", "0") for name in STATUS}
    for name, process in servers.items():
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            address = process.stdout.readline().split()[-1]
            assert "ctrl+c stops it" in process.stdout.readline()
            with urlopen(address) as page:
                assert page.status == 200
            if name == "SIGHUP":
                process.stdout.close()
            process.send_signal(number_of(name))
            assert process.wait(PATIENCE) == 0
            assert process.stdout.closed or process.stdout.read() == "stopped\n"
            assert process.stderr.read() == ""


# The debugger and a lecture.


def found(text: str) -> psutil.Process:
    """The process with this on its command line that is no shell."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if text in words and "python" in Path(words[0]).name:
            return process
    raise AssertionError(f"no process has {text} on its command line")


def training(term: Terminal) -> None:
    term.wait("FORWARD")
    term.press("space")
    term.wait(lambda screen: any(f"step {step}/" in screen for step in range(3, 1000)))


@needs_tmux
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_end_the_debugger_while_it_trains(name: str, tmp_path: Path) -> None:
    data = tmp_path / "names.txt"
    data.write_text("anna\nben\ncarla\n")
    command = [sys.executable, "-m", "microgpt_tui", "--data", str(data), *SMALL]
    with terminal(command, XDG_STATE_HOME=str(tmp_path / "state"), PYTHONPATH=environment()["PYTHONPATH"]) as term:
        training(term)
        process = found(str(data))
        if name == "SIGINT":  # in the debugger, ctrl+c is a key
            term.press("C-c", "q")
        else:
            process.send_signal(number_of(name))
        term.left(0 if name == "SIGINT" else STATUS[name])
    session = saved_session.load_session()
    run, notice = saved_session.load_run(session)
    assert run is not None
    assert notice is None
    assert session.moment.step >= 2
    assert not process.is_running()


# The command line, ended whenever a file is saved.
ENDED_SAVING = """
import os, signal
from microgpt_tui.__main__ import main
sync = os.fsync
def ended(descriptor):
    signal.raise_signal(signal.SIGTERM)
    sync(descriptor)
os.fsync = ended
main()
"""


@needs_tmux
def test_signals_end_the_debugger_while_it_saves(tmp_path: Path) -> None:
    save = tmp_path / "run.safetensors"
    homes = {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": environment()["PYTHONPATH"]}
    with terminal([sys.executable, "-c", ENDED_SAVING, "--step", "1", *SMALL], **homes) as term:
        term.wait("step 1/")
        term.press("C-s")
        term.wait("run-1.safetensors", "enter saves")
        term.press("C-u")  # it takes longer than letters, which would come first
        term.wait(lambda screen: "run-1.safetensors" not in screen)
        term.press(*str(save), "Enter")
        term.left(STATUS["SIGTERM"])
    assert checkpoint.load(save).step == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [save.name]


@needs_tmux
@pytest.mark.parametrize("name", STATUS)
def test_signals_end_a_lecture(name: str, tmp_path: Path) -> None:
    saved_session.state_folder().mkdir(parents=True)
    lecture = tmp_path / "own.md"
    lecture.write_text("---\nconfig: n_embd=4, n_head=2, block_size=4\nmoment: step 0\n---\n# The page\n\nHello.\n")
    command = [sys.executable, "-m", "microgpt_tui", "lecture", str(lecture)]
    with terminal(command, XDG_STATE_HOME=str(tmp_path / "state"), PYTHONPATH=environment()["PYTHONPATH"]) as term:
        term.wait("Hello.")
        term.wait(lambda _: list(saved_session.state_folder().glob(FILES)))
        if name == "SIGINT":  # in a lecture ctrl+c is a key, too
            term.press("C-c", "q")
        else:
            found(str(lecture)).send_signal(number_of(name))
        term.left(0 if name == "SIGINT" else STATUS[name])
    assert not list(
        saved_session.state_folder().iterdir()
    )  # the notes are removed, and no session of the lecture is saved


# The size of the terminal.


@needs_tmux
def test_the_terminal_is_resized_a_hundred_times(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "microgpt_tui", *SMALL]
    with terminal(
        command, XDG_STATE_HOME=str(tmp_path / "state"), PYTHONPATH=environment()["PYTHONPATH"], **COMPILED
    ) as term:
        training(term)
        for turn in range(100):
            term.resize(*((10, 3), (300, 100), (80, 24), (41, 61), (17, 90))[turn % 5])
        term.resize(120, 36)
        term.wait(lambda screen: whole_in(screen, 120, 36))
        term.press("space")
        term.wait(lambda screen: whole_in(screen, 120, 36) and screen == term.screen() == term.screen())
        term.press("q")
        term.left(0)
    assert saved_session.load_session().moment.step > 0


def whole_in(screen: str, width: int, height: int) -> bool:
    """Whether the debugger fills a terminal of this size exactly."""
    lines = screen.splitlines()
    return (
        len(lines) == height
        and lines[0].lstrip().startswith("step")
        and "q quit" in lines[-1]
        and any(line.startswith("╭") and line.endswith("╮") and len(line) == width for line in lines)
    )
