"""What the drawings say, as text and style: the engine's own numbers, in the place where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from engine.timeline.events import PHASES, Event, Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, cell, heat, heatmap, window
from microgpt_tui.drawing.numbers import brief, number
from microgpt_tui.operations.registry import DRAWINGS, draw
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.program import Program
from microgpt_tui.panes.source import Source
from microgpt_tui.panes.tokens import Tokens
from microgpt_tui.texts.sentences import sentences, texts, title_of
from tests.support.harness import at, session


def stretch_of(phase: Phase, name: str, pos: int | None = None) -> Event:
    session().seek(Moment())
    return next(s for s in session().program.stretches(phase) if s.name == name and pos in (s.pos, None))


def frame_of(phase: Phase, name: str, pos: int | None = 1, cell: int | None = None) -> Frame:
    return at(Moment(0, phase, stretch_of(phase, name, pos).last), cell=cell)


def shown(frame: Frame) -> str:
    return draw(frame, 100, 40).text()


NAMES = [
    "embed", "embed_norm", "attn_norm", "q", "k", "v", "attn_logits", "attn_weights", "head_out", "attn_out",
    "attn_residual", "mlp_norm", "mlp_fc1", "mlp_relu", "mlp_fc2", "mlp_residual", "logits", "probs", "loss_t",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_tensor_can_be_found_on_its_stage(name: str) -> None:
    frame = frame_of(Phase.FORWARD, name)
    values = frame.view.data(frame.stretch.rows).values
    picture = draw(frame, 120, 60)
    targets = {spot.target for spot in picture.spots()}
    assert {int(row) for row in frame.stretch.rows} <= targets
    assert number(float(values[frame.cell])).lstrip("+") in picture.text()


@pytest.mark.parametrize("name", [*NAMES, "loss"])
def test_the_gradient_of_a_tensor_stands_on_its_stage(name: str) -> None:
    frame = frame_of(Phase.BACKWARD, name, None if name == "loss" else 1)
    grad = frame.gradient(frame.selected)
    assert grad is not None
    inspector = Inspector("i").draw(frame, 50, 60).text()
    assert f"gradient {number(grad)}" in inspector
    assert "∂" in shown(frame)


def test_every_operation_of_the_model_has_a_drawing_and_sentences_in_each_phase() -> None:
    session().seek(Moment())
    for phase in PHASES:
        for stretch in session().program.stretches(phase):
            assert stretch.is_parameter or stretch.kind in DRAWINGS
            frame = at(Moment(0, phase, stretch.last))
            assert title_of(frame)
            assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences(frame))
            assert all(len(sentence) <= 118 for sentence in sentences(frame)[:2])  # both have room in 120 columns
    assert set(texts()) == {*PHASES, "pane", "inference"}


def test_softmax_shows_score_minus_max_exp_and_weight_that_add_up() -> None:
    frame = frame_of(Phase.FORWARD, "attn_weights")
    weights = frame.view.data(frame.stretch.rows).values
    lines = shown(frame).splitlines()
    assert lines[0].split() == ["score", "−", "max", "exp", "weight"]
    figures = [float(line.split()[5]) for line in lines[1 : 1 + len(weights)]]
    assert figures == [float(number(float(w))) for w in weights]
    assert abs(sum(figures) - 1) < 1e-3


def test_inside_a_dot_product_the_terms_still_to_come_are_blank() -> None:
    stretch = stretch_of(Phase.FORWARD, "q", 0)
    frame = at(Moment(0, Phase.FORWARD, stretch.first + 3))  # a product, a sum, a product of q[0]
    text = shown(frame)
    products = next(line for line in text.splitlines() if line.startswith("w·x"))
    sums = next(line for line in text.splitlines() if line.startswith("Σ w·x"))
    assert products.count("·") - 1 == 2  # four terms, two of them made
    assert sums.count("·") - 1 == 3
    assert text.splitlines()[0].startswith("▸ term 2 of q[0]")


def test_relu_counts_the_units_that_are_off() -> None:
    frame = frame_of(Phase.FORWARD, "mlp_relu")
    off = int(np.count_nonzero(frame.view.data(frame.stretch.rows).values == 0))
    assert f"{off} of {frame.stretch.rows.size} units are off" in shown(frame)


def test_adam_shows_the_arithmetic_that_moved_the_weight() -> None:
    frame = frame_of(Phase.UPDATE, "lm_head", None)
    step = frame.view.update(frame.selected)
    assert step is not None
    text = " ".join(shown(frame).split())
    for figure in (step.g, step.m, step.v, step.m_hat, step.v_hat, step.delta):
        assert number(figure) in text
    assert f"{number(step.p_before, 5)} → {number(step.p, 5)}" in text


def test_update_maps_are_blank_for_weights_that_wait() -> None:
    stretch = stretch_of(Phase.UPDATE, "wpe")
    frame = at(Moment(0, Phase.UPDATE, stretch.first + 1))
    maps = frame.view.update_maps(frame.stretch.rows)
    assert maps["delta"].known.sum() == 1
    assert maps["p"].known.all()
    assert "·" in shown(frame)


def test_the_backward_stage_is_the_operation_that_hands_the_gradient_on() -> None:
    run = session()
    run.seek(Moment(0, Phase.BACKWARD, run.program.ticks(Phase.BACKWARD)))
    for tick in range(2, run.program.ticks(Phase.BACKWARD), 61):
        frame = at(Moment(0, Phase.BACKWARD, tick))
        if frame.stepping_inside:
            giver = int(run.program.edges[tick - 1]) >> 1
            tensor = frame.explain.tensor(giver)
            assert tensor is not None
            assert (tensor.name, tensor.pos, tensor.head) == (frame.stretch.name, frame.stretch.pos, frame.stretch.head)


def test_the_outline_marks_done_here_and_to_come() -> None:
    outline = Program("p").draw(frame_of(Phase.FORWARD, "k", 1), 30, 40).text().splitlines()
    assert "■ pos 0  BOS → b" in outline[0]
    assert any(line.strip() == "■ q" for line in outline)
    assert any(line.strip() == "▣ k" for line in outline)
    assert any(line.strip() == "□ v" for line in outline)


def test_wide_characters_line_up() -> None:
    run = session()
    step = run.docs.index("가나다")
    run.seek(Moment(step, Phase.FORWARD, 4))
    tokens, marks = Tokens("t").draw(at(Moment(step, Phase.FORWARD, 4)), 100, 2).lines
    assert [(x, end) for x, end, _ in tokens.spots][:3] == [(x, end) for x, end, _ in marks.spots][:3]


def test_signs_can_be_told_without_colour() -> None:
    assert cell(0.5, True, 1.0)[0] == "▄"
    negative = cell(-0.5, True, 1.0)
    assert (negative[0], negative[1].reverse) == ("▄", True)  # hangs from above
    assert [heat(v, True, 1.0, 2)[0] for v in (0.55, -0.55, 0.0)] == ["+5", "-5", " 0"]
    assert heat(1.0, False, 1.0, 2)[0].strip() == "·"
    assert heat(0.9, True, 1.0, 1)[0] != heat(-0.9, True, 1.0, 1)[0]


def test_brighter_means_larger() -> None:
    for ramp in (theme.HEAT_PLUS, theme.HEAT_MINUS):
        light = [sum(style.bgcolor.get_truecolor()) for style in ramp if style.bgcolor]
        assert light == sorted(light)
        assert len(set(light)) == len(ramp)


def test_the_numbers_of_lines_are_in_the_colours_of_the_theme_in_use() -> None:
    for name in (*theme.THEMES, *theme.THEMES):
        theme.use(name)
        line = Source("source").draw(at(Moment()), 60, 10).lines[0]
        assert line.segments[1].style == theme.FAINT


def test_a_large_matrix_is_cut_around_the_cursor_and_says_so() -> None:
    values = np.arange(2000.0).reshape(40, 50)
    cells = Cells(
        values,
        np.ones_like(values, dtype=np.bool_),
        np.arange(2000, dtype=np.int32).reshape(40, 50),
        np.zeros_like(values, dtype=np.bool_),
    )
    picture = heatmap(cells, 2, 40, 11, selected=1234)
    assert picture.height == 11
    assert 1234 in {spot.target for spot in picture.spots()}
    assert picture.text().splitlines()[-1].startswith("19-28/40")
    assert window(10, 20, 3) == (0, 10)


@pytest.mark.parametrize(
    "value", [0.0, 1e-300, -2.5e-5, 0.03412, -1.0, 12.5, 99999.5, -1e300, float("inf"), float("nan")]
)
def test_numbers_are_short_and_keep_their_sign(value: float) -> None:
    assert len(number(value)) <= 9
    assert len(brief(value, 6)) <= 6
    if value < 0:
        assert number(value).startswith("-")
        assert brief(value, 6)[0] in "-b"
