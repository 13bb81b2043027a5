"""The screen of inference, driven by keys and the mouse: what it shows is what the engine says."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from engine import Config, Scope, Session, load_docs
from engine.interventions.syntax import parse
from engine.run.replay import sample_names
from engine.sampling.beam import beam
from engine.sampling.sampler import Sampler
from engine.sampling.strategy import DecodingStrategy
from engine.timeline.events import Moment, Phase
from microgpt_tui.dialogs.text_input import AskScreen
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import small_percent
from microgpt_tui.inference.keys import IN_INFERENCE
from microgpt_tui.inference.lists import with_syllables
from microgpt_tui.inference.state import InferenceState, Temperature
from microgpt_tui.inference.worker import NAMES, WIDTH
from microgpt_tui.screens.inference import DRAWINGS, InferenceScreen
from microgpt_tui.widgets.picture_view import PictureView
from tests.support.harness import debugger, go, notes, screen, text, until

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "small_2layer.json.gz"
NAMES_OF_PEOPLE = ["anna", "ben", "bea", "nan", "가나다 라"]


@cache
def run() -> Session:
    """A run of its own, as it moves."""
    session = Session(Config(n_layer=2, n_embd=8, n_head=2, block_size=8, num_steps=40, seed=5), NAMES_OF_PEOPLE)
    session.run(until=20)
    return session


@asynccontextmanager
async def inference(size: tuple[int, int] = (120, 36)) -> AsyncIterator[Pilot[None]]:
    async with debugger(size, run()) as pilot:
        await go(pilot, "right_square_bracket", "right_square_bracket", "i")
        yield pilot


def shown(pilot: Pilot[None]) -> InferenceScreen:
    found = pilot.app.screen_stack[2]
    assert isinstance(found, InferenceScreen)
    return found


def state(pilot: Pilot[None]) -> InferenceState:
    return shown(pilot).state


def picture(pilot: Pilot[None], name: str) -> str:
    return shown(pilot).query_one(f"#{name}", PictureView).picture.text()


async def test_in_a_branch_it_says_so_and_has_its_temperature() -> None:
    branch = run().branch([parse("temperature@step=1 = 1.5", Scope(run().config, run().tokenizer))])
    branch.run(until=2)
    async with debugger((120, 36), run()) as pilot:
        pilot.app.push_screen(InferenceScreen(branch, branch="branch 1"))
        await until(pilot, lambda: len(pilot.app.screen_stack) == 3)
        await pilot.pause()
        assert "in branch 1" in picture(pilot, "place")
        assert state(pilot).walk.strategy.temperature == branch.temperature == 1.5
        assert run().temperature == 0.5


async def test_a_repeated_notification_is_shown_once() -> None:
    async with inference() as pilot:
        for _ in range(4):
            await pilot.press("p")
        await until(pilot, lambda: "first position" in notes(pilot))
        assert notes(pilot).count("first position") == 1


async def test_it_draws_the_next_sample_of_the_run_and_does_not_change_the_run() -> None:
    async with inference() as pilot:
        moment = run().moment
        await pilot.press("end")
        generator = random.Random()
        generator.setstate(run().generator.getstate())
        assert state(pilot).walk.text == run().sample(1, generator=generator)[0]
        assert "parameters of step 2" in text(pilot)
        await pilot.press("r", "end")
        assert state(pilot).sequence == 1
        assert state(pilot).walk.text == run().sample(1, generator=random.Random("5 1"))[0]
        await pilot.press("R")
        assert state(pilot).sequence == 0
        await pilot.press("escape")
        assert pilot.app.screen is screen(pilot)
        assert run().moment == moment


async def test_next_and_back_and_both_ends() -> None:
    async with inference() as pilot:
        first = text(pilot)
        await pilot.press("r", "n")
        assert state(pilot).here.pos == 1
        assert f"[{state(pilot).token(state(pilot).here.reads)}]" in text(pilot)
        await pilot.press("p", "R")
        assert text(pilot) == first
        await pilot.press("p")
        assert "first position" in notes(pilot)
        await pilot.press("end", "end")
        assert "n begins the next one" in notes(pilot)
        assert "the end" in text(pilot)
        await pilot.press("home")
        assert state(pilot).here.pos == 0


async def test_the_names_of_the_original_one_after_the_other_and_as_a_column() -> None:
    with gzip.open(GOLDEN, "rt") as file:
        data = json.load(file)
    config = {key: value for key, value in data["spec"].items() if key not in ("trace_steps", "data")}
    golden = Session(Config(**config), load_docs())
    golden.run(until=golden.config.num_steps - 1)
    async with debugger((120, 44), golden) as pilot:
        screen(pilot).navigator.go(Moment(golden.config.num_steps))
        await until(pilot, lambda: golden.step == golden.config.num_steps and not screen(pilot).busy)
        await pilot.press("i")
        for i, name in enumerate(data["samples"]):
            await until(pilot, lambda i=i: f"name {i + 1} of the run's own numbers" in picture(pilot, "place"))
            await pilot.press("end")
            await until(pilot, lambda: state(pilot).walk.over)
            assert state(pilot).walk.text == name
            await pilot.press("n")
        await pilot.press("p")
        assert (state(pilot).walk.index, state(pilot).walk.text) == (19, data["samples"][19])
        assert "the end" in text(pilot)
        await pilot.press("home", "p")
        assert (state(pilot).walk.index, state(pilot).walk.text) == (18, data["samples"][18])
        await pilot.press("right", "g")
        await until(pilot, lambda: not state(pilot).pending)
        assert state(pilot).printed == data["samples"]  # whatever the slider says
        heading, _, *rows = picture(pilot, "names").splitlines()
        column = heading.index("as the original prints")
        for row, name in zip(rows, data["samples"], strict=False):
            assert row[column:].removesuffix("■ in data").strip() == (name or "(empty)")


async def test_the_random_number_points_at_the_drawn_token() -> None:
    async with inference() as pilot:
        for _ in range(6):
            await pilot.press("r")
            here, lines = state(pilot).here, picture(pilot, "draw").splitlines()
            assert here.pick is not None
            low, high = here.pick.bounds
            assert f"{here.pick.number:.6f} falls into {state(pilot).token(here.token_id)}" in lines[0]
            assert f"{low:.6f} to {high:.6f}" in lines[0]
            sums = shown(pilot).query_one("#draw", PictureView).picture.lines[2]
            assert lines[1].index("▼") == 1 + int(here.pick.number * (sums.width - 2))
            chosen = [segment.text for segment in sums.segments if segment.style is theme.NOW]
            assert len(chosen) == 1
            assert lines[2].index("▕") < lines[2].index(chosen[0])


async def test_the_temperature_moves_the_bars_and_not_the_number() -> None:
    async with inference() as pilot:
        before = state(pilot).here
        assert before.pick is not None
        await pilot.press("right", "full_stop", "left")
        here = state(pilot).here
        assert state(pilot).walk.strategy == DecodingStrategy(0.55)
        assert here.pick is not None
        assert here.pick.number == before.pick.number
        assert here.probs != before.probs
        assert list(here.plain) == list(before.plain)
        for key, bound in (("comma", 0.05), ("right", 2.0)):
            await pilot.press(*[key] * 45)
            assert state(pilot).walk.strategy.temperature == bound
        assert "temperature 2.00" in text(pilot)


async def test_the_slider_can_be_clicked_and_dragged() -> None:
    async with inference() as pilot:
        slider = shown(pilot).query_one("#slider", PictureView)
        spots = [s for s in slider.picture.spots() if isinstance(s.target, Temperature)]
        await pilot.click("#slider", offset=(spots[0].x, 0))
        assert state(pilot).walk.strategy.temperature == 0.05
        await pilot.mouse_down("#slider", offset=(spots[5].x, 0))
        await pilot.hover("#slider", offset=(spots[-1].x, 0))
        await pilot.mouse_up("#slider", offset=(spots[-1].x, 0))
        await pilot.pause()
        assert state(pilot).walk.strategy.temperature == 2.0
        await pilot.hover("#slider", offset=(spots[3].x, 0))
        await pilot.pause()
        assert state(pilot).walk.strategy.temperature == 2.0


async def test_a_token_can_be_clicked() -> None:
    async with inference() as pilot:
        await pilot.press("right", *["right"] * 20, "r", "n", "n")
        assert state(pilot).here.pos == 2
        await pilot.click("#tokens", offset=(2, 0))
        assert state(pilot).here.pos == 0
        spot = list(shown(pilot).query_one("#tokens", PictureView).picture.spots())[-1]
        await pilot.click("#tokens", offset=(spot.x, 0))
        assert state(pilot).here.pos == 1


async def test_the_modes_and_the_tokens_that_they_exclude() -> None:
    async with inference() as pilot:
        await pilot.press("up")
        assert "m chooses" in notes(pilot)
        await pilot.press("m")
        assert state(pilot).walk.strategy == DecodingStrategy(greedy=True)
        assert "no random number" in text(pilot)
        await pilot.press("m", "down", "down", "down")
        assert state(pilot).walk.strategy == DecodingStrategy(top_k=2)
        assert picture(pilot, "bars").count("out") == run().tokenizer.vocab_size - 2
        await pilot.press("m", "down", "up", "up", "up", "up")
        assert state(pilot).walk.strategy == DecodingStrategy(top_p=1.0)
        assert "out" not in picture(pilot, "bars")
        await pilot.press("m")
        assert state(pilot).walk.strategy == DecodingStrategy()


async def test_a_prefix_is_typed_and_a_wrong_one_is_refused_with_a_sentence() -> None:
    async with inference() as pilot:
        await pilot.press("e", *"bex", "enter")
        assert "'x', which no document has" in text(pilot)
        await pilot.press("backspace", "enter")
        await pilot.pause()
        assert state(pilot).walk.prefix == "be"
        assert state(pilot).walk.ids[1:] == run().tokenizer.encode("be")[1:-1]
        await pilot.press("p")
        assert "nothing is drawn" in text(pilot)
        await pilot.press("slash")
        assert pilot.app.screen.query_one(Input).value == "be"
        await pilot.press("escape")
        assert state(pilot).walk.prefix == "be"


async def test_keys_and_values_of_all_positions_and_all_heads_are_shown() -> None:
    async with inference() as pilot:
        await pilot.press("slash", *"bean", "enter")
        await pilot.pause()
        lines = picture(pilot, "inside").splitlines()
        assert [line.split()[0] for line in lines if line][-5:] == ["BOS", "b", "e", "a", "▸n"]
        for head in range(2):
            weights = state(pilot).walk.tensor("attn_weights", 4, 0, head)
            (line,) = [line for line in lines if line.startswith(f"head {head}")]
            assert line.split()[2:] == [str(round(w * 100)) for w in weights]
        await pilot.press("tab")
        assert "layer 1" in picture(pilot, "inside")
        await pilot.press("p")
        assert len(picture(pilot, "inside").splitlines()) == len(lines) - 1


async def test_the_beam_is_that_of_the_engine_at_the_present_position() -> None:
    async with inference() as pilot:
        await pilot.press("b")
        for prefix in ("", "an"):
            if prefix:
                await pilot.press("e", *prefix, "enter")
                await pilot.pause()
            await until(pilot, lambda: state(pilot).beam is not None)
            sampler = Sampler(run().recording, run().loops, run().workspace.params)
            expected = beam(sampler, run().tokenizer, WIDTH, 0.5, prefix)
            assert state(pilot).beam == expected
            assert small_percent(expected[0].prob) in text(pilot)
        await pilot.press("b")
        assert "head 0" in text(pilot)


async def test_names_of_several_steps_stand_side_by_side_and_those_of_the_data_are_marked() -> None:
    async with inference() as pilot:
        await pilot.press("g")
        await until(pilot, lambda: len(state(pilot).names) == 5 and not state(pilot).pending)
        assert state(pilot).steps == (40, 0, 20, 4)
        other = run().restart_copy()
        for step in (0, 4, 20, 40):
            other.seek(Moment(step))
            assert state(pilot).names[step] == sample_names(other, NAMES, DecodingStrategy(), "", "names 0")
        assert state(pilot).names[None] == sample_names(run(), NAMES, DecodingStrategy(), "", "names 0")
        found = [name for column in state(pilot).names.values() for name in column if name in NAMES_OF_PEOPLE]
        assert picture(pilot, "names").count("■ in data") + picture(pilot, "names").count("■\n") >= len(found) > 0
        await pilot.press("g")
        assert "The draw" in text(pilot)


async def test_the_legend_explains_what_is_shown_and_nothing_else() -> None:
    async with inference() as pilot:
        whole = picture(pilot, "legend")
        assert "attention 0%" in whole
        await pilot.press("b")
        await until(pilot, lambda: state(pilot).beam is not None)
        assert "attention" not in (legend := picture(pilot, "legend"))
        assert "its max" not in legend
        assert "p at temperature 1" in legend  # the bars are there still
        await pilot.press("g")
        assert not shown(pilot).query_one("#legend").display
        await pilot.press("g")
        assert shown(pilot).query_one("#legend").display
        assert picture(pilot, "legend") == whole


async def test_names_are_compared_with_those_of_steps_visited_before() -> None:
    async with inference() as pilot:
        await go(pilot, "q", "right_square_bracket", "i")
        assert state(pilot).steps == (2, 40, 0, 20, 4)
        await pilot.press("g")
        await until(pilot, lambda: not state(pilot).pending)
        heading = picture(pilot, "names").splitlines()[0]
        assert heading.endswith(" as the original prints")
        steps = heading.removesuffix("as the original prints").split()
        assert steps == ["now", "(3)", "step", "0", "step", "2", "step", "4", "step", "20", "step", "40"]


async def test_parameters_without_probabilities_open_no_screen() -> None:
    broken = Session(Config(n_embd=4, n_head=2, block_size=4), ["ab"])
    broken.workspace.params[:] = float("nan")
    async with debugger(run=broken) as pilot:
        await pilot.press("i")
        assert "no probabilities" in notes(pilot)
        assert pilot.app.screen is screen(pilot)


async def test_every_picture_is_drawn_in_the_smallest_room() -> None:
    async with inference() as pilot:
        for keys in ("", "m", "m down down down", "m"):
            await pilot.press(*keys.split())
            for drawing in DRAWINGS.values():
                for width in range(1, 24):
                    for height in (1, 2, 10):
                        assert drawing(state(pilot), width, height).lines


@pytest.mark.parametrize("size", [(80, 24), (81, 25), (100, 32), (160, 48), (200, 60)])
async def test_nothing_is_too_wide_at_any_size(size: tuple[int, int]) -> None:
    async with inference(size) as pilot:
        await pilot.press("e", *"가나", "enter", *["right"] * 12, "end")
        for keys in ("", "m", "m", "m", "home", "b", "g"):
            await pilot.press(*keys.split())
            await pilot.pause()
            lines = text(pilot).splitlines()
            assert len(lines) == size[1]
            assert all(cell_len(line) <= size[0] for line in lines)
            assert "q leave" in lines[-1]
            for sheet in shown(pilot).query(PictureView):
                if sheet.display and sheet.content_size.width:
                    assert sheet.picture.lines, sheet.id
                    assert sheet.picture.width <= sheet.content_size.width, sheet.id
        await until(pilot, lambda: not state(pilot).pending)


async def test_help_and_the_palette_know_every_key() -> None:
    async with inference((120, 80)) as pilot:
        await pilot.press("question_mark")
        for key in IN_INFERENCE:
            assert key.tooltip in text(pilot)
        assert "The draw" in text(pilot)
        await pilot.press("escape")
        await pilot.press("ctrl+p", *"type what documents")
        await pilot.pause()
        await until(pilot, lambda: "Type what documents" in text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))


async def test_it_follows_the_theme() -> None:
    async with inference() as pilot:
        before = shown(pilot).query_one("#bars", PictureView).picture.lines[1].segments
        await pilot.press("ctrl+t")
        await pilot.pause()
        after = shown(pilot).query_one("#bars", PictureView).picture.lines[1].segments
        assert [s.text for s in after] == [s.text for s in before]
        assert [s.style for s in after] != [s.style for s in before]


async def test_it_opens_in_every_phase() -> None:
    async with debugger((120, 36), run()) as pilot:
        for phase in (Phase.BACKWARD, Phase.UPDATE):
            await pilot.press("f", "i")
            await pilot.pause()
            assert "INFERENCE" in text(pilot)
            await pilot.press("q")
            assert screen(pilot).session.moment.phase is phase


def test_korean_letters_stand_beside_their_syllables_or_give_way_to_them() -> None:
    assert with_syllables("ㅁㅣㄴㅈㅜㄴ", 17) == "ㅁㅣㄴㅈㅜㄴ 민준"
    assert with_syllables("ㅁㅣㄴㅈㅜㄴ", 16) == "민준"
    assert with_syllables("ㅋㅋ", 3) == "ㅋㅋ"
    assert with_syllables("anna", 3) == "anna"
