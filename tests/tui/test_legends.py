"""The line that says how to read colours: true of the stage, of the pane that is zoomed, and of inference."""

from __future__ import annotations

import re

import pytest

from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.frame import Context, Frame
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.operations.registry import draw, legend_of
from microgpt_tui.panes import registry
from microgpt_tui.panes.legend_line import LegendLine
from microgpt_tui.widgets.picture_view import PictureView
from tests.support.harness import at, debugger, go, screen, text


def legend(zoomed: str | None, phase: Phase = Phase.FORWARD, width: int = 120) -> str:
    frame = at(Moment(3, phase, 100))
    picture = LegendLine("legend").draw(Frame(frame.view, frame.where, Context(zoomed=zoomed)), width, 1)
    assert picture.height == 1
    assert picture.width <= width
    return picture.text()


def test_the_legend_is_the_stage_s_until_another_pane_is_zoomed() -> None:
    scale = plain(legend_of(at(Moment(3, Phase.FORWARD, 100))).scale)
    assert legend(None) == legend("stage")
    assert f"−{scale}" in legend(None)
    assert "each tensor on its own scale" in legend("map")
    assert "0%" in legend("attention")
    assert "100%" in legend("attention")
    assert "its max" in legend("attention", Phase.BACKWARD)
    assert "read here" in legend("embeddings")
    assert "breakpoint" in legend("source")
    assert re.search(r"∂\w+, below the bars", legend("gradients", Phase.BACKWARD))


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("pane", registry.ids())
def test_every_pane_has_one_line_at_every_size(pane: str, phase: Phase) -> None:
    for width in (80, 120, 200):
        assert legend(pane, phase, width).strip()
    said = legend(pane, phase)
    assert ("beyond the scale" in said) <= ("colour" in said or "bar" in said)  # nothing is said of a scale without one


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
def test_the_bar_in_the_legend_looks_like_bars_of_the_picture(phase: Phase) -> None:
    found = 0
    for event in at(Moment(0, phase)).program.events(phase):
        frame = at(Moment(0, phase, event.last))
        if not legend_of(frame).bar:
            continue
        line = LegendLine("legend").draw(frame, 120, 1).lines[0]
        (style,) = {segment.style for segment in line.segments if "█" in segment.text}
        bars = {s.style for line in draw(frame, 58, 26).lines for s in line.segments if set(s.text) & set("█▉▊▋▌▍▎▏▁▂")}
        assert style in bars, event
        found += 1
    assert found


async def test_zooming_changes_the_legend_at_once() -> None:
    async with debugger((120, 36)) as pilot:
        await go(pilot, "n", "n")
        of_stage = screen(pilot).query_one("#legend", LegendLine).picture.text()
        await go(pilot, "1", "z")
        assert "each tensor on its own scale" in text(pilot)
        await go(pilot, "z", "escape")
        assert screen(pilot).query_one("#legend", LegendLine).picture.text() == of_stage


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_inference_has_a_legend_with_one_scale(size: tuple[int, int]) -> None:
    async with debugger(size) as pilot:
        await pilot.press("i")
        await pilot.pause()
        said = pilot.app.screen.query_one("#legend", PictureView).picture.text()
        largest = max(
            abs(float(value))
            for name in ("k", "v")
            for value in pilot.app.screen.state.walk.tensor(name, 0, 0)  # type: ignore[attr-defined]
        )
        assert "▸ drawn" in said
        assert f"k v −{plain(largest)} " in said
        assert "attention 0%" in said
        assert said in text(pilot)
