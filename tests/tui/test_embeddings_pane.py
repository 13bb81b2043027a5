"""The picture of the embeddings: the right points, on axes that stay, moving while training runs."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from textual.pilot import Pilot

from engine import Config, Session
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.embedding_axes import Plane, embedding_matrices, plane_of, planes_ahead
from microgpt_tui.debugger.frame import Context, Focus, Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.panes.embeddings import Embeddings
from tests.support.harness import click_on, debugger, go, screen, text, until

CONFIG = Config(n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=600, seed=3)
DOCS = ["anna", "ben", "가나다"]
SIZES = [(78, 14), (118, 26), (198, 48)]
RUN = Session(CONFIG, DOCS)


def known(run: Session = RUN) -> Context:
    """The axes that the loader finds, those at the end of the schedule."""
    ahead = planes_ahead(run.view(), {})
    (step,) = ahead.missing
    twin = run.replay_copy()
    twin.seek(Moment(step, Phase.UPDATE, 10**9))
    return Context(past={(ahead.figure, step): ahead.figure.reader(run.scope)(twin.view())})


def frame_at(moment: Moment, around: Context | None = None, row: int | None = None) -> Frame:
    RUN.seek(moment)
    return Frame(RUN.view(), Focus(RUN.moment, row), around)


def drawn(frame: Frame, size: tuple[int, int] = (118, 26)) -> Picture:
    return Embeddings("embeddings").draw(frame, *size)


def test_the_matrices_are_those_that_embeddings_read() -> None:
    assert embedding_matrices(RUN.program.specs) == ("wte", "wpe")


def test_axes_are_the_same_at_every_step_and_those_of_the_end() -> None:
    around = known()
    planes = [planes_ahead(frame_at(Moment(step), around).view, around.past).known for step in (0, 100, 500)]
    assert all(each == planes[0] for each in planes)
    (found,) = planes[0].values()
    RUN.seek(Moment(600))
    plane: Plane = found["wte"]
    again = plane_of(RUN.params["wte"], RUN.view().first_parameters("wte"))
    assert np.array_equal(plane.axes.directions, again.axes.directions)
    titles = [drawn(frame_at(Moment(step), around)).lines[-1].segments[0].text for step in (0, 100, 500)]
    assert titles == ["Axes: principal components after step 600, the same at every moment."] * 3


def test_points_stand_where_the_matrix_says_and_move() -> None:
    around = known()
    pictures = [drawn(frame_at(Moment(step), around)).text() for step in (0, 100, 500)]
    assert len(set(pictures)) == 3
    assert "% of the variance" in pictures[0]
    share = next(iter(around.past.values()))["wte"].axes.share(RUN.params["wte"])
    assert f"2 of 4 dimensions, {100 * share:.1f}% of the variance" in pictures[2]


@pytest.mark.parametrize("size", SIZES)
def test_every_row_is_found_at_every_size(size: tuple[int, int]) -> None:
    frame = frame_at(Moment(20), known())
    picture = drawn(frame, size)
    assert picture.width <= size[0]
    assert picture.height <= size[1]
    targets = {spot.target for spot in picture.spots()}
    for name in ("wte", "wpe"):
        assert {int(row) for row in RUN.recording.matrices[name][:, 0]} <= targets


def test_what_is_read_and_its_target_are_marked() -> None:
    RUN.seek(Moment(1))
    frame = frame_at(RUN.program.ends(Phase.FORWARD)["embed", 1, None, None], known())
    segments = [s for line in drawn(frame).lines for s in line.segments]
    assert {s.text for s in segments if s.style == theme.NOW} == {f"[{frame.token(1)}]", "[1]"}
    assert {s.text.lstrip("~") for s in segments if s.style == theme.TARGET} == {f"◎{frame.target(1)}"}
    update = frame_at(Moment(RUN.step, Phase.UPDATE, 1))
    assert not [s for line in drawn(update).lines for s in line.segments if s.style == theme.NOW]


def test_before_the_end_is_known_the_axes_are_those_of_the_start() -> None:
    last = drawn(frame_at(Moment(3))).lines[-1]
    assert "of the start, until a copy of this run has come to step 600" in last.segments[0].text


def test_points_beyond_the_edge_are_drawn_at_the_edge() -> None:
    frame = frame_at(Moment(500))
    targets = {spot.target for spot in drawn(frame).spots()}
    assert {int(row) for row in RUN.recording.matrices["wte"][:, 0]} <= targets


def test_large_models_are_trained_less_far_ahead() -> None:
    view = frame_at(Moment(0)).view
    view.config = dataclasses.replace(CONFIG, num_steps=10**9)
    (step,) = planes_ahead(view, {}).missing
    assert step < 10**6


def pane(pilot: Pilot[None]) -> Embeddings:
    return screen(pilot).query_one("#embeddings", Embeddings)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_axes_come_from_a_copy_of_the_run_and_a_click_chooses_a_row(size: tuple[int, int]) -> None:
    async with debugger(size, Session(dataclasses.replace(CONFIG, num_steps=30), DOCS)) as pilot:
        await pilot.press("V")
        await until(pilot, lambda: "after step 30" in text(pilot))
        assert screen(pilot).session.moment.step == 0
        row = int(screen(pilot).session.recording.matrices["wte"][2, 0])
        await click_on(pilot, "embeddings", row)
        await pilot.pause()
        assert screen(pilot).frame.selected == row
        before = pane(pilot).picture.text()
        await go(pilot, *"]]]]")
        assert pane(pilot).picture.text() != before


async def test_it_moves_while_training_runs() -> None:
    seen = set()

    def moved() -> bool:
        if screen(pilot).busy:
            seen.add(pane(pilot).picture.text())
        return len(seen) > 2

    async with debugger(run=Session(dataclasses.replace(CONFIG, num_steps=100_000), DOCS)) as pilot:
        await pilot.press("V")
        await pilot.press("space")
        await until(pilot, moved)
        await pilot.press("space")
        await until(pilot, lambda: not screen(pilot).busy)


@pytest.mark.parametrize("size", [(78, 14), (96, 20), (118, 26)])
def test_the_reach_of_the_axes_is_whole(size: tuple[int, int]) -> None:
    said = next(line for line in drawn(frame_at(Moment(0)), size).text().splitlines() if "→" in line)
    assert "…" not in said
    assert len(re.findall(r"[→↑] [-+]\d\.\d+ (?:to )?[-+]\d\.\d+", said)) == said.count("→") + said.count("↑") == 4
