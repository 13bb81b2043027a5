"""Explanations of a scalar: its name, its formula, its users, and the terms of its gradient."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from engine import Event, Moment, Phase, Session
from engine.autograd.kernels import NEG_MAX
from engine.explain.scalar import TapeExplainer, Term, power_name
from tests.support.float_bits import DOCS, tiny, words


@functools.cache
def session_after_backward() -> Session:
    session = Session(tiny(n_layer=2), DOCS)
    session.seek(Moment(1, Phase.UPDATE, 0))
    return session


def event(session: Session, name: str, pos: int | None = 1, layer: int | None = None, head: Any = None) -> Event:
    place = (name, pos, layer, head)
    return next(s for s in session.program.events(Phase.FORWARD) if (s.name, s.pos, s.layer, s.head) == place)


def spell(explainer: TapeExplainer, row: int) -> str:
    return "".join(text for text, _ in explainer.names_in_formula(row))


def explained(name: str, index: int = 0, **where: Any) -> tuple[str, str]:
    """The name and the formula of one scalar of a tensor."""
    session = session_after_backward()
    row = int(event(session, name, **where).rows[index])
    explainer = TapeExplainer(session.view())
    return explainer.name(row), spell(explainer, row)


def test_names_and_formulas_of_tensors() -> None:
    token = session_after_backward().program.inputs[1]
    assert explained("embed", 2) == ("embed[2]", f"wte[{token},2] + wpe[1,2]")
    assert explained("embed_norm", 3) == ("embed_norm[3]", "embed[3] · scale")
    products = [f"layer1.attn_wq[2,{j}] · attn_norm[{j}]" for j in range(4)]
    assert explained("q", 2, layer=1) == ("q[2]", " + ".join(products))
    name, formula = explained("attn_logits", 1, layer=0, head=1)
    assert name == "attn_logits[1]"
    assert formula == "(sum in attn_logits[1]) · 0.707107"
    assert explained("attn_weights", 0, layer=0, head=1) == ("attn_weights[0]", "exp[0] · 1/total")
    assert explained("head_out", 1, layer=0, head=0)[1] == "attn_weights[0] · v[1]@pos=0 + attn_weights[1] · v[1]"
    assert explained("attn_residual", 0, layer=0) == ("attn_residual[0]", "attn_out[0] + embed_norm[0]")
    assert explained("mlp_relu", 5, layer=0) == ("mlp_relu[5]", "max(0, mlp_fc1[5])")
    assert explained("mlp_residual", 1, layer=1) == ("mlp_residual[1]", "mlp_fc2[1] + attn_residual[1]")
    assert explained("loss_t") == ("loss_t", "(log p) · -1")
    name, formula = explained("loss", pos=None)
    n = session_after_backward().program.n
    assert (name, formula) == ("loss", f"(sum in loss) · {1 / n:g}")


def test_names_of_parts_and_of_intermediate_results() -> None:
    session = session_after_backward()
    explainer = TapeExplainer(session.view())
    probs, norm = event(session, "probs"), event(session, "attn_norm", layer=0)
    assert explainer.name(int(probs.parts["exp"][2])) == "exp[2]"
    assert explainer.name(int(probs.parts["total"])) == "total"
    assert spell(explainer, int(probs.parts["total"])) == " + ".join(f"exp[{i}]" for i in range(6))
    assert explainer.name(int(norm.parts["scale"])) == "scale"
    assert spell(explainer, int(norm.parts["scale"])) == "(mean_square + 1e-05) ^ -0.5"
    assert spell(explainer, int(norm.parts["mean_square"])) == "(sum in mean_square) · 0.25"
    made = session.program.rows[probs.first : probs.last].tolist()
    assert explainer.name(made[0]) == "−max"
    assert spell(explainer, made[0]) == "−max(" + ", ".join(f"logits[{i}]" for i in range(6)) + ")"
    assert explainer.name(made[1]) == "logits[0] − max"
    assert spell(explainer, int(probs.parts["exp"][0])) == "exp(logits[0] − max)"
    mixed = int(event(session, "attn_out", layer=0).rows[0])
    assert spell(explainer, mixed).endswith("· head_out[0]@head=1 + layer0.attn_wo[0,3] · head_out[1]@head=1")
    assert spell(explainer, int(session.program.mean_rows[1])) == "loss_t@pos=0 + loss_t@pos=1"
    q = event(session, "q", layer=0)
    made = session.program.rows[q.first : q.last].tolist()
    names = [explainer.name(row) for row in made[:8]]
    assert names[:4] == ["term 1 of q[0]", "sum up to term 1 of q[0]", "term 2 of q[0]", "sum up to term 2 of q[0]"]
    assert names[-1] == "q[0]"


@pytest.mark.parametrize(
    ("exponent", "written"),
    [(-1.0, "1/x"), (-0.5, "1/√x"), (0.5, "√x"), (2.0, "x²"), (-2.0, "x^-2"), (1.5, "x^1.5"), (1.0, "x")],
)
def test_powers_are_named_for_what_they_are(exponent: float, written: str) -> None:
    assert power_name("x", exponent) == written


def test_every_scalar_has_a_name_a_formula_and_children_that_use_it() -> None:
    session = session_after_backward()
    explainer = TapeExplainer(session.view())
    for row in session.program.rows.tolist():
        assert explainer.name(row)
        assert explainer.formula(row)
        assert explainer.tensor(row) is not None
        if not explainer.name(row).startswith("−max"):
            assert all(row in explainer.users(child) for child in set(explainer.children(row)))
    for row in range(session.recording.n_params):
        assert explainer.name(row).endswith("]")
        assert (explainer.children(row), explainer.formula(row), explainer.tensor(row)) == ([], [], None)


def test_the_users_of_a_scalar_are_all_that_are_made_from_it() -> None:
    session = session_after_backward()
    explainer, users = TapeExplainer(session.view()), dict[int, list[int]]()
    for row in session.program.rows.tolist():
        for child in dict.fromkeys([] if session.recording.op[row] == NEG_MAX else explainer.children(row)):
            users.setdefault(child, []).append(row)
    assert len({len(its) for its in users.values()}) > 5
    for row in range(session.program.loss_row + 1):
        assert explainer.users(row) == users.get(row, [])


def check_terms(terms: list[Term], grad: float) -> None:
    total = 0.0
    for term in terms:
        assert words(term.before) == words(total)
        assert words(term.product) == words(term.local * term.grad)
        total += term.product
        assert words(term.after) == words(total)
    assert words(total) == words(grad)
    assert [term.tick for term in terms] == sorted({term.tick for term in terms})


@pytest.mark.parametrize("changes", [{}, {"n_layer": 2}, {"learning_rate": 1.0}])
def test_terms_add_up_to_the_gradient_bit_for_bit(changes: dict[str, Any]) -> None:
    session = Session(tiny(**changes), DOCS)
    session.seek(Moment(1, Phase.UPDATE, 0))
    explainer, grad = TapeExplainer(session.view()), session.workspace.grad
    loss, reached = session.program.loss_row, set(session.program.receivers.tolist())
    for row in (*range(session.recording.n_params), *session.program.rows.tolist()):
        terms = explainer.gradient(row)
        if row == loss:
            assert (terms, grad[row]) == ([], 1.0)  # the loss's own gradient is set, not added up
            continue
        check_terms(terms, grad[row])
        assert len(terms) == explainer.planned(row)
        if session.recording.op[row] == NEG_MAX:
            assert terms == []  # a plain number in the original
        else:
            assert sorted({term.user for term in terms}) == [user for user in explainer.users(row) if user in reached]


def test_terms_so_far_within_the_backward_phase() -> None:
    session = Session(tiny(), DOCS)
    session.run(until=1)
    program = session.program
    for tick in range(0, program.ticks(Phase.BACKWARD), 37):
        session.seek(Moment(1, Phase.BACKWARD, tick))
        explainer = TapeExplainer(session.view())
        for row in {*program.receivers[max(0, tick - 5) : tick + 5].tolist()} - {program.loss_row}:
            terms = explainer.gradient(row)
            check_terms(terms, session.workspace.grad[row])
            assert all(term.tick <= tick for term in terms)
    session.seek(end_of_forward(session))
    assert TapeExplainer(session.view()).gradient(0) == []


def end_of_forward(session: Session) -> Moment:
    return Moment(session.step, Phase.FORWARD, session.program.ticks(Phase.FORWARD))


def test_the_explained_adam_step_has_the_bits_of_the_update() -> None:
    session = Session(tiny(), DOCS)
    session.run(until=2)
    before = [np.concatenate([x.ravel() for x in named.values()]) for named in (session.params, session.m, session.v)]
    count = session.recording.n_params
    for tick in (0, 1, count // 2, count):
        session.seek(Moment(2, Phase.UPDATE, tick))
        view = session.view()
        m, v = view.state(np.arange(count)).values()
        for row in range(count):
            shown = view.update(row)
            if row >= tick:
                assert shown is None
                continue
            assert shown is not None
            assert words([shown.p_before, shown.m_before, shown.v_before]) == words([part[row] for part in before])
            assert words([shown.p, shown.m, shown.v]) == words([session.workspace.params[row], m[row], v[row]])
            assert words(shown.g) == words(session.workspace.grad[row])
            assert words(shown.p) == words(shown.p_before - shown.delta)
            assert words([shown.m_hat, shown.v_hat]) == words([shown.m / shown.fix1, shown.v / shown.fix2])
            step = shown.learning_rate * shown.m_hat / (shown.v_hat**0.5 + 1e-8)
            assert words(shown.delta) == words(step)


def test_adam_maps_hold_the_same_numbers() -> None:
    session = Session(tiny(), DOCS)
    rows = session.recording.matrices["wpe"]
    tick = int(rows[2, 1])  # two rows and a cell of the matrix have moved
    session.seek(Moment(3, Phase.UPDATE, tick))
    view, maps = session.view(), session.view().update_maps(rows)
    assert list(maps) == ["g", "m", "v", "m_hat", "v_hat", "delta", "p"]
    for at in np.ndindex(rows.shape):
        row = int(rows[at])
        step = view.update(row)
        assert (step is not None) == (row < tick)
        for name in ("m", "v", "m_hat", "v_hat", "delta"):
            assert maps[name].known[at] == (step is not None)
            assert step is None or words(maps[name].values[at]) == words(getattr(step, name))
        assert words(maps["p"].values[at]) == words(session.workspace.params[row])
        assert words(maps["g"].values[at]) == words(session.workspace.grad[row])
        assert maps["g"].known[at]
        assert maps["p"].known[at]


def test_explaining_overflowing_numbers_warns_of_nothing() -> None:
    session = Session(tiny(learning_rate=1e200), DOCS)
    for step in range(4):
        session.seek(Moment(step, Phase.UPDATE, 3))
        explainer, grad = TapeExplainer(session.view()), session.workspace.grad
        for row in session.program.rows.tolist():
            if row != session.program.loss_row:
                check_terms(explainer.gradient(row), grad[row])
