"""Gradients, Adam, Training: the engine's numbers, within the pane, and nothing before it is computed."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from rich.cells import cell_len

from engine import Config, Scope, Session
from engine.autograd.kernels import LEAF
from engine.interventions.syntax import parse
from engine.language import chosen
from engine.language.chosen import LANGUAGES
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.cli import why_report
from microgpt_tui.debugger.frame import Choice, Context, Focus, Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import EIGHTHS
from microgpt_tui.drawing.curve import columns, curve, sparkline
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.adam import Adam
from microgpt_tui.panes.gradients import Gradients
from microgpt_tui.panes.training import Training
from microgpt_tui.panes.why import Why
from microgpt_tui.texts.say import say
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
                    scrolls = pane is Gradients and picture.focus is not None  # a line a matrix, however many
                    assert 0 < picture.height <= height or scrolls, (pane, moment, width, height, picture.text())
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


def test_figures_of_later_steps_are_not_shown() -> None:
    fresh, gone_back = Session(SMALL, DOCS), Session(SMALL, DOCS)
    gone_back.run(until=30)
    for moment in moments(fresh, 21):
        frames = at(moment, run=fresh), at(moment, run=gone_back)
        for pane in (Gradients, Adam):
            first, second = ([line.segments for line in pane("p").draw(f, 90, 30).lines] for f in frames)
            assert first == second, moment


def names_in(picture: Picture) -> list[str]:
    """The matrices of the table of gradients, from top to bottom."""
    found = [line.spots[0][2] for line in picture.lines if line.spots]
    return [target.matrix for target in found if isinstance(target, Choice) and target.matrix]


def test_matrices_stand_in_the_order_in_which_gradient_reaches_them_and_keep_it() -> None:
    run = session()
    for moment in moments(run, 1):
        if moment.phase is Phase.BACKWARD:
            names = names_in(Gradients("p").draw(at(moment), 30, 7))
            assert names[:3] == ["lm_head", "layer0.mlp_fc2", "layer0.mlp_fc1"]
            assert names[-2:] == ["wte", "wpe"]
            assert sorted(names) == sorted(run.recording.matrices)


def test_the_growing_matrix_is_visible() -> None:
    run = session()
    run.seek(Moment(1))
    for name in ("wpe", "lm_head"):
        event = [s for s in run.program.events(Phase.BACKWARD) if s.name == "embed"][-1]
        tick = event.last if name == "wpe" else event.first + 1
        frame = at(Moment(1, Phase.BACKWARD, tick))
        picture = Gradients("p").draw(frame, 30, 7)
        changed = [i for i, line in enumerate(picture.lines) if line.segments[0].style == theme.NEW]
        assert not changed or picture.focus == changed[0]


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


def test_norms_are_those_of_the_view_and_positions_those_that_have_contributed() -> None:
    run = session()
    run.seek(Moment(1))
    ticks = run.program.ticks(Phase.BACKWARD)
    users, spans = run.program.edges >> 1, run.recording.positions[: run.program.n]
    for tick in (0, 1, ticks // 5, ticks // 2, ticks - 1, ticks):
        frame = at(Moment(1, Phase.BACKWARD, tick))
        picture = Gradients("p").draw(frame, 60, 9)
        lines = dict(zip(names_in(picture), picture.text().splitlines(), strict=True))
        for name, rows in run.recording.matrices.items():
            mine = np.isin(run.program.receivers[:tick], rows)
            found = {pos for pos, s in enumerate(spans) for u in users[:tick][mine] if s.first <= u < s.last}
            reading = frame.view.grad(rows)
            if found:
                norm = float(np.linalg.norm(reading.values[reading.known]))
                assert plain(norm) in lines[name].split()
                assert lines[name].endswith(f" {len(found)} of {run.program.n}")
            else:
                assert lines[name].split()[-1] == "·"
            assert "%" not in lines[name]


def test_positions_count_in_a_branch_where_something_has_arrived() -> None:
    run = session()
    branch = run.branch([parse("layer0.mlp", Scope(run.config, run.tokenizer))])
    for moment in moments(branch, 1):
        branch.seek(moment)
        view = branch.view()
        for name, rows in branch.recording.matrices.items():
            done, planned, _ = view.contributions[name]
            assert (done > 0) == view.arrived(rows).any()
            assert done <= planned
            assert done == planned or not view.complete(rows).all()


def test_bars_of_gradients_are_violet_and_what_grew_just_now_is_lit() -> None:
    run = session()
    run.seek(Moment(1))
    event = next(s for s in run.program.events(Phase.BACKWARD) if s.name == "mlp_residual")
    frame = at(Moment(1, Phase.BACKWARD, event.last))
    line = Gradients("p").draw(frame, 80, 30).lines[0]
    assert line.segments[0].style == theme.NEW
    assert line.segments[0].text.startswith("lm_head")
    assert any(s.style == theme.PHASE_TEXT["backward"] and "█" in s.text for s in line.segments)
    assert line.spots[0][2] == Choice(matrix="lm_head")


def test_the_chosen_matrix_is_the_one_on_the_map() -> None:
    run = session()
    run.seek(Moment(1, Phase.BACKWARD, 10**9))
    frame = Frame(run.view(), Focus(run.moment, matrix="layer0.mlp_fc2"))
    picture = Gradients("p").draw(frame, 110, 30)
    assert "∂layer0.mlp_fc2" in picture.text()
    rows = run.recording.matrices["layer0.mlp_fc2"]
    assert {int(row) for row in rows.flat} <= {spot.target for spot in picture.spots()}


def test_gradients_stay_as_the_backward_phase_has_left_them() -> None:
    run = session()
    tables = []
    for phase in (Phase.BACKWARD, Phase.UPDATE):
        run.seek(Moment(1, phase, 10**9))
        frame = Frame(run.view(), Focus(run.moment, matrix="wte"))
        tables.append([line.split() for line in Gradients("p").draw(frame, 60, 9).text().splitlines()])
    assert tables[0] == tables[1]
    assert len(tables[0]) == len(run.recording.matrices)


def test_one_weight_shows_the_arithmetic_of_the_selected_parameter() -> None:
    run = session()
    row = int(run.recording.matrices["lm_head"][1, 2])
    frame = at(Moment(2, Phase.UPDATE, 10**9), row=row)
    step = frame.view.update(row)
    assert step is not None
    for width, height in ((88, 6), (80, 30), (30, 9)):
        text = Adam("p").draw(frame, width, height).text()
        for value in (step.g, step.m, step.v, step.m_hat, step.v_hat, -step.delta, step.p):
            assert number(value) in text
        assert f"{number(step.p_before)} →" in text
    assert Adam("p").heading(frame) == "One weight ─ lm_head[1,2]   row b · reads x[2]"


def test_the_step_of_one_weight_has_the_sign_with_which_it_is_added() -> None:
    run = session()
    for row in map(int, run.recording.matrices["layer0.attn_wq"][:, 0]):
        frame = at(Moment(2, Phase.UPDATE, 10**9), row=row)
        lines = Adam("p").draw(frame, 88, 6).text().splitlines()
        step = frame.view.update(row)
        assert step is not None
        shown = float(next(line for line in lines if line.startswith("step ")).split()[1])
        assert np.sign(shown) == np.sign(step.p - step.p_before)
        if step.g:
            assert f"the loss falls if the weight {'grows' if step.g < 0 else 'shrinks'}" in lines[0]
        assert re.search(r" ├─*[○●]━*[○●]─*┤ ", lines[-1])
        assert (lines[-1].index("●") > lines[-1].index("○")) == (shown > 0)
    assert Adam("p").heading(frame) == "One weight ─ layer0.attn_wq[3,0]   head 1, dim 1 · reads x[0]"


def test_a_weight_that_waits_for_its_update_shows_the_last_one() -> None:
    run = session()
    row = int(run.recording.matrices["lm_head"][1, 2])
    for moment, says in (
        (Moment(2, Phase.UPDATE, row), "waits for its turn"),
        (Moment(2, Phase.FORWARD, 5), "as step 1 left it"),
        (Moment(0, Phase.FORWARD, 5), "no step yet"),
    ):
        frame = at(moment, row=row)
        lines = Adam("p").draw(frame, 80, 9).text().splitlines()
        m, v = frame.view.state(row).values()
        assert says in lines[0]
        found = {line.split()[0]: line.split()[-1] for line in lines[1:]}
        assert (found["1st"], found["2nd"]) == (number(float(m)), number(float(v)))
        assert (found["step"], found["weight"]) == ("·", number(frame.value(row)))


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
    event = next(s for s in run.program.events(Phase.UPDATE) if s.name == "wte")
    frame = at(Moment(step, Phase.UPDATE, event.last), row=row, run=run)
    adam, stage = Adam("p").draw(frame, 88, 6).text(), draw(frame, 160, 40).text()
    reasons = Why("w").draw(frame, 80, 40).text()
    assert f"not moved: {why}" in adam
    assert f"It was not moved: {why}." in reasons
    assert "about the rate itself" not in stage
    text = why_report.of_parameter(run.view(), f"wte[{unused if 'm is 0' in why else run.program.inputs[0]}, 0]").text
    assert f"the weight was not moved: {why}" in text


def test_a_weight_that_moved_is_said_to_have_moved() -> None:
    run = session()
    row = int(run.recording.matrices["lm_head"][1, 2])
    frame = at(Moment(2, Phase.UPDATE, 10**9), row=row)
    assert "not moved" not in Adam("p").draw(frame, 88, 6).text() + draw(frame, 160, 40).text()


def test_without_a_selected_parameter_adam_takes_the_strongest() -> None:
    frame = at(Moment(1, Phase.BACKWARD, 10**9), row=int(session().program.loss_row))
    rows = session().recording.matrices[frame.matrix].ravel()
    assert frame.parameter == int(rows[np.argmax(np.abs(frame.view.grad(rows).values))])


def test_training_has_the_figures_and_leads_to_every_step() -> None:
    run = deep()
    frame = at(Moment(60, Phase.UPDATE, 1), run=run)
    picture = Training("p").draw(frame, 110, 30)
    text = picture.text()
    losses = run.losses[:61]
    for value in (sum(losses[-50:]) / 50, run.history.grad_norms[60], run.config.learning_rate_at(60)):
        assert plain(value) in text
    assert "▲ step 60" in text
    assert Training("p").heading(frame) == f"Training ─ {plain(losses[-1])} at step 60"
    assert {frame.in_step(step) for step in range(61)} <= {spot.target for spot in picture.spots()}


def test_bars_of_losses_stand_on_0_and_the_rate_is_there_at_every_size_and_in_every_phase() -> None:
    run = deep()
    for phase in PHASES:
        frame = at(Moment(60, phase, 5), run=run)
        for width, height in ((30, 6), (44, 10), (110, 30)):
            lines = Training("p").draw(frame, width, height).text().splitlines()
            assert f"rate {plain(run.config.learning_rate_at(60))}" in "\n".join(lines)
            ground = next(line for line in lines if line.startswith("    0 "))
            assert set(ground[6:].strip()) <= set("▁▂▃▄▅▆▇█·")


def test_the_height_of_a_bar_is_its_share_of_the_largest() -> None:
    lines = curve("", [1.0, 2.0, 4.0], 20, 9, 2, lambda i: i).text().splitlines()
    assert [sum(line[6 + i : 7 + i] == "█" for line in lines) for i in range(3)] == [2, 4, 8]
    assert [line.split()[0] for line in (lines[0], lines[7])] == ["4", "0"]


def test_before_the_first_loss_training_says_when_it_comes() -> None:
    run = Session(SMALL, DOCS)
    frame = at(Moment(0, Phase.FORWARD, 5), run=run)
    assert "end of the first forward phase" in Training("p").draw(frame, 90, 10).text()
    run.seek(Moment(0, Phase.FORWARD, 10**9))
    assert plain(run.view().loss) in Training("p").heading(Frame(run.view(), Focus(run.moment)))


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
    assert (lines[1][:6].strip(), lines[4][:6].strip()) == ("99.5", "0")
    assert picture.height == 6
    assert lines[4][6] == "▁"
    assert lines[1].endswith("█")
    odd = curve("loss", [1.0, math.nan, math.inf], 40, 5, 3, lambda i: i).text()
    assert odd.count("?") == 2


def test_a_sparkline_shows_signs_without_colour() -> None:
    line = sparkline(Line(), [1.0, -0.5, 0.0], 10, lambda i: i)
    assert "".join(s.text for s in line.segments) == "▆▅0"
    style = line.segments[1].style
    assert style is not None
    assert style.reverse


def test_curves_in_lines_one_above_the_other_do_not_touch() -> None:
    values = [sign * i / 40 for i in range(1, 41) for sign in (1, -1)]
    for segment in sparkline(Line(), values, len(values), lambda i: i).segments:
        assert segment.style is not None
        places = [EIGHTHS.index(char) for char in segment.text]
        filled = [7 - place if segment.style.reverse else place + 1 for place in places]
        assert all(1 <= eighths <= 6 for eighths in filled), segment
    theme.few_colours(True)
    told = "".join(s.text for s in sparkline(Line(), values, len(values), lambda i: i).segments)
    assert not set(told) & set(EIGHTHS)
    assert set(told[::2]) == set(":+*#")  # positive ones
    assert set(told[1::2]) == set("╶-=≡")


def test_the_loss_of_the_step_that_is_going_on_stands_on_the_curve() -> None:
    run = Session(SMALL, DOCS)
    frame = at(Moment(0, Phase.BACKWARD, 9), run=run)
    assert frame.view.loss is not None
    assert f"{frame.view.loss:.3g}" in Training("p").draw(frame, 60, 14).text()  # on the axis


def test_documents_kept_aside_stand_on_the_curve_and_in_figures() -> None:
    run = Session(replace(SMALL, val_fraction=0.4, val_every=2), DOCS)
    run.run(until=5)
    found = run.history.validations
    frame = Frame(run.view(), Focus(run.moment), Context(split=(len(run.docs), len(run.val_docs))))
    shown = Training("p").draw(frame, 100, 16).text()
    assert f"kept aside, before step 4 {plain(found[4].loss)}" in shown
    assert f"perplexity {plain(found[4].perplexity, 2)}" in shown
    assert "documents: 2 trained on, 1 kept aside" in shown
    plot = shown.split("loss, ◆ on documents kept aside\n")[1]
    assert plot.partition("mean of")[0].count("◆") == 3
    run.seek(Moment(3))
    frame = Frame(run.view(), Focus(run.moment), Context(split=(2, 1)))
    shown = Training("p").draw(frame, 100, 16).text()
    assert f"kept aside, before step 2 {plain(found[2].loss)}" in shown
    assert shown.split("kept aside\n")[1].partition("mean of")[0].count("◆") == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_step_below_a_curve_is_not_cut(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "_chosen", [language])
    said = []
    for width in range(20, 60):
        for here in range(0, 1000, 37):
            *_, line = curve("", [1.0] * 1000, width, 4, here, int).text().splitlines()
            assert cell_len(line) <= width
            said.append(re.sub(r"^ *0?|[▲ ]", "", line))
            assert said[-1] in ("", say("drawing.curve.step", here=here).replace(" ", "")), line
    assert any(said)
