"""While inference covers a run of a large model, the run holds no numbers; left, the screen is as it was before."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.segment import Segment
from textual import events
from textual.pilot import Pilot

from engine import EngineError, Moment, Session
from engine.interventions.syntax import parse
from engine.run.replay import sample_names
from engine.sampling.sampler import Sampler
from engine.timeline.events import PHASES, Phase
from microgpt_tui.app import MicrogptApp
from microgpt_tui.debugger.series_loader import SeriesLoader
from microgpt_tui.inference.worker import NAMES
from microgpt_tui.panes.grid import PaneGrid
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.inference import InferenceScreen
from microgpt_tui.storage.startup import Start
from tests.support.audience_lecture import lecture_with_stand_in
from tests.support.audience_server import stand_in
from tests.support.harness import DOCS, SMALL, debugger, drawn, go, notes, screen, until
from tests.support.large_models import pack_graphs

BRANCHES = "", "layer0.head1@step=2", "residual@step=2"
"""What is changed: nothing; what sets scalars; what leads edges of the graph to other operands."""


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    pack_graphs(monkeypatch)


@asynccontextmanager
async def at(phase: Phase, *keys: str, size: tuple[int, int] = (120, 36)) -> AsyncIterator[Pilot[None]]:
    """The debugger in the middle of a phase of step 2, where keys were pressed then."""
    async with debugger(size, Session(SMALL, DOCS)) as pilot:
        await go(pilot, "right_square_bracket", "right_square_bracket")
        screen(pilot).navigator.go(Moment(2, phase, screen(pilot).session.program.ticks(phase) // 2))
        await go(pilot, *keys)
        yield pilot


def painted(pilot: Pilot[Any]) -> list[list[Segment]]:
    """All that is on the screen, with its styles."""
    return [list(strip) for strip in pilot.app.screen._compositor.render_strips(pilot.app.size)]


def session(pilot: Pilot[Any], of: DebuggerScreen | None = None) -> Session:
    shown = (of or screen(pilot)).session
    assert isinstance(shown, Session)
    return shown


def inference(pilot: Pilot[Any]) -> InferenceScreen:
    found = pilot.app.screen
    assert isinstance(found, InferenceScreen)
    return found


async def opened(pilot: Pilot[Any], *keys: str) -> InferenceScreen:
    """Inference, once it is there, and keys in it."""
    await pilot.press("i")
    await until(pilot, lambda: isinstance(pilot.app.screen, InferenceScreen) and pilot.app.screen.is_mounted)
    await pilot.press(*keys)
    await pilot.pause()
    return inference(pilot)


async def left(pilot: Pilot[Any]) -> None:
    """The debugger again, as soon as it shows the run."""
    await pilot.press("escape")
    shown = screen(pilot)
    await until(pilot, lambda: pilot.app.screen is shown and not shown.covered and not shown._waiting)
    await pilot.pause()


def put_away(run: Session) -> bool:
    """Whether a run holds none of its numbers; it is not brought back for that."""
    return run._away is not None and not len(run._workspace.child)


@pytest.mark.parametrize("change", BRANCHES)
@pytest.mark.parametrize("phase", PHASES)
async def test_the_screen_is_as_it_was_once_inference_is_left(phase: Phase, change: str) -> None:
    async with at(phase) as pilot:
        if change:
            original = session(pilot)
            screen(pilot).what_if.open((parse(change, original.scope),), original.moment)
            await until(pilot, lambda: not screen(pilot).busy and session(pilot) is not original)
            await pilot.pause()
        run = session(pilot)
        own_graph = len(run.workspace.other_edges) > 0
        assert own_graph is change.startswith("residual")
        before, panes, moment = painted(pilot), drawn(pilot), run.moment
        arrays = [its for its in vars(run.workspace).values() if isinstance(its, np.ndarray) and len(its)]
        held = [weakref.ref(its) for its in arrays if its is not run.recording.child]
        edges = weakref.ref(run.program.edges)
        del arrays
        await opened(pilot, "n", "n")
        assert put_away(run)
        assert [ref() for ref in (*held, edges) if ref() is not None] == []
        await left(pilot)
        assert (painted(pilot), drawn(pilot), run.moment) == (before, panes, moment)
        assert not put_away(run)
        assert screen(pilot).frame.view.workspace.data is run.workspace.data  # type: ignore[attr-defined]
        assert (run.workspace.child is run.recording.child) is not own_graph  # inference has returned it


async def test_a_sample_is_the_same_as_from_a_run_that_is_not_put_away() -> None:
    for phase in PHASES:
        async with at(phase) as pilot:
            run = session(pilot)
            sampler, ids = run.sampler(), [run.tokenizer.bos, 0, 1]
            shown = await opened(pilot, "n")
            assert shown.state.step == 2
            for n in range(1, 4):
                assert shown._sampler.after(ids[:n], 0.5) == sampler.after(ids[:n], 0.5)


@pytest.mark.parametrize("phase", PHASES)
async def test_a_compared_run_is_put_away_too_and_comes_back(phase: Phase) -> None:
    async with at(phase, "x", "enter", "n", "d") as pilot:

        def compared() -> Session:
            beside = screen(pilot).what_if.beside
            assert beside is not None
            assert isinstance(beside._motion.session, Session)
            return beside._motion.session

        def there() -> bool:
            beside = screen(pilot).what_if.beside
            return beside is not None and beside._aim is not None and not beside._motion.busy

        await until(pilot, there)
        await pilot.pause()
        run, before, first = session(pilot), painted(pilot), compared()
        assert first is not run
        await opened(pilot, "n")
        await until(pilot, lambda: put_away(first))
        assert put_away(run)
        await left(pilot)
        await until(pilot, there)
        await until(pilot, lambda: painted(pilot) == before)
        assert compared() is not first


async def test_the_theme_may_change_and_the_window_while_inference_is_shown() -> None:
    async with at(Phase.BACKWARD) as pilot:
        first = painted(pilot)
        await pilot.press("ctrl+t")
        await pilot.resize_terminal(160, 50)
        await pilot.pause()
        expected = painted(pilot)
        await pilot.press("ctrl+t", "ctrl+t")
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: painted(pilot) == first)
        await opened(pilot, "ctrl+t")
        await pilot.resize_terminal(160, 50)
        await pilot.pause()
        assert put_away(session(pilot))
        await left(pilot)
        await until(pilot, lambda: painted(pilot) == expected)


async def test_nothing_that_is_told_to_the_covered_screen_brings_the_run_back() -> None:
    async with at(Phase.BACKWARD) as pilot:
        shown, before = screen(pilot), painted(pilot)
        await opened(pilot, "n")
        for tell in (
            shown._show_stage,
            shown.show_hints,
            shown.grid.place,
            lambda: shown.post_message(SeriesLoader.Learned()),
            lambda: shown.post_message(PaneGrid.Changed()),
            lambda: shown.post_message(events.ScreenResume()),  # of a dialog that was there before
            shown.show_soon,
            shown.state.on_change,
        ):
            tell()
            await pilot.pause()
            assert put_away(session(pilot)), tell
            assert shown.covered
            assert not any(pane.frame for pane in shown.panes)
        await left(pilot)
        assert painted(pilot) == before


async def test_a_session_is_saved_while_its_run_is_put_away() -> None:
    app = MicrogptApp(Start(replace(SMALL, num_steps=20), DOCS))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.autosave is not None and app.autosave._first is not None)
        await go(pilot, "f", "n", "number_sign")
        assert app.debugger is not None
        assert app.autosave is not None
        await opened(pilot, "n")
        app.autosave.check()
        app.autosave.check()
        await until(pilot, lambda: app.autosave is not None and app.autosave.written)
        assert put_away(session(pilot, app.debugger))


async def test_the_audience_may_look_while_the_run_of_a_lecture_is_put_away(tmp_path: Path) -> None:
    with stand_in() as server:
        async with lecture_with_stand_in(tmp_path, server) as pilot:
            shown = next(each for each in pilot.app.screen_stack if isinstance(each, DebuggerScreen))
            await pilot.press("escape", "f")
            await until(pilot, lambda: not shown.busy and "explore" in server.table)
            before, explore = painted(pilot), server.table["explore"]
            await opened(pilot, "n")
            await until(pilot, lambda: "draw" in server.rows() and not server.table["panes"])
            assert put_away(session(pilot, shown))
            assert server.table["explore"] == explore
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is shown and painted(pilot) == before)
            assert not put_away(session(pilot, shown))


async def test_inference_that_cannot_open_leaves_the_run_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    after = Sampler.after

    def no_probabilities(self: Sampler, ids: list[int], temperature: float) -> list[float]:
        after(self, ids, temperature)
        raise EngineError("there are no probabilities")

    async with at(Phase.BACKWARD) as pilot:
        before, run = drawn(pilot), session(pilot)
        monkeypatch.setattr(Sampler, "after", no_probabilities)
        await pilot.press("i")
        await until(pilot, lambda: "no probabilities" in notes(pilot))
        assert drawn(pilot) == before
        assert not screen(pilot).covered
        assert run._workspace.child is run.recording.child


async def test_the_run_of_other_steps_goes_when_their_names_are_no_longer_shown() -> None:
    async with at(Phase.BACKWARD) as pilot:
        shown, found = await opened(pilot, "n"), []
        for _ in range(2):
            await pilot.press("g")
            await until(pilot, lambda: not shown.state.pending and not shown._documents._turn.locked())
            assert isinstance(shown._documents._run, Session)
            assert put_away(shown._documents._run)
            found.append((dict(shown.state.names), shown.state.printed))
            await pilot.press("g")
            await until(pilot, lambda: shown._documents._run is None and shown._documents._sampler is None)
        assert found[0] == found[1]
        assert put_away(session(pilot))
        names, run = found[0][0], session(pilot)
        assert names[None] == sample_names(run, NAMES, shown.state.walk.strategy, "", "names 0")


async def test_a_small_run_keeps_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.model.recording.LARGE", 10**9)
    async with at(Phase.BACKWARD) as pilot:
        numbers = session(pilot).workspace.data
        await opened(pilot, "n")
        assert session(pilot)._away is None
        assert session(pilot)._workspace.data is numbers
