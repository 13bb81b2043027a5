"""Where Python's arithmetic would raise, the engine stops there with a NumericFault and shows the scalars before it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine import Config, EngineError, Moment, NumericFault, Phase, Session, load_docs
from engine.autograd.jit import loops, plain_loops
from engine.autograd.kernels import LOG
from tests.support.float_bits import DOCS, all_rows, shown, tiny, words
from tests.support.oracle import check_run
from tests.support.reference_model import PlainGPT

LOOPS = [pytest.param(loops, id="compiled"), pytest.param(plain_loops, id="plain")]


@pytest.mark.parametrize("kind", LOOPS)
def test_log_of_zero_on_the_bundled_names(kind: Any) -> None:
    session = Session(Config(learning_rate=5.0), load_docs(), kernels=kind())
    with pytest.raises(
        NumericFault, match=r"step 1 .*, document 'richie', position 0, tensor loss_t: log of 0"
    ) as caught:
        session.run(until=1000)
    fault = caught.value
    assert (fault.step, fault.doc, fault.pos, fault.tensor) == (1, "richie", 0, "loss_t")
    assert "log of 0" in fault.reason
    assert "--learning-rate" in str(fault)
    assert session.recording.op[fault.row] == LOG
    assert len(session.losses) == 1
    # All scalars before the fault are known, and neither its own nor those after it.
    assert session.moment == Moment(1, Phase.FORWARD, session.program.rows.tolist().index(fault.row))
    reading = session.view().data(all_rows(session))
    made = session.program.rows[: session.moment.tick]
    assert reading.known[made].all()
    assert np.isfinite(reading.values[made]).all()
    assert not reading.known[session.program.rows[session.moment.tick :]].any()
    probability = int(session.program.child[2 * fault.row])
    assert reading.known[probability]
    assert reading.values[probability] == 0.0


def test_the_oracle_raises_at_the_same_scalar() -> None:
    plain = PlainGPT(load_docs(), learning_rate=5.0)
    plain.train_step()
    with pytest.raises(ValueError, match=r"math domain error|expected a positive input"):
        plain.train_step()
    session = Session(Config(learning_rate=5.0), load_docs())
    session.run(until=1)
    assert words(session.losses) == words(plain.losses)
    with pytest.raises(NumericFault):
        session.run(until=2)
    for place, scalars in plain.trace.items():  # up to the probabilities of position 0
        event = next(s for s in session.program.events(Phase.FORWARD) if (s.name, s.pos, s.layer, s.head) == place)
        assert words(session.workspace.data[event.rows]) == words([s.data for s in scalars])
    assert list(plain.trace)[-1][:2] == ("probs", 0)


@pytest.mark.parametrize("kind", LOOPS)
def test_there_is_no_fault_where_python_raises_nothing(kind: Any) -> None:
    config = {"n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 10, "learning_rate": 1e200}
    session, plain = Session(Config(**config), DOCS, kernels=kind()), PlainGPT(DOCS, **config)
    check_run(session, plain, 4)
    assert math.isnan(session.losses[-1])


def test_defaults_with_1e200_go_on_with_nan() -> None:
    session, plain = Session(Config(learning_rate=1e200), load_docs()), PlainGPT(load_docs(), learning_rate=1e200)
    session.run(until=30)
    for _ in range(4):
        plain.train_step()
    assert words(session.losses[:4]) == words(plain.losses)
    assert all(math.isnan(loss) for loss in session.losses[4:])
    assert math.isnan(session.history.grad_norms[-1])


def provoke(session: Session, plain: PlainGPT, name: str, value: float) -> None:
    """Set every parameter of a matrix, in both."""
    session.workspace.params[session.recording.matrices[name]] = value
    for row in plain.tables[name]:
        for p in row:
            p.data = value


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"wte": 1e155}, None),  # the mean of the squares is inf, and inf ** -0.5 is 0
        ({"wte": math.inf}, None),
        ({"wte": math.nan}, None),
        ({"wte": 0.0, "wpe": 0.0}, None),
        ({"lm_head": 1e160}, None),  # equal logits have no gradient
        ({"lm_head": 1e308}, None),  # inf - inf is nan
        ({"layer0.mlp_fc1": 1e154, "layer0.mlp_fc2": 1e154}, None),
        ({"layer0.attn_wq": 1e160}, None),
        ({"layer0.mlp_fc2": 1e170}, "position 0, tensor loss_t: log of 0"),
        (
            {"layer0.attn_wo": 1e155, "lm_head": 1e10},
            "step 1 .*, document 'anna', position 1, tensor loss_t: log of 0",
        ),
        ({"lm_head": 1e200, "wte": 1e-150}, "tensor wte: the square of the gradient"),
        ({"layer0.attn_wo": 1e160, "lm_head": 1e-160}, "tensor lm_head: the square of the gradient"),
    ],
)
def test_extreme_parameters_end_as_they_do_in_python(kind: Any, changes: dict[str, float], fault: str | None) -> None:
    config = {"n_embd": 4, "n_head": 2, "block_size": 3, "num_steps": 10}
    session, plain = Session(Config(**config), DOCS, kernels=kind()), PlainGPT(DOCS, **config)
    halting = Session(Config(**config), DOCS, kernels=kind())  # it stops in each step, and so keeps all scalars of it
    for name, value in changes.items():
        provoke(session, plain, name, value)
        halting.workspace.params[halting.recording.matrices[name]] = value
    raised = None
    while plain.step < 2 and not raised:
        try:
            plain.train_step()
            session.run(until=plain.step)
        except (ArithmeticError, ValueError) as error:
            raised = error
    assert (raised is None) == (fault is None)
    if fault:
        with pytest.raises(NumericFault, match=fault) as found:
            session.run(until=2)
        halting.seek(Moment(0, Phase.FORWARD, 1))
        with pytest.raises(NumericFault) as expected:
            halting.seek(Moment(plain.step, Phase.UPDATE, session.program.n_params))
        assert str(found.value) == str(expected.value)
        assert shown(session) == shown(halting)
    assert words(session.losses) == words(plain.losses)
    assert words(session.params) == words(plain.params)  # Adam stops half-way through them in both


@pytest.mark.parametrize("kind", LOOPS)
def test_a_squared_gradient_too_large(kind: Any) -> None:
    session = Session(tiny(), DOCS, kernels=kind())
    session.seek(Moment(0, Phase.UPDATE, 5))
    session.workspace.grad[9] = 1e200
    with pytest.raises(NumericFault, match=r"tensor wte: the square of the gradient 1e\+200 is too large") as caught:
        session.run(until=1)
    assert (caught.value.row, caught.value.pos, session.moment) == (9, None, Moment(0, Phase.UPDATE, 9))
    assert session.losses == []
    assert session.view().moved(all_rows(session)).sum() == 9


@pytest.mark.parametrize("kind", LOOPS)
def test_sampling_from_nan(kind: Any) -> None:
    session = Session(tiny(), DOCS, kernels=kind())
    session.workspace.params[:] = math.nan
    with pytest.raises(EngineError, match="no probabilities that can be drawn from"):
        session.sample(1)
