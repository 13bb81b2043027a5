"""Properties on drawn configurations: the engine against the plain oracle, and against difference quotients."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import Config, EngineError, Moment, NumericFault, Phase, Session
from engine.autograd.jit import plain_loops
from tests.support.float_bits import DOCS, all_rows, tiny, words
from tests.support.oracle import check_run, check_step
from tests.support.reference_model import PlainGPT

# Latin, Hangul, emoji beyond the first plane, letters with a combining accent, right to left.
ALPHABETS = ["ab", "xyzäß", "가나다한", "🦊🐙👩", "e\u0301o\u0308n\u0303", "שלוםع"]


@st.composite
def configurations(draw: st.DrawFn, widest: int = 6) -> dict[str, Any]:
    n_head = draw(st.integers(1, 4))
    return {
        "n_layer": draw(st.integers(0, 3)),
        "n_head": n_head,
        "n_embd": n_head * draw(st.integers(1, max(1, widest // n_head))),
        "block_size": draw(st.integers(1, 5)),
        "num_steps": draw(st.integers(3, 50)),
        "learning_rate": draw(st.sampled_from([0.0, 0.01, 0.1])),
        "beta1": draw(st.sampled_from([0.0, 0.85, 0.9])),
        "beta2": draw(st.sampled_from([0.0, 0.99, 0.999])),
        "seed": draw(st.integers(0, 2**32)),
    }


def documents() -> st.SearchStrategy[list[str]]:
    one_alphabet = st.sampled_from(ALPHABETS)
    texts = one_alphabet.flatmap(lambda chars: st.lists(st.text(chars, min_size=1, max_size=8), min_size=1, max_size=4))
    return texts | st.lists(st.text("".join(ALPHABETS), min_size=1, max_size=7), min_size=2, max_size=3)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(configurations(), documents(), st.sampled_from([0.3, 0.5, 1.0]))
def test_every_number_is_the_oracles(config: dict[str, Any], docs: list[str], temperature: float) -> None:
    session, plain = Session(Config(**config), docs), PlainGPT(docs, **config)
    assert words(session.params) == words(plain.params)
    try:
        for _ in range(3):
            check_step(session, plain)
        names = plain.sample(3, temperature)
    except (ArithmeticError, ValueError):  # Python's own, from the oracle: the engine must find the same fault
        with pytest.raises((NumericFault, EngineError)):
            session.sample(3, temperature) if plain.step == 3 else session.run(until=plain.step + 1)
        assert words(session.losses) == words(plain.losses)
    else:
        assert session.sample(3, temperature) == names


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(configurations(widest=4), documents())
def test_uncompiled_loops_agree_with_the_oracle(config: dict[str, Any], docs: list[str]) -> None:
    session, plain = Session(Config(**config), docs, kernels=plain_loops()), PlainGPT(docs, **config)
    check_step(session, plain)
    assert session.sample(2) == plain.sample(2)


def test_more_steps_than_documents_and_keyframes() -> None:
    config = {"n_embd": 4, "n_head": 2, "block_size": 3, "num_steps": 45}
    session, plain = Session(Config(**config), DOCS), PlainGPT(DOCS, **config)
    check_run(session, plain, 45)
    assert session.sample(5) == plain.sample(5)


def test_losses_become_nan_as_they_do_in_python() -> None:
    config = {"n_embd": 8, "n_head": 2, "block_size": 4, "num_steps": 10, "learning_rate": 1e200}
    session, plain = Session(Config(**config), DOCS), PlainGPT(DOCS, **config)
    check_run(session, plain, 4)
    assert math.isnan(session.losses[-1])


@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_slopes(seed: int) -> None:
    """Central differences are themselves approximate: cut off at h squared, and rounded at 1e-16 / h. Hence 1e-7."""
    session = Session(tiny(n_layer=1 + seed % 2, seed=seed), DOCS)
    session.seek(Moment(0, Phase.UPDATE, 0))
    workspace, program, h = session.workspace, session.program, 1e-5
    used = [int(r) for r in all_rows(session)[: session.recording.n_params] if session.workspace.grad[r] != 0]
    for row in random.Random(seed).sample(used, 12):
        losses = []
        for shift in (h, -h):
            before = workspace.data[row]
            workspace.data[row] += shift
            workspace.forward(*program.ranges_between(0, program.ticks(Phase.FORWARD)))
            losses.append(workspace.data[program.loss_row])
            workspace.data[row] = before
        assert (losses[0] - losses[1]) / (2 * h) == pytest.approx(workspace.grad[row], abs=1e-7), row
