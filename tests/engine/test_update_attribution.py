"""Update attribution: positions add up to the gradient bit for bit, momentum and document to Adam's step."""

from __future__ import annotations

import math

import pytest

from engine import Moment, Phase, Session, WhyError
from engine.explain.update_attribution import attribute_update
from tests.support.float_bits import DOCS, tiny, words
from tests.support.reference_model import PlainGPT

SHAPE = {"n_layer": 2, "n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 10}


def test_positions_and_momentum_of_every_parameter() -> None:
    session, plain = Session(tiny(**SHAPE), DOCS), PlainGPT(DOCS, **SHAPE)
    for step in range(3):
        plain.train_step()
        session.seek(Moment(step, Phase.UPDATE, 10**9))
        grads, moments = ([x for part in named.values() for x in part] for named in (plain.grads, plain.m))
        for row, (g, m) in enumerate(zip(grads, moments, strict=True)):
            found = attribute_update(session.view(), row)
            assert found.doc == session.program.doc
            total = 0.0
            for part in found.contributions:
                total += part.term.product
            assert words([total, found.gradient]) == words([g, g])
            assert len({part.pos for part in found.contributions}) == len(found.contributions)  # each contributes once
            assert math.fsum([*(part.term.product for part in found.contributions), found.rounding]) == g
            assert found.step is not None
            parts = found.step
            assert words(parts.kept + parts.fresh) == words(m)
            assert math.fsum([parts.by_momentum, parts.by_document, parts.rounding]) == parts.adam.delta
            assert words(parts.adam.g) == words(g)


def test_a_contribution_is_the_input_times_the_gradient_of_the_output() -> None:
    session, plain = Session(tiny(**SHAPE), DOCS), PlainGPT(DOCS, **SHAPE)
    plain.train_step()
    session.seek(Moment(0, Phase.UPDATE, 0))
    found = attribute_update(session.view(), int(session.recording.matrices["layer1.mlp_fc1"][3, 2]))
    for part in found.contributions:
        x = plain.trace["mlp_norm", part.pos, 1, None][2].data
        g = plain.trace["mlp_fc1", part.pos, 1, None][3].grad
        assert words(part.term.product) == words(x * g)
    assert [part.pos for part in found.contributions] == list(reversed(range(session.program.n)))
    assert found.step is None  # Adam has not moved it yet


def test_only_positions_that_read_a_token_contribute_to_its_row() -> None:
    session = Session(tiny(), DOCS)
    session.seek(Moment(0, Phase.UPDATE, 10**9))
    for token, rows in enumerate(session.recording.matrices["wte"].tolist()):
        found = attribute_update(session.view(), rows[0])
        readers = {pos for pos, read in enumerate(session.program.inputs) if read == token}
        assert {part.pos for part in found.contributions} == readers


def test_within_the_backward_phase_there_are_the_contributions_so_far() -> None:
    session = Session(tiny(), DOCS)
    row = int(session.recording.matrices["lm_head"][0, 0])
    session.seek(Moment(0, Phase.BACKWARD, 10**9))
    whole = attribute_update(session.view(), row).contributions
    session.seek(Moment(0, Phase.BACKWARD, whole[1].term.tick))
    assert attribute_update(session.view(), row).contributions == whole[:2]


def test_scalars_without_an_update_attribution() -> None:
    session = Session(tiny(), DOCS)
    with pytest.raises(WhyError, match="nothing has pushed this parameter yet"):
        attribute_update(session.view(), 0)
    session.seek(Moment(0, Phase.UPDATE, 0))
    with pytest.raises(WhyError, match="not a parameter"):
        attribute_update(session.view(), session.program.loss_row)
