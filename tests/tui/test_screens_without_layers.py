"""The screen of a model without layers: panes of layers say that there are none."""

from __future__ import annotations

from functools import cache

import pytest
from textual.pilot import Pilot

from engine import Config, Session
from microgpt_tui.screens.inference import InferenceScreen
from tests.support.harness import DOCS, answer, debugger, go, name, notes, screen, text


@cache
def run() -> Session:
    session = Session(Config(n_layer=0, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3), DOCS)
    session.run(until=3)
    return session


async def typed(pilot: Pilot[None], words: str) -> None:
    await pilot.press("colon")
    await answer(pilot, words)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_events_go_from_the_embedding_to_the_logits(size: tuple[int, int]) -> None:
    async with debugger(size, run()) as pilot:
        names = [name(pilot)]
        for _ in range(4):
            await go(pilot, "n")
            names.append(name(pilot))
        assert names == ["embed", "embed_norm", "logits", "probs", "loss_t"]
        for key, missing in {"5": "q, k and v", "6": "attention"}.items():
            await go(pilot, key)
            assert f"no layers, and so no {missing}" in notes(pilot)


async def test_parts_of_layers_and_layers_are_missing() -> None:
    async with debugger(run=run()) as pilot:
        for key in ("x", "X"):
            await go(pilot, key)
            assert "Adam's bias correction: on" in text(pilot)
            assert "residual" not in text(pilot)
            await go(pilot, "escape")
        await typed(pilot, "layer 0")
        assert "this model has no layers, and so no layer 0" in text(pilot)


async def test_inference_draws_what_the_run_draws() -> None:
    async with debugger(run=run()) as pilot:
        await go(pilot, "i")
        here = pilot.app.screen
        assert isinstance(here, InferenceScreen)
        await pilot.press("tab", "n", "n")
        await pilot.pause()
        assert "no layers: no attention, keys and values" in text(pilot)
        assert screen(pilot).session.config.n_layer == 0
