"""Tooltips of numbers: all digits, and for a weight its product."""

from __future__ import annotations

import re

from engine.timeline.events import Moment, Phase
from microgpt_tui.drawing.numbers import exact, number
from microgpt_tui.panes.base import product
from microgpt_tui.panes.inspector import Inspector
from tests.support.harness import at, session


def test_the_product_in_the_tooltip_of_a_weight_is_right() -> None:
    run = session()
    run.seek(Moment(0, Phase.FORWARD))
    event = next(e for e in run.program.events(Phase.FORWARD) if e.name == "q" and e.pos == 1)
    frame = at(Moment(0, Phase.FORWARD, event.last))
    w, x = event.operands["w"], event.operands["x"]
    a, b = frame.value(int(w[2, 1])), frame.value(int(x[1]))
    assert a is not None
    assert b is not None
    said = product(frame, int(w[2, 1]))
    assert said is not None
    assert said.splitlines()[0] == f"w[2,1] {number(a)} · x[1] {number(b)} = {number(a * b)}"
    assert exact(a) in said
    assert product(frame, int(x[1])) is None


def test_the_tooltip_of_a_number_has_all_its_digits() -> None:
    run = session()
    run.seek(Moment(0, Phase.FORWARD))
    event = next(e for e in run.program.events(Phase.FORWARD) if e.kind == "rmsnorm")
    pane = Inspector("inspector")
    pane.frame = at(Moment(0, Phase.FORWARD, event.last))
    row = int(event.rows[0])
    said = pane.tooltip_for(row)
    assert said is not None
    assert float(re.split(r" +", said)[-1]) == pane.frame.value(row)
