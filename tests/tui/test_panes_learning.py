"""Gradients, Adam, Training: the engine's numbers, within the pane, and nothing before it is computed."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine import Config, Session
from engine.autograd.kernels import LEAF
from engine.timeline.events import PHASES, Moment, Phase
from engine.timeline.history import Norms
from microgpt_tui.cli import why_report
from microgpt_tui.debugger.frame import Choice, Context, Focus, Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.curve import columns, curve, sparkline
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.adam import Adam, ratio
from microgpt_tui.panes.gradients import Gradients
from microgpt_tui.panes.training import Training
from microgpt_tui.panes.why import Why
from tests.support.harness import DOCS, SMALL, at, session

PANES = (Gradients, Adam, Training)
POISON = 7.25e77
SIZES = [(30, 5), (30, 8), (41, 12), (60, 20), (80, 24), (110, 30)]


@cache
def deep() -> Session:
    """Four layers, some steps on, and back from later ones."""
    run = Session(Config(n_layer=4, n_embd=8, n_head=2, block_size=4, num_steps=90, seed=3), DOCS)
    run.run(until=70)
    return run


def moments(run: Session, step: int) -> list[Moment]:
    """First, last and a scatter of ticks of each phase."""
    run.seek(Moment(step))
    ticks = {phase: run.program.ticks(phase) for phase in PHASES}
    return [Moment(step, p, t) for p in PHASES for t in (0, 1, *range(2, ticks[p], ticks[p] // 7), ticks[p])]


def drawn(frame: Frame, width: int = 80, height: int = 30) -> list[Picture]:
    return [pane("p").draw(frame, width, height) for pane in PANES]


def styled(frame: Frame) -> list[object]:
    pictures = drawn(frame) + drawn(frame, 34, 9)
    headings = [pane("p").heading(frame) for pane in PANES]
    return [*headings, *([line.segments for line in picture.lines] for picture in pictures)]


@pytest.mark.parametrize("step", [0, 1, 45])
def test_every_pane_fits_at_every_size(step: int) -> None:
    for run in (session(), deep()):
        for moment in moments(run, step):
            frame = at(moment, run=run)
            for width, height in SIZES:
                for pane, picture in zip(PANES, drawn(frame, width, height), strict=True):
                    assert 0 < picture.height <= height, (pane, moment, width, height, picture.text())
                    assert picture.width <= width, (pane, moment, width, picture.text())


def test_nothing_is_shown_before_it_is_computed() -> None:
    run = session()
    run.run(until=3)
    for step in (0, 2):
        for moment in moments(run, step):
            frame = at(moment)
            kept = run.workspace.data.copy(), run.workspace.grad.copy()
            rows = np.arange(len(run.recording), dtype=np.int32)
            shown = styled(frame)
            run.workspace.data[~frame.view.data(rows).known & (run.recording.op != LEAF)] = POISON
            run.workspace.grad[~frame.view.grad(rows).known] = POISON
            try:
                assert styled(Frame(run.view(), Focus(run.moment))) == shown, moment
            finally:
                run.workspace.data[:], run.workspace.grad[:] = kept


def test_what_comes_later_is_not_shown() -> None:
    fresh, gone_back = Session(SMALL, DOCS), Session(SMALL, DOCS)
    gone_back.run(until=30)
    for moment in moments(fresh, 21):
        frames = at(moment, run=fresh), at(moment, run=gone_back)
        for pane in (Gradients, Adam):
            first, second = ([line.segments for line in pane("p").draw(f, 90, 30).lines] for f in frames)
            assert first == second, moment


def test_a_table_of_gradients_that_is_cut_says_which_part_is_there() -> None:
    frame = at(Moment(0, Phase.BACKWARD, 9))
    names = list(frame.view.recording.matrices)
    for height in (6, 7, 9, 40):
        above, *table = Gradients("p").draw(frame, 80, height).text().splitlines()
        rows = [line.split()[0].lstrip("▸") for line in table if line.split()[0].lstrip("▸") in names]
        first, last = names.index(rows[0]) + 1, names.index(rows[-1]) + 1
        assert rows == names[first - 1 : last]
        assert above.startswith(f"{first}-{last} of {len(names)} · norm") == (rows != names)
        assert (rows == names) == (height == 40)


@pytest.mark.parametrize("width", [26, 40, 78])
def test_a_step_stands_in_one_column_of_the_loss_and_of_the_norm(width: int) -> None:
    run = Session(SMALL, DOCS)
    run.run(until=30)
    for moment in (Moment(21), Moment(21, Phase.BACKWARD, 5), Moment(21, Phase.UPDATE, 9)):
        picture = Training("p").draw(at(moment, run=run), width, 9)
        (below,) = (y for y, line in enumerate(picture.lines) if "|g|" in line.segments[0].text)
        curves = [{(s.x, s.target) for s in picture.spots() if s.y == y} for y in range(below - 3, below + 1)]
        assert curves[0]
        assert curves[-1] == curves[0]


def test_steps_to_come_have_places_on_the_curve_but_no_figures() -> None:
    run = Session(SMALL, DOCS)
    run.run(until=30)
    for moment in moments(run, 21):
        frame = at(moment, run=run)
        shown = [line.segments for line in Training("p").draw(frame, 90, 30).lines]
        later = Moment(27)
        assert [s for s in Training("p").draw(frame, 90, 30).spots() if getattr(s.target, "step", 0) == later.step]
        history = run.history
        kept = list(history.losses), list(history.grad_norms)
        history.losses[moment.step :] = history.grad_norms[moment.step :] = [1e9] * (30 - moment.step)
        assert [line.segments for line in Training("p").draw(frame, 90, 30).lines] == shown, moment
        history.losses[:], history.grad_norms[:] = kept


def test_gradients_are_not_there_in_the_forward_phase() -> None:
    assert "not yet" in Gradients("p").draw(at(Moment(0, Phase.FORWARD, 9)), 60, 20).text()


def test_norms_and_shares_are_those_of_the_view() -> None:
    run = session()
    run.seek(Moment(1))
    ticks = run.program.ticks(Phase.BACKWARD)
    for tick in (1, ticks // 2, ticks - 1, ticks):
        frame = at(Moment(1, Phase.BACKWARD, tick))
        lines = Gradients("p").draw(frame, 80, 30).text().replace("◂", " ").splitlines()
        for name, rows in run.recording.matrices.items():
            line = next(line for line in lines if line[1:].startswith(name))
            reading = frame.view.grad(rows)
            norm = float(np.linalg.norm(reading.values[reading.known])) if frame.view.arrived(rows).any() else None
            assert plain(norm) in line.replace("◂", " ").split()
            assert f"{int(frame.view.complete(rows).sum())}/{rows.size}" in line
            assert ("whole" in line) == bool(frame.view.complete(rows).all())


def test_what_grew_just_now_is_marked_in_words_and_colour() -> None:
    run = session()
    run.seek(Moment(1))
    stretch = next(s for s in run.program.stretches(Phase.BACKWARD) if s.name == "lm_head")
    frame = at(Moment(1, Phase.BACKWARD, stretch.last))
    line = next(line for line in Gradients("p").draw(frame, 80, 30).lines if "▸lm_head" in line.segments[0].text)
    assert line.segments[0].style == theme.NEW
    assert any("◂" in s.text and s.style == theme.NEW for s in line.segments)
    assert line.spots[0][2] == Choice(matrix="lm_head")


def test_the_chosen_matrix_is_the_one_on_the_map() -> None:
    run = session()
    run.seek(Moment(1, Phase.BACKWARD, 10**9))
    frame = Frame(run.view(), Focus(run.moment, matrix="layer0.mlp_fc2"))
    picture = Gradients("p").draw(frame, 110, 30)
    assert "∂layer0.mlp_fc2" in picture.text()
    rows = run.recording.matrices["layer0.mlp_fc2"]
    assert {int(row) for row in rows.flat} <= {spot.target for spot in picture.spots()}


def test_frozen_gradients_are_those_of_the_end_of_the_backward_phase() -> None:
    run = session()
    tables = []
    for phase in (Phase.BACKWARD, Phase.UPDATE):
        run.seek(Moment(1, phase, 10**9))
        frame = Frame(run.view(), Focus(run.moment, matrix="wte"))
        lines = Gradients("p").draw(frame, 80, 30).text().replace("◂", " ").splitlines()
        table = [line.replace("▸", " ").split() for line in lines if line.strip()]
        tables.append([words[:2] for words in table if words[0] in run.recording.matrices])  # name and norm
    assert tables[0] == tables[1]
    assert len(tables[0]) == len(run.recording.matrices)
    assert "frozen" in Gradients("p").draw(frame, 80, 20).text()


def test_adam_shows_the_arithmetic_of_the_selected_parameter() -> None:
    run = session()
    row = int(run.recording.matrices["lm_head"][1, 2])
    frame = at(Moment(2, Phase.UPDATE, 10**9), row=row)
    step = frame.view.update(row)
    assert step is not None
    for width, height in ((80, 30), (30, 9)):
        text = Adam("p").draw(frame, width, height).text()
        for value in (step.g, step.m, step.v, step.m_hat, step.v_hat, step.delta, step.p):
            assert number(value) in text
    assert f"{number(step.p_before)} →" in Adam("p").draw(frame, 80, 30).text()


def test_adam_waits_for_its_turn_and_shows_what_the_last_step_left() -> None:
    run = session()
    row = int(run.recording.matrices["lm_head"][1, 2])
    for moment, says in (
        (Moment(2, Phase.UPDATE, row), "waits for its turn"),
        (Moment(2, Phase.FORWARD, 5), "as step 1 left it"),
        (Moment(0, Phase.FORWARD, 5), "no step yet"),
    ):
        frame = at(moment, row=row)
        text = Adam("p").draw(frame, 80, 9).text()
        m, v = frame.view.state(row).values()
        assert says in text
        assert f"m {number(float(m))}   v {number(float(v))}   weight {number(frame.value(row))}" in text


@pytest.mark.parametrize(
    ("step", "changes", "why"),
    [
        (8, {}, "the learning rate is 0"),  # the step after the schedule's last one
        (1, {"learning_rate": 0.0}, "the learning rate is 0"),
        (1, {"learning_rate": 1e-30}, "the step is too small to change it"),
        (0, {}, "its mean gradient m is 0"),  # of a token that the document does not have
    ],
)
def test_a_weight_that_an_update_leaves_as_it_was_is_not_said_to_have_moved(
    step: int, changes: dict[str, float], why: str
) -> None:
    run = Session(replace(SMALL, num_steps=8, **changes), DOCS)
    run.seek(Moment(step, Phase.UPDATE, 10**9))
    wte = run.recording.matrices["wte"]
    unused = next(i for i in range(len(wte)) if i not in run.program.inputs)
    row = int(wte[unused if "m is 0" in why else run.program.inputs[0], 0])
    update = run.view().update(row)
    assert update is not None
    assert (update.p, update.unmoved) == (update.p_before, why)
    stretch = next(s for s in run.program.stretches(Phase.UPDATE) if s.name == "wte")
    frame = at(Moment(step, Phase.UPDATE, stretch.last), row=row, run=run)
    adam, stage = Adam("p").draw(frame, 80, 30).text(), draw(frame, 160, 40).text()
    reasons = Why("w").draw(frame, 80, 40).text()
    assert f"not moved in step {step}: {why}" in adam
    assert f"not moved: {why}" in stage
    assert f"It was not moved: {why}." in reasons
    assert "about the rate itself" not in stage
    (ratios,) = [line for line in adam.splitlines() if line.startswith("▸wte")]
    assert ("unmoved" in ratios) == ("m is 0" not in why)
    text = why_report.of_parameter(run.view(), f"wte[{unused if 'm is 0' in why else run.program.inputs[0]}, 0]").text
    assert f"the weight was not moved: {why}" in text


def test_a_weight_that_moved_is_said_to_have_moved() -> None:
    run = session()
    row = int(run.recording.matrices["lm_head"][1, 2])
    frame = at(Moment(2, Phase.UPDATE, 10**9), row=row)
    assert "  moved in step 2" in Adam("p").draw(frame, 80, 30).text()
    assert "not moved" not in Adam("p").draw(frame, 80, 30).text() + draw(frame, 160, 40).text()


def test_without_a_selected_parameter_adam_takes_the_strongest() -> None:
    frame = at(Moment(1, Phase.BACKWARD, 10**9), row=int(session().program.loss_row))
    rows = session().recording.matrices[frame.matrix].ravel()
    assert frame.parameter == int(rows[np.argmax(np.abs(frame.view.grad(rows).values))])


def test_ratios_are_blank_for_matrices_that_wait() -> None:
    run = session()
    run.seek(Moment(2))
    stretches = run.program.stretches(Phase.UPDATE)
    frame = at(Moment(2, Phase.UPDATE, stretches[2].last))
    lines = Adam("p").draw(frame, 80, 30).text().splitlines()
    before = lines.index(next(line for line in lines if line.startswith("log10")))
    for i, (stretch, line) in enumerate(zip(stretches, lines[before + 1 :], strict=True)):
        norms = frame.view.norms(stretch.name)
        assert (norms is not None) == (i <= 2)
        figure = f"{math.log10(norms.update / norms.weight):+.2f}" if norms else "·"
        assert line.split()[:2] == [("▸" if i == 2 else "") + stretch.name, figure]


def test_ratios_that_are_no_number_are_words() -> None:
    assert ratio(Norms(0.0, 0.0, 1.0)) == "unmoved"
    assert ratio(Norms(1.0, math.nan, 1.0)) == "nan"
    assert ratio(Norms(1.0, math.inf, 1.0)) == ratio(Norms(1.0, 1.0, 0.0)) == "inf"


def test_training_has_the_figures_and_leads_to_every_step() -> None:
    run = deep()
    frame = at(Moment(60, Phase.UPDATE, 1), run=run)
    picture = Training("p").draw(frame, 110, 30)
    text = picture.text()
    losses = run.losses[:61]
    for value in (losses[-1], sum(losses[-50:]) / 50, run.history.grad_norms[60], run.config.learning_rate_at(60)):
        assert plain(value) in text
    assert "▲ you are here: step 60" in text
    assert {frame.in_step(step) for step in range(61)} <= {spot.target for spot in picture.spots()}


def test_before_the_first_loss_training_says_when_it_comes() -> None:
    run = Session(SMALL, DOCS)
    frame = at(Moment(0, Phase.FORWARD, 5), run=run)
    assert "end of the first forward phase" in Training("p").draw(frame, 90, 10).text()
    run.seek(Moment(0, Phase.FORWARD, 10**9))
    assert plain(run.view().loss) in Training("p").draw(Frame(run.view(), Focus(run.moment)), 90, 10).text()


def test_columns_are_means_of_all_numbers() -> None:
    assert [c.mean for c in columns([1.0, 2.0, 3.0], 5)] == [1.0, 2.0, 3.0]
    means = columns([float(i) for i in range(10)], 4)
    assert [(c.first, c.last) for c in means] == [(0, 2), (2, 5), (5, 7), (7, 10)]
    assert means[1].mean == 3.0
    assert columns([], 4) == []


def test_a_curve_says_what_a_column_is_and_where_its_ends_are() -> None:
    picture = curve("loss", [float(i) for i in range(1, 101)], 60, 6, 99, lambda i: ("step", i))
    lines = picture.text().splitlines()
    assert lines[0] == "loss, each column the mean of 1-2 steps"
    assert (lines[1].split("┤")[0].strip(), lines[4].split("┤")[0].strip()) == ("99.500", "1.0000")
    assert picture.height == 6
    assert lines[4][8] == "▁"
    assert lines[1].endswith("█")
    odd = curve("loss", [1.0, math.nan, math.inf], 40, 5, 3, lambda i: i).text()
    assert odd.count("?") == 2


def test_a_sparkline_shows_signs_without_colour() -> None:
    line = sparkline(Line(), [1.0, -0.5, 0.0], 10, lambda i: i)
    assert "".join(s.text for s in line.segments) == "█▄0"
    style = line.segments[1].style
    assert style is not None
    assert style.reverse


def test_the_loss_of_the_step_that_is_going_on_stands_on_the_curve() -> None:
    run = Session(SMALL, DOCS)
    frame = at(Moment(0, Phase.BACKWARD, 9), run=run)
    shown = Training("p").draw(frame, 60, 14).text()
    assert shown.count(plain(frame.view.loss)) == 2  # as a figure, and on the axis


def test_documents_kept_aside_stand_on_the_curve_and_in_figures() -> None:
    run = Session(replace(SMALL, val_fraction=0.4, val_every=2), DOCS)
    run.run(until=5)
    found = run.history.validations
    frame = Frame(run.view(), Focus(run.moment), Context(split=(len(run.docs), len(run.val_docs))))
    shown = Training("p").draw(frame, 100, 16).text()
    assert f"kept aside, before step 4 {plain(found[4].loss)}" in shown
    assert f"perplexity {plain(found[4].perplexity, 2)}" in shown
    assert "documents trained on, kept aside 2, 1" in shown
    assert Training("p").heading(frame) == "step 5 ─ 1 aside"
    plot = shown.split("loss, ◆ on documents kept aside\n")[1]
    assert plot.count("◆") == 3
    run.seek(Moment(3))
    frame = Frame(run.view(), Focus(run.moment), Context(split=(2, 1)))
    shown = Training("p").draw(frame, 100, 16).text()
    assert f"kept aside, before step 2 {plain(found[2].loss)}" in shown
    assert shown.split("kept aside\n")[1].count("◆") == 2
