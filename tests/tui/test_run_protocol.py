"""A run that is no `Session`: an operation of three operands, a vector, a scalar, no positions, plain SGD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from textual.app import App

from engine import (
    Address,
    Breakpoint,
    Config,
    EngineError,
    EventPattern,
    Moment,
    Phase,
    Run,
    StepProgram,
    Stops,
    continue_to,
)
from engine.autograd.tape import Rows
from engine.expressions.scope import Scope
from engine.expressions.watch import Watch, watch_text
from engine.model.recording import Floats
from engine.model.tensors import PARAMETER, TensorSpec
from engine.model.tokenizer import Tokenizer
from engine.run.branches import Branches
from engine.run.capabilities import BranchingRun, SamplingRun, SavableRun, TapeRun
from engine.run.stops import reverse_continue
from engine.timeline.events import Event
from engine.timeline.explainer import Explainer, Piece, SourceLine, Term
from engine.timeline.history import Norms
from engine.timeline.run import OnStep
from engine.timeline.update import Optimizer, UpdateStep, UpdateTerm
from engine.timeline.view import Reading, View
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.explanations.sentences import sentences, title_of
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.registry import PANES
from microgpt_tui.panes.stage import Stage
from microgpt_tui.panes.status_line import StatusLine
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.panes.tokens import Tokens
from microgpt_tui.screens.debugger import DebuggerScreen

W, B, HALF, Y, LOSS = (0, 1), 2, 3, 4, 5  # rows: loss = y / 2, y = w[0] · w[1] · b
NAMES = {0: "w[0]", 1: "w[1]", B: "b", HALF: "0.5", Y: "y", LOSS: "loss"}
CHILDREN = {Y: [*W, B], LOSS: [Y, HALF]}
BACKWARD = ((None, LOSS), (LOSS, Y), (Y, 0), (Y, 1), (Y, B))  # a tick each: source and receiver
RATE = 0.25


def rows_of(*rows: int) -> Rows:
    return np.array(rows, dtype=np.int32)


def made_event(
    index: int, phase: Phase, name: str, first: int, last: int, rows: Rows, kind: str, **operands: Rows
) -> Event:
    return Event(
        index, phase, name, None, None, None, first, last, rows, rows.shape, "step", 3, kind, operands, {}, None
    )


class HandProgram(StepProgram):
    """The two operations of every step."""

    def __init__(self, step: int) -> None:
        self.step, self.doc, self.tokenizer = step, "", Tokenizer(["a"])
        self.n = 0
        self.tokens, self.inputs, self.targets = [], [], []
        y, loss, w, b = rows_of(Y), rows_of(LOSS), rows_of(*W), np.array(B, dtype=np.int32)
        self._events = {
            Phase.FORWARD: [
                made_event(0, Phase.FORWARD, "y", 0, 1, y, "triple", w=w, b=b.reshape(1)),
                made_event(1, Phase.FORWARD, "loss", 1, 2, loss, "halve", x=y),
            ],
            Phase.BACKWARD: [
                made_event(0, Phase.BACKWARD, "loss", 0, 1, loss, "halve", x=y),
                made_event(1, Phase.BACKWARD, "y", 1, 2, y, "triple", w=w, b=b.reshape(1)),
                made_event(2, Phase.BACKWARD, "w", 2, 4, w, PARAMETER),
                made_event(3, Phase.BACKWARD, "b", 4, 5, b, PARAMETER),
            ],
            Phase.UPDATE: [
                made_event(0, Phase.UPDATE, "w", 0, 2, w, PARAMETER),
                made_event(1, Phase.UPDATE, "b", 2, 3, b, PARAMETER),
            ],
        }

    @property
    def parameters(self) -> Mapping[str, Rows]:
        return {each.name: each.rows for each in self._events[Phase.UPDATE]}

    @property
    def n_params(self) -> int:
        return 3

    @property
    def n_rows(self) -> int:
        return 6

    @property
    def specs(self) -> dict[str, TensorSpec]:
        return {
            "w": TensorSpec("w", {}, (2,), PARAMETER),
            "b": TensorSpec("b", {}, (), PARAMETER),
        }

    @property
    def rows(self) -> Rows:
        return rows_of(Y, LOSS)

    @property
    def loss_row(self) -> int:
        return LOSS

    @property
    def receivers(self) -> Rows:
        return rows_of(*(receiver for _, receiver in BACKWARD))

    def source_of(self, tick: int) -> int | None:
        return BACKWARD[tick - 1][0]

    def children(self, row: int) -> list[int]:
        return CHILDREN.get(row, [])

    def events(self, phase: Phase) -> list[Event]:
        return self._events[phase]


@dataclass(frozen=True)
class SgdStep(UpdateStep):
    g: float
    before: float

    @property
    def terms(self) -> tuple[UpdateTerm, ...]:
        return (
            UpdateTerm("g", None, self.g, "the gradient"),
            UpdateTerm("p", self.before, self.before - RATE * self.g, f"p − {RATE}·g"),
        )

    @property
    def unmoved(self) -> str | None:
        return "its gradient is 0" if self.g == 0 else None


class HandView(View):
    def __init__(self, run: HandRun) -> None:
        self.config, self.moment = run.config, run.moment
        self._program, self._run, self._start = run.program, run, run.params_of(run.step)
        self._values = forward(self._start)
        done = self.moment.tick if self.moment.phase is Phase.BACKWARD else len(BACKWARD)
        self._grads = np.zeros(6)
        for source, receiver in BACKWARD[:done]:
            grad = 1.0 if source is None else local(self._values, source, receiver) * self._grads[source]
            self._grads[receiver] += grad

    @property
    def program(self) -> HandProgram:
        return self._program

    def explainer(self) -> HandExplainer:
        return HandExplainer(self)

    def source(self, event: Event | None = None) -> SourceLine:
        del event
        return SourceLine(Path(__file__), 3, frozenset({3}))

    def data(self, rows: Rows) -> Reading:
        after = self._values.copy()
        if self.moment.phase is Phase.UPDATE:
            after[: self.moment.tick] -= RATE * self._grads[: self.moment.tick]
        made = self.moment.tick if self.moment.phase is Phase.FORWARD else 2
        return Reading(after[rows], np.asarray(rows < Y + made))

    @property
    def passed_values(self) -> Floats:
        return self._values

    def live(self, rows: Rows) -> Any:
        return rows != HALF

    def grad(self, rows: Rows) -> Reading:
        return Reading(self._grads[rows], self.arrived(rows))

    @property
    def optimizer(self) -> Optimizer:
        return Optimizer("SGD", ("g", "p"))

    def state(self, rows: Rows | int) -> dict[str, Floats]:
        del rows
        return {}

    def update(self, row: int) -> SgdStep | None:
        moved = row < 3 and self.moved(rows_of(row))[0]
        return SgdStep(float(self._grads[row]), float(self._start[row])) if moved else None

    def update_maps(self, rows: Rows) -> dict[str, Reading]:
        return {"g": self.grad(rows), "p": self.data(rows)}

    @property
    def losses(self) -> list[float]:
        return self._run.losses

    @property
    def grad_norms(self) -> list[float]:
        return [1.0 for _ in self.losses]

    @property
    def spacing(self) -> int:
        return 1

    def grad_norm(self) -> float:
        return float(np.linalg.norm(self._grads[:3]))

    def norms(self, name: str) -> Norms | None:
        moved = self.moved(self.program.parameters[name]).all()
        return Norms(1.0, RATE, 1.0) if moved else None

    def first_parameters(self, name: str) -> Floats:
        return self._start[self.program.parameters[name]]

    def norms_before(self, name: str, first: int = 0) -> Floats:
        del name
        return np.ones((self.moment.step - first, 3))


class HandExplainer(Explainer):
    def __init__(self, view: HandView) -> None:
        self._view = view

    def name(self, row: int) -> str:
        return NAMES[row]

    def is_named(self, row: int) -> bool:
        return row != HALF

    def operation_formula(self, row: int) -> list[Piece]:
        pieces = [piece for child in CHILDREN.get(row, []) for piece in (" · ", child)]
        return pieces[1:]

    def children(self, row: int) -> list[int]:
        return self._view.program.children(row)

    def users(self, row: int) -> list[int]:
        return [user for user, children in CHILDREN.items() if row in children]

    def gradient(self, row: int) -> list[Term]:
        view, (at,) = self._view, [i for i, (_, receiver) in enumerate(BACKWARD) if receiver == row] or [99]
        if not view.arrived(rows_of(row))[0] or (source := view.program.source_of(at + 1)) is None:
            return []
        slope, grad = local(view.passed_values, source, row), float(view._grads[source])
        return [Term(at + 1, source, slope, grad, slope * grad, 0.0, slope * grad)]

    def local_gradient(self, user: int, child: int) -> float | None:
        if child not in CHILDREN.get(user, []) or child == HALF or not self._view.data(rows_of(user)).known[0]:
            return None
        return local(self._view.passed_values, user, child)

    def planned(self, row: int) -> int:
        return int(row not in (HALF, LOSS))


def forward(params: Floats) -> Floats:
    y = params[0] * params[1] * params[2]
    return np.array([*params, 0.5, y, y * 0.5])


def local(values: Floats, source: int, receiver: int) -> float:
    return float(np.prod([values[child] for child in CHILDREN[source] if child != receiver]))


class HandRun:
    """The run: stores its moment alone, and computes the parameters of a step anew."""

    config = Config(n_layer=0, n_embd=1, n_head=1, block_size=1, num_steps=4)
    tokenizer, checksum = Tokenizer(["a"]), "by hand"
    docs, val_docs = ("",), ()
    first_step = 0

    def __init__(self) -> None:
        self.moment, self.losses = Moment(), list[float]()

    @property
    def step(self) -> int:
        return self.moment.step

    @property
    def program(self) -> HandProgram:
        return HandProgram(self.step)

    def params_of(self, step: int) -> Floats:
        params = np.array([2.0, -1.0, 3.0])
        for _ in range(step):
            values = forward(params)
            params = params - RATE * 0.5 * np.array([local(values, Y, row) for row in range(3)])
        return params

    def run(self, until: int, on_step: OnStep | None = None) -> None:
        while self.step < until:
            step, loss = self.step, float(forward(self.params_of(self.step))[LOSS])
            self.losses += [loss] if len(self.losses) == step else []
            self.moment = Moment(step + 1)
            if on_step and on_step(step, loss):
                return

    def seek(self, moment: Moment, on_step: OnStep | None = None) -> None:
        if moment.step > self.step:
            self.run(moment.step, on_step)
        ticks = HandProgram(moment.step).ticks(moment.phase)
        self.moment = Moment(moment.step, moment.phase, min(moment.tick, ticks))
        if self.moment == Moment(moment.step, Phase.UPDATE, 3) and len(self.losses) == moment.step:
            self.losses.append(float(forward(self.params_of(moment.step))[LOSS]))

    def start_towards(self, step: int) -> int:
        return step

    def seconds_a_step(self) -> float:
        return 1e-6

    def view(self) -> HandView:
        return HandView(self)

    def replay_copy(self) -> Self:
        return type(self)()

    def restart_copy(self) -> Self:
        return type(self)()

    def forget_future(self) -> None:
        del self.losses[self.step :]


def at(moment: Moment, row: int | None = None) -> Frame:
    run: Run = HandRun()
    run.seek(moment)
    return Frame(run.view(), Focus(moment, row=row))


def drawn(kind: type[Any], frame: Frame, width: int = 70) -> str:
    pane = kind("p")
    pane.frame = frame
    return str(pane.picture_for(width, 20).text())


def test_a_run_may_lack_all_capabilities() -> None:
    run = HandRun()
    assert not isinstance(run, BranchingRun | SamplingRun | SavableRun | TapeRun)
    with pytest.raises(EngineError, match="this run cannot be changed"):
        Branches(run).change(None, [])


def test_navigation_goes_through_every_event_and_back() -> None:
    run: Run = HandRun()
    moment, passed = Moment(0, Phase.FORWARD, 1), []
    while (following := navigation.next_event(run.program, moment)) and following.step == 0:
        passed.append((following.phase, run.program.event_at(following).name))
        moment = following
    assert passed == [
        (Phase.FORWARD, "loss"), (Phase.BACKWARD, "loss"), (Phase.BACKWARD, "y"), (Phase.BACKWARD, "w"),
        (Phase.BACKWARD, "b"), (Phase.UPDATE, "w"), (Phase.UPDATE, "b"),
    ]  # fmt: skip
    for _ in passed:
        before = navigation.previous_event(run.program, moment)
        assert before is not None
        moment = before
    assert moment == Moment(0, Phase.FORWARD, 1)
    assert navigation.next_position(run.program, moment) is None
    assert navigation.made_at(run.program, Moment(0, Phase.UPDATE, 3), B) == Moment(0, Phase.UPDATE, 3)


def test_the_same_program_is_described() -> None:
    program = HandRun().program
    assert program.children(Y) == [0, 1, B]
    assert [program.parameter_of(row) for row in (1, B, Y)] == [("w", (1,)), ("b", ()), None]
    made = program.event_of(LOSS)
    assert made is not None
    assert (made.name, program.event_of(HALF)) == ("loss", None)
    assert Address.of(program, Moment(0, Phase.BACKWARD, 4)).text == "step 0 backward w"


def test_conditions_watches_and_stops_know_its_parameters() -> None:
    run: Run = HandRun()
    scope = Scope(run.config, run.tokenizer, run.program.specs)
    view = run.view()
    assert [Watch(text, scope).value(view) for text in ("w[1]", "b", "w.max()", "n")] == [-1.0, 3.0, 2.0, 0]
    assert [watch_text(view, row) for row in (1, B, LOSS)] == ["w[1]", "b", "loss"]
    stop = continue_to(run, Stops(scope, [Breakpoint("loss", condition="loss < -5")]), Moment(3))
    assert stop is not None
    assert stop.moment == run.moment == Moment(1, Phase.FORWARD, 2)
    run.seek(Moment(2))
    assert (
        reverse_continue(run, Stops(scope, [Breakpoint("w", EventPattern(name="w", phase=Phase.BACKWARD))])) is not None
    )
    assert run.moment == Moment(1, Phase.BACKWARD, 4)


def test_the_inspector_shows_three_children_and_what_each_is_handed() -> None:
    frame = at(Moment(0, Phase.BACKWARD, 4), row=Y)
    words = drawn(Inspector, frame)
    assert "w[0] · w[1] · b" in words
    assert "made of 3" in words
    words = drawn(Inspector, at(Moment(0, Phase.BACKWARD, 4), row=1))
    assert "terms, by y" in words
    assert "+6.0000 · +0.5000 = +3.0000" in words


def test_the_update_is_drawn_from_its_terms() -> None:
    frame = at(Moment(0, Phase.UPDATE, 2), row=1)
    assert "p = p − 0.25·g" in drawn(Inspector, frame)
    stage = drawn(Stage, frame)
    assert "p = p − 0.25·g = -1.7500" in stage
    assert "m_hat" not in stage
    assert title_of(frame) == "SGD on w"
    assert "Adam" not in " ".join([*sentences(frame), stage, drawn(Inspector, frame)])
    optimizer = next(spec.kind for spec in PANES if spec.id == "adam")
    assert optimizer("p").heading(frame) == "One weight ─ w[1]"
    assert "p − 0.25·g" in drawn(optimizer, frame)


def test_a_long_formula_of_the_update_goes_on_in_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its result is what it is there for."""
    formula = " + ".join(f"w{i} * x{i}" for i in range(20))
    term = UpdateTerm("p", None, 0.1234, formula)
    monkeypatch.setattr(SgdStep, "terms", (term,))
    assert f"p = {formula} = +0.1234" in " ".join(drawn(Stage, at(Moment(0, Phase.UPDATE, 2))).split())


def test_events_have_text_and_a_generic_drawing() -> None:
    frame = at(Moment(0, Phase.FORWARD, 1))
    assert title_of(frame) == "y ─ triple"
    assert "w, b" in " ".join(sentences(frame))
    assert "= y" in drawn(Stage, frame)


def test_every_pane_draws_every_moment() -> None:
    ticks = {phase: HandProgram(0).ticks(phase) for phase in Phase}
    for moment in (Moment(step, phase, tick) for step in (0, 1) for phase in Phase for tick in range(ticks[phase] + 1)):
        frame = at(moment)
        kinds: list[type[Any]] = [*(spec.kind for spec in PANES), StatusLine, Timeline, Tokens, Explanation]
        for kind in kinds:
            for width in (30, 70, 120):
                drawn(kind, frame, width)


async def test_the_debugger_steps_through_it() -> None:
    app: App[None] = App()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = DebuggerScreen(HandRun())
        await app.push_screen(screen)
        for key in (*"nnnnnnnnbbb", "greater_than_sign", "right_square_bracket", "a", "i", "F"):
            await pilot.press(key)
            await pilot.pause()
        assert screen.session.moment.step >= 1
