"""The backward phase of changed models: every gradient agrees with the plain chain rule over the same graph."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Config, ConfigError, Session
from engine.timeline.events import Moment, Phase
from tests.support.changed_model import Change
from tests.support.float_bits import DOCS

SMALL = Config(n_layer=2, n_embd=4, n_head=2, block_size=4, num_steps=20)
ADDITION = "[a + b for a, b in zip(x, x_residual)]"


def gradients(session: Session) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Of all rows, after the whole backward phase of the present step at once."""
    session.seek(Moment(session.step, Phase.BACKWARD, session.program.ticks(Phase.BACKWARD)))
    return session.workspace.grad.copy()


@pytest.mark.parametrize(
    "residual", ["[a * 2.0 + b * 3.0 for a, b in zip(x, x_residual)]", "[a + b + b for a, b in zip(x, x_residual)]"]
)
def test_a_residual_of_several_scalars_an_element(change: Change, residual: str) -> None:
    change((ADDITION, residual))
    session = Session(SMALL, DOCS)
    session.run(3)
    whole = gradients(session)
    h, row = 1e-6, int(session.recording.matrices["wte"][session.program.inputs[0], 1])
    losses = []
    for change_of in (h, -h):
        other = session.step_copy()
        other.workspace.params[row] += change_of
        other.seek(Moment(other.step, Phase.FORWARD, other.program.ticks(Phase.FORWARD)))
        losses.append(float(other.workspace.data[other.program.loss_row]))
    assert whole[row] == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-5)
    one_by_one = session.step_copy()
    for tick in range(1, one_by_one.program.ticks(Phase.BACKWARD) + 1):
        one_by_one.seek(Moment(one_by_one.step, Phase.BACKWARD, tick))
    assert (one_by_one.workspace.grad == whole).all()


def test_logits_that_read_an_unnamed_vector_are_refused_in_a_sentence(change: Change) -> None:
    change(
        ('linear(x, w["lm_head"])', 'linear([a + b for a, b in zip(x, first)], w["lm_head"])'),
        ('x = name("embed_norm", rmsnorm(x))', 'first = x\n    x = name("embed_norm", rmsnorm(x))'),
    )
    with pytest.raises(ConfigError, match="logits reads numbers that are no whole tensor"):
        Session(SMALL, DOCS)


def test_logits_may_read_a_tensor_that_skips_the_layers(change: Change) -> None:
    change(
        ('linear(x, w["lm_head"])', 'linear(name("skip", [a + b for a, b in zip(x, first)]), w["lm_head"])'),
        ('x = name("embed_norm", rmsnorm(x))', 'first = x\n    x = name("embed_norm", rmsnorm(x))'),
    )
    session = Session(SMALL, DOCS)
    session.run(3)
    assert np.isfinite(gradients(session)).all()
