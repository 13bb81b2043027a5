"""When the backward phase adds to the gradient of each row: as found tick by tick, in parts of any size."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Moment, Phase, Session
from engine.interventions.syntax import parse
from engine.timeline.row_ticks import RowTicks
from engine.timeline.view import TapeView
from tests.support.float_bits import DOCS, tiny


def tick_by_tick(receivers: list[int], flows: list[bool], n_rows: int) -> tuple[list[int], list[int]]:
    first, last = [0] * n_rows, [0] * n_rows
    for tick, (row, flow) in enumerate(zip(receivers, flows, strict=True), 1):
        if flow:
            first[row] = first[row] or tick
            last[row] = tick
    return first, last


@pytest.mark.parametrize("piece", [1, 7, 10**6])
@pytest.mark.parametrize("cut", [False, True])
def test_the_ticks_of_a_row_are_the_first_and_the_last_that_add_to_it(
    piece: int, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.timeline.row_ticks.PIECE", piece)
    session = Session(tiny(n_layer=2), DOCS)
    if cut:
        session = session.branch([parse("layer0.head1 = 0", session.scope)])
    session.seek(Moment(1, Phase.BACKWARD, 50))
    view, program = session.view(), session.program
    assert isinstance(view, TapeView)
    overrides = session.workspace.overrides
    assert cut == (overrides is not None and overrides.cuts_any)
    edges, receivers, rows = program.edges, program.receivers.tolist(), np.arange(program.n_rows, dtype=np.int32)
    for found, flows in (
        (program.row_ticks, np.ones(len(edges), dtype=np.bool_)),
        (view._row_ticks, np.ones(len(edges), dtype=np.bool_) if overrides is None else overrides.flows(edges)),
    ):
        first, last = tick_by_tick(receivers, flows.tolist(), program.n_rows)
        assert found.first(rows).tolist() == first
        assert found.last(rows).tolist() == last
        assert found.first(rows[-6:].reshape(2, 3)).tolist() == np.array(first[-6:]).reshape(2, 3).tolist()
        assert found.first(rows.astype(np.int64)).tolist() == first
        assert [int(found.first(row)) for row in rows] == first


def test_two_ticks_are_kept_of_rows_that_have_several_alone() -> None:
    program = Session(tiny(n_layer=2), DOCS).program
    rows = np.arange(program.n_rows, dtype=np.int32)
    found = program.row_ticks
    several = np.count_nonzero(found.first(rows) != found.last(rows))
    assert 0 < len(found._firsts) == len(found._lasts) == several < program.n_rows / 4


def test_nothing_is_added_to_any_row_of_a_program_without_ticks() -> None:
    found = RowTicks(lambda _, __: np.empty(0, dtype=np.int32), 0, 5)
    rows = np.arange(5, dtype=np.int32)
    assert found.first(rows).tolist() == found.last(rows).tolist() == [0] * 5
