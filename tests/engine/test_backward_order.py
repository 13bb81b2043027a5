"""The backward order, which is put together from parts, against one depth-first search over the document's graph."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from engine import Config, Moment, NumericFault, Phase, Session
from engine.autograd.jit import Kernels, loops, plain_loops
from engine.autograd.kernels import LEAF, NEG_MAX
from engine.autograd.tape import Tape
from engine.model.backward_order import GradientOrder, Route
from engine.timeline.events import StepProgram
from engine.timeline.row_ticks import pieces
from tests.engine.test_plain_oracle import configurations, documents
from tests.support.changed_model import Change
from tests.support.float_bits import DOCS, tiny


def naive_edges(program: StepProgram) -> list[int]:
    """The edges of the reversed post-order, found with nothing but the children of every row."""
    op, child, root = program.recording.op, program.child, program.loss_row

    def slots(row: int) -> list[int]:
        inner = op[row] not in (LEAF, NEG_MAX)
        return [edge for edge in (2 * row, 2 * row + 1) if inner and child[edge] >= 0]

    order: list[int] = []
    met, path = {root}, [(root, iter(slots(root)))]
    while path:
        row, waiting = path[-1]
        edge = next(waiting, None)
        if edge is None:
            order.append(row)
            path.pop()
        elif (below := int(child[edge])) not in met:
            met.add(below)
            path.append((below, iter(slots(below))))

    def is_live(row: int) -> bool:
        return row < program.recording.n_params or op[row] not in (LEAF, NEG_MAX)

    return [edge for row in reversed(order) for edge in slots(row) if is_live(int(child[edge]))]


@settings(max_examples=40)
@given(configurations(widest=8), documents())
def test_the_order_is_that_of_a_depth_first_search(config: dict[str, Any], docs: list[str]) -> None:
    session = Session(Config(**config), docs)
    for step in range(3):
        edges = session.program.edges.tolist()
        assert edges[0] == -1 - session.program.loss_row
        assert edges[1:] == naive_edges(session.program)
        with suppress(NumericFault):  # a fault ends the training; the orders so far were right
            session.run(until=step + 1)
        if session.step == step:
            break


@pytest.mark.parametrize("kind", [loops, plain_loops])
@pytest.mark.parametrize("part", [1, 7, 10**6])
def test_edges_that_are_unfolded_in_parts_are_those_of_the_whole(
    kind: Callable[[], Kernels], part: int, monkeypatch: Any
) -> None:
    session = Session(tiny(n_layer=2), DOCS, kernels=kind())
    program = session.program
    whole, ticks = naive_edges(program), program.ticks(Phase.BACKWARD)
    whole = [-1 - program.loss_row, *whole]
    monkeypatch.setattr("engine.timeline.row_ticks.PIECE", 50)
    monkeypatch.setattr("engine.model.backward_order.PART", part)
    assert [each for part in pieces(0, ticks) for each in program.edges_between(*part).tolist()] == whole
    for first in (*range(0, 130), ticks - 3, ticks):
        for last in range(first, min(first + 120, ticks + 1), 7):
            assert program.edges_between(first, last).tolist() == whole[first:last]
            assert [end for _, end in pieces(first, last)][-1:] == [last][: last - first]
    assert [program.edge_of(tick) for tick in range(1, ticks + 1)] == whole
    lengths = program._edges._parts[:, 1] - program._edges._parts[:, 0]
    assert 0 < lengths.min() <= lengths.max() <= part  # no more is gone through for one of them


def test_the_order_is_right_when_few_parts_are_cached(monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.model.backward_order.MOST_CACHED", 50)
    session = Session(tiny(n_layer=2), DOCS)
    for step in range(7):
        assert session.program.edges.tolist()[1:] == naive_edges(session.program)
        session.run(until=step + 1)


def test_a_copy_for_another_thread_has_its_own_pieces() -> None:
    session = Session(tiny(n_layer=2), DOCS)
    session.run(until=2)
    twin = session.replay_copy()
    for step in (5, 2, 4):  # documents that neither, one or both of them have had
        twin.seek(Moment(step))
        assert twin.program.edges.tolist()[1:] == naive_edges(twin.program)
        session.seek(Moment(7 - step))
        assert session.program.edges.tolist()[1:] == naive_edges(session.program)


def test_a_copy_made_in_the_midst_of_a_piece_is_whole(monkeypatch: Any) -> None:
    session = Session(tiny(n_layer=2), DOCS)
    order, copies, before = session._order, list[GradientOrder](), GradientOrder._append

    def append(self: GradientOrder, steps: Any) -> tuple[int, int]:
        thread = threading.Thread(target=lambda: copies.append(order.beside()), daemon=True)
        if self is order and len(threads) < 20:
            threads.append(thread)
            thread.start()
            while thread.is_alive() and not self._lock.locked():
                pass  # until it has made the copy, or waits for the piece
        return before(self, steps)

    threads: list[threading.Thread] = []
    monkeypatch.setattr(GradientOrder, "_append", append)
    route = order.route(session.program.targets)  # not those of the program, which may have been found by another run
    expected = order.edges(route, session.program.child).between(0, route.ticks).tolist()
    for thread in threads:
        thread.join()
    assert len(copies) == len(threads) > 10
    for copied in copies:
        route = copied.route(session.program.targets)
        assert copied.edges(route, session.program.child).between(0, route.ticks).tolist() == expected


def test_a_copy_shares_the_steps_until_it_has_more() -> None:
    session = Session(tiny(n_layer=2), DOCS)
    session.run(until=2)
    order, twin = session._order, session._order.beside()
    assert np.shares_memory(order._steps, twin._steps)
    before = order._steps[:, : order._used].tolist()
    twin.route([0])
    assert not np.shares_memory(order._steps, twin._steps)
    assert order._steps[:, : order._used].tolist() == before


def steps(route: Route) -> list[tuple[int, int]]:
    """The edges and the numbers of terms of a route, in order."""
    edges, terms = route.edges.tolist(), route.terms.tolist()
    return [(edges[k] + shift, terms[k]) for first, last, shift in route.segments.tolist() for k in range(first, last)]


def test_grouped_steps_are_fewer_and_hand_on_along_the_same_edges() -> None:
    program = Session(tiny(n_layer=2), DOCS).program
    grouped, single = steps(program.grouped_route), steps(program.route)
    assert len(grouped) < 0.8 * len(single)
    assert sum(terms for _, terms in grouped) == sum(terms for _, terms in single)
    assert {edge for edge, terms in grouped if not terms} == {edge for edge, terms in single if not terms}


def test_steps_are_not_grouped_where_both_parts_of_a_position_add_to_a_matrix(change: Change) -> None:
    change(('w["lm_head"]', 'w["wte"]'))
    program = Session(tiny(n_layer=2), DOCS).program
    assert steps(program.grouped_route) == steps(program.route)


def additions(child: list[int], rows: list[int]) -> tuple[dict[int, list[int]], bool]:
    """The edges that add to each gradient, in order, and whether no gradient is added to once it was handed on."""
    found, handed_on, fine = defaultdict[int, list[int]](list), set[int](), True
    for row in rows:
        handed_on.add(row)
        for edge in (2 * row, 2 * row + 1):
            found[child[edge]].append(edge)
            fine &= child[edge] not in handed_on
    return dict(found), fine


@pytest.mark.parametrize("kind", [loops, plain_loops])
def test_grouping_is_refused_where_a_sum_would_change(kind: Any) -> None:
    dice, answers = np.random.default_rng(5), []
    for _ in range(400):
        tape = Tape()
        values = tape.leaves(2)
        for _ in range(6):
            a, b = dice.integers(len(values), size=2)
            values.append(values[a] + values[b])
        child, n = np.frombuffer(tape.child, dtype=np.int32), len(tape)
        rows = np.arange(n - 1, 1, -1, dtype=np.int32)
        groups = np.sort(dice.integers(3, size=n - 2)).astype(np.int32)
        swapped = dice.integers(n - 2, size=2)
        groups[swapped] = groups[swapped[::-1]]
        grouped = rows[np.argsort(-groups[rows - 2], kind="stable")]
        found, fine = additions(child.tolist(), grouped.tolist())
        expected = fine and found == additions(child.tolist(), rows.tolist())[0]
        keeps = kind().keeps_sums(child, np.ones(n, dtype=np.bool_), rows, groups, 2, np.zeros(n, dtype=np.int32))
        assert keeps == expected
        answers.append(expected)
    assert 100 < sum(answers) < 300
