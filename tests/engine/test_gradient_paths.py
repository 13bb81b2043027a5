"""Gradient paths: against all paths of the plain implementation's graph, and against the gradient itself."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from engine import Moment, Phase, Session, WhyError
from engine.autograd.jit import plain_loops
from engine.explain.gradient_paths import GradientPath, GradientPaths, waypoints
from engine.explain.scalar import TapeExplainer
from tests.support.float_bits import tiny, words
from tests.support.reference_model import PlainGPT, Scalar, post_order

DOCS = ["ab", "ba"]
SHAPE: dict[str, Any] = {"n_layer": 1, "n_embd": 2, "n_head": 1, "block_size": 2, "num_steps": 10, "learning_rate": 0.1}
PLACES = [("logits", 1, None, None, 0), ("probs", 0, None, None, 1), ("mlp_residual", 1, 0, None, 1),
          ("mlp_relu", 1, 0, None, 0), ("attn_residual", 1, 0, None, 1), ("v", 0, 0, None, 0),
          ("loss_t", 0, None, None, 0)]  # fmt: skip


@cache
def runs() -> tuple[Session, PlainGPT]:
    session, plain = Session(tiny(**SHAPE), DOCS), PlainGPT(DOCS, **SHAPE)
    session.seek(Moment(0, Phase.UPDATE, 0))
    plain.train_step()
    return session, plain


def all_paths(plain: PlainGPT, start: Scalar) -> list[tuple[float, ...]]:
    """The derivatives along every path from a scalar to the loss, by walking the graph."""
    (loss,) = plain.trace["loss", None, None, None]
    users: dict[int, list[tuple[Scalar, float]]] = {}
    for scalar in post_order(loss):
        for lower, slope in zip(scalar.below, scalar.slopes, strict=True):
            users.setdefault(id(lower), []).append((scalar, slope))

    def walk(scalar: Scalar) -> Iterator[tuple[float, ...]]:
        if scalar is loss:
            yield ()
        for user, slope in users.get(id(scalar), []):
            for rest in walk(user):
                yield (slope, *rest)

    return list(walk(start))


def multiplied(slopes: tuple[float, ...]) -> float:
    product = 1.0
    for slope in reversed(slopes):
        product = slope * product
    return product


def in_order(products: list[float]) -> list[str]:
    return words(sorted(products, key=lambda p: (-abs(p), p)))


def row_of(session: Session, place: tuple[Any, ...]) -> int:
    return int(session.program.tensors[place[:4]][place[4]])


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[0])
def test_the_strongest_of_all_paths(place: tuple[Any, ...]) -> None:
    session, plain = runs()
    scalar, row = plain.trace[place[:4]][place[4]], row_of(session, place)
    products = [multiplied(slopes) for slopes in all_paths(plain, scalar)]
    real = [p for p in products if p]
    chains = GradientPaths(session.view())
    assert in_order([c.product for c in chains.strongest(row, len(real) + 5)]) == in_order(real)
    few = chains.strongest(row, 3)
    assert [abs(c.product) for c in few] == sorted(map(abs, real), reverse=True)[:3]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[0])
def test_all_paths_add_up_to_the_gradient(place: tuple[Any, ...]) -> None:
    """In fractions, so that nothing is lost in adding; the gradient itself was rounded at every scalar."""
    session, plain = runs()
    row = row_of(session, place)
    chains = GradientPaths(session.view()).strongest(row, 10**6)
    exact = sum((np.prod([Fraction(link.local) for link in chain.edges]) for chain in chains), Fraction())
    assert float(exact) == pytest.approx(plain.trace[place[:4]][place[4]].grad, rel=1e-12)


def test_products_along_the_first_edges_add_up_to_the_gradient_bit_for_bit() -> None:
    session, _ = runs()
    chains, grad = GradientPaths(session.view()), session.workspace.grad
    for rows in session.program.tensors.values():
        for row in rows.tolist():
            total = 0.0
            for link in chains.edges(row):
                total += link.local * float(grad[link.row])
            if row != session.program.loss_row:
                assert words(total) == words(grad[row])


def test_edges_lead_from_the_scalar_to_the_loss_and_waypoints_are_the_named_ones() -> None:
    session, _ = runs()
    view, row = session.view(), row_of(session, PLACES[-2])
    explain = TapeExplainer(view)
    (chain,) = GradientPaths(view).strongest(row, 1)
    at = row
    for link in chain.edges:
        assert session.program.receivers[link.tick - 1] == at
        at = link.row
    assert at == session.program.loss_row
    ways = waypoints(explain, chain)
    assert [explain.name(way.row).split("[")[0] for way in ways][:3] == ["head_out", "attn_out", "attn_residual"]
    assert ways[-1].row == session.program.loss_row
    assert np.prod([way.local for way in ways]) == pytest.approx(chain.product, rel=1e-14)


def test_the_update_changes_no_path() -> None:
    session, _ = runs()
    row = int(session.recording.matrices["wte"][session.program.inputs[0], 0])
    before = GradientPaths(session.view()).strongest(row, 5)
    session.seek(Moment(0, Phase.UPDATE, 10**9))
    after = GradientPaths(session.view()).strongest(row, 5)
    session.seek(Moment(0, Phase.UPDATE, 0))
    assert before == after != []


def test_uncompiled_loops_find_the_same() -> None:
    session, _ = runs()
    other = Session(tiny(**SHAPE), DOCS, kernels=plain_loops())
    other.seek(Moment(0, Phase.BACKWARD, 0))
    row = row_of(session, PLACES[2])
    found: list[list[GradientPath]] = [GradientPaths(each.view()).strongest(row, 4) for each in (session, other)]
    assert found[0] == found[1]


def test_gradient_paths_are_refused_where_there_is_no_gradient() -> None:
    session, _ = runs()
    chains = GradientPaths(session.view())
    (itself,) = chains.strongest(session.program.loss_row, 3)
    assert (itself.edges, itself.product) == ((), 1.0)
    unread = next(i for i in range(3) if i not in session.program.inputs)
    assert chains.strongest(int(session.recording.matrices["wte"][unread, 0]), 3) == []
    with pytest.raises(WhyError, match="the loss is not known at this moment"):
        GradientPaths(Session(tiny(**SHAPE), DOCS).view())
    wild = Session(tiny(learning_rate=1e200), ["anna", "bo", "cab"])
    wild.seek(Moment(3, Phase.UPDATE, 0))
    with pytest.raises(WhyError, match="the loss is nan"):
        GradientPaths(wild.view())
