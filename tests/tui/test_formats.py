"""Formats of numbers: one for each quantity, everything in full on demand, and marks where a scale does not suffice."""

from __future__ import annotations

import numpy as np
import pytest

from engine.timeline.events import Moment, Phase
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, diverging, heat, heat_row, signed_strip
from microgpt_tui.drawing.numbers import exponent, percent, plain, points, scaled, share, small_percent
from microgpt_tui.drawing.picture import Line
from microgpt_tui.inference.pictures import share_text
from microgpt_tui.panes.stage import Stage
from tests.support.harness import at, session


def test_shares_are_percent_with_one_decimal() -> None:
    assert [percent(p) for p in (0.181, 1.0, 0.0, None)] == ["18.1%", "100.0%", "0.0%", "·"]
    assert [share(part, 2.0) for part in (2.0, -0.5, 0.01, -0.0)] == ["+100.0%", "-25.0%", "+0.5%", "+0.0%"]
    assert [points(p) for p in (0.015, -0.2, 0.00002)] == ["+1.5%", "-20.0%", "+2e-3%"]
    assert [share_text(p) for p in (0.5, 0.0004, 0.0)] == ["50.0%", "<0.1%", "0.0%"]
    assert [small_percent(p) for p in (0.25, 0.0012, 0.0)] == ["25.0%", "0.12%", "0.0%"]


def test_small_tensors_have_one_exponent() -> None:
    assert [exponent(scale) for scale in (0.5, 0.01, 0.0099, 2.5e-5, 0.0)] == [0, 0, -3, -5, 0]
    assert [scaled(v, -5) for v in (2.5e-5, -1e-6, None)] == ["+2.50", "-0.10", "·"]
    assert scaled(0.5, 0) == "+0.5000"
    assert plain(0.5) == "0.5000"


def cells(*values: float) -> Cells:
    n = len(values)
    return Cells(np.array(values), np.ones(n, bool), np.arange(n, dtype=np.int32), np.zeros(n, bool))


def written(line: Line) -> str:
    return "".join(segment.text for segment in line.segments)


def test_values_beyond_the_scale_are_marked() -> None:
    assert [heat(v, True, 1.0, 2)[0] for v in (1.0, 1.01, -2.0)] == ["  ", "! ", "! "]
    upper, lower = Line(), Line()
    signed_strip((upper, lower), cells(1.0, 2.0, -2.0), 3, 1.0)
    assert [written(upper), written(lower)] == ["██ !█    ", "      !█ "]
    ends = [written(diverging(Line(), v, True, 1.0, 2)) for v in (1.0, 2.0, -2.0)]
    assert ends == ["  │██", "  │█!", "!█│  "]


def test_the_chosen_cell_is_marked_where_colours_are_few() -> None:
    theme.few_colours(True)
    try:
        lines = [heat_row(Line(), cells(0.5, -0.5), size, 1, 1.0) for size in (1, 2)]
    finally:
        theme.few_colours(False)
    assert [written(line) for line in lines] == ["+◆", "+5-5"]
    assert {line.segments[-1].style for line in lines} == {theme.CURSOR}


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_marker_is_shown_where_colours_are_few(size: int) -> None:
    theme.few_colours(True)
    try:
        assert "!" in heat(2.0, True, 1.0, size)[0]
        assert "!" not in heat(1.0, True, 1.0, size)[0]
    finally:
        theme.few_colours(False)


def stage(phase: Phase, name: str) -> Stage:
    """The stage at the end of the first event of a tensor."""
    session().seek(Moment(0, phase))
    event = next(event for event in session().program.events(phase) if event.name == name)
    pane = Stage("stage")
    pane.frame = at(Moment(0, phase, event.last))
    return pane


def test_the_tooltip_of_a_weight_has_its_product() -> None:
    pane = stage(Phase.FORWARD, "q")
    assert pane.frame is not None
    weight = int(pane.frame.operation.operands["w"][0, 3])
    product, name = str(pane.tooltip_for(weight)).split("\n")
    assert name == f"layer0.attn_wq[0,3]  {pane.frame.value(weight)!r}"
    assert product == "w[0,3] +0.0298 · x[3] +0.4740 = +0.0141"
    out = int(pane.frame.operation.rows[0])
    assert pane.tooltip_for(out) == f"q[0]  {pane.frame.value(out)!r}"


def test_in_backward_the_tooltip_has_the_gradient_in_full() -> None:
    pane = stage(Phase.BACKWARD, "logits")
    assert pane.frame is not None
    row = int(pane.frame.event.rows[1])
    value, gradient = str(pane.tooltip_for(row)).split("\n")
    assert value == f"logits[1]  {pane.frame.value(row)!r}"
    assert gradient == f"∂logits[1]  {pane.frame.gradient(row)!r}"
