"""ctrl+s, and opening saved runs and the saved session."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from engine import CheckpointError, Moment, Phase, Scope, Session, load_docs
from engine.checkpoint import checkpoint
from engine.interventions.syntax import parse
from engine.run.branches import Branches
from microgpt_tui import autosave
from microgpt_tui.app import MicrogptApp
from microgpt_tui.autosave import Autosave
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.dialogs import save
from microgpt_tui.dialogs.save import SaveScreen
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage import saved_session
from microgpt_tui.storage.startup import Start, from_file, from_saved_session, from_seed
from tests.support.harness import SMALL, notes, text, until

MIDST = Moment(4, Phase.UPDATE, 30)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to save in, and a state folder of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@asynccontextmanager
async def opened(start: Start) -> AsyncIterator[tuple[Pilot[object], DebuggerScreen]]:
    """The whole app, when the debugger is up."""
    app = MicrogptApp(start)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen) and app.autosave is not None)
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, DebuggerScreen)
        await until(pilot, lambda: not screen.busy)
        yield pilot, screen


async def ask(pilot: Pilot[object]) -> SaveScreen:
    await pilot.press("ctrl+s")
    asked = pilot.app.screen
    assert isinstance(asked, SaveScreen)
    return asked


async def answer(pilot: Pilot[object], name: str) -> None:
    """Type a file name over the one that is proposed."""
    pilot.app.screen.query_one(Input).value = name
    await pilot.pause()
    await pilot.press("enter")


async def test_ctrl_s_saves_and_the_file_opens_at_the_same_tick(places: Path) -> None:
    async with opened(from_seed(SMALL, 4, None)) as (pilot, screen):
        screen.navigator.go(MIDST)
        await ask(pilot)
        assert "run-4.safetensors" in text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        await until(pilot, lambda: "Saved" in notes(pilot))
    file = places / "run-4.safetensors"
    async with opened(from_file(file, None)) as (pilot, again):
        assert again.session.moment == MIDST
        again.session.run(9)
        straight = Session(SMALL, load_docs())
        straight.run(9)
        assert again.session.losses == straight.losses
        assert again.session.sample(3) == straight.sample(3)


async def test_an_older_file_is_asked_about(places: Path) -> None:
    old = places / "old.safetensors"
    old.write_text("precious")
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        asked = await ask(pilot)
        await answer(pilot, "old")
        assert "old.safetensors exists" in text(pilot)
        await answer(pilot, "old ")  # typing takes the question back
        assert pilot.app.screen is asked
        assert old.read_text() == "precious"
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
    assert checkpoint.load(old).config == SMALL


NAMES = {
    "my run-lr0.01": "my run-lr0.01.safetensors",
    "Run.SAFETENSORS": "Run.SAFETENSORS",
    "-o.txt": "-o.txt.safetensors",
    "it's $HOME `x` \\": "it's $HOME `x` \\.safetensors",
    "a\x1b\u200bé": "a\x1b\u200bé.safetensors",
    "~/here/~": "~.safetensors",
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
async def test_the_command_that_opens_what_was_saved_can_be_pasted(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(places.parent))
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        for name, file in NAMES.items():
            await ask(pilot)
            await answer(pilot, name)
            await until(pilot, lambda: pilot.app.screen is screen)
            assert (places / file).is_file()
            await until(pilot, lambda: "Saved. microgpt-tui open " in notes(pilot))
            (said,) = (note.message for note in pilot.app._notifications)
            pilot.app.clear_notifications()
            pasted = said.removeprefix("Saved. microgpt-tui open ").removesuffix(" goes on from here.")
            assert printable(pasted) == pasted
            assert not pasted.startswith("-")
            shell = subprocess.run(["bash", "-c", f"printf %s {pasted}"], capture_output=True, check=True)
            assert os.path.samefile(shell.stdout, places / file)


async def test_an_error_while_saving_is_shown_and_can_be_corrected(places: Path) -> None:
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        await ask(pilot)
        for name, says in (
            ("", "Type the name of a file"),
            ("nowhere/[b]run", "cannot be written (No such file"),
            (str(places.parent / "state.safetensors"), "cannot be written (not a file)"),
        ):
            (places.parent / "state.safetensors").mkdir(exist_ok=True)
            await answer(pilot, name)
            await until(pilot, lambda: pilot.app.screen.query_one(Input).has_focus)  # which it has not while it saves
            assert says in " ".join(text(pilot).split())
        await answer(pilot, "[b]run")
        await until(pilot, lambda: pilot.app.screen is screen)
    assert [path.name for path in places.iterdir()] == ["[b]run.safetensors"]


async def test_escape_saves_nothing(places: Path) -> None:
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        await ask(pilot)
        await pilot.press("escape")
        assert pilot.app.screen is screen
    assert not list(places.iterdir())


async def test_a_file_that_is_being_written_is_waited_for(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, write = threading.Event(), save.write

    def slow(run: checkpoint.Checkpoint, path: Path) -> None:
        go.wait()
        write(run, path)

    monkeypatch.setattr(save, "write", slow)
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        asked = await ask(pilot)
        await pilot.press("enter", "escape", "enter")
        assert pilot.app.screen is asked
        go.set()
        await until(pilot, lambda: pilot.app.screen is screen)
    assert len(list(places.iterdir())) == 1


# The saved session.


async def left_behind(leave: Callable[[Pilot[object], DebuggerScreen], object]) -> MicrogptApp:
    """An app that was used and then left."""
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        screen.navigator.go(MIDST)
        await until(pilot, lambda: not screen.busy)
        await pilot.press("5", "down")
        screen.choose(7)
        leave(pilot, screen)
    app = pilot.app
    assert isinstance(app, MicrogptApp)
    return app


async def test_after_quitting_the_session_is_restored() -> None:
    app = await left_behind(lambda pilot, _: pilot.app.exit())
    assert app.autosave is not None
    app.autosave.finish()
    async with opened(from_saved_session(None)) as (_, screen):
        assert screen.session.moment == MIDST
        assert screen.state.where == app.autosave.screen.state.where
        assert screen.state.where.row == 7
        assert screen.grid.zoomed == "qkv"
        assert screen.focused is not None
        assert screen.focused.id == "qkv"
        assert len(screen.session.losses) == 4


async def test_breakpoints_checks_watches_and_marks_are_restored() -> None:
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        await pilot.press("n", "n", "n", "b", "w", "B", "end", "space", "escape")
        screen.stops.keep(replace(screen.state.annotations, marks={"c": MIDST}))
        pilot.app.exit()
    assert isinstance(pilot.app, MicrogptApp)
    assert pilot.app.autosave is not None
    pilot.app.autosave.finish()
    async with opened(from_saved_session(None)) as (_, again):
        assert again.state.annotations == screen.state.annotations
        assert [each.describe() for each in again.state.annotations.breakpoints] == ["q, position 0, layer 0, forward"]
        assert again.state.annotations.watches == ("q[0, 0]@pos=0",)
        assert len(again.state.annotations.checks) == 4
        assert again.state.annotations.marks == {"c": MIDST}


async def test_what_does_not_fit_the_model_is_dropped_with_a_sentence() -> None:
    origin = checkpoint.snapshot(Session(SMALL, load_docs())).origin
    fits = {"id": "2", "condition": "loss < 2"}
    unfit = {"id": "1", "place": {"name": "q", "layer": 7}}
    saved_session.write_session(
        saved_session.SavedSession(
            SMALL, origin, Focus(MIDST), breakpoints=[unfit, fits], watches=[{"text": "q[7, 0]"}]
        )
    )
    async with opened(from_saved_session(None)) as (pilot, screen):
        assert [each.describe() for each in screen.state.annotations.breakpoints] == ["loss < 2"]
        assert screen.state.annotations.watches == ()
        told = [note for note in notes(pilot).splitlines() if "was dropped" in note]
        assert [words[:12] for words in told] == ["A breakpoint", "A watch was "]
        assert "layer is 7; write a number from 0 to 0." in told[0]


def state_files() -> dict[str, bytes]:
    """All that is in the state folder."""
    return (
        {path.name: path.read_bytes() for path in saved_session.state_folder().iterdir()}
        if saved_session.state_folder().is_dir()
        else {}
    )


def finished(app: App[Any]) -> Autosave:
    """The autosave of an app that has ended, when all is written."""
    assert isinstance(app, MicrogptApp)
    assert app.autosave is not None
    app.autosave.finish()
    return app.autosave


def saved_in_a_branch(file: Path) -> None:
    session = Session(SMALL, load_docs())
    branches = Branches(session)
    name = branches.change(None, [parse("wte[1, 2] = 0.5", Scope(session.config, session.tokenizer))]).name
    branches.session(name).seek(MIDST)
    checkpoint.write(checkpoint.snapshot(session, None, branches.all(), name), file)


async def test_an_unchanged_session_writes_nothing(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autosave, "PAUSE", 0.02)
    saved_in_a_branch(places / "run.safetensors")
    finished(await left_behind(lambda pilot, _: pilot.app.exit()))
    before, check, checks = state_files(), Autosave.check, []

    def checked(self: Autosave) -> None:
        check(self)
        checks.append(self)

    monkeypatch.setattr(Autosave, "check", checked)
    for start in (from_seed(SMALL, 0, None), from_file(places / "run.safetensors", None), from_saved_session(None)):
        async with opened(start) as (pilot, _):
            checks.clear()
            await until(pilot, lambda: len(checks) > 2)
            await pilot.press("question_mark", "escape")
            pilot.app.exit()
        done = finished(pilot.app)
        assert (done.touched, done.written, done.displaced) == (False, False, False)
        assert state_files() == before


async def test_the_session_before_is_kept_and_can_be_returned_to() -> None:
    finished(await left_behind(lambda pilot, _: pilot.app.exit()))
    last = saved_session.load_session()
    async with opened(from_seed(SMALL, 1, None)) as (pilot, screen):
        screen.what_if.branches.change(None, [parse("wte[1, 2] = 0.5", screen.stops.scope)])  # nothing else
        pilot.app.exit()
    assert finished(pilot.app).displaced
    new = saved_session.load_session()
    assert (new.moment.step, saved_session.load_session(earlier=True)) == (1, last)
    start = from_saved_session(None, earlier=True)
    assert start.run is not None
    assert start.run.moment == last.moment
    files = state_files()
    async with opened(start) as (pilot, screen):
        assert (screen.state.where, screen.grid.zoomed) == (last.where, "qkv")
        pilot.app.exit()
    assert not finished(pilot.app).written
    assert state_files() == files
    async with opened(from_saved_session(None, earlier=True)) as (pilot, _):
        await pilot.press("escape")
        pilot.app.exit()
    assert finished(pilot.app).displaced
    assert (saved_session.load_session().moment, saved_session.load_session().zoomed) == (last.moment, None)
    assert saved_session.load_session(earlier=True) == new
    branch, _ = saved_session.load_run(new, earlier=True)
    assert branch is not None
    assert len(branch.branches) == 1
    async with opened(from_saved_session(None)) as (pilot, _):  # resuming the session replaces nothing
        await pilot.press("n")
        pilot.app.exit()
    assert not finished(pilot.app).displaced
    assert saved_session.load_session(earlier=True) == new


async def test_a_session_that_cannot_be_written_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    finished(await left_behind(lambda pilot, _: pilot.app.exit()))
    before, write = state_files(), saved_session.write_whole

    def full(path: Path, content: bytes) -> None:
        if path.suffix == ".json":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(saved_session, "write_whole", full)
    async with opened(from_seed(SMALL, 1, None)) as (pilot, _):
        await pilot.press("n")
        pilot.app.exit()
    with pytest.raises(CheckpointError, match="No space left"):
        finished(pilot.app)
    assert state_files() == before


async def test_the_session_is_saved_when_the_user_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autosave, "PAUSE", 0.02)
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        assert not saved_session.session_file().exists()  # nothing has changed yet
        for moment in (MIDST, Moment(2, Phase.FORWARD, 9)):
            screen.navigator.go(moment)
            await until(
                pilot,
                lambda: (
                    saved_session.session_file().exists()
                    and saved_session.load_session().moment == screen.session.moment
                ),
            )
            run, _ = saved_session.load_run(saved_session.load_session())
            assert run is not None
            assert run.step == screen.session.step


async def test_a_run_that_another_debugger_has_written_over_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autosave, "PAUSE", 0.02)
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        branch = screen.what_if.branches.change(None, [parse("wte[1, 2] = 0.5", screen.stops.scope)])
        screen.navigator.enter(lambda: screen.what_if.branches.session(branch.name))
        await until(
            pilot,
            lambda: (
                not screen.busy
                and saved_session.session_file().exists()
                and saved_session.load_session().branch is not None
            ),
        )
        other = checkpoint.snapshot(Session(SMALL, load_docs()))
        saved_session.write_session(saved_session.SavedSession(SMALL, other.origin, Focus(MIDST)), other)
        await pilot.press("n")
        await until(pilot, lambda: saved_session.load_session().where == screen.state.where)
        run, _ = saved_session.load_run(saved_session.load_session())
        assert run is not None
        assert [each.name for each in run.branches] == [branch.name]


async def test_a_branch_that_was_not_saved_is_reported() -> None:
    origin = checkpoint.snapshot(Session(SMALL, load_docs())).origin
    saved_session.write_session(saved_session.SavedSession(SMALL, origin, Focus(MIDST), branch="what-if-1"))
    async with opened(from_saved_session(None)) as (pilot, screen):
        assert "The branch what-if-1 was not kept" in notes(pilot)
        assert screen.what_if.branch is None


async def test_a_full_disk_is_reported_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(autosave, "PAUSE", 0.02)
    (tmp_path / "state").touch()  # no folder can be made there
    async with opened(from_seed(SMALL, 0, None)) as (pilot, screen):
        for step in (1, 2, 3):
            screen.navigator.go(Moment(step))
            kept = screen.state.where
            await until(pilot, lambda: pilot.app.autosave._last_written.where == kept)  # type: ignore[attr-defined] # noqa: B023
            await screen.workers.wait_for_complete()
        await pilot.pause()
        assert notes(pilot).count("cannot be kept") == 1


async def test_without_its_run_the_moment_is_reached_by_training() -> None:
    app = await left_behind(lambda pilot, _: pilot.app.exit())
    assert app.autosave is not None
    app.autosave.finish()
    saved_session.run_file().write_bytes(b"damaged")
    async with opened(from_saved_session(None)) as (pilot, screen):
        assert screen.session.moment == MIDST
        assert "trained anew" in notes(pilot)


async def test_a_saved_session_that_does_not_fit_is_restored_as_far_as_possible() -> None:
    origin = checkpoint.snapshot(Session(SMALL, load_docs())).origin
    saved_session.write_session(
        saved_session.SavedSession(SMALL, origin, Focus(MIDST, row=10**7, head=99, matrix="?"), zoomed="?", pane="?")
    )
    async with opened(from_saved_session(None)) as (_, screen):
        assert screen.state.where == Focus(MIDST)
        assert (screen.grid.zoomed, screen.focused) == (None, None)


async def test_the_first_event_of_a_step_is_where_a_run_from_its_seed_opens() -> None:
    async with opened(from_seed(SMALL, 7, None)) as (_, screen):
        assert screen.session.moment == first_moment(screen.session.program, 7)
