"""The panes of vectors, attention, stream and prediction: they fit, hold the engine's numbers, show nothing early."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from rich.segment import Segment
from rich.style import Style

from engine import Config, Session
from engine.autograd.kernels import LEAF
from engine.autograd.tape import Rows
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.frame import Choice, Focus, Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import heat
from microgpt_tui.drawing.numbers import number, percent, plain
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.panes.attention import FUTURE, Attention, share_cell
from microgpt_tui.panes.prediction import Prediction
from microgpt_tui.panes.qkv import QKV
from microgpt_tui.panes.residual import Residual

POISON = 7.25e77
PANES = (QKV, Attention, Residual, Prediction)
SIZES = [(30, 5), (33, 8), (43, 5), (60, 13), (110, 30)]
CONFIGS = {
    "no layer": (Config(n_layer=0, n_embd=4, n_head=2, block_size=4, num_steps=5, seed=3), "anna"),
    "small": (Config(n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=5, seed=3), "anna"),
    "layers": (Config(n_layer=2, n_embd=16, n_head=4, block_size=8, num_steps=5, seed=3), "mignon"),
    "korean": (Config(n_layer=1, n_embd=8, n_head=4, block_size=16, num_steps=5, seed=3), "가나 다라마바사"),
    "large": (Config(n_layer=4, n_embd=16, n_head=8, block_size=32, num_steps=5, seed=3), "microgpt" * 5),
}  # fmt: skip


@cache
def run_of(which: str) -> Session:
    config, doc = CONFIGS[which]
    return Session(config, [doc])


def at(
    which: str, phase: Phase, name: str, pos: int | None = None, head: int | None = None, chosen: int | None = None
) -> Frame:
    """The end of an event, with a head chosen."""
    run = run_of(which)
    run.seek(Moment())
    found = [s for s in run.program.events(phase) if (s.name, s.pos) == (name, pos) and head in (s.head, None)]
    run.seek(Moment(0, phase, found[-1].last))
    return Frame(run.view(), Focus(run.moment, head=chosen))


def moments(which: str, every: int) -> list[Moment]:
    """Ends of events and ticks inside them, all over step 0."""
    run = run_of(which)
    run.seek(Moment())
    ends = [Moment(0, p, s.last) for p in PHASES for s in run.program.events(p)[::every]]
    last = [Moment(0, p, run.program.ticks(p)) for p in PHASES]
    inside = [Moment(0, p, t) for p in PHASES for t in range(0, run.program.ticks(p), run.program.ticks(p) // 9 + 1)]
    return [*ends, *last, *inside]


def frame_at(which: str, moment: Moment, head: int | None = None) -> Frame:
    run = run_of(which)
    run.seek(moment)
    return Frame(run.view(), Focus(run.moment, head=head))


def targets(picture: Picture) -> set[object]:
    return {spot.target for spot in picture.spots()}


def colours(picture: Picture, rows: Rows) -> list[str | None]:
    """The background of each scalar's spot; None where there is none."""
    spots = list(picture.spots())
    found = [next(s for s in spots if s.target == int(row)) for row in rows]
    return [background(list(Segment.divide(picture.lines[s.y].segments, [s.x, s.end]))[1][0].style) for s in found]


def background(style: Style | None) -> str | None:
    return None if style is None or style.bgcolor is None else style.bgcolor.name


def expected(frame: Frame, rows: Rows, scale: float, lit: bool = True) -> list[str | None]:
    """The colours of these scalars on a scale, from the engine's own numbers; the selected one is marked."""
    values = (frame.view.grad(rows) if frame.backward else frame.view.data(rows)).values
    found = [background(heat(float(v), True, scale, 1, lit)[1]) for v in values]
    return [background(theme.HERE_CELL) if row == frame.selected else f for row, f in zip(rows, found, strict=True)]


def squeezed(picture: Picture) -> list[str]:
    return ["".join(line.split()) for line in picture.text().splitlines()]


@pytest.mark.parametrize(("which", "every"), [("small", 3), ("layers", 29), ("korean", 41), ("large", 977)])
def test_the_panes_fit_at_every_size_in_every_phase(which: str, every: int) -> None:
    for i, moment in enumerate(moments(which, every)):
        frame = frame_at(which, moment, head=(None, 1, 3)[i % 3] if which != "small" else None)
        for pane in PANES:
            starts = ("Attention", "Head ", "L") if pane is Attention else pane.TITLE
            assert pane("x").heading(frame).startswith(starts)
            for width, height in SIZES:
                picture = pane("x").draw(frame, width, height)
                assert picture.lines
                assert picture.width <= width, (pane, moment, width, height, picture.text())
                assert picture.height <= height, (pane, moment, width, height, picture.text())


@pytest.mark.parametrize(("which", "every"), [("small", 1), ("layers", 17)])
def test_nothing_is_shown_before_it_is_computed(which: str, every: int) -> None:
    """Whatever the arrays hold where nothing is known yet, the pictures are the same."""
    run = run_of(which)

    def styled(frame: Frame) -> list[object]:
        return [line.segments for p in PANES for s in SIZES[1:] for line in p("x").draw(frame, *s).lines]

    for moment in moments(which, every):
        frame = frame_at(which, moment)
        kept = run.workspace.data.copy(), run.workspace.grad.copy()
        rows = np.arange(len(run.recording), dtype=np.int32)
        unknown = ~frame.view.data(rows).known & (run.recording.op != LEAF)
        shown = styled(frame)
        run.workspace.data[unknown] = POISON
        run.workspace.grad[~frame.view.grad(rows).known] = POISON
        try:
            assert styled(frame_at(which, moment)) == shown, moment
        finally:
            run.workspace.data[:], run.workspace.grad[:] = kept


@pytest.mark.parametrize("pane", PANES)
def test_in_the_update_phase_the_panes_say_that_nothing_is_made(pane: type[QKV]) -> None:
    text = " ".join(pane("x").draw(at("small", Phase.UPDATE, "wte"), 40, 8).text().split())
    assert "the update moves parameters only" in text


def test_qkv_shows_the_vectors_of_the_position_and_what_is_kept() -> None:
    frame = at("layers", Phase.FORWARD, "k", 2)
    picture = QKV("x").draw(frame, 60, 5)
    lines = squeezed(picture)
    q, k, v = (frame.tensor(name, 2, 1) for name in ("q", "k", "v"))
    assert q is not None
    assert k is not None
    assert v is not None
    scale = max(frame.scale(rows, name=name) for name, rows in (("q", q), ("k", k)))
    assert colours(picture, q) == expected(frame, q, scale)
    assert colours(picture, k) == expected(frame, k, scale)
    assert lines[2].startswith("▸k")
    assert colours(picture, v) == [None] * 16
    assert {*map(int, q), *map(int, k), *map(int, v)} <= targets(picture)
    assert picture.text().splitlines()[4] == "kept keys: BOS m i  kept values: BOS m"
    assert {Choice(head=h) for h in range(4)} <= targets(picture)


def test_qkv_marks_the_current_head_and_opens_its_kept_keys() -> None:
    frame = at("layers", Phase.FORWARD, "attn_weights", 3, head=2)
    picture = QKV("x").draw(frame, 60, 20)
    lit = [s.text.strip() for s in picture.lines[0].segments if s.style == theme.NEW]
    assert lit == ["head 2"]
    for t in range(4):
        rows = frame.tensor("k", t, 1)
        assert rows is not None
        assert set(map(int, rows[8:12])) <= targets(picture)


def test_qkv_says_how_large_the_gradients_are_and_which_of_them_still_grow() -> None:
    last = at("layers", Phase.BACKWARD, "q", 6)
    lines = QKV("x").draw(last, 80, 8).text().splitlines()
    q = last.tensor("q", 6, last.layer)
    assert q is not None
    assert lines[1].startswith("▸∂q")
    assert lines[1].endswith(f"|∂| {plain(float(np.linalg.norm(last.view.grad(q).values)))}")
    begun = at("layers", Phase.BACKWARD, "head_out", 6, head=3)
    assert QKV("x").draw(begun, 80, 8).text().splitlines()[1].endswith("|∂| ·")
    for moment in moments("layers", 31):
        assert "partly" not in QKV("x").draw(frame_at("layers", moment), 80, 8).text()
        assert "partly" not in Residual("x").draw(frame_at("layers", moment), 80, 8).text()


def test_heads_that_are_cut_off_can_be_reached() -> None:
    frame = at("layers", Phase.BACKWARD, "mlp_fc2", 3, chosen=2)
    picture = QKV("x").draw(frame, 20, 8)
    assert "‹" in picture.text() or "›" in picture.text()
    shown = [h for h in range(4) if f"h{h}" in picture.text() or f"head {h}" in picture.text()]
    assert 2 in shown
    assert len(shown) < 4
    assert {Choice(head=h) for h in range(4) if h - 1 in shown or h + 1 in shown} <= targets(picture)
    assert "/4›" in picture.text()


def test_attention_writes_every_share_in_its_place() -> None:
    frame = at("small", Phase.FORWARD, "loss", None)
    picture = Attention("x").draw(frame, 60, 12)
    lines = picture.text().splitlines()
    for t in range(4):
        for h in range(2):
            rows = frame.tensor("attn_weights", t, 0, h)
            assert rows is not None
            values = frame.view.data(rows).values
            spots = [s for s in picture.spots() if s.target in set(map(int, rows))]
            assert [s.target for s in spots] == list(map(int, rows))
            assert [lines[s.y][s.x : s.end].strip() for s in spots] == [str(round(v * 100)) for v in values]
    assert lines[0].split() == ["head", "0", "head", "1"]
    assert lines[1].split() == ["BOS", "a", "n", "n"] * 2
    assert FUTURE in " ".join(picture.text().split())


def test_attention_at_eight_lines_is_one_head_in_percent() -> None:
    frame = at("layers", Phase.FORWARD, "attn_weights", 3, head=2)
    pane = Attention("x")
    picture = pane.draw(frame, 30, 7)
    lines = picture.text().splitlines()
    assert pane.heading(frame) == "L1 head 2 ─ rows so far, %"
    assert lines[0].split() == ["layer", "0", "layer", "1"]
    assert lines[1].startswith("‹h2›")
    assert {Choice(head=1), Choice(head=3)} <= targets(picture) or any(isinstance(t, Moment) for t in targets(picture))
    rows = frame.tensor("attn_weights", 3, 1, 2)
    assert rows is not None
    here = next(line for line in lines if line.startswith("3 g"))
    assert here.split()[2:] == [str(round(v * 100)) for v in frame.view.data(rows).values]
    label = next(line for line in picture.lines if line.segments[0].text.startswith("3 g")).segments[0]
    assert label.style == theme.NEW


def test_the_names_of_heads_do_not_move() -> None:
    def names(head: int | None) -> list[int]:
        frame = frame_at("layers", at("layers", Phase.FORWARD, "attn_out", 6).moment, head=head)
        picture = Attention("x").draw(frame, 120, 30)
        lit = [s.text.strip() for line in picture.lines for s in line.segments if s.style == theme.NEW]
        assert [text for text in lit if text.startswith("head")] == ([] if head is None else [f"head {head}"])
        return [s.x for s in picture.spots() if isinstance(s.target, Choice)]

    assert names(None) == names(0) == names(3)


def test_attention_shows_rows_to_come_as_dots_and_the_future_not_at_all() -> None:
    frame = at("layers", Phase.FORWARD, "attn_weights", 2, head=1)
    lines = Attention("x").draw(frame, 40, 12).text().splitlines()
    assert next(line for line in lines if line.startswith("2 i")).split()[2:][0].isdigit()
    assert next(line for line in lines if line.startswith("3 g")).split()[2:] == ["·"] * 4


def test_attention_shows_all_layers_if_they_fit_and_lets_one_choose() -> None:
    frame = at("layers", Phase.FORWARD, "logits", 1)
    small, large = (Attention("x").draw(frame, 110, height) for height in (8, 44))
    assert {Choice(layer=0), Choice(layer=1)} <= targets(small)
    assert Choice(layer=1, head=3) in targets(large)
    rows = [frame.tensor("attn_weights", 1, layer, 3) for layer in (0, 1)]
    assert all(row is not None and set(map(int, row)) <= targets(large) for row in rows)


def test_attention_gradients_carry_their_sign() -> None:
    frame = at("small", Phase.BACKWARD, "attn_weights", 2, head=1)
    rows = frame.tensor("attn_weights", 2, 0, 1)
    assert rows is not None
    frame = Frame(frame.view, Focus(frame.moment, digits=True))
    picture = Attention("x").draw(frame, 60, 12)
    lines = picture.text().splitlines()
    for row, value in zip(rows, frame.view.grad(rows).values, strict=True):
        spot = next(s for s in picture.spots() if s.target == int(row))
        assert lines[spot.y][spot.x : spot.end].strip()[0] == ("+" if value > 0 else "-" if value < 0 else "0")


def test_shares_can_be_read_without_colour() -> None:
    assert [share_cell(v, 1)[0] for v in (1.0, 0.95, 0.3, 0.04)] == ["█", "9", "3", "0"]
    assert [share_cell(v, 2)[0] for v in (1.0, 0.95, 0.3)] == ["1.", ".9", ".3"]
    assert [share_cell(v, 3)[0] for v in (1.0, 0.345, 0.0)] == ["100", " 34", "  0"]


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
def test_the_stream_has_the_norm_of_every_stage(phase: Phase) -> None:
    frame = at("layers", phase, "loss") if phase is Phase.FORWARD else at("layers", phase, "embed", 0)
    picture = Residual("x").draw(frame, 80, 12)
    lines = picture.text().splitlines()[1:]
    scale = max(frame.scale(t.rows, frame.backward, t.name)
                for t in frame.view.recording.positions[frame.pos].residual_stream)  # fmt: skip
    places = [("embed", None), ("embed_norm", None)]
    places += [(name, layer) for layer in (0, 1) for name in ("attn_residual", "mlp_residual")]
    for line, (name, layer) in zip(lines, places, strict=False):
        rows = frame.tensor(name, frame.pos, layer)
        assert rows is not None
        values = (frame.view.grad(rows) if frame.backward else frame.view.data(rows)).values
        assert name in line
        assert plain(float(np.sqrt((values**2).sum()))) in line.split()
        lit = rows is frame.stage_event.rows or frame.stage_event.pos is None
        assert colours(picture, rows) == expected(frame, rows, scale, lit)


def test_the_stream_marks_its_stage_and_leads_to_the_others() -> None:
    frame = at("layers", Phase.FORWARD, "mlp_residual", 1)
    picture = Residual("x").draw(frame, 60, 10)
    assert next(line for line in picture.text().splitlines() if line.startswith("▸")).startswith("▸L1 mlp_residual")
    embed = next(s for s in frame.program.events(Phase.FORWARD) if (s.name, s.pos) == ("embed", 1))
    assert Moment(0, Phase.FORWARD, embed.last) in targets(picture)
    early = Residual("x").draw(at("layers", Phase.FORWARD, "mlp_relu", 1), 60, 10).text().splitlines()
    assert next(line for line in early if "L1 mlp_residual" in line).split()[-1] == "·"


def test_prediction_waits_then_shows_logits_then_shares() -> None:
    waits = Prediction("x").draw(at("layers", Phase.FORWARD, "mlp_residual", 1), 80, 20)
    assert waits.text() == "not yet: the logits of position 1 come at the end of it"
    for name in ("logits", "probs", "loss_t"):
        frame = at("layers", Phase.FORWARD, name, 1)
        rows = frame.tensor("logits" if name == "logits" else "probs", 1)
        assert rows is not None
        picture = Prediction("x").draw(frame, 80, 20)
        text, values = picture.text(), frame.view.data(rows).values
        assert set(map(int, rows)) <= targets(picture)
        for value in values:
            assert (number(float(value)) if name == "logits" else percent(float(value))) in text
        assert f"◎{frame.target(1)}" in text
        likeliest = frame.token_name(int(np.argmax(values)))
        assert f"top: {likeliest}" in text
        loss = frame.tensor("loss_t", 1)
        assert loss is not None
        assert text.splitlines()[-1].endswith(f"= {plain(frame.value(int(loss[0])))}")


def test_gradients_of_the_prediction_are_those_of_the_engine() -> None:
    frame = at("layers", Phase.BACKWARD, "logits", 5)
    rows = frame.tensor("logits", 5)
    assert rows is not None
    picture = Prediction("x").draw(frame, 80, 20)
    grads = frame.view.grad(rows).values
    assert all(number(float(g)) in picture.text() for g in grads)
    target = frame.program.targets[5]
    assert grads[target] < 0
    assert any(line.strip().startswith("◎") or " ◎" in line for line in picture.text().splitlines()[1:])
    assert "p − 1 at the target" in picture.text()
    assert set(map(int, rows)) <= targets(picture)


def test_a_cut_vocabulary_keeps_the_target_and_says_what_it_shows() -> None:
    frame = at("large", Phase.FORWARD, "probs", 25)
    picture = Prediction("x").draw(frame, 33, 5)
    assert f"◎{frame.target(25)}" in picture.text()
    assert " largest of 9" in picture.text().splitlines()[0]
    rows = frame.tensor("probs", 25)
    assert rows is not None
    best = int(rows[np.argmax(frame.view.data(rows).values)])
    assert best in targets(picture)


def test_wide_characters_line_up() -> None:
    frame = at("korean", Phase.FORWARD, "loss")
    for pane, width, height in ((Attention, 80, 16), (QKV, 60, 20), (Prediction, 40, 16)):
        picture = pane("x").draw(frame, width, height)
        per_line: dict[int, list[int]] = {}
        for spot in picture.spots():
            if isinstance(spot.target, int):
                per_line.setdefault(spot.y, []).append(spot.x)
        body = [y for y in per_line if any(c in picture.text().splitlines()[y] for c in "가나다라마바사")]
        if pane is Prediction:
            body = body[:-2]  # the likeliest and the loss stand below the table
        assert len({min(per_line[y]) for y in body}) == 1


@pytest.mark.parametrize("size", [(30, 10), (34, 10), (30, 9), (60, 12)])
def test_the_rule_of_the_gradients_is_whole(size: tuple[int, int]) -> None:
    picture = Prediction("x").draw(at("layers", Phase.BACKWARD, "logits", 1), *size)
    assert "divided by the number of positions (" in " ".join(picture.text().split())
    assert picture.text().endswith(")")
    assert picture.height <= size[1]
