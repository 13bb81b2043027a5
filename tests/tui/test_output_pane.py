"""The output pane: what a script has printed, as a terminal would leave it; no place and no pane without a script."""

from __future__ import annotations

import pytest
from textual.geometry import Size

from engine.timeline.events import PHASES, Moment
from engine.timeline.view import TapeView
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.panes.layouts import panes_of, plan
from microgpt_tui.panes.output import Output
from microgpt_tui.panes.registry import lacking
from tests.support.harness import at, debugger, notes, screen, text, until


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A run that has printed something."""
    monkeypatch.setattr(TapeView, "printed", "num docs: 32033\nstep 1 / 5\rstep 2 / 5\r\x1b[31mred\x1b[0m\n")
    return monkeypatch


def drawn(width: int = 30, height: int = 8) -> Picture:
    return Output("output").draw(at(Moment()), width, height)


@pytest.mark.usefixtures("printed")
def test_it_shows_the_lines_as_a_terminal_leaves_them() -> None:
    assert drawn().text() == "num docs: 32033\nred"
    assert Output("output").heading(at(Moment())) == "Output ─ 2 lines"


def test_long_lines_go_on_below_and_the_last_one_is_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TapeView, "printed", "\n".join(f"line {i} of many, some of them long" for i in range(50)))
    picture = drawn(20, 6)
    assert all(line.width <= 20 for line in picture.lines)
    assert picture.text().replace("\n", "").count("of them long") == 50
    assert Output("output").top_of(picture, 6) == picture.height - 6


def test_the_traceback_stands_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TapeView, "printed", "fine\nTraceback (most recent call last):\n  x\nIndexError: no\n")
    styles = [line.segments[0].style for line in drawn(60).lines]
    assert styles == [theme.TEXT, *[theme.WARNING] * 3]


def test_it_says_when_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TapeView, "printed", "")
    assert "nothing so far" in drawn(60).text()


async def test_a_run_that_prints_nothing_has_no_such_pane_and_says_so() -> None:
    assert "output" in lacking(at(Moment()).view)
    assert all("output" not in panes_of(plan(phase, Size(220, 60))) for phase in PHASES)
    async with debugger((220, 60)) as pilot:
        assert not screen(pilot).query_one("#output").display
        await pilot.press("u")
        assert "a script that you debug does" in notes(pilot)
        await pilot.press("2", "z", *["tab"] * 20)
        assert screen(pilot).grid.zoomed != "output"


@pytest.mark.usefixtures("printed")
async def test_it_stands_below_the_stage_on_a_large_screen_and_comes_up_elsewhere() -> None:
    async with debugger((220, 60)) as pilot:
        assert "num docs: 32033" in text(pilot)
    async with debugger((80, 24)) as pilot:
        await pilot.press("u")
        await until(pilot, lambda: "num docs: 32033" in text(pilot))
        await pilot.press("u")
        await until(pilot, lambda: "num docs: 32033" not in text(pilot))
