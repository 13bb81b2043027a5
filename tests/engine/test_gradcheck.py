"""Gradient checks against the plain oracle: the same difference quotient, to the last bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine import Config, GradCheckError, GradientChecker, Moment, NumericFault, Phase, Session, Stopped
from engine.autograd.jit import plain_loops
from engine.run.gradcheck import CheckedGradient, Summary, default_h
from tests.support.float_bits import DOCS, shown, tiny, words
from tests.support.reference_model import PlainGPT, Scalar

SHAPE: dict[str, Any] = {"n_layer": 2, "n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 10, "seed": 1}
STEP = 2


class Nudged(PlainGPT):
    """The oracle with one named number moved, after it was made."""

    nudge: tuple[tuple[Any, ...], int, float] | None = None

    def _keep(self, name: str, values: list[Scalar], *place: Any) -> list[Scalar]:
        where = (name, *place, *[None] * (3 - len(place)))
        if self.nudge is not None and where == self.nudge[0]:
            values[self.nudge[1]] = Scalar(values[self.nudge[1]].data + self.nudge[2])
        return super()._keep(name, values, *place)


def oracle() -> Nudged:
    """At the start of the step that is checked."""
    plain = Nudged(DOCS, **SHAPE)
    for _ in range(STEP):
        plain.train_step()
    return plain


def loss(
    nudge: tuple[tuple[Any, ...], int, float] | None = None, param: tuple[str, int, int, float] | None = None
) -> float:
    """The oracle's loss with a number moved."""
    plain = oracle()
    plain.nudge = nudge
    if param is not None:
        name, i, j, by = param
        plain.tables[name][i][j].data += by
    return plain.train_step()


@pytest.fixture(scope="module")
def session() -> Session:
    run = Session(Config(**SHAPE), DOCS)
    run.run(until=STEP)
    return run


@pytest.fixture(scope="module")
def checker(session: Session) -> GradientChecker:
    return GradientChecker(session.replay_copy(), STEP)


@pytest.mark.parametrize("h", [None, 1e-3, 1e-9])
@pytest.mark.parametrize(
    ("name", "i", "j"),
    [("wte", 0, 1), ("wpe", 2, 3), ("lm_head", 1, 0), ("layer0.attn_wk", 3, 2), ("layer1.mlp_fc1", 15, 2)],
)
def test_a_parameter(checker: GradientChecker, name: str, i: int, j: int, h: float | None) -> None:
    check = checker.check(checker.row(f"{name}[{i}, {j}]"), h)
    plain = oracle()
    assert check.name == f"{name}[{i}, {j}]"
    assert check.value == plain.tables[name][i][j].data
    assert check.h == (h or default_h(check.value))
    plus, minus = loss(param=(name, i, j, check.h)), loss(param=(name, i, j, -check.h))
    assert words([check.loss_plus, check.loss_minus]) == words([plus, minus])
    assert check.finite_difference == (plus - minus) / (2 * check.h)
    plain.train_step()
    assert check.gradient == np.reshape(plain.grads[name], (-1, 4 if name != "layer1.mlp_fc2" else 16))[i, j]
    assert check.difference == check.finite_difference - check.gradient


@pytest.mark.parametrize("h", [None, 1e-2])
@pytest.mark.parametrize(
    ("text", "place", "index"),
    [
        ("embed[2]@pos=1", ("embed", 1, None, None), 2),
        ("q[1, 3]@pos=2", ("q", 2, 1, None), 3),
        ("v[0, 0]@pos=0", ("v", 0, 0, None), 0),
        ("attn_logits[0, 1, 1]@pos=2", ("attn_logits", 2, 0, 1), 1),
        ("mlp_fc1[1, 5]@pos=1", ("mlp_fc1", 1, 1, None), 5),
        ("mlp_residual[1, 0]@pos=3", ("mlp_residual", 3, 1, None), 0),
        ("logits[2]@pos=1", ("logits", 1, None, None), 2),
        ("loss_t@pos=1", ("loss_t", 1, None, None), 0),
    ],
)
def test_an_activation(
    checker: GradientChecker, text: str, place: tuple[Any, ...], index: int, h: float | None
) -> None:
    row = checker.row(text)
    check = checker.check(row, h)
    assert checker.name(row) == text
    plain = oracle()
    plain.train_step()
    assert words([check.value, check.gradient]) == words(
        [plain.trace[place][index].data, plain.trace[place][index].grad]
    )
    losses = [loss(nudge=(place, index, by)) for by in (check.h, -check.h)]
    assert words([check.loss_plus, check.loss_minus]) == words(losses)
    assert check.finite_difference == (losses[0] - losses[1]) / (2 * check.h)


def test_a_check_does_not_change_the_run(session: Session, checker: GradientChecker) -> None:
    before, twin = shown(session), GradientChecker(session.replay_copy(), STEP)
    rows = checker.program.rows[checker.recording.live[checker.program.rows]]
    first = twin.check(int(rows[5]))
    every_other = [checker.check(int(row), 1e-2) for row in rows[::7]]
    assert twin.check(int(rows[5])) == first == checker.check(int(rows[5]))
    assert [twin.check(int(row), 1e-2) for row in rows[::7]] == every_other
    assert shown(session) == before


def test_the_check_of_a_matrix_sums_up_its_elements(checker: GradientChecker) -> None:
    rows = checker.matrix("layer0.attn_wo")
    checks = [checker.check(int(row)) for row in rows.ravel()]
    assert checks == [checker.check(row) for row in rows.ravel().tolist()]
    summary = Summary()
    for check in checks:
        summary = summary.adding(check)
    assert summary.count == summary.equal + sum(summary.decades.values()) == rows.size
    assert summary.largest == max(checks, key=lambda check: abs(check.difference))
    assert summary.kinked == sum(bool(check.kinks) for check in checks)
    for decade, count in summary.decades.items():
        assert count == sum(10.0**decade <= check.relative < 10.0 ** (decade + 1) for check in checks if check.relative)


def test_relu_units_that_switch_between_the_two_points_are_named(checker: GradientChecker) -> None:
    row = checker.row("mlp_fc1[1, 5]@pos=1")
    value = checker.check(row).value
    assert checker.check(row, abs(value) / 2).kinks == ()
    beyond = checker.check(row, abs(value) * 2)
    assert beyond.kinks == ("mlp_relu[1, 5]@pos=1",)
    assert beyond.relative > 0.1  # the corner is between the ends


def test_steps_and_their_sizes(checker: GradientChecker) -> None:
    assert default_h(0.5) == default_h(-1.0) == math.cbrt(np.finfo(float).eps)
    assert default_h(-8.0) == 8 * default_h(0.0)
    row = checker.row("wte[0, 1]")
    assert checker.check(row, 1e-30).unmoved
    assert checker.check(row, 1e-30).finite_difference == 0
    assert not checker.check(row).unmoved


def check_of(gradient: float, finite_difference: float) -> CheckedGradient:
    return CheckedGradient(0, "wte[0, 0]", 0.0, gradient, finite_difference, 1e-5, 0.0, 0.0, ())


def test_relative_differences() -> None:
    assert (check_of(0.0, 0.0).relative, check_of(0.0, 0.0).decade) == (0, None)
    assert (check_of(0.0, 1e-9).relative, check_of(0.0, 1e-9).decade) == (1, 0)
    assert check_of(-2.0, 2.0).relative == 2
    assert (check_of(4.0, 3.0).relative, check_of(4.0, 3.0).decade) == (0.25, -1)
    summary = Summary()
    for pair in ((1.0, 1.0), (math.nan, 1.0), (math.inf, 2.0), (1.0, 3.0), (2.0, 1.0)):
        summary = summary.adding(check_of(*pair))
    assert (summary.count, summary.equal, summary.unknown, summary.decades) == (5, 1, 2, {-1: 2})
    assert summary.largest is not None
    assert math.isnan(summary.largest.gradient)


def test_a_check_is_refused_with_a_sentence(checker: GradientChecker) -> None:
    wte, step = checker.row("wte[0, 1]"), rf"step {STEP}"
    for h in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(GradCheckError, match="give a number above 0"):
            checker.check(wte, h)
    constant = int(checker.recording.constants[0][0])
    with pytest.raises(GradCheckError, match="no gradient reaches it"):
        checker.check(constant)
    with pytest.raises(GradCheckError, match=f"document 'anna' of {step}.*write for example"):
        checker.row("q[0, 3]")
    with pytest.raises(GradCheckError, match="no parameter matrix is called 'w'; there are wte"):
        checker.matrix("w")
    with pytest.raises(GradCheckError, match=r"with logits\[0\]@pos=1 at 1e\+06.*smaller h"):
        checker.check(checker.row("logits[0]@pos=1"), 1e6)
    assert checker.check(wte).loss_plus == checker.check(wte).loss_plus  # the next check works


def test_scalars_of_another_document_are_refused() -> None:
    run = Session(tiny(), ["a", "abcd"])
    step = next(step for step in (0, 1) if run.docs[step] == "a")
    checker = GradientChecker(run, step)
    beyond = int(run.recording.positions[3].tensor("embed").rows[0])
    with pytest.raises(GradCheckError, match="positions 0 to 1 and does not use"):
        checker.check(beyond)


def test_uncompiled_loops_give_the_same_check(checker: GradientChecker) -> None:
    slow = Session(Config(**SHAPE), DOCS, kernels=plain_loops())
    for text in ("wte[0, 1]", "q[1, 3]@pos=2"):
        assert GradientChecker(slow, STEP).check(checker.row(text)) == checker.check(checker.row(text))


def test_the_replay_before_a_check_can_be_stopped_and_can_have_a_fault() -> None:
    run = Session(tiny(), DOCS)
    with pytest.raises(Stopped):
        GradientChecker(run, 9, lambda step, loss: True)
    with pytest.raises(NumericFault):
        GradientChecker(Session(tiny(learning_rate=2000.0), DOCS), 9)


def test_a_check_is_the_same_from_every_moment(checker: GradientChecker) -> None:
    run = Session(Config(**SHAPE), DOCS)
    row = checker.row("layer0.attn_wk[3, 2]")
    for moment in (Moment(STEP, Phase.FORWARD, 3), Moment(STEP, Phase.UPDATE, 150), Moment(STEP + 3)):
        run.seek(moment)
        assert GradientChecker(run.replay_copy(), STEP).check(row) == checker.check(row)
