"""Runs that nothing shows any more give back the memory of their numbers at once, not when Textual lets go of them."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from engine import Run, Session
from engine.model.recording import Workspace
from microgpt_tui.dialogs.gradcheck import GradCheckScreen
from microgpt_tui.screens.inference import InferenceScreen
from microgpt_tui.widgets.picture_view import PictureView
from tests.support.harness import DOCS, SMALL, debugger, go, screen, until
from tests.support.large_models import pack_graphs


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> weakref.WeakSet[Workspace]:
    """All workspaces that were made during the test, and are there still."""
    made = weakref.WeakSet[Workspace]()
    before = Workspace.let_go

    def noted(self: Workspace) -> None:
        made.add(self)
        before(self)

    monkeypatch.setattr(Workspace, "let_go", noted)
    return made


def filled(spaces: weakref.WeakSet[Workspace]) -> int:
    """How many workspaces hold numbers of a document."""
    return sum(len(space.child) > 0 for space in spaces)


def has_numbers(run: Run) -> bool:
    """Whether a run holds those of a document; it is not brought back for that."""
    assert isinstance(run, Session)
    return len(run._workspace.child) > 0


async def test_the_run_of_a_gradient_check_goes_with_it(spaces: weakref.WeakSet[Workspace]) -> None:
    async with debugger(run=Session(SMALL, DOCS)) as pilot:
        await go(pilot, "f", "n")
        before = filled(spaces)
        await pilot.press("g")
        dialog = pilot.app.screen
        assert isinstance(dialog, GradCheckScreen)
        await until(pilot, lambda: dialog.result is not None)
        assert filled(spaces) == before + 1
        await pilot.press("escape")
        await until(pilot, lambda: filled(spaces) == before)


async def test_one_run_of_all_branches_has_numbers() -> None:
    async with debugger(run=Session(SMALL, DOCS)) as pilot:
        await go(pilot, "n", "n")
        for keys in (("x", "enter"), ("x", "down", "enter"), ("n",)):
            await go(pilot, *keys)
            sessions = screen(pilot).what_if.branches._sessions.values()
            original = screen(pilot).what_if.branches.original
            assert [run for run in (original, *sessions) if has_numbers(run)] == [screen(pilot).session]


async def shown_beside(pilot: Pilot[None]) -> Run:
    """The run that is compared with the one on the screen, once it has come."""
    beside = screen(pilot).what_if.beside
    assert beside is not None
    await until(pilot, lambda: has_numbers(beside._motion.session) and not beside._motion.busy)
    return beside._motion.session


async def test_a_compared_run_goes_when_it_is_hidden() -> None:
    async with debugger(run=Session(SMALL, DOCS)) as pilot:
        await go(pilot, "n", "n", "x", "enter", "n", "d")
        first = await shown_beside(pilot)
        await pilot.press("d")
        await until(pilot, lambda: not has_numbers(first))
        await go(pilot, "n", "d", "n")
        second = await shown_beside(pilot)
        assert second is not first
        await pilot.press("d")
        await until(pilot, lambda: not has_numbers(second))


async def test_no_names_are_drawn_from_a_compared_run() -> None:
    """A sampler would take as much memory as another run, and nothing shows them."""
    async with debugger(run=Session(replace(SMALL, num_steps=20), DOCS)) as pilot:
        await go(pilot, "n", "x", "enter", *["right_square_bracket"] * 3, "d", "n")
        compared = await shown_beside(pilot)
        assert compared.step == 3
        beside = screen(pilot).what_if.beside
        assert beside is not None
        assert not beside._motion.names


async def test_what_inference_was_drawn_from_goes_with_its_screen(spaces: weakref.WeakSet[Workspace]) -> None:
    async with debugger(run=Session(SMALL, DOCS)) as pilot:
        await go(pilot, "n", "n")
        before = filled(spaces)
        await pilot.press("i", "n")
        drawn = pilot.app.screen
        assert isinstance(drawn, InferenceScreen)
        inside = drawn.query_one("#inside", PictureView)
        shown = [line.segments for line in inside.picture.lines]
        assert filled(spaces) == before + 1
        for key in "bg":  # whole documents are shown in the place of what is inside the position
            await pilot.press(key)
            await until(pilot, lambda: not drawn.state.pending and not drawn._documents._turn.locked())
            assert drawn.state.beam or drawn.state.printed
            gc.collect()
            assert filled(spaces) == before
            await pilot.press(key)
            await pilot.pause()
            assert filled(spaces) == before + 1
            assert [line.segments for line in inside.picture.lines] == shown
        await pilot.press("escape")
        await until(pilot, lambda: filled(spaces) == before)


async def test_one_sampler_alone_has_numbers_while_inference_covers_a_large_run(
    spaces: weakref.WeakSet[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the run, nor the copy of its step, nor the one that it is compared with."""
    pack_graphs(monkeypatch)
    async with debugger(run=Session(SMALL, DOCS)) as pilot:
        await go(pilot, "f", "n", "x", "enter", "d", "n")
        await shown_beside(pilot)
        gc.collect()
        before = filled(spaces)
        assert before == 3
        await pilot.press("i", "n")
        drawn = pilot.app.screen
        assert isinstance(drawn, InferenceScreen)
        await until(pilot, lambda: filled(spaces) == 1)
        assert len(drawn._sampler.workspace.child) > 0
        await pilot.press("escape")
        await shown_beside(pilot)
        assert has_numbers(screen(pilot).session)
        await until(pilot, lambda: filled(spaces) <= before)


async def test_all_runs_of_a_screen_go_with_it() -> None:
    run = Session(SMALL, DOCS)
    async with debugger(run=run) as pilot:
        await go(pilot, "n", "n", "x", "enter", "d", "n")
        branch, compared = screen(pilot).session, await shown_beside(pilot)
        assert branch is not run
        assert has_numbers(branch)
    assert not any(has_numbers(each) for each in (run, branch, compared))
    assert run.view().moment == run.moment  # it comes back where it is wanted
