"""Kernels that take whole dot products give the same bits in every row as those that go scalar by scalar."""

from __future__ import annotations

import itertools
import math
import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

from engine import Config, Moment, NumericFault, Phase, Session
from engine.autograd import array_kernels, jit, kernels
from engine.autograd.dot_products import Dots, Mask, find_dots
from engine.autograd.jit import ROOT, SQUARE, Kernels, loops, plain_loops, power_band
from engine.autograd.kernels import ADD, BAND, FINE, HALF_UNIT, LEAF, SCATTERED, STRAIGHT, adam_step
from engine.autograd.tape import Tape, Value
from engine.model.backward_order import Route
from engine.model.recording import Floats, Recording, record
from tests.engine.test_plain_oracle import configurations, documents
from tests.support.float_bits import DOCS, end, in_order, shown, tiny, words

LOOPS = [pytest.param(loops, id="compiled"), pytest.param(plain_loops, id="plain")]
ODD = [0.0, -0.0, 5e-324, 1e-160, 1.0, -1.0, 1e154, -1e160, 1e308, math.inf, -math.inf, math.nan]


def check_phases(session: Session) -> None:
    """Run forward and backward of the present step scalar by scalar and whole, from the same blank arrays.

    Whole, with all that dot products are made of, and without; with steps in the original's order, and grouped.
    """
    w, r, program = session.workspace, session.recording, session.program
    route, grouped, computed = program.route, program.grouped_route, r.op != LEAF
    ranges = program.ranges_between(0, program.ticks(Phase.FORWARD))
    found = []
    for keep, way in ((None, route), (True, route), (True, grouped), (False, route), (False, grouped)):
        w.data[computed], w.grad[:] = -7.0, 0.0  # so that a row that is not written again would differ
        fault = w.forward(*ranges) if keep is None else w.forward_whole(program.n, keep)
        if fault == FINE and keep is None:
            w.backward(program.edges)
        elif fault == FINE:
            go_back(session, way, bool(keep))
        found.append((fault, w.data.copy(), w.grad.copy()))
    shown_bits = [(fault, words(data), words(grad)) for fault, data, grad in found]
    assert shown_bits[0] == shown_bits[1] == shown_bits[2]
    assert shown_bits[3] == shown_bits[4]
    scalars, left_out = found[0], found[3]
    inner, last = within(r)
    assert left_out[0] == scalars[0]
    assert words(left_out[1][~inner]) == words(scalars[1][~inner])
    assert (left_out[1][inner] == -7.0).all()
    if scalars[0] == FINE:
        others = ~(inner | last)
        assert words(left_out[2][others]) == words(scalars[2][others])
        dots, (positions, mean) = (r.dots.starts, r.dots.terms, r.dots.counts), r.parts_of(program.n)
        w.loops.clear_between(w.grad, 0, positions.stop, *dots, r.dot_counts[program.n - 1])
        w.grad[mean] = 0.0
        used = np.ones(len(w.grad), dtype=np.bool_)
        used[r.constants[0]] = False  # no gradient is ever asked of them
        assert words(w.grad[used]) == words(np.zeros(used.sum()))
    assert route.ticks == len(program.edges) == program.ticks(Phase.BACKWARD)
    w.grad[:] = 0.0


def go_back(session: Session, way: Route, keep: bool) -> None:
    """Run the backward phase whole, along this way."""
    w, r = session.workspace, session.recording
    child, steps = w.child.view(np.uint32), (way.edges, way.terms, way.segments)
    w.loops.backward_whole(r.op, child, w.data, w.grad, *steps, r.dots.ends, keep)


def within(r: Recording) -> tuple[Mask, Mask]:
    """The rows that dot products of positions are made of, and the last running sum of each."""
    inner, last = np.zeros((2, len(r)), dtype=np.bool_)
    dots = r.dots
    for start, terms, count in zip(dots.starts.tolist(), dots.terms.tolist(), dots.counts.tolist(), strict=True):
        rows = np.arange(start, start + 2 * terms * count).reshape(count, 2 * terms)
        inner[rows[:, :-1]] = last[rows[:, -1]] = True
    return inner, last


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
@example({"n_embd": 8, "n_head": 2, "block_size": 4}, DOCS)  # with blocks that numpy sums
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


@pytest.mark.parametrize("keep", [None, True, False])
def test_a_softmax_takes_one_power_of_its_total_in_each_phase(
    keep: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(tiny(n_layer=2), DOCS, kernels=plain_loops())
    w, program = session.workspace, session.program
    powers: list[float] = []
    monkeypatch.setattr(kernels, "power", lambda x, y: powers.append(y) or x**y)
    if keep is None:
        w.forward(*program.ranges_between(0, program.ticks(Phase.FORWARD)))
        w.backward(program.edges)
    else:
        w.forward_whole(program.n, keep)
        go_back(session, program.route, keep)
    softmaxes = program.n * (2 * session.config.n_head + 1)
    assert powers.count(-1.0) == softmaxes
    assert powers.count(-2.0) == 2 * softmaxes  # forward too: what the local gradient would raise is raised there


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


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("band", [BAND, math.inf])
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


def powers(kind: Any, numbers: Floats, band: float) -> list[list[int]]:
    """Squares and roots of numbers as Adam computes them: m and v are 0, the rates make v g²."""
    n, zeros = len(numbers), np.zeros((3, len(numbers)))
    rates = (1.0, 0.0, 0.0, 1.0, 1.0, SQUARE, ROOT, 0.0, band, np.empty(2 * 256))
    p, m, v = zeros
    assert kind().adam(p, numbers, m, v, 0, n, *rates) == FINE
    return [words(p), words(v)]


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("power_of_two", [0, -1, 7, -39, -300])
def test_squares_and_roots_are_what_pow_returns(kind: Any, power_of_two: int) -> None:
    numbers = np.ldexp(1.0 + np.random.default_rng(power_of_two + 300).random(200_000), power_of_two)
    assert (np.array([x**2.0 for x in numbers.tolist()]) != numbers * numbers).any() or power_of_two == -300
    assert powers(kind, numbers, BAND) == powers(kind, numbers, math.inf)
    odd = [x for x in ODD if abs(x) < 1e154 or not math.isfinite(x)]  # the square of no other is too large
    numbers[: len(odd)] = odd
    assert powers(kind, numbers, BAND) == powers(kind, numbers, math.inf)


@pytest.mark.parametrize("kind", LOOPS)
def test_powers_are_compared_where_pow_would_differ_first(kind: Any) -> None:
    assert kind().powers_agree(jit.COMPARED, SQUARE, ROOT) > 99_000
    assert power_band(kind()) == BAND


@pytest.mark.parametrize("powers_agree", [kernels.powers_agree, array_kernels.powers_agree])
def test_one_power_that_is_not_as_assumed_turns_the_shortcut_off(
    powers_agree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert powers_agree(2000, SQUARE, ROOT) > 0
    calls: list[float] = []

    def erring(x: float, y: float) -> float:
        calls.append(x)
        return math.nextafter(x**y, math.inf) if len(calls) == 100 else x**y

    monkeypatch.setattr(kernels, "power", erring)
    assert powers_agree(2000, SQUARE, ROOT) == -1
    assert power_band(replace(plain_loops(), powers_agree=lambda *_: -1)) == math.inf


def test_the_double_after_a_number() -> None:
    for x in np.ldexp(1.0 + np.random.default_rng(1).random(1000), range(-500, 500)).tolist():
        assert x + HALF_UNIT * x == math.nextafter(x, math.inf)
    for exponent in range(-900, 900):
        for x in (math.ldexp(1.0, exponent), math.nextafter(math.ldexp(1.0, exponent), 0.0)):
            assert x + HALF_UNIT * x == math.nextafter(x, math.inf)


@pytest.mark.parametrize("kind", LOOPS)
def test_sums_of_squares_are_added_one_after_the_other(kind: Any) -> None:
    dice, bounds = np.random.default_rng(2), np.array([0, 1, 90, 4000], dtype=np.int32)
    grad, before, after = dice.normal(size=(3, 5000))
    grad[:90], before[90:95] = dice.choice(ODD, 90), ODD[:5]
    out, expected = np.empty((3, 3)), []
    kind().squares(grad, before, after, bounds, out)
    change = [a - b for a, b in zip(after.tolist(), before.tolist(), strict=True)]
    for first, last in itertools.pairwise(bounds):
        parts = (numbers[first:last] for numbers in (grad.tolist(), change, before.tolist()))
        expected.append([in_order(x * x for x in part) for part in parts])
    assert words(out) == words(expected)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_run_without_looking_has_the_bits_of_one_that_is_looked_at(kind: Any) -> None:
    config = tiny(n_embd=10, n_head=2, num_steps=6)
    passing, halting = (Session(config, DOCS, kernels=kind()) for _ in range(2))
    passing.run(until=3)
    for step in range(3):
        halting.seek(Moment(step, Phase.BACKWARD, 7))
    halting.run(until=3)
    for phase in (Phase.FORWARD, Phase.UPDATE):  # what is looked at after a run is all there
        for session in (passing, halting):
            session.seek(end(session, phase))
        assert shown(passing) == shown(halting)
    assert words(passing.history.norms) == words(halting.history.norms)


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
    dots = r.dots
    assert np.repeat(dots.terms, dots.counts).tolist() == expected
    assert (dots.ends > 0).sum() >= (dots.terms * dots.counts).sum()  # samplers have some as well
    assert (r.op[dots.starts + 2 * dots.terms * dots.counts - 1] == ADD).all()
    assert set(dots.counts.tolist()) == {1, c, 3 * c, 4 * c, r.vocab_size}  # 3 c: q, k and v of one vector


def test_they_are_the_same_whichever_tokens_are_read() -> None:
    """They are found when they are first needed: by then the recording's children are those of some document."""
    config = Config(n_layer=1, n_embd=8, n_head=2, block_size=5)
    fresh = record(config, Session(config, DOCS).tokenizer.vocab_size)
    session = Session(config, DOCS)
    for _ in range(3):
        session.seek(Moment(session.step, Phase.BACKWARD, 3))
        used = session.recording
        assert not np.array_equal(used.child, fresh.child)
        found = replace(used).dots  # of a copy, that has found none yet
        for name in ("starts", "terms", "counts", "ends"):
            assert np.array_equal(getattr(found, name), getattr(fresh.dots, name))
        session.run(session.step + 1)


def dots_of(make: Any) -> Dots:
    """The dot products found in what `make` makes of leaves."""
    tape = Tape()
    leaves = [tape.leaf(1.0) for _ in range(12)]
    zero = tape.constant(0.0)
    make(*leaves)
    op, child = np.frombuffer(tape.op, dtype=np.int8), np.frombuffer(tape.child, dtype=np.int32)
    live = op != LEAF
    live[:12] = True
    return find_dots(op, child, live, np.array([zero], dtype=np.int32), [len(op)])


def shared_product(a: Value, b: Value, *_: Value) -> Value:
    product = a * b
    return 0 + product + product


def shared_sum(a: Value, b: Value, c: Value, d: Value, *_: Value) -> Value:
    first = 0 + a * b
    return (first + c * d) * first


@pytest.mark.parametrize(
    ("make", "terms"),
    [
        (lambda a, b, c, d, *_: sum([a * b, c * d]), []),  # the products were made before the sums
        (lambda a, b, c, d, *_: sum(x * y for x, y in ((a, b), (c, d), (a, a))), [3]),
        (lambda a, b, c, d, *_: sum(x * y for x, y in ((a, b), (c, d))) + a, [2]),
        (lambda a, b, c, d, *_: sum(x * 2.0 for x in (a, b)), []),  # no gradient flows into a constant
        (lambda a, b, c, d, *_: a * b + c * d, []),  # no sum from 0
        (shared_product, []),
        (shared_sum, [1]),  # the sum ends where another operation uses it
    ],
)
def test_which_sums_count_as_dot_products(make: Any, terms: list[int]) -> None:
    assert dots_of(make).terms.tolist() == terms


def dot(left: list[Value], right: list[Value]) -> Value:
    return sum(a * b for a, b in zip(left, right, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("make", "kinds", "counts"),
    [
        (lambda *x: dot([*x[0:3]], [*x[3:6]]), [STRAIGHT], [1]),
        (lambda *x: dot([*x[0:3]], [*x[0:3]]), [STRAIGHT], [1]),
        (lambda *x: dot([*x[0:3]], [*x[1:4]]), [SCATTERED], [1]),  # a gradient's terms would change places
        (lambda *x: dot([*x[0:6:2]], [*x[6:9]]), [SCATTERED], [1]),
        (lambda *x: dot([*x[0:3]], [*x[6:12:2]]), [SCATTERED], [1]),
        (lambda *x: dot([x[2], x[1], x[0]], [*x[3:6]]), [SCATTERED], [1]),
        (lambda *x: [dot([*x[3 * i : 3 * i + 3]], [*x[9:12]]) for i in range(3)], 3 * [STRAIGHT], [3]),
        (lambda *x: [dot([*x[9:12]], [*x[3 * i : 3 * i + 3]]) for i in range(3)], 3 * [STRAIGHT], [1, 1, 1]),
        (lambda *x: [dot([*x[3 * i : 3 * i + 3]], [*x[9:12]]) for i in (0, 2, 1)], 3 * [STRAIGHT], [1, 1, 1]),
        (lambda *x: [dot([*x[3 * i : 3 * i + 3]], [*x[9:12]]).relu() for i in range(2)], 2 * [STRAIGHT], [1, 1]),
        (lambda *x: [dot([*x[0:3]], [*x[9:12]]), dot([*x[3:5]], [*x[9:11]])], 2 * [STRAIGHT], [1, 1]),
        (lambda *x: [dot([x[0]], [x[2]]), dot([x[1]], [x[2]])], 2 * [STRAIGHT], [2]),
    ],
)
def test_which_dot_products_read_rows_in_order_and_make_a_block(make: Any, kinds: list[int], counts: list[int]) -> None:
    dots = dots_of(make)
    assert dots.counts.tolist() == counts
    terms = np.repeat(dots.terms, dots.counts)
    ends = dots.ends[dots.ends > 0]
    assert ends.tolist() == np.repeat(kinds, terms).tolist()
