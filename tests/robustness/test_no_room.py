"""A full disk and missing permissions: one sentence says so, old files are whole, the program goes on.

The disk is a real one that is full (where a test may mount one), and files that may not grow any more (everywhere).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest
from textual.widgets import Input

from engine import CheckpointError
from engine.checkpoint import checkpoint
from microgpt_tui.app import MicrogptApp
from microgpt_tui.dialogs.save import SaveScreen
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage import saved_session
from microgpt_tui.storage.startup import from_seed
from tests.support.commands import SMALL as OPTIONS
from tests.support.commands import error_of, invoke
from tests.support.damaged_runs import whole, written
from tests.support.harness import SMALL, notes, text, until
from tests.support.lecture_harness import CONFIG, PAGES
from tests.support.unprivileged import anyone_may_enter, needs_root, nobody

OLD = b"what was there before"


@contextmanager
def full_disk(folder: Path) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """A disk at `folder`, which is full once the yielded function has been called."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=False, stderr=subprocess.DEVNULL
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield lambda: fill(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> AbstractContextManager[None]:
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (4096, 64):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return nullcontext()


@contextmanager
def files_may_not_grow() -> Iterator[None]:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def no_growth(folder: Path) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    pytest.importorskip("resource")
    yield files_may_not_grow


@contextmanager
def no_right(folder: Path) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with anyone_may_enter(folder):
        yield nobody


@contextmanager
def read_only_disk(folder: Path) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    with full_disk(folder):
        yield lambda: remount(folder)


def remount(folder: Path) -> AbstractContextManager[None]:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    return nullcontext()


DISKS = {
    "the disk is full": (full_disk, "No space left on device"),
    "files may not grow": (no_growth, "File too large"),
    "the disk is read-only": (read_only_disk, "Read-only file system"),
    "there is no right to write": (no_right, "Permission denied"),
}


class Disk:
    """A folder, and the fault in it once it is `faulty()`."""

    def __init__(self, folder: Path, faulty: Callable[[], AbstractContextManager[None]], says: str) -> None:
        self.folder, self.faulty, self.says = folder, faulty, says

    def holds(self, *names: str) -> None:
        """Check that there are exactly these files, unchanged."""
        assert {path.name for path in self.folder.iterdir()} - {"filler"} == set(names)
        assert all((self.folder / name).read_bytes() == OLD for name in names)


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    make, says = DISKS[request.param]
    folder = Path(tempfile.mkdtemp())
    try:
        with make(folder) as faulty:
            yield Disk(folder, faulty, says)
    finally:
        shutil.rmtree(folder)


COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "train --save": ("run.safetensors", ("train", "--until", "2", *OPTIONS, "--save", "{file}")),
    "train --log": ("log.jsonl", ("train", "--until", "60", *OPTIONS, "--log", "{file}")),
    "what-if --save": ("run.safetensors", ("what-if", "--until", "1", "--edit", "wte[0,0]=0", *OPTIONS, "--save",
                       "{file}")),
    "export -o": ("shot.svg", ("export", *OPTIONS, "-o", "{file}")),
    "lecture --handout": ("small-en.html", ("lecture", "{lecture}", "--handout", "{folder}", "--lang", "en")),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_writes(command: str, disk: Disk, tmp_path: Path) -> None:
    name, args = COMMANDS[command]
    file = written(disk.folder / name, OLD)
    one_page = PAGES.replace("chapter: Small steps\n", f"config: {CONFIG}\n").split("---\n# A question")[0]
    lecture = written(tmp_path / "small.md", one_page.rpartition("---\n")[0].encode())
    known = {"file": file, "folder": disk.folder, "lecture": lecture}
    with disk.faulty():
        sentence = error_of(invoke(*(part.format(**known) for part in args)))
    assert disk.says in sentence or "you may not write" in sentence
    if command != "train --log":  # which is written line by line
        disk.holds(name)


def test_a_run_goes_on_when_its_log_cannot_be_written(tmp_path: Path) -> None:
    run = tmp_path / "run.safetensors"
    sentence = error_of(invoke("train", "--until", "3", *OPTIONS, "--log", "/dev/full", "--save", run))
    assert "--log: /dev/full cannot be written on (No space left on device)" in sentence
    assert f"steps are done and saved in {run}" in sentence
    assert checkpoint.load(run).step == 1


def test_the_layout_and_the_saved_session(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(disk.folder))
    run = checkpoint.load(written(disk.folder / "source", whole()))
    session = saved_session.SavedSession(run.config, run.origin, saved_session.Focus(run.moment))
    saved_session.write_session(session, run)
    Arrangement(pinned=("qkv",)).save()
    with disk.faulty():
        with pytest.raises(CheckpointError, match=r"cannot be kept") as caught:
            saved_session.write_session(session, run)
        assert disk.says in str(caught.value)
        with pytest.raises(OSError, match=disk.says):
            Arrangement(swapped=(("qkv", "stage"),) * 9).save()
        assert saved_session.load_session() == session
        assert saved_session.load_run(session)[1] is None
        assert Arrangement.load() == Arrangement(pinned=("qkv",))
    assert not list(saved_session.state_folder().glob(".*"))


async def everything_is_loaded() -> None:
    """Import the lazy modules: another user may not be able to read root's Python."""
    app = MicrogptApp(from_seed(SMALL, 1, None))
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        await pilot.press("n", "ctrl+s", "escape")


async def test_the_debugger(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens, reports what it cannot write, saves to another place, and can be left."""
    await everything_is_loaded()
    monkeypatch.setenv("XDG_STATE_HOME", str(disk.folder / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(disk.folder / "config"))
    file = written(disk.folder / "mine.safetensors", OLD)
    with disk.faulty():
        app = MicrogptApp(from_seed(SMALL, 1, None))
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            await until(pilot, lambda: isinstance(app.screen, DebuggerScreen) and app.autosave is not None)
            await pilot.press("n", "n", "2", "P")
            await until(pilot, lambda: "cannot be kept" in notes(pilot) and "cannot be remembered" in notes(pilot))
            await pilot.press("ctrl+s")
            assert isinstance(app.screen, SaveScreen)
            app.screen.query_one(Input).value = str(file)
            await pilot.press("enter", "enter")
            await until(pilot, lambda: "cannot be written" in text(pilot))
            assert disk.says in " ".join(text(pilot).replace("│", " ").split())
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
            await pilot.press("n", "q")
        assert app.autosave is not None
        with pytest.raises(CheckpointError, match=r"cannot be kept"):
            app.autosave.finish()
    assert file.read_bytes() == OLD


@needs_root
def test_a_folder_of_settings_that_may_not_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_CONFIG_HOME", folder)
        Arrangement(pinned=("qkv",)).save()
        with nobody():
            assert Arrangement.load() == Arrangement()
