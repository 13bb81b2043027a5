"""The loading screen: it leads to the debugger, can be stopped, and reports why a run cannot be opened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.widgets import Static

from engine import Config, ConfigError
from engine.autograd.jit import can_compile, plain_loops
from engine.run.compilation import Compilation, is_compiled
from microgpt_tui.app import MicrogptApp
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.loading import OpeningScreen
from microgpt_tui.storage.paths import compiled_mark
from microgpt_tui.storage.startup import Start
from tests.support.harness import DOCS, SMALL, text, until
from tests.support.wait import PATIENCE


async def test_loading_leads_to_the_debugger_at_the_given_step() -> None:
    app = MicrogptApp(Start(SMALL, DOCS, step=7))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        assert isinstance(app.screen, DebuggerScreen)
        assert app.screen.session.step == 7


async def test_a_fault_while_loading_opens_at_its_moment() -> None:
    app = MicrogptApp(Start(Config(n_embd=4, n_head=2, block_size=4, learning_rate=2000.0, seed=3), DOCS, step=20))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        assert isinstance(app.screen, DebuggerScreen)
        assert app.screen.session.step < 20


async def test_loading_says_how_far_it_is() -> None:
    app = MicrogptApp(Start(Config(n_layer=2, block_size=12), DOCS, step=900))
    async with app.run_test(size=(80, 24)) as pilot:
        assert "recording the model's graph" in text(pilot)
        await until(pilot, lambda: "training: step" in text(pilot))
        assert re.search(r"training: step \d+ of 900, loss \d\.\d{4}", text(pilot))
        await pilot.press("q")


@pytest.mark.parametrize("key", ["q", "escape"])
async def test_loading_can_be_stopped(key: str) -> None:
    app = MicrogptApp(Start(Config(n_layer=2, block_size=12), DOCS, step=900))
    async with app.run_test(size=(80, 24)) as pilot:
        assert isinstance(app.screen, OpeningScreen)
        await pilot.press(key)
    assert app.return_value is None


async def test_a_run_that_cannot_be_opened_is_reported() -> None:
    app = MicrogptApp(Start(Config(n_embd=10**6, n_head=1), DOCS))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.return_value is not None)
    assert isinstance(app.return_value, ConfigError)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Compilation]:
    """What is compiled beside the opening of a run that is too large for plain loops; it lasts until it is stopped."""
    begun: list[Compilation] = []

    def compile_beside(compilation: Compilation) -> None:
        begun.append(compilation)
        assert compilation._stopped.wait(PATIENCE)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(Compilation, "_compile_beside", compile_beside)
    monkeypatch.setattr("microgpt_tui.screens.loading.loops_at_hand", plain_loops)
    monkeypatch.setattr("microgpt_tui.screens.loading.PATIENCE", 0.0)
    return begun


@pytest.mark.skipif(not can_compile(), reason="numba is not installed")
async def test_a_large_model_waits_for_loops_that_another_process_compiles(beside: list[Compilation]) -> None:
    app = MicrogptApp(Start(SMALL, DOCS, step=1))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "getting the loops ready" in text(pilot))
        await until(pilot, lambda: len(beside) == 1)
        await pilot.press("q")
        assert beside[0]._stopped.is_set()
    assert app.return_value is None


@pytest.mark.skipif(not can_compile(), reason="numba is not installed")
async def test_a_large_model_opens_with_compiled_loops(
    beside: list[Compilation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compilation, "_compile_beside", lambda own: beside.append(own))  # noqa: PLW0108 - a method
    app = MicrogptApp(Start(SMALL, DOCS, step=1))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        assert isinstance(app.screen, DebuggerScreen)
        assert app.screen.session.loops.compiled
    assert len(beside) == 1
    assert is_compiled(compiled_mark())


@pytest.mark.parametrize(
    ("start", "short"),
    [
        (Start(Config(), DOCS), True),
        (Start(SMALL, DOCS), True),
        (Start(SMALL, DOCS, step=1), False),
        (Start(Config(n_layer=2), DOCS), False),
        (Start(Config(n_embd=20), DOCS), False),
        (Start(Config(block_size=17), DOCS), False),
        (Start(SMALL, ["abcde"] * 20_000), False),
    ],
)
async def test_nothing_is_shown_of_opening_that_takes_a_moment(start: Start, short: bool) -> None:
    app = MicrogptApp(start)
    async with app.run_test(size=(80, 24)) as pilot:
        opening = app.screen_stack[0]
        assert isinstance(opening, OpeningScreen)
        assert bool(opening.query(Static)) is not short
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
