"""Health checks: silent in a healthy run; each finds the moment at which a fault was put in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import (
    CHECKS,
    Config,
    Moment,
    NumericFault,
    Phase,
    Session,
    Stop,
    Stops,
    continue_to,
    load_docs,
    reverse_continue,
)
from engine.expressions.scope import Scope
from engine.run.health import FEWEST, TIMES, Health
from tests.support.float_bits import DOCS, shown, tiny

CONFIG = tiny(n_layer=2, num_steps=40)


def healthy(session: Session, *checks: str) -> Stops:
    return Stops(Scope(session.config, session.tokenizer), checks=checks or tuple(CHECKS))


def stop_of(session: Session, *checks: str, until: int = 20) -> Stop:
    stop = continue_to(session, healthy(session, *checks), Moment(until))
    assert stop is not None
    assert session.moment == stop.moment
    return stop


def test_the_default_run_is_healthy() -> None:
    session = Session(Config(), load_docs())
    assert continue_to(session, healthy(session), Moment(1000)) is None
    assert session.moment == Moment(1000)


def first_bad(session: Session, step: int) -> tuple[Moment, int]:
    """The first scalar of a step that is nan or inf, found tick by tick."""
    session.seek(Moment(step))
    w, program = session.workspace, session.program
    for phase in Phase:
        for tick in range(1, program.ticks(phase) + 1):
            session.seek(Moment(step, phase, tick))
            row = (program.rows, program.receivers, np.arange(session.recording.n_params))[phase.place][tick - 1]
            if not math.isfinite(w.grad[row] if phase is Phase.BACKWARD else w.data[row]):
                return session.moment, int(row)
    raise AssertionError("all is finite")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"wte": math.nan}, "is nan"),
        ({"layer1.mlp_fc1": math.inf}, "is "),
        ({"wte": 1e155}, "is inf"),  # hidden: the scale is 0 then, and the loss is finite
        ({"layer0.attn_wq": 1e160, "layer0.attn_wk": 1e160}, "is "),
        ({"lm_head": 1e308, "layer1.mlp_fc2": 1e-3}, "is "),
    ],
)
def test_the_first_scalar_that_is_not_finite(values: dict[str, float], words: str) -> None:
    session = Session(CONFIG, DOCS)
    session.run(2)
    generator = np.random.default_rng(0)
    for name, value in values.items():
        rows = session.recording.matrices[name]
        session.workspace.params[rows] = value * generator.uniform(0.5, 1.0, rows.shape)
    stop = stop_of(session, "nan")
    assert words in stop.sentence
    assert (stop.check, stop.moment.phase, stop.moment.step) == ("nan", Phase.FORWARD, 2)
    last = stop.moment
    row = int(session.program.rows[last.tick - 1])
    assert stop.row == row
    made = session.program.rows[: last.tick]
    assert np.isfinite(session.workspace.data[made[:-1]]).all()
    assert not math.isfinite(session.workspace.data[row])


def test_a_bad_gradient_is_found_at_its_tick() -> None:
    session = Session(CONFIG, DOCS)
    rows = session.recording.matrices["layer0.attn_wv"]
    session.seek(Moment(0))
    end = session.program.ticks(Phase.FORWARD)
    session.seek(Moment(0, Phase.FORWARD, end))
    session.workspace.data[rows] = 1e308  # as if edited after the forward phase: the chain rule multiplies by it
    session.workspace.data[session.recording.matrices["layer0.attn_wo"]] = 1e308
    session.seek(Moment(0, Phase.BACKWARD, 10**9))
    (finding,) = Health(session.recording, ["nan"]).look(session.view())
    assert (finding.check, finding.moment.phase) == ("nan", Phase.BACKWARD)
    assert "the gradient of" in finding.sentence
    assert finding.row == session.program.receivers[finding.moment.tick - 1]
    grad = np.zeros(len(session.recording))
    w = session.workspace
    w.loops.backward(w.recording.op, w.child, w.data, grad, session.program.edges, 0, finding.moment.tick - 1)
    assert np.isfinite(grad).all()
    last = finding.moment.tick
    w.loops.backward(w.recording.op, w.child, w.data, grad, session.program.edges, last - 1, last)
    assert np.flatnonzero(~np.isfinite(grad)).tolist() == [finding.row]


def test_a_bad_parameter_is_found_at_its_tick() -> None:
    session = Session(tiny(learning_rate=1e308), DOCS)
    stop = stop_of(session, "nan")
    assert (stop.moment, stop.row) == first_bad(session, stop.moment.step)
    session = Session(tiny(), DOCS)
    session.seek(Moment(0, Phase.UPDATE, 9))
    session.workspace.params[7] = math.nan  # as if this update had made it
    (finding,) = Health(session.recording, ["nan"]).look(session.view())
    assert (finding.moment, finding.row) == (Moment(0, Phase.UPDATE, 8), 7)
    assert "wte[1,3] becomes nan" in finding.sentence


@given(st.integers(0, 30), st.sampled_from([math.nan, math.inf, -math.inf, 1e160, -1e160, 1e308]), st.data())
def test_every_number_that_is_not_finite_is_found(seed: int, value: float, data: st.DataObject) -> None:
    session = Session(tiny(seed=seed), DOCS)
    row = data.draw(st.integers(0, session.recording.n_params - 1))
    session.workspace.params[row] = value
    try:
        session.seek(Moment(0, Phase.FORWARD, 10**9))
    except NumericFault:
        return
    finite = np.isfinite(session.workspace.data[session.program.rows])
    findings = Health(session.recording, ["nan"]).look(session.view())
    assert bool(findings) == (not finite.all())
    if findings:
        assert findings[0].moment.tick == int(np.argmin(finite)) + 1


def test_a_matrix_whose_gradient_is_all_zero() -> None:
    session = Session(CONFIG, DOCS)
    session.run(3)
    session.workspace.params[session.recording.matrices["layer1.mlp_fc1"]] = -1.0
    session.workspace.params[session.recording.matrices["layer1.attn_wo"]] = 0.0
    session.workspace.params[session.recording.matrices["layer1.attn_wv"]] = 0.0
    stop = stop_of(session, "zero-grad")
    assert stop.moment == Moment(3, Phase.BACKWARD, session.program.ticks(Phase.BACKWARD))
    assert stop.check == "zero-grad"
    grads = {name: session.workspace.grad[rows] for name, rows in session.recording.matrices.items()}
    still = [name for name, grad in grads.items() if not grad.any()]
    assert "layer1.attn_wo" in still
    assert f"the gradient of {', '.join(still)} is all zero" in stop.sentence


def test_zero_gradients_of_q_and_k_at_a_single_position_are_no_fault() -> None:
    session = Session(tiny(block_size=1), DOCS)
    session.seek(Moment(0, Phase.BACKWARD, 10**9))
    assert not session.workspace.grad[session.recording.matrices["layer0.attn_wq"]].any()
    assert continue_to(session, healthy(session, "zero-grad"), Moment(5)) is None


def test_a_layer_whose_relus_are_all_dead() -> None:
    session = Session(CONFIG, DOCS)
    session.run(4)
    fc1 = session.recording.matrices["layer1.mlp_fc1"]
    session.workspace.params[fc1] = 0.0
    stop = stop_of(session, "dead-relu")
    assert (stop.check, stop.moment.step, stop.row) == ("dead-relu", 4, None)
    assert "all 16 ReLU units of layer 1 are dead" in stop.sentence
    event = session.view().event
    place = (event.name, event.layer, event.pos)
    assert place == ("mlp_relu", 1, session.program.n - 1)
    assert stop.moment.tick == event.last
    session.run(5)
    session.workspace.params[fc1[1:]] = 0.0
    session.workspace.params[fc1[0]] = [1.0, 0.0, 0.0, 0.0]
    session.seek(Moment(5, Phase.FORWARD, 10**9))
    alive = any(session.workspace.data[t.rows[0]] > 0 for t in _relus(session, 1))
    assert bool(Health(session.recording, ["dead-relu"]).look(session.view())) == (not alive)


def _relus(session: Session, layer: int) -> list[Any]:
    spans = session.recording.positions[: session.program.n]
    return [t for span in spans for t in span.tensors if t.name == "mlp_relu" and t.layer == layer]


def test_a_gradient_norm_far_above_its_median() -> None:
    session = Session(CONFIG, DOCS)
    session.run(FEWEST)
    session.workspace.params[session.recording.matrices["wte"]] *= 1e-4
    session.workspace.params[session.recording.matrices["wpe"]] *= 1e-4
    stop = stop_of(session, "grad-norm")
    assert stop.moment == Moment(FEWEST, Phase.BACKWARD, session.program.ticks(Phase.BACKWARD))
    session.run(FEWEST + 1)
    norms = session.history.grad_norms
    assert norms[FEWEST] > TIMES * float(np.median(norms[:FEWEST]))
    assert f"the gradient norm is {norms[FEWEST]:.6g}" in stop.sentence


def test_the_first_steps_have_no_median() -> None:
    session = Session(CONFIG, DOCS)
    session.run(FEWEST - 1)
    session.workspace.params[session.recording.matrices["wte"]] *= 1e-4
    session.workspace.params[session.recording.matrices["wpe"]] *= 1e-4
    assert continue_to(session, healthy(session, "grad-norm"), Moment(FEWEST)) is None


def test_each_check_can_be_turned_off_and_found_going_back() -> None:
    session = Session(Config(learning_rate=1e200), load_docs())
    others = [check for check in CHECKS if check != "nan"]
    first = stop_of(session, until=6)
    assert first.check == "nan"
    further = healthy(session)
    while stop := continue_to(session, further, Moment(6)):
        last = stop.moment
    assert session.moment == Moment(6)
    back = reverse_continue(session, further)
    assert back is not None
    assert back.moment == last
    while stop := reverse_continue(session, healthy(session, "nan")):
        back = stop
    assert back == first
    session = Session(Config(learning_rate=1e200), load_docs())
    straight = Session(Config(learning_rate=1e200), load_docs())
    straight.run(6)
    found = []
    while stop := continue_to(session, healthy(session, *others), Moment(6)):
        found.append(stop.check)
    assert "nan" not in found
    assert shown(session) == shown(straight)
