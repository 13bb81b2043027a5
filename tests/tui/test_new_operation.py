"""A copy of the model with GELU in place of ReLU, and nothing else: it trains, and the debugger shows it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from engine import Config, Expression, GradientChecker, Moment, Phase, Session
from engine.explain.scalar import TapeExplainer
from engine.expressions.watch import Watch, watch_text
from engine.sampling.stepper import SampleStepper
from engine.sampling.strategy import DecodingStrategy
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.explanations import sentences as texts_module
from microgpt_tui.explanations.sentences import sentences, texts, title_of
from microgpt_tui.inference.pictures import inside
from microgpt_tui.inference.state import InferenceState
from microgpt_tui.operations import registry
from microgpt_tui.operations.attention import KINDS
from microgpt_tui.operations.registry import DRAWINGS, draw
from microgpt_tui.panes import registry as panes
from microgpt_tui.panes.attention import Attention
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.prediction import Prediction
from microgpt_tui.panes.qkv import QKV
from microgpt_tui.panes.residual import Residual
from microgpt_tui.panes.why import Why
from tests.support.changed_model import Change
from tests.support.harness import DOCS, answer, at, debugger, go, name, notes, screen, session, text, until

RELU = '''
@operation
def relu(x: Vector) -> Vector:
    """max(0, x), element by element: (n,) to (n,)."""
    return [xi.relu() for xi in x]
'''
GELU = '''
@operation
def gelu(x: Vector) -> Vector:
    """x times its logistic sigmoid, scaled (Hendrycks & Gimpel 2016, section 2): (n,) to (n,)."""
    return [xi / (1.0 + (xi * -1.702).exp()) for xi in x]
'''
SMALL = Config(n_layer=1, n_embd=4, n_head=2, block_size=3, num_steps=50, seed=3)


@pytest.fixture
def run(change: Change) -> Session:
    """Of the model with GELU."""
    change((RELU, GELU), ('"mlp_relu", relu(x)', '"mlp_gelu", gelu(x)'))
    return Session(SMALL, DOCS)


def test_it_trains_and_its_gradients_agree_with_finite_differences(run: Session) -> None:
    assert {s.kind for s in run.program.events(Phase.FORWARD)} - set(DRAWINGS) - KINDS == {"gelu"}
    run.run(until=SMALL.num_steps)
    assert np.mean(run.losses[-10:]) < np.mean(run.losses[:10])
    checker = GradientChecker(run.replay_copy(), 1)
    gelu = next(s for s in checker.program.events(Phase.FORWARD) if s.kind == "gelu")
    rows = [*range(run.recording.n_params), *range(int(gelu.rows[0]) - 6, int(gelu.rows[-1]) + 1)]
    moved = 0
    for row in rows:
        if not run.recording.live[row]:
            continue
        check = checker.check(row)
        assert abs(check.difference) < 1e-8 or check.relative < 1e-5
        moved += check.gradient != 0
    assert moved > len(rows) // 2


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_debugger_steps_through_all_events_with_a_drawing_and_a_text_at_each(
    run: Session, size: tuple[int, int]
) -> None:
    async with debugger(size, run) as pilot:
        here = screen(pilot)
        events = [s for phase in (Phase.FORWARD, Phase.BACKWARD) for s in run.program.events(phase)]
        seen = set()
        for event in events:
            await until(pilot, lambda: not here.busy)
            assert name(pilot) == event.name
            shown, frame = here.query_one("#stage", Pane), here.frame
            assert shown.title.startswith(title_of(frame))
            assert any(line.segments for line in shown.picture.lines)
            assert sentences(frame)[0][:60] in text(pilot)
            seen.add((frame.stage_event.kind, frame.phase))
            await pilot.press("n")
        assert {phase for kind, phase in seen if kind == "gelu"} == {Phase.FORWARD, Phase.BACKWARD}


async def test_inside_the_operation_each_scalar_is_shown_in_both_phases(run: Session) -> None:
    async with debugger((120, 36), run) as pilot:
        here = screen(pilot)
        for phase in (Phase.FORWARD, Phase.BACKWARD):
            gelu = next(s for s in run.program.events(phase) if s.kind == "gelu")
            here.navigator.go(Moment(0, phase, gelu.first))
            for tick in range(gelu.first + 1, gelu.first + 12):
                await go(pilot, "s")
                assert run.moment.tick == tick
                assert "gelu" in here.query_one("#map", Pane).picture.text()
                if phase is Phase.FORWARD:
                    assert "return [xi / (1.0" in text(pilot)


def test_every_number_of_the_operation_stands_on_its_drawing_and_panes_draw_it(run: Session) -> None:
    for phase in (Phase.FORWARD, Phase.BACKWARD):
        name = "mlp_gelu" if phase is Phase.FORWARD else "mlp_fc1"  # whose gradient comes through it
        event = next(s for s in run.program.events(phase) if s.name == name)
        run.seek(Moment(0, phase, event.last))
        frame = Frame(run.view(), Focus(run.moment))
        gelu = frame.operation
        assert title_of(frame) == ("mlp_gelu ─ gelu" if phase is Phase.FORWARD else "back through gelu")
        assert "mlp_fc1" in sentences(frame)[0]
        for spec in panes.PANES:
            for size in ((26, 7), (60, 20), (120, 60)):
                spec.kind("pane").draw(frame, *size)
        picture = draw(frame, 120, 60)
        targets = {spot.target for spot in picture.spots()}
        assert {int(row) for rows in (gelu.rows, gelu.operands["x"]) for row in rows} <= targets
        assert ("= mlp_gelu" in picture.text()) is (phase is Phase.FORWARD)
        assert ("∂mlp_gelu" in picture.text()) is (phase is Phase.BACKWARD)


def test_intermediate_scalars_have_telling_names(run: Session) -> None:
    gelu = next(s for s in run.program.events(Phase.FORWARD) if s.kind == "gelu")
    run.seek(Moment(0, Phase.FORWARD, gelu.last))
    explain = TapeExplainer(run.view())
    for i, before in ((0, int(gelu.operands["x"][-1])), (3, int(gelu.rows[2]))):
        made = [row for row in range(before + 1, int(gelu.rows[i]) + 1) if explain.children(row)]
        assert [explain.name(r) for r in made] == [
            f"mlp_fc1[{i}] · -1.702",
            f"exp(mlp_fc1[{i}] · -1.702)",
            f"intermediate 3 of mlp_gelu[{i}]",
            f"intermediate 4 of mlp_gelu[{i}]",
            f"mlp_gelu[{i}]",
        ]
        assert ["".join(piece for piece, _ in explain.names_in_formula(r)) for r in made[2:]] == [
            f"exp(mlp_fc1[{i}] · -1.702) + 1",
            f"(intermediate 3 of mlp_gelu[{i}]) ^ -1",
            f"mlp_fc1[{i}] · (intermediate 4 of mlp_gelu[{i}])",
        ]


def test_a_scalar_used_by_several_elements_is_named_after_the_tensor(change: Change) -> None:
    shared = "shared = (sum(x) * 3.0 + 2.0).exp()\n    return [xi * shared for xi in x]"
    change((RELU, RELU.replace("return [xi.relu() for xi in x]", shared)))
    run = Session(SMALL, DOCS)
    event = next(s for s in run.program.events(Phase.FORWARD) if s.kind == "relu")
    run.seek(Moment(0, Phase.FORWARD, event.last))
    explain, n = TapeExplainer(run.view()), len(event.rows)
    for i in (0, 3):
        row = int(event.rows[i])
        x, exp = explain.children(row)
        assert (explain.name(x), explain.name(exp)) == (f"mlp_fc1[{i}]", f"intermediate {n + 3} of mlp_relu")
    (added,) = explain.children(exp)
    product, _ = explain.children(added)
    (whole, _), name = explain.children(product), explain.name
    assert (name(added), name(product), name(whole)) == (
        f"intermediate {n + 2} of mlp_relu", f"intermediate {n + 1} of mlp_relu", "sum in mlp_relu[0]",
    )  # fmt: skip


async def test_a_watch_a_breakpoint_and_a_condition_know_the_new_tensor(run: Session) -> None:
    scope = run.scope
    gelu = next(s for s in run.program.events(Phase.FORWARD) if s.kind == "gelu")
    run.seek(Moment(0, Phase.FORWARD, gelu.last))
    assert Watch("mlp_gelu[0, 3]@pos=0", scope).row(run.view()) == gelu.rows[3]
    assert watch_text(run.view(), int(gelu.rows[3])) == "mlp_gelu[0, 3]@pos=0"
    assert Expression("abs(mlp_gelu[0, 3]) < 10 and max(mlp_gelu[0]) > -1", scope).value(run.view()) is True
    async with debugger((120, 36), run) as pilot:
        await pilot.press("B")
        for typed in ("mlp_gelu@pos=1", "mlp_gelu[0, 0] > -10"):
            await pilot.press("a")
            await answer(pilot, typed)
        assert len(screen(pilot).state.annotations.breakpoints) == 2


@pytest.mark.parametrize(
    "key", ["b", "w", "g", "x", "enter", "d", "e", "Y", "B", "X", "slash", "y", "P", "o", "O", "t"]
)
async def test_no_key_crashes_the_debugger_on_the_new_tensor(run: Session, key: str) -> None:
    async with debugger((120, 36), run) as pilot:
        for phase in (Phase.FORWARD, Phase.BACKWARD):
            gelu = next(s for s in run.program.events(phase) if s.kind == "gelu")
            screen(pilot).navigator.go(Moment(0, phase, gelu.last))
            await go(pilot, key)
            assert pilot.app.is_running
            await go(pilot, "escape", "escape")


@pytest.mark.parametrize("size", [(36, 10), (76, 12), (120, 40)])
def test_every_operation_has_a_generic_drawing_and_text(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    generic = {phase: {"generic": texts()[phase]["generic"]} for phase in (Phase.FORWARD, Phase.BACKWARD)}
    monkeypatch.setattr(registry, "DRAWINGS", {})
    monkeypatch.setattr(texts_module, "texts", lambda: generic)
    for phase in generic:
        session().seek(Moment(0, phase))
        for event in session().program.events(phase):
            for tick in () if event.is_parameter else (event.first + 1, event.last):
                frame = at(Moment(0, phase, tick))
                if frame.stage_event.is_parameter:
                    continue
                picture = draw(frame, *size)
                assert not [line.segments for line in picture.lines if line.width > size[0]], event.name
                assert set(frame.operation.rows.ravel().tolist()) <= {spot.target for spot in picture.spots()}
                assert (frame.operation.kind if frame.backward else frame.operation.name) in title_of(frame)
                assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences(frame))
                assert all(len(sentence) <= 118 for sentence in sentences(frame)[:2])


async def test_panes_on_attention_say_so_where_a_model_has_none_that_they_know(change: Change) -> None:
    change(("weighted_sum(", "mixed("))
    async with debugger((120, 36), Session(SMALL, DOCS)) as pilot:
        for key, what in {"5": "q, k and v", "6": "attention"}.items():
            await pilot.press(key)
            await pilot.pause()
            assert f"This pane shows {what}, but no heads of this model make scores" in notes(pilot)
            assert screen(pilot).focused is None
            await pilot.press("f")
        await pilot.press("i")
        await until(pilot, lambda: "no heads with scores and weights" in text(pilot))


OTHER_NAMES = {  # as long as the usual ones, so that nothing moves
    "embed": "start",
    "logits": "zetas_",
    "probs": "shark",
    "loss_t": "nll_at",
    "attn_residual": "attn_combined",
    "attn_weights": "attn_shares_",
    "q": "ǫ",
    "k": "ķ",
    "v": "ṿ",
}


def test_panes_follow_a_model_that_calls_its_tensors_otherwise(change: Change) -> None:
    def pictures() -> list[str]:
        run = Session(SMALL, DOCS)
        found = []
        for phase in (Phase.FORWARD, Phase.BACKWARD):
            run.seek(Moment(0, phase, run.program.ticks(phase)))
            for event in (e for e in run.program.events(phase) if not e.is_parameter):
                run.seek(Moment(0, phase, event.last))
                frame = Frame(run.view(), Focus(run.moment))
                found += [kind("x").draw(frame, 200, 16).text() for kind in (QKV, Attention, Residual, Prediction, Why)]
                found.append(draw(frame, 90, 40).text())
        walk = SampleStepper(run.sampler(), run.tokenizer, random.Random(1), DecodingStrategy())
        return [*found, inside(InferenceState(walk, 0, 0, 0, frozenset()), 90, 20).text()]

    before = pictures()
    change(*((f'name("{old}"', f'name("{new}"') for old, new in OTHER_NAMES.items()))
    after = pictures()
    for old, new in OTHER_NAMES.items():
        assert any(new in picture for picture in after)
        after = [picture.replace(new, old) for picture in after]
    assert after == before


async def test_a_model_without_a_norm_after_the_embedding_can_be_debugged(change: Change) -> None:
    change(('    x = name("embed_norm", rmsnorm(x))\n', ""))
    run = Session(SMALL, DOCS)
    async with debugger((120, 36), run) as pilot:
        screen(pilot).navigator.go(Moment(0, Phase.FORWARD, run.program.ticks(Phase.FORWARD)))
        await pilot.press("7", "z")
        await until(pilot, lambda: "embed" in text(pilot) and "embed_norm" not in text(pilot))
        await pilot.press("escape", "Y", "z")
        await until(pilot, lambda: "layer 0 head 1" in text(pilot))
