"""A model without layers, of embeddings and lm_head alone: equal to the plain oracle, saved, changed, explained."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from engine import Config, EngineError, Moment, Phase, Scope, Session
from engine.autograd.jit import loops, plain_loops
from engine.checkpoint import checkpoint
from engine.errors import BreakpointError, ChangeError, ExpressionError
from engine.explain.logit_attribution import Attributor
from engine.expressions.breakpoint import EventPattern
from engine.expressions.expression import Expression
from engine.interventions.syntax import parse
from engine.run.health import CHECKS, Health
from tests.support import reference_model
from tests.support.float_bits import DOCS, shown, tiny, words
from tests.support.oracle import check_step

SHAPE: dict[str, Any] = {"n_layer": 0, "n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 40, "learning_rate": 0.1}


def both(**kernels: Any) -> tuple[Session, reference_model.PlainGPT]:
    return Session(Config(**SHAPE), DOCS, **kernels), reference_model.PlainGPT(DOCS, **SHAPE)


@pytest.mark.parametrize("kind", [loops, plain_loops])
def test_every_number_is_the_oracles(kind: Any) -> None:
    session, oracle = both(kernels=kind())
    for _ in range(4):
        check_step(session, oracle)
    assert session.sample(5) == oracle.sample(5)


def test_a_whole_run_and_any_way_through_it_has_the_same_bits(tmp_path: Path) -> None:
    session, oracle = both()
    session.run(until=40)
    for _ in range(40):
        oracle.train_step()
    assert words(session.losses) == words(oracle.losses)
    assert words([session.params, session.m, session.v]) == words([oracle.params, oracle.m, oracle.v])
    chance, fresh = random.Random(1), Session(Config(**SHAPE), DOCS)
    for _ in range(9):
        moment = Moment(chance.randrange(40), chance.choice(list(Phase)), chance.randrange(200))
        session.seek(moment)
        fresh.seek(Moment(0))
        fresh.seek(moment)
        assert {**shown(fresh), "losses": 0} == {**shown(session), "losses": 0}
    checkpoint.save(session, tmp_path / "run.safetensors")
    again = checkpoint.resume(checkpoint.load(tmp_path / "run.safetensors"), DOCS)
    assert shown(again) == shown(session)


def test_a_changed_run_has_the_set_value() -> None:
    session, oracle = both()
    session.run(until=5)
    scope = Scope(session.config, session.tokenizer)
    branch = session.branch([parse("wte[1, 2] = 0.5", scope)])
    branch.seek(Moment(0))
    oracle.tables["wte"][1][2].data = 0.5
    for _ in range(4):
        check_step(branch, oracle)
    assert branch.sample(3) == oracle.sample(3)


def test_a_logit_is_made_of_the_token_and_its_position() -> None:
    session, _ = both()
    session.seek(Moment(2, Phase.FORWARD, 10**9))
    asked = Attributor(session.view(), 1)
    assert [part.label for part in asked.parts] == ["token", "position"]
    found = asked.logit(0)
    assert sum(found.values) + found.rounding == pytest.approx(found.logit, abs=1e-15)
    assert Health(session.recording, CHECKS).look(session.view()) == []


def test_references_to_layers_are_refused_with_a_sentence() -> None:
    scope = Scope(tiny(n_layer=0), Session(tiny(n_layer=0), DOCS).tokenizer)
    says = "belongs to a layer, and this model has none"
    for name, text in (
        ("q", "q > 1"),
        ("attn_weights", "attn_weights[0, 1].max() > 1"),
        ("layer0.attn_wq", "layer0.attn_wq[0, 1] > 1"),
        ("layer0.mlp_fc1", "layer0.mlp_fc1.norm() > 1"),
        ("k", 'grad("k")[0, 1] > 1'),
        ("layer1.attn_wo", "m(layer1.attn_wo[0, 0]) > 1"),
    ):
        with pytest.raises(ExpressionError) as refused:
            Expression(text, scope)
        assert refused.value.reason.startswith(f"{name} {says}; write"), text
    for kind, ask in (
        (ChangeError, lambda: parse("q[0, 1]@pos=0 = 1", scope)),
        (ChangeError, lambda: parse("layer0.attn_wq[0, 1] = 1", scope)),
        (BreakpointError, lambda: EventPattern.parse("q@pos=0").check(scope)),
    ):
        with pytest.raises(kind, match=says):
            ask()
    none: list[tuple[type[EngineError], Any]] = [
        (ChangeError, lambda: parse("layer0.head0", scope)),
        (ChangeError, lambda: parse("layer0.mlp = mean:20", scope)),
        (ChangeError, lambda: parse("residual", scope)),
        (ChangeError, lambda: parse("score_scale", scope)),
        (BreakpointError, lambda: EventPattern.parse("embed@layer=0").check(scope)),
        (BreakpointError, lambda: EventPattern.parse("@head=0").check(scope)),
    ]
    for error, refuse in none:
        with pytest.raises(error, match="this model has no layers"):
            refuse()
    assert parse("bias_correction", scope).text == "bias_correction@step=0 = off"
