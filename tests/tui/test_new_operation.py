"""A copy of the model with GELU in place of ReLU, and nothing else: it trains, and the debugger shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input

from engine import Config, Expression, GradientChecker, Moment, Phase, Session
from engine.expressions.watch import Watch, watch_text
from engine.model import gpt, recording
from engine.run import session as sessions
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.operations import registry
from microgpt_tui.operations.registry import DRAWINGS, draw
from microgpt_tui.panes import registry as panes
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts import sentences as told
from microgpt_tui.texts.sentences import sentences, texts, title_of
from tests.support.harness import DOCS, at, debugger, go, name, screen, session, text, until

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


Change = Callable[..., None]


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    """Lets runs be recorded from a copy of the model's file, with some texts in the places of others."""

    def changed(*texts: tuple[str, str]) -> None:
        source = Path(gpt.__file__).read_text(encoding="utf-8")
        for old, new in texts:
            assert old in source
            source = source.replace(old, new)
        path = tmp_path / "changed_gpt.py"
        path.write_text(source, encoding="utf-8")
        spec = util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(recording, "gpt", module)
        forget()

    monkeypatch.setattr(sessions, "record", recording.record)  # tests share recordings of the model as it is
    yield changed
    forget()


def forget() -> None:
    """What is remembered of recordings is of another model."""
    for function in vars(recording).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


@pytest.fixture
def run(change: Change) -> Session:
    """Of the model with GELU."""
    change((RELU, GELU), ('"mlp_relu", relu(x)', '"mlp_gelu", gelu(x)'))
    return Session(SMALL, DOCS)


def test_it_trains_and_its_gradients_agree_with_finite_differences(run: Session) -> None:
    assert {s.kind for s in run.program.stretches(Phase.FORWARD)} - set(DRAWINGS) == {"gelu"}
    run.run(until=SMALL.num_steps)
    assert np.mean(run.losses[-10:]) < np.mean(run.losses[:10])
    checker = GradientChecker(run.replay_copy(), 1)
    gelu = next(s for s in checker.program.stretches(Phase.FORWARD) if s.kind == "gelu")
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
        events = [s for phase in (Phase.FORWARD, Phase.BACKWARD) for s in run.program.stretches(phase)]
        seen = set()
        for event in events:
            await until(pilot, lambda: not here.busy)
            assert name(pilot) == event.name
            shown, frame = here.query_one("#stage", Pane), here.frame
            assert shown.title == title_of(frame.stretch)
            assert any(line.segments for line in shown.picture.lines)
            assert sentences(frame)[0][:60] in text(pilot)
            seen.add((frame.stretch.kind, frame.phase))
            await pilot.press("n")
        assert {phase for kind, phase in seen if kind == "gelu"} == {Phase.FORWARD, Phase.BACKWARD}


async def test_inside_the_operation_each_scalar_is_shown_in_both_phases(run: Session) -> None:
    async with debugger((120, 36), run) as pilot:
        here = screen(pilot)
        for phase in (Phase.FORWARD, Phase.BACKWARD):
            gelu = next(s for s in run.program.stretches(phase) if s.kind == "gelu")
            here.go(Moment(0, phase, gelu.first))
            for tick in range(gelu.first + 1, gelu.first + 12):
                await go(pilot, "s")
                assert run.moment.tick == tick
                assert "gelu" in here.query_one("#map", Pane).picture.text()
                if phase is Phase.FORWARD:
                    assert "changed_gpt.py:69" in text(pilot)
                    assert "return [xi / (1.0" in text(pilot)


def test_every_number_of_the_operation_stands_on_its_drawing_and_panes_draw_it(run: Session) -> None:
    for phase in (Phase.FORWARD, Phase.BACKWARD):
        gelu = next(s for s in run.program.stretches(phase) if s.kind == "gelu")
        run.seek(Moment(0, phase, gelu.last))
        frame = Frame(run.view(), Focus(run.moment))
        assert title_of(frame.stretch) == "mlp_gelu: " + ("gelu" if phase is Phase.FORWARD else "gradient through gelu")
        assert "mlp_fc1" in sentences(frame)[0]
        for spec in panes.PANES:
            for size in ((26, 7), (60, 20), (120, 60)):
                spec.kind("pane").draw(frame, *size)
        picture = draw(frame, 120, 60)
        targets = {spot.target for spot in picture.spots()}
        assert {int(row) for rows in (gelu.rows, gelu.operands["x"]) for row in rows} <= targets
        assert "= mlp_gelu" in picture.text()
        assert ("∂mlp_gelu" in picture.text()) is (phase is Phase.BACKWARD)


async def test_a_watch_a_breakpoint_and_a_condition_know_the_new_tensor(run: Session) -> None:
    scope = run.scope
    gelu = next(s for s in run.program.stretches(Phase.FORWARD) if s.kind == "gelu")
    run.seek(Moment(0, Phase.FORWARD, gelu.last))
    assert Watch("mlp_gelu[0, 3]@pos=0", scope).row(run.view()) == gelu.rows[3]
    assert watch_text(run.view(), int(gelu.rows[3])) == "mlp_gelu[0, 3]@pos=0"
    assert Expression("abs(mlp_gelu[0, 3]) < 10 and max(mlp_gelu[0]) > -1", scope).value(run.view()) is True
    async with debugger((120, 36), run) as pilot:
        await pilot.press("B")
        for typed in ("mlp_gelu@pos=1", "mlp_gelu[0, 0] > -10"):
            await pilot.press("a")
            await pilot.pause()
            pilot.app.screen.query_one(Input).value = typed
            await pilot.press("enter")
            await pilot.pause()
        assert len(screen(pilot).state.kept.breakpoints) == 2


@pytest.mark.parametrize(
    "key", ["b", "w", "g", "x", "enter", "d", "e", "Y", "B", "X", "slash", "y", "P", "o", "O", "t"]
)
async def test_no_key_ends_the_debugger_on_the_new_tensor(run: Session, key: str) -> None:
    async with debugger((120, 36), run) as pilot:
        for phase in (Phase.FORWARD, Phase.BACKWARD):
            gelu = next(s for s in run.program.stretches(phase) if s.kind == "gelu")
            screen(pilot).go(Moment(0, phase, gelu.last))
            await go(pilot, key)
            assert pilot.app.is_running
            await go(pilot, "escape", "escape")


@pytest.mark.parametrize("size", [(36, 10), (76, 12), (120, 40)])
def test_any_operation_can_be_drawn_and_told_of_without_a_drawing_and_a_text_of_its_own(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    generic = {phase: {"generic": texts()[phase]["generic"]} for phase in (Phase.FORWARD, Phase.BACKWARD)}
    monkeypatch.setattr(registry, "DRAWINGS", {})
    monkeypatch.setattr(told, "texts", lambda: generic)
    for phase in generic:
        session().seek(Moment(0, phase))
        for stretch in session().program.stretches(phase):
            for tick in () if stretch.is_parameter else (stretch.first + 1, stretch.last):
                frame = at(Moment(0, phase, tick))
                if frame.stretch.is_parameter:
                    continue
                picture = draw(frame, *size)
                assert not [line.segments for line in picture.lines if line.width > size[0]], stretch.name
                assert set(frame.stretch.rows.tolist()) <= {spot.target for spot in picture.spots()}
                assert frame.stretch.name in title_of(frame.stretch)
                assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences(frame))
                assert all(len(sentence) <= 118 for sentence in sentences(frame)[:2])


async def test_panes_on_tensors_that_a_model_calls_otherwise_say_so(change: Change) -> None:
    names = [(f'name("{old}"', f'name("{new}"') for old, new in {"k": "key", "attn_weights": "shares"}.items()]
    change(*names)
    async with debugger((120, 36), Session(SMALL, DOCS)) as pilot:
        for key, missing in {"5": "k.", "6": "attn_weights."}.items():
            await pilot.press(key, "z")
            await pilot.pause()
            assert f"no tensor of this model is called {missing}" in text(pilot)
            await pilot.press("escape", "f")
        await pilot.press("i")
        await until(pilot, lambda: "no tensor called attn_weights or k" in text(pilot))
