"""Logit attribution: equal to the plain implementation in fractions, and adding up to the logit."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Moment, Phase, Session, WhyError
from engine.explain.logit_attribution import Attributor
from engine.interventions.syntax import parse
from engine.numerics import Exact
from tests.support.changed_model import Change
from tests.support.float_bits import DOCS, in_order, tiny, words
from tests.support.reference_model import PlainGPT, Scalar

STEP = 2
SHAPE: dict[str, Any] = {"n_layer": 2, "n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 10, "learning_rate": 0.1}


def runs() -> tuple[Session, PlainGPT]:
    """The engine, and the plain implementation with the parameters that it had and the trace that it left at STEP."""
    session, plain = Session(tiny(**SHAPE), DOCS), PlainGPT(DOCS, **SHAPE)
    session.seek(Moment(STEP, Phase.BACKWARD, 0))
    for _ in range(STEP):
        plain.train_step()
    plain._move = lambda: None  # type: ignore[method-assign]  # so that the tables stay what the trace was made with
    plain.train_step()
    return session, plain


def exactly(scalars: list[Scalar]) -> list[Fraction]:
    return [Fraction(s.data) for s in scalars]


def dot(xs: list[Fraction], ys: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(xs, ys, strict=True)), Fraction())


def added(plain: PlainGPT, token: int, pos: int) -> list[list[Fraction]]:
    """What each part adds to the stream, exactly, from the rounded tensors of the model."""
    embed = [s.data for s in plain.trace["embed", pos, None, None]]
    scale = Fraction((in_order(x * x for x in embed) * len(embed) ** -1 + 1e-5) ** -0.5)
    parts = [[x * scale for x in exactly(plain.tables[name][at])] for name, at in (("wte", token), ("wpe", pos))]
    for layer in range(plain.n_layer):
        for head in range(plain.n_head):
            out = exactly(plain.trace["head_out", pos, layer, head])
            mine = slice(head * plain.head_dim, (head + 1) * plain.head_dim)
            parts.append([dot(exactly(row[mine]), out) for row in plain.tables[f"layer{layer}.attn_wo"]])
        parts.append(exactly(plain.trace["mlp_fc2", pos, layer, None]))
    return parts


def test_every_part_is_rounded_once() -> None:
    session, plain = runs()
    program = session.program
    for pos in range(program.n):
        asked = Attributor(session.view(), pos)
        parts = added(plain, program.inputs[pos], pos)
        for token in range(program.tokenizer.vocab_size):
            weights = exactly(plain.tables["lm_head"][token])
            found = asked.logit(token)
            assert words(found.values) == words([float(dot(weights, part)) for part in parts])
            assert words(found.logit) == words(plain.trace["logits", pos, None, None][token].data)


def test_the_parts_are_complete() -> None:
    """Algebra, in fractions: the split is the logit of a model that does not round between its named tensors."""
    session, plain = runs()
    pos = 1
    asked = Attributor(session.view(), pos)
    whole = [sum(column, Fraction()) for column in zip(*added(plain, session.program.inputs[pos], pos), strict=True)]
    for token in range(session.program.tokenizer.vocab_size):
        weights = Exact.of(np.array([s.data for s in plain.tables["lm_head"][token]]))
        split = sum(((weights @ part).fraction for part in asked._added), Fraction())
        assert split == dot(exactly(plain.tables["lm_head"][token]), whole)


def test_parts_and_rounding_add_up_to_the_logit() -> None:
    session, _ = runs()
    for pos in range(session.program.n):
        asked = Attributor(session.view(), pos)
        for token in range(session.program.tokenizer.vocab_size):
            found = asked.logit(token)
            assert math.fsum([*found.values, found.rounding]) == found.logit
            assert abs(found.rounding) <= 16 * math.ulp(max(map(abs, found.values)))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("residual", ["layer 1 MLP"]),
        ("layer1.mlp_residual", ["layer 1 MLP"]),
        ("layer1.attn_residual", ["layer 1 head 0", "layer 1 head 1", "layer 1 MLP"]),
        ("layer0.residual", ["layer 0 MLP", "layer 1 head 0", "layer 1 head 1", "layer 1 MLP"]),
    ],
)
def test_past_a_residual_that_is_left_out_nothing_is_added(text: str, labels: list[str]) -> None:
    session = Session(tiny(**SHAPE), DOCS)
    branch = session.branch([parse(text, session.scope)])
    branch.seek(Moment(STEP, Phase.FORWARD, 10**9))
    asked = Attributor(branch.view(), 2)
    assert [part.label for part in asked.parts] == labels
    assert not asked.altered
    found = asked.logit(1)
    assert abs(found.rounding) <= 16 * math.ulp(max(map(abs, found.values)))


def test_names_of_parts_and_of_the_rival() -> None:
    session, _ = runs()
    asked = Attributor(session.view(), 1)
    assert [part.label for part in asked.parts] == [
        "token", "position", "layer 0 head 0", "layer 0 head 1", "layer 0 MLP",
        "layer 1 head 0", "layer 1 head 1", "layer 1 MLP",
    ]  # fmt: skip
    assert asked.target == session.program.targets[1]
    best = int(np.argmax(asked.logits))
    assert asked.rival(best) != best
    assert asked.rival((best + 1) % len(asked.logits)) == best


def test_the_update_does_not_change_the_attribution() -> None:
    session, _ = runs()
    before = Attributor(session.view(), 2).logit(0)
    session.seek(Moment(STEP, Phase.UPDATE, 10**9))
    after = Attributor(session.view(), 2).logit(0)
    assert words([after.values, after.logit]) == words([before.values, before.logit])


def test_attribution_is_refused_where_there_is_no_prediction() -> None:
    session = Session(tiny(), DOCS)
    with pytest.raises(WhyError, match="logits of position 0 are not known at this moment"):
        Attributor(session.view(), 0)
    with pytest.raises(WhyError, match=f"no position {session.program.n} in"):
        Attributor(session.view(), session.program.n)
    session = Session(tiny(learning_rate=1e200), DOCS)
    session.seek(Moment(3, Phase.BACKWARD, 0))
    with pytest.raises(WhyError, match="not all logits of position 0 are finite"):
        Attributor(session.view(), 0)


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ([('    x = name("embed_norm", rmsnorm(x))\n', "")], ["token", "position"]),
        ([('linear(x, w["lm_head"])', 'linear(name("final_norm", rmsnorm(x)), w["lm_head"])')], ["token", "position"]),
        ([('name("embed_norm", rmsnorm(x))', 'name("embed_relu", relu(x))')], ["embed_relu"]),
    ],
    ids=["no norm", "a norm before the logits", "an embedding that is not a sum in the stream"],
)
def test_the_logits_of_other_models(change: Change, changes: list[tuple[str, str]], labels: list[str]) -> None:
    change(*changes)
    session = Session(tiny(**SHAPE), DOCS)
    session.seek(Moment(STEP, Phase.BACKWARD, 0))
    asked = Attributor(session.view(), 1)
    layers = [f"layer {layer} {part}" for layer in range(2) for part in ("head 0", "head 1", "MLP")]
    assert [part.label for part in asked.parts] == [*labels, *layers]
    for token in range(len(asked.logits)):
        found = asked.logit(token)
        assert abs(found.rounding) <= 32 * math.ulp(max(map(abs, found.values)))


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1, max_size=6))
def test_exact_dot_products(pairs: list[tuple[float, float]]) -> None:
    xs, ys = (np.array(column) for column in zip(*pairs, strict=True))
    found = (Exact.of(xs) @ Exact.of(ys)).fraction
    assert found == sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction())
