"""Pages about a position of a sample, and about a branch of the run; the pages after them are about the original."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import Config, Session
from microgpt_tui.drawing.markdown import without_literals
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.inference.panel import InferencePanel
from microgpt_tui.inference.state import Temperature
from microgpt_tui.lectures.sample_place import SamplePlace
from microgpt_tui.widgets.picture_view import PictureView
from tests.support.harness import text, until
from tests.support.lecture_harness import CONFIG, lecture_app, lecture_of, lecture_screen, ready

SIZES = [(80, 24), (120, 36), (200, 60)]
SAMPLES = f"""\
---
chapter: Samples
config: {CONFIG}
moment: step 3
inference: position=1, temperature=1, show=draw
---
# The draw
---
moment: step 0
spotlight: stage
---
# The panes
"""


@pytest.mark.parametrize("size", SIZES)
async def test_a_page_shows_a_position_of_a_sample_in_place_of_the_panes(tmp_path: Path, size: tuple[int, int]) -> None:
    async with lecture_app(lecture_of(tmp_path, SAMPLES), size) as pilot:
        shown = lecture_screen(pilot)
        await until(pilot, lambda: "The random number" in text(pilot))
        session = shown.session
        assert session.step == 3
        walk = SamplePlace(position=1, temperature=1.0).walk(session)
        token = session.tokenizer.name(walk.here.token_id)
        assert f"falls into {token}" in text(pilot)
        assert "temperature 1.00" in text(pilot)
        assert not any(pane.is_on_screen for pane in shown.panes)
        panel = shown.query_one(InferencePanel)
        panel.query_one("#sample-slider", PictureView).post_message(
            PictureView.Chosen(panel.query_one("#sample-slider", PictureView), Temperature(0.5))
        )
        await until(pilot, lambda: "temperature 0.50" in text(pilot))
        await pilot.press("right")
        await until(pilot, lambda: ready(shown) and shown.panes[0].is_on_screen)
        assert "temperature" not in text(pilot)
        assert session.step == 0


ASKED = f"""\
---
chapter: Asked
config: {CONFIG}
moment: step 3
inference: position=0, temperature=1, show=draw
ask: And colder?
options: ["{{drawn(temperature=1)}}!", "{{drawn(temperature=0.1)}}"]
answer: drawn(temperature=0.1)
reveal: temperature=0.1
---
# The draw
"""


async def test_a_sample_is_shown_with_other_settings_when_the_answer_is_revealed(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path, ASKED)) as pilot:
        walks = [SamplePlace(temperature=heat).walk(lecture_screen(pilot).session) for heat in (1.0, 0.1)]
        before, after = (walk.tokenizer.name(walk.here.token_id) for walk in walks)
        for _ in range(2):
            await until(pilot, lambda: "temperature 1.00" in text(pilot))
            assert f"falls into {before}" in text(pilot)
            await pilot.press("right")
            await until(pilot, lambda: "temperature 0.10" in text(pilot))
            assert f"falls into {after}" in text(pilot)
            await pilot.press("left")


async def test_where_a_sample_was_seen_is_told_with_the_answer(tmp_path: Path) -> None:
    run = Session(Config(n_embd=4, n_head=2, block_size=4, num_steps=9), ["a", "b"])
    walk = SamplePlace().walk(run)
    while walk.next():
        pass
    asked = ASKED.replace("position=0", f"position={walk.here.pos}").replace("reveal: temperature=0.1\n", "")
    asked = asked.replace("temperature=1, ", "")
    async with lecture_app(lecture_of(tmp_path, asked), run=run) as pilot:
        await until(pilot, lambda: "the end" in text(pilot))
        assert "the end:" not in text(pilot)
        await pilot.press("right")
        await until(pilot, lambda: "the end:" in text(pilot))


async def test_the_panes_are_there_while_one_explores_from_a_sample(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path, SAMPLES)) as pilot:
        await until(pilot, lambda: "The random number" in text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: lecture_screen(pilot).panes[0].is_on_screen)
        assert "The random number" not in text(pilot)
        await pilot.press("l")
        await until(pilot, lambda: "The random number" in text(pilot))


WHAT_IF = f"""\
---
chapter: What if
config: {CONFIG}
moment: step 2 forward loss
what_if: |
  learning_rate = 0.5
  layer0.mlp
spotlight: comparison
---
# A branch

{{loss}} against {{loss if original}}
---
moment: step 2 forward loss
spotlight: stage
---
# The original
"""


async def test_a_page_is_about_a_branch_and_the_next_about_the_original(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path, WHAT_IF)) as pilot:
        shown = lecture_screen(pilot)
        for _ in range(2):
            await until(pilot, lambda: ready(shown) and shown.what_if.branch is not None)
            assert [change.text for change in shown.what_if.changes] == [
                "learning_rate@step=0 = 0.5",
                "layer0.mlp@step=0 = 0",
            ]
            branch = shown.session.view().loss
            await pilot.press("right")
            await until(pilot, lambda: ready(shown) and shown.what_if.branch is None)
            assert shown.session.view().loss not in (None, branch)
            words = without_literals(shown.player.rendered_pages[0].body)
            assert words == f"{plain(branch)} against {plain(shown.session.view().loss)}"
            await pilot.press("left")
        assert len(shown.what_if.branches.all()) == 1


async def test_a_page_returns_to_the_original_from_what_was_tried_while_exploring(tmp_path: Path) -> None:
    async with lecture_app(lecture_of(tmp_path)) as pilot:
        shown = lecture_screen(pilot)
        await pilot.press("escape", "x", "enter")
        await until(pilot, lambda: shown.what_if.branch is not None and not shown.busy)
        await pilot.press("l")
        await until(pilot, lambda: shown.what_if.branch is None and not shown.busy)
        assert shown.session.view().event.name == "q"


IMPOSSIBLE = f"""\
---
chapter: Impossible
config: {CONFIG}
moment: step 0 forward loss
spotlight: stage
---
# First
---
moment: step 1 forward loss
what_if: q[0, 0]@pos=3,step=1 = 1
spotlight: comparison
---
# A place that the document lacks
---
moment: step 2
inference: position=4
---
# This sample is over
---
moment: step 3
---
# Last
"""


async def test_pages_that_cannot_be_shown_say_so_and_the_lecture_goes_on(tmp_path: Path) -> None:
    run = Session(Config(n_embd=4, n_head=2, block_size=4, num_steps=9), ["a", "b"])
    async with lecture_app(lecture_of(tmp_path, IMPOSSIBLE), run=run) as pilot:
        shown = lecture_screen(pilot)
        await pilot.press("right")
        await until(pilot, lambda: ready(shown) and "cannot be shown" in text(pilot))
        assert shown.what_if.branch is None
        await pilot.press("right")
        await until(pilot, lambda: ready(shown) and "This sample" in text(pilot))
        assert "cannot be shown" in text(pilot)
        await pilot.press("right")
        await until(pilot, lambda: ready(shown) and "Last" in text(pilot))
        assert shown.session.step == 3
