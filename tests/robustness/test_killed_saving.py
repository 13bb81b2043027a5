"""A process killed while it saves leaves the old or the new file, and no temporary file."""

from __future__ import annotations

import io
import os
import signal
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine import atomic_write
from engine.atomic_write import BESIDE
from engine.checkpoint import checkpoint
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.storage import saved_session
from microgpt_tui.storage.saved_session import SavedSession
from tests.support.commands import error_of, invoke
from tests.support.damaged_runs import session, whole, written

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is split in two")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Half(io.FileIO):
    """A file of which only the first half is ever written."""

    def write(self, content: Any) -> int:
        super().write(content[: len(content) // 2])
        die()
        return 0


def set_trap(name: str, when: str, times: int) -> None:
    """Die at one of the calls of a function that writing makes: before it, or after."""
    real = getattr(os, name)
    left = [times]

    def call(*args: Any, **others: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and when == "before":
            die()
        made = real(*args, **others)
        if left[0] == 0 and when == "after":
            die()
        return made

    def opened(path: Path, mode: str, opener: Any) -> Any:
        left[0] -= 1
        return open(path, mode, opener=opener) if left[0] else Half(path, mode, opener=opener)

    if name == "write":
        atomic_write.open = opened  # type: ignore[attr-defined]
    elif name == "open":
        atomic_write.partial = lambda *_, mode: partial(call, mode=mode)  # type: ignore[attr-defined]
    else:
        setattr(os, name, call)


POINTS = {
    "before anything is written": ("open", "before"),
    "when the file is made": ("open", "after"),
    "in the middle of writing": ("write", ""),
    "when all is written": ("fsync", "before"),
    "when all is on the disk": ("fsync", "after"),
    "before it is renamed": ("replace", "before"),
    "when it is renamed": ("replace", "after"),
}


def killed(point: str, times: int, job: Callable[[], object]) -> None:
    """Do something in a copy of this process that is killed there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads may hold locks: the copy needs none of them
        pid = os.fork()
    if pid == 0:
        try:
            set_trap(*POINTS[point], times)
            job()
        finally:
            os._exit(1)  # it was not killed
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return saved_session.state_folder()


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_a_run_is_saved(point: str, tmp_path: Path) -> None:
    new, path = checkpoint.load(written(tmp_path / "new.safetensors", whole())), tmp_path / "run.safetensors"
    run = session().restart_copy()
    checkpoint.save(run, path)
    old = path.read_bytes()
    killed(point, 1, lambda: checkpoint.write(new, path))
    assert path.read_bytes() == (whole() if point == "when it is renamed" else old)
    assert checkpoint.load(path).config == run.config
    checkpoint.save(run, tmp_path / "other.safetensors")
    assert {each.name for each in tmp_path.iterdir()} == {"new.safetensors", "run.safetensors", "other.safetensors"}


@pytest.mark.parametrize("point", ["in the middle of writing", "before it is renamed", "when it is renamed"])
@pytest.mark.parametrize("which", [1, 2], ids=["its run", "itself"])
def test_killed_while_the_session_is_written(point: str, which: int, folder: Path, tmp_path: Path) -> None:
    run = session().restart_copy()
    before = checkpoint.snapshot(run)
    saved_session.write_session(SavedSession(run.config, before.origin, Focus(run.moment)), before)
    new = checkpoint.load(written(tmp_path / "new.safetensors", whole()))
    killed(point, which, lambda: saved_session.write_session(saved_session.load_session(), new))
    after = saved_session.load_session()
    found, notice = saved_session.load_run(after)
    assert found is not None
    assert notice is None
    saved_session.write_session(after)
    assert {each.name for each in folder.iterdir()} == {"desk.json", "run.safetensors"}


def test_killed_while_a_first_run_is_saved(tmp_path: Path) -> None:
    new, path = checkpoint.load(written(tmp_path / "new.safetensors", whole())), tmp_path / "run.safetensors"
    killed("before it is renamed", 1, lambda: checkpoint.write(new, path))
    assert "there is no file" in error_of(invoke("open", path))


def test_temporary_files_of_running_processes_stay(tmp_path: Path) -> None:
    others = [tmp_path / BESIDE.format(pid=pid, number="0") for pid in (1, "x", "", "9" * 30)]
    gone = tmp_path / BESIDE.format(pid=2**22 + 1, number="0")
    for each in (*others, gone):
        each.touch()
    checkpoint.save(session(), tmp_path / "run.safetensors")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "run.safetensors"])
