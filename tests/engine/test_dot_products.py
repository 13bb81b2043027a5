"""Kernels that take whole dot products give the same bits in every row as those that go scalar by scalar."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

from engine import Config, Moment, NumericFault, Phase, Session
from engine.autograd import jit, kernels
from engine.autograd.dot_products import find_dots
from engine.autograd.jit import ROOT, SQUARE, Kernels, loops, plain_loops, power_band
from engine.autograd.kernels import ADD, BAND, FINE, LEAF, adam_step
from engine.autograd.tape import Tape, Value
from engine.model.recording import Floats
from tests.engine.test_plain_oracle import configurations, documents
from tests.support.float_bits import DOCS, tiny, words

LOOPS = [pytest.param(loops, id="compiled"), pytest.param(plain_loops, id="plain")]
ODD = [0.0, -0.0, 5e-324, 1e-160, 1.0, -1.0, 1e154, -1e160, 1e308, math.inf, -math.inf, math.nan]


def check_phases(session: Session) -> None:
    """Run forward and backward of the present step whole, then scalar by scalar, from the same blank arrays."""
    w, program = session.workspace, session.program
    computed = session.recording.op != LEAF
    found = []
    for whole in (True, False):
        w.data[computed], w.grad[:] = -7.0, 0.0  # so that a row that is not written again would differ
        fault = w.forward_whole(program.n) if whole else w.forward(program.rows, 0, len(program.rows))
        if fault == FINE and whole:
            w.backward_whole(program.route.edges, program.route.terms, program.route.segments)
        elif fault == FINE:
            w.backward(program.edges, 0, len(program.edges))
        found.append((fault, words(w.data), words(w.grad)))
    assert found[0] == found[1]
    assert program.route.ticks == len(program.edges) == program.ticks(Phase.BACKWARD)
    w.grad[:] = 0.0


def check_run(config: dict[str, Any], docs: list[str], kernels: Kernels, steps: int) -> None:
    session = Session(Config(**config), docs, kernels=kernels)
    for step in range(steps):
        check_phases(session)
        with suppress(NumericFault):
            session.run(until=step + 1)
        if session.step == step:
            break


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(configurations(widest=9), documents())
@example({"n_embd": 1, "n_head": 1, "block_size": 1}, ["a"])
@example({"n_embd": 16, "n_head": 4, "block_size": 16}, ["abcdefghijklmnopqrstuvwxyz"])
@example({"n_embd": 8, "n_head": 2, "block_size": 4, "learning_rate": 1e200}, DOCS)
def test_whole_phases_have_the_bits_of_scalar_steps(config: dict[str, Any], docs: list[str]) -> None:
    check_run(config, docs, loops(), steps=3)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(configurations(widest=4), documents())
def test_whole_phases_uncompiled(config: dict[str, Any], docs: list[str]) -> None:
    check_run(config, docs, plain_loops(), steps=2)


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("seed", range(12))
def test_odd_numbers_come_out_alike(kind: Any, seed: int) -> None:
    """With zeros of both signs, the smallest and the largest numbers, infinities and nan in some or in all places."""
    session, dice = Session(tiny(n_layer=1 + seed % 2), DOCS, kernels=kind()), random.Random(seed)
    for row in range(session.recording.n_params):
        if dice.random() < (0.05, 0.4, 1.0)[seed % 3]:
            session.workspace.params[row] = dice.choice(ODD[: 5 + 2 * (seed % 5)])
    check_phases(session)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_phase_can_be_cut_at_any_tick(kind: Any) -> None:
    straight, halting = (Session(tiny(), DOCS, kernels=kind()) for _ in range(2))
    straight.seek(Moment(1, Phase.UPDATE, 0))
    halting.seek(Moment(1))
    ticks = halting.program.ticks
    for phase, stride in ((Phase.FORWARD, 7), (Phase.BACKWARD, 11)):
        for tick in range(1, ticks(phase) + stride, stride):
            halting.seek(Moment(1, phase, tick))
    halting.seek(Moment(1, Phase.UPDATE, 0))
    assert words(halting.workspace.data) == words(straight.workspace.data)
    assert words(halting.workspace.grad) == words(straight.workspace.grad)


@pytest.mark.parametrize(("kind", "band"), [(loops, BAND), (loops, math.inf), (plain_loops, math.inf)])
@pytest.mark.parametrize(("first", "last"), [(0, 200), (5, 6), (63, 65), (64, 128), (7, 199)])
def test_adam_in_blocks_has_the_bits_of_single_updates(kind: Any, band: float, first: int, last: int) -> None:
    dice, rates = random.Random(first), (0.01, 0.85, 0.99, 0.15, 0.01, 2.0, 0.5, 1e-8)
    p, g, m, v = (np.array([dice.choice(ODD) if dice.random() < 0.2 else dice.gauss(0, 1) for _ in range(200)])
                  for _ in range(4))  # fmt: skip
    g[np.isfinite(g) & (abs(g) > 1e150)] = 1e150
    v = abs(v)
    expected = p.copy(), m.copy(), v.copy()
    for i in range(first, last):
        numbers = (float(x[i]) for x in (g, m, v, p))
        expected[1][i], expected[2][i], _, _, _, expected[0][i] = adam_step(*numbers, *rates)
    assert kind().adam(p, g, m, v, first, last, *rates, band, np.empty(128)) == FINE
    assert words([p, m, v]) == words(expected)


@pytest.mark.parametrize("kind", LOOPS)
def test_adam_stops_at_a_square_that_is_too_large(kind: Any) -> None:
    p, g, m, v = np.ones((4, 200))
    g[100], g[150] = 1.3407807929942596e154, 1.35e154  # the largest whose square is finite, and one beyond
    assert kind().adam(p, g, m, v, 0, 200, 0.01, 0.85, 0.99, 0.15, 0.01, 2.0, 0.5, 1e-8, math.inf, np.empty(128)) == 150
    assert (p[:150] != 1.0).sum() >= 149
    assert (p[150:] == 1.0).all()


def powers(numbers: Floats, band: float) -> list[list[int]]:
    """Squares and roots of numbers as Adam of the compiled loops computes them: m and v are 0, the rates make v g²."""
    n, zeros = len(numbers), np.zeros((3, len(numbers)))
    rates = (1.0, 0.0, 0.0, 1.0, 1.0, SQUARE, ROOT, 0.0, band, np.empty(2 * 256))
    p, m, v = zeros
    assert loops().adam(p, numbers, m, v, 0, n, *rates) == FINE
    return [words(p), words(v)]


@pytest.mark.parametrize("power_of_two", [0, -1, 7, -39, -300])
def test_squares_and_roots_are_what_pow_returns(power_of_two: int) -> None:
    numbers = np.ldexp(1.0 + np.random.default_rng(power_of_two + 300).random(200_000), power_of_two)
    assert (np.array([x**2.0 for x in numbers.tolist()]) != numbers * numbers).any() or power_of_two == -300
    assert powers(numbers, BAND) == powers(numbers, math.inf)
    odd = [x for x in ODD if abs(x) < 1e154 or not math.isfinite(x)]  # the square of no other is too large
    numbers[: len(odd)] = odd
    assert powers(numbers, BAND) == powers(numbers, math.inf)


def test_powers_are_compared_where_pow_would_differ_first() -> None:
    assert loops().powers_agree(jit.COMPARED, SQUARE, ROOT) > 100_000
    assert power_band(loops()) == BAND
    assert power_band(plain_loops()) == math.inf


def test_one_power_that_is_not_as_assumed_turns_the_shortcut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.powers_agree(2000, SQUARE, ROOT) > 0
    calls: list[float] = []

    def erring(x: float, y: float) -> float:
        calls.append(x)
        return math.nextafter(x**y, math.inf) if len(calls) == 100 else x**y

    monkeypatch.setattr(kernels, "power", erring)
    assert kernels.powers_agree(2000, SQUARE, ROOT) == -1
    assert power_band(replace(plain_loops(), compiled=True, powers_agree=lambda *_: -1)) == math.inf


def test_every_dot_product_of_the_model_is_found() -> None:
    config = tiny(n_layer=2)
    r = Session(config, DOCS).recording
    c, heads, width = config.n_embd, config.n_head, config.head_dim
    expected = []
    for t in range(1, config.block_size + 1):
        norm = [c]
        attention = heads * ([width] * t + [t] * width)
        layer = norm + 3 * c * [c] + attention + c * [c] + norm + 4 * c * [c] + c * [4 * c]
        expected += norm + 2 * layer + r.vocab_size * [c]
    assert r.dots.terms.tolist() == expected
    assert r.dots.ends.sum() >= r.dots.terms.sum()  # samplers have some as well
    assert (r.op[r.rows_of(config.block_size)[r.dots.starts + 2 * r.dots.terms - 1]] == ADD).all()


def dots_of(make: Any) -> list[int]:
    """The terms of the dot products found in what `make` makes of four leaves."""
    tape = Tape()
    leaves = [tape.leaf(1.0) for _ in range(4)]
    zero = tape.constant(0.0)
    made = make(*leaves)
    assert made is None or isinstance(made, Value)
    op, child = np.frombuffer(tape.op, dtype=np.int8), np.frombuffer(tape.child, dtype=np.int32)
    live = op != LEAF
    live[:4] = True
    found = find_dots(op, child, live, np.array([zero], dtype=np.int32), [len(op)])
    return found.terms.tolist()  # type: ignore[no-any-return]


def shared_product(a: Value, b: Value, c: Value, d: Value) -> Value:
    product = a * b
    return 0 + product + product


def shared_sum(a: Value, b: Value, c: Value, d: Value) -> Value:
    first = 0 + a * b
    return (first + c * d) * first


@pytest.mark.parametrize(
    ("make", "terms"),
    [
        (lambda a, b, c, d: sum([a * b, c * d]), []),  # the products were made before the sums
        (lambda a, b, c, d: sum(x * y for x, y in ((a, b), (c, d), (a, a))), [3]),
        (lambda a, b, c, d: sum(x * y for x, y in ((a, b), (c, d))) + a, [2]),
        (lambda a, b, c, d: sum(x * 2.0 for x in (a, b)), []),  # no gradient flows into a constant
        (lambda a, b, c, d: a * b + c * d, []),  # no sum from 0
        (shared_product, []),
        (shared_sum, [1]),  # the sum ends where another operation uses it
    ],
)
def test_which_sums_count_as_dot_products(make: Any, terms: list[int]) -> None:
    assert dots_of(make) == terms
