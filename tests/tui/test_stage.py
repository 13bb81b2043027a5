"""Text and style of the drawings: the engine's numbers, at their places."""

from __future__ import annotations

import re

import numpy as np
import pytest
from rich.segment import Segment
from rich.style import Style

from engine.language.chosen import LANGUAGES
from engine.timeline.events import PHASES, Event, Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, cell, heat, heatmap, window
from microgpt_tui.drawing.numbers import brief, number, percent
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import sentences, texts, title_of
from microgpt_tui.operations.registry import GENERIC, draw, drawing_of
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.program import Program
from microgpt_tui.panes.source import Source
from microgpt_tui.panes.tokens import Tokens
from tests.support.harness import at, session


def find_event(phase: Phase, name: str, pos: int | None = None) -> Event:
    session().seek(Moment())
    return next(s for s in session().program.events(phase) if s.name == name and pos in (s.pos, None))


def frame_of(phase: Phase, name: str, pos: int | None = 1, cell: int | None = None) -> Frame:
    return at(Moment(0, phase, find_event(phase, name, pos).last), cell=cell)


def style_at(picture: Picture, y: int, x: int) -> Style | None:
    """The style of one character."""
    return list(Segment.divide(picture.lines[y].segments, [x, x + 1]))[1][0].style


def shown(frame: Frame) -> str:
    return draw(frame, 100, 40).text()


NAMES = [
    "embed", "embed_norm", "attn_norm", "q", "k", "v", "attn_logits", "attn_weights", "head_out", "attn_out",
    "attn_residual", "mlp_norm", "mlp_fc1", "mlp_relu", "mlp_fc2", "mlp_residual", "logits", "probs", "loss_t",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_tensor_can_be_found_on_its_stage(name: str) -> None:
    frame = frame_of(Phase.FORWARD, name)
    values = frame.view.data(frame.stage_event.rows).values
    picture = draw(frame, 120, 60)
    targets = {spot.target for spot in picture.spots()}
    assert {int(row) for row in frame.stage_event.rows} <= targets
    value = float(values[frame.cell])
    shares = frame.operation.kind == "softmax"
    assert (percent(value) if shares else number(value).lstrip("+")) in picture.text()


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
        for event in session().program.events(phase):
            frame = at(Moment(0, phase, event.last))
            assert drawing_of(frame) is not GENERIC
            assert title_of(frame)
            assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences(frame))
            assert all(len(sentence) <= 118 for sentence in sentences(frame)[:2])  # both have room in 120 columns
            assert len(sentences(frame)[-3]) <= 78  # the rule has a line of 80 columns
    assert set(texts()) == {*PHASES, "pane", "inference"}


def test_update_maps_are_blank_for_weights_that_wait() -> None:
    event = find_event(Phase.UPDATE, "wpe")
    frame = at(Moment(0, Phase.UPDATE, event.first + 1))
    maps = frame.view.update_maps(frame.stage_event.rows)
    assert maps["delta"].known.sum() == 1
    assert maps["p"].known.all()
    waiting = int(frame.stage_event.rows[1, 1])
    picture = draw(frame, 100, 40)
    styles: dict[int, set[Style | None]] = {}
    for spot in picture.spots():
        if spot.target == waiting:
            styles.setdefault(spot.x, set()).add(style_at(picture, spot.y, spot.x))
    gradient, *others = (styles[x] for x in sorted(styles))
    assert None not in gradient
    assert others == [{None}, {None}]


def test_the_backward_stage_is_the_operation_that_hands_the_gradient_on() -> None:
    run = session()
    run.seek(Moment(0, Phase.BACKWARD, run.program.ticks(Phase.BACKWARD)))
    for tick in range(2, run.program.ticks(Phase.BACKWARD), 61):
        frame = at(Moment(0, Phase.BACKWARD, tick))
        if frame.stepping_inside:
            giver = int(run.program.edges[tick - 1]) >> 1
            tensor = frame.explain.tensor(giver)
            assert tensor is not None
            assert (tensor.name, tensor.pos, tensor.head) == (
                frame.stage_event.name,
                frame.stage_event.pos,
                frame.stage_event.head,
            )


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
    (tokens,) = Tokens("t").draw(at(Moment(step, Phase.FORWARD, 4)), 100, 1).lines
    assert [end - x for x, end, _ in tokens.spots][1:4] == [4, 4, 4]  # two cells and a blank on either side


def test_signs_are_visible_without_colour() -> None:
    assert cell(0.5, True, 1.0)[0] == "▄"
    negative = cell(-0.5, True, 1.0)
    assert (negative[0], negative[1].reverse) == ("▄", True)  # hangs from above
    theme.few_colours(True)
    try:
        assert [heat(v, True, 1.0, 2)[0] for v in (0.55, -0.55, 0.0)] == ["+5", "-5", " 0"]
        assert heat(1.0, False, 1.0, 2)[0].strip() == "·"
        assert heat(0.9, True, 1.0, 1)[0] != heat(-0.9, True, 1.0, 1)[0]
    finally:
        theme.few_colours(False)


def test_larger_values_are_brighter() -> None:
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


@pytest.mark.parametrize("of", LANGUAGES)
def test_a_reason_names_neither_panes_nor_keys(of: str) -> None:
    reasons = [text.why for phase in PHASES for text in texts(of)[phase].values()]
    assert all(reasons)  # help has a line for each
    assert not [reason for reason in reasons if re.search(r"\bpane\b|패널|(?<!\w)s는|\bs makes", reason)]


@pytest.mark.parametrize("width", range(1, 41))
def test_what_a_cut_map_says_of_itself_is_whole_or_left_out(width: int) -> None:
    numbers = np.arange(24.0 * 30).reshape(24, 30)
    rows = np.arange(numbers.size, dtype=np.int32).reshape(numbers.shape)
    picture = heatmap(Cells(numbers, numbers >= 0, rows, numbers < 0), 2, width, 11)
    right = max(1, width // 2)
    across = f"0-{right - 1}/30"
    said = picture.text().split("\n")[-1].strip()
    assert said in ("", "0-9/24", f"0-9/24 × {across}", f"0-9/24×{across}")
    assert bool(said) == (width >= len("0-9/24"))
    assert picture.height == 11


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
@pytest.mark.parametrize("height", range(4, 30))
def test_the_losses_are_parted_by_blank_lines_only_where_all_are_shown(phase: Phase, height: int) -> None:
    frame = frame_of(phase, "loss", None)
    n, losses = frame.program.n, frame.operation.operands["losses"].ravel()
    picture = draw(frame, 60, height)
    targets = {spot.target for spot in picture.spots()}
    shown = [t for t, row in enumerate(losses) if int(row) in targets]
    assert shown == list(range(len(shown)))  # from position 0 on, as nothing else is chosen
    assert picture.height <= height or len(shown) <= 1
    if len(shown) < n:
        assert len(shown) == max(1, height - 3 - (phase is Phase.BACKWARD))
        assert all(line.strip() for line in picture.text().split("\n"))


def test_a_chosen_loss_is_shown_where_not_all_have_room() -> None:
    frame = frame_of(Phase.FORWARD, "loss", None)
    last = int(frame.operation.operands["losses"].ravel()[-1])
    chosen = at(frame.moment, row=last)
    assert last in {spot.target for spot in draw(chosen, 60, 5).spots()}
    assert last not in {spot.target for spot in draw(frame, 60, 5).spots()}


@pytest.mark.parametrize("height", [12, 17, 40])
def test_the_terms_of_a_gradient_stand_before_its_path(height: int) -> None:
    frame = frame_of(Phase.BACKWARD, "attn_residual")
    terms = frame.explain.gradient(frame.selected)
    assert len(terms) > 1
    text = Inspector("i").draw(frame, 64, height).text()
    places = [text.index(f"{number(term.local)} · {number(term.grad)}") for term in terms]
    assert max(places) < text.index("strongest path")


def test_where_the_arithmetic_of_a_head_is_cut_in_any_case_all_keys_that_have_room_are_shown() -> None:
    frame = frame_of(Phase.FORWARD, "attn_weights")
    shares = [int(row) for row in frame.operation.rows.ravel()]
    targets = {spot.target for spot in draw(frame, 60, 3 + len(shares)).spots()}
    assert targets.issuperset(shares)
