"""The backward order, which is put together from parts, against one depth-first search over the document's graph."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import numpy as np
from hypothesis import given, settings

from engine import Config, Moment, NumericFault, Session
from engine.autograd.kernels import LEAF, NEG_MAX
from engine.model.backward_order import GradientOrder
from engine.timeline.events import StepProgram
from tests.engine.test_plain_oracle import configurations, documents
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
    expected = session.program.edges.tolist()
    for thread in threads:
        thread.join()
    assert len(copies) == len(threads) > 10
    for copied in copies:
        route = copied.route(session.program.targets)
        assert copied.edges(route, session.program.child).tolist() == expected


def test_a_copy_shares_the_steps_until_it_has_more() -> None:
    session = Session(tiny(n_layer=2), DOCS)
    session.run(until=2)
    order, twin = session._order, session._order.beside()
    assert np.shares_memory(order._steps, twin._steps)
    before = order._steps[:, : order._used].tolist()
    twin.route([0])
    assert not np.shares_memory(order._steps, twin._steps)
    assert order._steps[:, : order._used].tolist() == before
