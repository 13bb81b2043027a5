"""Inference against the plain implementation: samples, strategies, the beam, names at several steps; all with ==."""

from __future__ import annotations

import math
import random
from bisect import bisect
from functools import cache
from itertools import accumulate, count, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import ConfigError, EngineError, Session, Stopped
from engine.interventions.syntax import Ablation
from engine.run.replay import printed_names, sample_at_steps, sample_names
from engine.sampling.beam import Continuation, beam
from engine.sampling.sampler import Sampler, sample
from engine.sampling.stepper import SampleStepper
from engine.sampling.strategy import DecodingStrategy, pick
from tests.support.float_bits import DOCS, in_order, tiny, words
from tests.support.reference_model import Past, PlainGPT, shares

SHAPE = {"n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 10, "n_layer": 2}
STRATEGIES = [
    DecodingStrategy(0.7),
    DecodingStrategy(1.3, top_k=2),
    DecodingStrategy(1.0, top_p=0.6),
    DecodingStrategy(0.9, 3, 0.5),
    DecodingStrategy(greedy=True),
]


@cache
def trained() -> tuple[Session, PlainGPT]:
    session, plain = Session(tiny(n_layer=2), DOCS), PlainGPT(DOCS, **SHAPE)
    session.run(until=6)
    for _ in range(6):
        plain.train_step()
    return session, plain


def sampler() -> Sampler:
    session, _ = trained()
    return Sampler(session.recording, session.loops, session.workspace.params)


def walk(strategy: DecodingStrategy = STRATEGIES[0], seed: int = 1, prefix: str = "") -> SampleStepper:
    return SampleStepper(sampler(), trained()[0].tokenizer, random.Random(seed), strategy, prefix)


def plain_probs(ids: list[int], temperature: float) -> list[float]:
    _, plain = trained()
    past = Past(plain.n_layer)
    for pos, token in enumerate(ids):
        logits = plain.logits(token, pos, past)
    return [p.data for p in shares([logit / temperature for logit in logits])]


def plain_weights(probs: list[float], s: DecodingStrategy) -> list[float]:
    """The strategies once more, token by token."""
    left = dict(enumerate(probs))
    order = sorted(left, key=lambda i: (-probs[i], i))
    if s.greedy:
        return [float(i == order[0]) for i in left]
    if s.top_k is not None:
        left = scaled_up(left, order[: s.top_k])
    if s.top_p is not None:
        kept, reached = [], 0.0
        for i in order[: s.top_k]:
            if reached < s.top_p:
                kept.append(i)
                reached += left[i]
        left = scaled_up(left, kept)
    return [left.get(i, 0.0) for i in range(len(probs))]


def scaled_up(probs: dict[int, float], kept: list[int]) -> dict[int, float]:
    total = in_order(probs[i] for i in sorted(kept))
    return {i: probs[i] / total for i in kept}


def plain_document(s: DecodingStrategy, seed: int, prefix: str = "") -> str:
    _, plain = trained()
    generator, ids = random.Random(seed), [plain.bos, *map(plain.alphabet.index, prefix)]
    while len(ids) <= plain.block_size:
        weights = plain_weights(plain_probs(ids, s.temperature), s)
        token = weights.index(1.0) if s.greedy else generator.choices(range(plain.bos + 1), weights=weights)[0]
        if token == plain.bos:
            break
        ids.append(token)
    return "".join(plain.alphabet[i] for i in ids[1:])


@pytest.mark.parametrize("prefix", ["", "an", "bob"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_stepper_and_sampler_draw_what_the_plain_implementation_draws(strategy: DecodingStrategy, prefix: str) -> None:
    session, _ = trained()
    for seed in range(6):
        here = walk(strategy, seed, prefix)
        assert len(here.looks) == len(prefix) + 1
        while here.next():
            pass
        expected = plain_document(strategy, seed, prefix)
        assert here.text == expected
        parts = session.sampler(), session.tokenizer
        assert sample(*parts, random.Random(seed), 1, strategy, prefix) == [expected]


def test_steppers_leave_the_random_generator_as_the_sampler_does() -> None:
    session, _ = trained()
    generator, walked = random.Random(7), []
    for _ in range(5):
        here = SampleStepper(sampler(), session.tokenizer, generator, DecodingStrategy(), "")
        while here.next():
            pass
        walked.append(here.text)
    alike = random.Random(7)
    assert walked == session.sample(5, generator=alike)
    assert generator.getstate() == alike.getstate()


@pytest.mark.parametrize("prefix", ["", "an"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_next_stepper_draws_what_the_next_sample_draws(strategy: DecodingStrategy, prefix: str) -> None:
    session, _ = trained()
    here, walked = walk(strategy, 7, prefix), []
    for i in range(6):
        while here.next():
            pass
        assert (here.over, here.index) == (True, i)
        walked.append(here)
        here = here.following()
    parts = session.sampler(), session.tokenizer
    assert [each.text for each in walked] == sample(*parts, random.Random(7), 6, strategy, prefix)
    while here.before is not None:  # and back: each has its own keys and values
        assert here.before is walked[here.index - 1]
        here = here.before
        numbers, text = words(here.tensor("k", 0, 0)), here.text
        here.change(strategy)
        assert here.text == text
        alone = SampleStepper(sampler(), session.tokenizer, random.Random(0), strategy, here.text[: len(here.ids) - 1])
        assert words(here.tensor("k", here.here.pos, 0)) == words(alone.tensor("k", here.here.pos, 0))
        assert words(here.tensor("k", 0, 0)) == numbers


def test_a_longer_sample_takes_the_random_numbers_of_the_next() -> None:
    hot, cold = walk(DecodingStrategy(2.0), 3), walk(DecodingStrategy(0.05), 3)
    for here in (hot, cold):
        while here.next():
            pass
    hot.change(DecodingStrategy(2.0))
    numbers = random.Random(3)
    draws = [numbers.random() for _ in range(len(hot.looks) + 1)]
    following = hot.following()
    assert following.here.pick is not None
    assert following.here.pick.number == draws[len(hot.looks)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_number_of_a_position_is_the_oracles(strategy: DecodingStrategy) -> None:
    _, plain = trained()
    here = walk(strategy, 3)
    generator, on = random.Random(3), True
    while on:
        look = here.here
        past = Past(plain.n_layer)
        plain.trace = {}
        for pos, token in enumerate(here.ids):
            logits = plain.logits(token, pos, past)
        assert words(look.logits) == words([x.data for x in logits])
        assert words(look.plain) == words([p.data for p in shares(logits)])
        assert words(look.probs) == words(plain_probs(here.ids, strategy.temperature))
        assert words(look.weights) == words(plain_weights(look.probs, strategy))
        for (name, pos, layer, head), values in plain.trace.items():
            assert pos is not None
            assert words(here.tensor(name, pos, layer, head)) == words([x.data for x in values])
        assert look.pick is not None
        assert words(look.pick.cumulative) == words(list(accumulate(look.weights)))
        assert look.pick.number == (None if strategy.greedy else generator.random())
        low, high = look.pick.bounds
        assert low < high
        number = look.pick.number
        assert number is None or low <= number * look.pick.cumulative[-1] < high
        on = here.next()


def test_going_back_and_on_and_changing_the_strategy_back_give_the_same_sample() -> None:
    here = walk(DecodingStrategy(1.5), 11)
    while here.next():
        pass
    there = [(look.reads, look.pick, words(look.probs)) for look in here.looks]
    assert len(there) > 2
    while here.back():
        pass
    assert not here.back()
    here.change(DecodingStrategy(0.1))
    number = here.here.pick and here.here.pick.number
    here.change(DecodingStrategy(1.5))
    assert number == there[0][1].number
    while here.next():
        pass
    assert [(look.reads, look.pick, words(look.probs)) for look in here.looks] == there


def test_the_prefix_is_read_and_not_drawn() -> None:
    here = walk(prefix="an")
    first = here.here.pick
    assert here.back()
    assert here.here.pick is None
    assert here.text == "an"
    assert here.back()
    assert here.text == "a"
    assert not here.ended
    assert here.next()
    assert here.next()
    assert here.here.pick == first


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30).filter(sum), st.integers())
def test_a_pick_agrees_with_random_choices(weights: list[float], seed: int) -> None:
    token = random.Random(seed).choices(range(len(weights)), weights=weights)[0]
    number = random.Random(seed).random()
    picked = pick(weights, number)
    assert picked.token_id == token
    assert weights[token] > 0 or bisect(picked.cumulative, number * picked.cumulative[-1]) == len(weights)


def test_strategies_leave_the_right_tokens() -> None:
    probs = [0.1, 0.4, 0.1, 0.25, 0.15]
    assert DecodingStrategy().weights(probs) is probs
    assert DecodingStrategy(top_k=9, top_p=1.0).weights(probs) == probs
    assert DecodingStrategy(top_k=1).weights(probs) == [0, 1, 0, 0, 0]
    assert [i for i, w in enumerate(DecodingStrategy(top_k=4).weights(probs)) if w] == [
        0,
        1,
        3,
        4,
    ]  # the lower id of two alike
    assert [i for i, w in enumerate(DecodingStrategy(top_p=0.4).weights(probs)) if w] == [1]
    assert [i for i, w in enumerate(DecodingStrategy(top_p=0.41).weights(probs)) if w] == [1, 3]
    assert DecodingStrategy(greedy=True).weights([0.3, 0.35, 0.35]) == [0, 1, 0]


def everything(prefix: str, temperature: float) -> list[Continuation]:
    """Every possible document, by enumeration."""
    _, plain = trained()
    found = []

    def go_on(ids: list[int], log_prob: float) -> None:
        for token, p in enumerate(plain_probs(ids, temperature)):
            total = log_prob + math.log(p)
            if token == plain.bos or len(ids) == plain.block_size:
                path = ids[1:] + [token] * (token != plain.bos)
                text = "".join(plain.alphabet[i] for i in path)
                found.append(((-total, [*ids, token]), Continuation(text, total, token == plain.bos)))
            else:
                go_on([*ids, token], total)

    go_on([plain.bos, *map(plain.alphabet.index, prefix)], 0.0)
    return [continuation for _, continuation in sorted(found, key=lambda each: each[0])]


@pytest.mark.parametrize(("prefix", "temperature"), [("an", 1.0), ("b", 0.5)])
def test_a_wide_beam_has_every_possible_document(prefix: str, temperature: float) -> None:
    all_there_are = everything(prefix, temperature)
    found = beam(sampler(), trained()[0].tokenizer, 10_000, temperature, prefix)
    assert found == all_there_are
    assert math.fsum(each.prob for each in found) == pytest.approx(1.0)  # the only rounding is that of the sum


def test_a_beam_of_one_is_greedy_and_a_narrow_one_keeps_the_likeliest() -> None:
    tokenizer = trained()[0].tokenizer
    (found,) = beam(sampler(), tokenizer, 1, 0.5)
    assert found.text == plain_document(DecodingStrategy(greedy=True), 0)
    log_probs = {each.text: each for each in everything("", 0.5)}
    narrow = beam(sampler(), tokenizer, 3, 0.5)
    assert len(narrow) == 3
    assert sorted(narrow, key=lambda each: -each.log_prob) == narrow
    assert all(log_probs[each.text] == each for each in narrow)


def test_names_of_a_branch_are_drawn_with_its_ablations() -> None:
    session = Session(tiny(n_layer=2), DOCS)
    branch = session.branch([Ablation(0, 0, "mlp")])
    branch.run(until=2)
    assert sample_names(branch, 6, DecodingStrategy(), seed="s") == branch.sample(6, generator=random.Random("s"))
    other = session.replay_copy()
    other.workspace.params[:] = branch.workspace.params
    assert sample_names(branch, 6, DecodingStrategy(), seed="s") != sample_names(other, 6, DecodingStrategy(), seed="s")


def test_printed_names_are_those_at_the_end_of_the_schedule() -> None:
    session = Session(tiny(n_layer=2), DOCS)
    session.run(until=3)
    state = session.generator.getstate()
    found = printed_names(session.restart_copy(), 5)
    assert session.step == 3
    session.run(until=session.config.num_steps)
    assert session.generator.getstate() == state
    assert found == session.sample(5)


def test_names_at_several_steps_are_those_of_a_run_at_each_step() -> None:
    session, _ = trained()
    before = words(session.params)
    found = dict(sample_at_steps(session.restart_copy(), [3, 0, 6, 3], 4, DecodingStrategy(), seed="s"))
    assert list(found) == [0, 3, 6]
    assert found[6] == sample_names(session, 4, DecodingStrategy(), seed="s")
    fresh = Session(tiny(n_layer=2), DOCS)
    assert found[0] == fresh.sample(4, generator=random.Random("s"))
    fresh.run(until=3)
    assert found[3] == fresh.sample(4, generator=random.Random("s"))
    assert words(session.params) == before
    with pytest.raises(Stopped):
        list(sample_at_steps(session.restart_copy(), [9], 1, DecodingStrategy(), on_step=lambda *_: True))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"top_p": math.nan}, "top_p is nan"),
        ({"greedy": True, "top_k": 3}, "leave top_k and top_p out"),
    ],
)
def test_bad_strategies_are_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        DecodingStrategy(**wrong)  # type: ignore[arg-type]


def test_bad_prefixes_and_beam_widths_are_refused() -> None:
    with pytest.raises(ConfigError, match="'Z', which no document has"):
        walk(prefix="aZ")
    with pytest.raises(ConfigError, match="give 3 at most"):
        walk(prefix="anna")
    for width in (0, 10_001):
        with pytest.raises(ConfigError, match=f"{width:,} wide; give 1 to 10,000"):
            beam(sampler(), trained()[0].tokenizer, width, 1.0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_stepper_without_probabilities_is_refused(strategy: DecodingStrategy) -> None:
    session, _ = trained()
    broken = Sampler(session.recording, session.loops, np.full(session.recording.n_params, math.nan))
    with pytest.raises(EngineError, match=r"position 0 .* has no probabilities"):
        SampleStepper(broken, session.tokenizer, random.Random(0), strategy)


def test_a_sampler_does_not_depend_on_what_it_read_before() -> None:
    used, chance = sampler(), random.Random(5)
    for n in islice(count(), 30):
        ids = [trained()[1].bos, *chance.choices(range(4), k=n % 4)]
        assert words(used.after(ids, 0.8)) == words(sampler().after(ids, 0.8)) == words(plain_probs(ids, 0.8))
