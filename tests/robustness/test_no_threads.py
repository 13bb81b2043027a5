"""The system allows no more threads or processes."""

from __future__ import annotations

import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from microgpt_tui.app import MicrogptApp
from microgpt_tui.cli import _progress
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.startup import from_seed
from tests.support.commands import ROOT, error_of, invoke
from tests.support.harness import SMALL, until
from tests.support.terminal import needs_tmux, terminal

REFUSED = "can't start new thread"
WITHOUT_THREADS = f"""
import sys, threading
def refuse(*_, **__):
    raise RuntimeError({REFUSED!r})
threading._start_new_thread = threading._start_joinable_thread = refuse  # the second from Python 3.13 on
from microgpt_tui.__main__ import main
main()
"""


@needs_tmux
@pytest.mark.parametrize("command", [[], ["lecture", "adam"], ["lecture", "--notes"]])
def test_the_debugger_does_not_touch_the_terminal(command: list[str]) -> None:
    with terminal([sys.executable, "-P", "-c", WITHOUT_THREADS, *command], cwd=ROOT, PYTHONPATH=str(ROOT)) as term:
        said = " ".join(term.left(2).split())
    assert (
        "error: the system allows no more threads; close other programs, or raise its limits (ulimit -u and -v)" in said
    )


@needs_tmux
def test_a_command_that_would_show_its_progress() -> None:
    command = [sys.executable, "-P", "-c", WITHOUT_THREADS, "train", "--until", "2", "--n-embd", "4"]
    with terminal(command, cwd=ROOT, PYTHONPATH=str(ROOT)) as term:
        assert "2 of 2 steps are done" in term.left(0)


def test_progress_that_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The thread that waits starts; the one that draws is refused."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(_progress, "PATIENCE", 0.0)
    with _progress.Waiting("Counting", stream=Screen()) as shown:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        shown._timer.join()
        shown.update(1.0)
    assert capsys.readouterr().err == ""


def refuse(*_: Any, **__: Any) -> None:
    raise RuntimeError(REFUSED)


async def test_a_key_that_needs_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    app = MicrogptApp(from_seed(SMALL, 1, None))
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
        await pilot.press("c")
        await until(pilot, lambda: app.return_value is not None)
    assert str(app.return_value).startswith("the system allows no more threads; ")
    assert "--resume" in str(app.return_value)


def test_serve_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("textual_serve")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert error_of(invoke("serve", "--port", 0)).startswith("the system allows no more threads; ")


def test_verify_leaves_no_copy_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    started = []

    class Popen(subprocess.Popen[str]):
        def __init__(self, *args: Any, **how: Any) -> None:
            super().__init__(*args, **how)
            started.append(self)

    script = tmp_path / "microgpt.py"
    script.write_text("import time\nwhile True:\n    time.sleep(1)\n")
    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert error_of(invoke("verify", script)).startswith("the system allows no more threads or processes; ")
    assert [process.returncode is not None for process in started] == [True]
