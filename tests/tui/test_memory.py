"""Without memory for a second run, what needs one reports it, and everything else works."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psutil
import pytest

from engine import Moment, Phase, Session
from microgpt_tui.screens.debugger import DebuggerScreen
from tests.support.harness import DOCS, SMALL, debugger, notes, screen, text, until

SHORT = "one more run of this model would take"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run itself is there before memory is short."""
    Session(SMALL, DOCS)
    free: Any = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr("engine.model.recording.check_size", lambda *_: None)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)


@pytest.mark.parametrize("keys", [("x", "enter"), ("i",)])
async def test_actions_that_need_a_run_are_refused_with_a_sentence(keys: tuple[str, ...]) -> None:
    async with debugger(run=Session(SMALL, DOCS)) as pilot:
        await pilot.press(*"nnn", *keys)
        await until(pilot, lambda: SHORT in notes(pilot) and not screen(pilot).busy)
        assert type(pilot.app.screen) is DebuggerScreen
        assert not screen(pilot).what_if.branches.all()
        before = screen(pilot).session.moment
        await pilot.press("n")
        assert screen(pilot).session.moment.key > before.key


async def test_a_gradient_check_reports_it() -> None:
    async with debugger(run=Session(SMALL, DOCS)) as pilot:
        await pilot.press("f", "n", "g")
        await until(pilot, lambda: SHORT in " ".join(text(pilot).split()))


async def test_the_past_is_not_replayed() -> None:
    run = Session(replace(SMALL, num_steps=60), DOCS)
    run.run(until=30)
    async with debugger((200, 60), run) as pilot:
        screen(pilot).navigator.go(Moment(25, Phase.UPDATE, 3))
        await until(pilot, lambda: f"The past cannot be replayed: {SHORT}" in notes(pilot))
        await pilot.press("n", "n")
        await pilot.app.workers.wait_for_complete()
        assert notes(pilot).count(SHORT) == 1
