"""Every size a terminal may have: panes that fit, panes that come up over others, and a message when nothing fits."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from textual.errors import NoWidget
from textual.geometry import Region
from textual.screen import Screen
from textual.widgets._toast import Toast

from engine import Config, NumericFault, Session
from microgpt_tui.drawing import theme
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.grid import PaneGrid
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.inference import InferenceScreen
from microgpt_tui.storage.paths import CLIENT_FOLDER
from tests.support.harness import Debugger, debugger, drawn, notes, screen, session, text, until
from tests.support.lecture_harness import LectureApp, lecture_of


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@pytest.mark.parametrize("keys", ["n", "f n n", "f f"])
async def test_the_panes_fill_the_screen(size: tuple[int, int], keys: str) -> None:
    async with debugger(size) as pilot:
        await pilot.press(*keys.split())
        lines = text(pilot).splitlines()
        assert len(lines) == size[1]
        assert all(len(line) <= size[0] for line in lines)
        assert "step 0/50" in lines[0]
        assert "next" in lines[-1]
        for pane in (pane for pane in screen(pilot).query(Pane) if pane.display):
            assert all(line.width <= pane.size.width for line in pane.picture.lines), pane.id


async def test_at_80_by_24_panes_come_up_over_the_stage() -> None:
    async with debugger((80, 24)) as pilot:
        shown = set(drawn(pilot))
        assert "stage" in shown
        assert not shown & {"map", "inspector", "source"}
        for key, pane in (("1", "map"), ("3", "source"), ("4", "inspector")):
            await pilot.press(key)
            await pilot.pause()
            assert pane in drawn(pilot)
            assert "stage" not in drawn(pilot)
            await pilot.press("escape")
            await pilot.pause()
            assert "stage" in drawn(pilot)


async def test_z_zooms_a_pane_that_came_up_over_the_stage_and_then_gives_the_room_back() -> None:
    async with debugger((80, 24)) as pilot:
        await pilot.press("5", "z")
        await pilot.pause()
        assert (screen(pilot).grid.zoomed, "qkv" in drawn(pilot), "stage" in drawn(pilot)) == ("qkv", True, False)
        assert "This pane has all the room already; z again gives it back." in notes(pilot)
        await pilot.press("6", "z")  # of panes that follow a zoomed one, none has come up
        await pilot.pause()
        assert (screen(pilot).grid.zoomed, "stage" in drawn(pilot)) == (None, True)
        await pilot.press("5", "5", "5", "z", "z")
        await pilot.pause()
        assert (screen(pilot).grid.zoomed, "stage" in drawn(pilot)) == (None, True)


async def test_tab_goes_through_the_panes_also_where_one_has_all_the_room() -> None:
    async with debugger((80, 24)) as pilot:
        for keys, pane in (("tab", "source"), ("tab", "inspector"), ("shift+tab", "source"), ("shift+tab", "stage")):
            await pilot.press(keys)
            await pilot.pause()
            assert list(screen(pilot).query_one(PaneGrid).displayed_children) == [screen(pilot).query_one(f"#{pane}")]
            assert screen(pilot).focused is screen(pilot).query_one(f"#{pane}")
    async with debugger((120, 36)) as pilot:
        shown = set(drawn(pilot))
        chosen = []
        for _ in range(3):
            await pilot.press("tab")
            assert screen(pilot).focused is not None
            chosen.append(screen(pilot).focused.id)
        assert len(set(chosen)) == 3
        await pilot.press("shift+tab")
        assert screen(pilot).focused is screen(pilot).query_one(f"#{chosen[1]}")
        assert set(drawn(pilot)) == shown


async def test_z_zooms_the_chosen_pane_and_gives_the_room_back() -> None:
    async with debugger((120, 36)) as pilot:
        before = drawn(pilot)
        await pilot.press("3", "z")
        await pilot.pause()
        source = screen(pilot).query_one("#source", Pane)
        assert source.size.height > 20
        assert "stage" not in drawn(pilot)
        await pilot.press("z", "escape")
        await pilot.pause()
        assert drawn(pilot) == before


async def test_in_a_browser_too_small_a_page_is_zoomed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLIENT_FOLDER, os.devnull)
    async with debugger((60, 20)) as pilot:
        assert "This page is 60×20." in text(pilot)
        assert "The debugger needs 80×24: zoom out (ctrl and -)" in " ".join(text(pilot).split())


async def test_too_small_a_terminal_says_so_until_it_grows() -> None:
    async with debugger((60, 20)) as pilot:
        assert "80×24" in text(pilot)
        assert "60×20" in text(pilot)
        assert "FORWARD" not in text(pilot)
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert "FORWARD" in text(pilot)
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert "needs 80×24" in text(pilot)


async def test_a_resize_while_running_draws_what_a_start_at_that_size_draws() -> None:
    async with debugger((120, 36)) as pilot:
        await pilot.press("n", "n", "n")
        fresh = text(pilot)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert text(pilot) == fresh


async def test_themes_change_what_is_drawn_and_come_round_again() -> None:
    async with debugger((120, 36)) as pilot:
        first = drawn(pilot)
        seen = [first]
        for _ in range(3):
            await pilot.press("ctrl+t")
            await pilot.pause()
            seen.append(drawn(pilot))
        assert seen[1] != first
        assert seen[2] not in seen[:2]
        assert seen[3] == first


async def test_no_theme_leaves_colours_on_the_next_one() -> None:
    colours = {name: set(re.findall("#[0-9a-f]{6}", repr(shown))) for name, shown in theme.THEMES.items()}
    async with debugger((200, 60)) as pilot:
        for name in reversed(colours):
            pilot.app.theme = name
            strange = set().union(*colours.values()) - colours[name] - {"#000000", "#ffffff"}  # on yellow and in cells
            for _ in range(9):
                await pilot.press("n")
                await pilot.pause()
                lines = (line for pane in screen(pilot).query(Pane) for line in pane.picture.lines)
                styles = {style for line in lines for _, style, _ in line.segments if style and style.color}
                assert not {style.color.name for style in styles if style.color} & strange


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (160, 45), (200, 60)])
async def test_the_lines_around_the_panes_stay_where_they_are_in_all_phases(size: tuple[int, int]) -> None:
    async with debugger(size) as pilot:
        seen = []
        for _ in range(3):
            here = screen(pilot)
            lines = {
                str(pane.id): pane.region for pane in here.query("PathLine, Tokens, StatusLine, Timeline, LegendLine")
            }
            seen.append({name: region for name, region in lines.items() if region})
            assert " BOS " in text(pilot).splitlines()[1].replace("[BOS]", " BOS ")
            timeline = next(line for line in text(pilot).splitlines() if "backward ━" in line or "backward ─" in line)
            assert " update " in timeline
            await pilot.press("f")
            await pilot.pause()
        assert seen[0] == seen[1] == seen[2]
        assert ("path" in seen[0]) is (size[0] == 80)


async def test_at_100x30_a_linear_layer_stands_whole_beside_its_input() -> None:
    run = Session(Config(), ["bill"])
    async with debugger((100, 30), run) as pilot:
        await pilot.press("n", "n", "n")
        await pilot.pause()
        picture = screen(pilot).query_one("#stage", Pane).picture
        event = screen(pilot).frame.event
        assert event.name == "q"
        for rows in (event.operands["x"], event.operands["w"][0]):
            lines = {spot.y for spot in picture.spots() if isinstance(spot.target, int) and spot.target in rows}
            first = [spot for spot in picture.spots() if spot.y == min(lines) and spot.target in rows]
            assert {spot.target for spot in first} == set(rows.tolist())  # one strip, from left to right
        assert re.search(r"q\[0\] = Σ w·x = [+-]\d", picture.text())
        outputs = {spot.x for spot in picture.spots() if spot.target in event.rows and spot.y < picture.height - 4}
        assert len({spot.y for spot in picture.spots() if spot.target in event.rows}) >= 8
        assert min(outputs) > 50  # in a column on the right


STRIPS = "#timeline, #explanation, #legend, #hint, #shortcuts, #footing"
FAULT = NumericFault(step=0, doc="anna", pos=None, tensor="loss", row=9, reason="the logarithm of 0")


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (160, 45), (200, 60)])
@pytest.mark.parametrize("words", [["Short."], [f"{i} " + "A sentence that is long. " * 6 for i in range(9)]])
async def test_notifications_stand_over_the_panes_alone(
    size: tuple[int, int], words: list[str], tmp_path: Path
) -> None:
    for app in (Debugger(session().restart_copy()), LectureApp(lecture_of(tmp_path), None, session().restart_copy())):
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda app=app: len(app.screen_stack) > 1 and bool(app.screen.query("#stage")))  # type: ignore[misc]
            here = app.screen
            assert isinstance(here, DebuggerScreen)
            for each in words:
                app.notify(each, timeout=1000)
            await until(pilot, lambda here=here: len(over(here)) >= min(len(words), 2))  # type: ignore[misc]
            for fault, exploring in product((None, FAULT), (False, True)):
                here.state.meet(fault)
                here.set_class(exploring, "-exploring")
                here.show()
                await pilot.pause()
                assert over(here)
                for strip in (strip for strip in here.query(STRIPS) if strip.display):
                    assert not [note for note in over(here) if note.overlaps(strip.region)], strip.id


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_notifications_do_not_hide_the_draw_of_a_token(size: tuple[int, int]) -> None:
    app = Debugger(session().restart_copy())
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, InferenceScreen))
        app.notify("A sentence. " * 10, timeout=1000)
        await until(pilot, lambda: bool(over(app.screen)))
        strips = [app.screen.query_one(strip).region for strip in ("#draw", "#keys", "#slider")]
        assert all(strips)
        assert not [note for note in over(app.screen) if any(note.overlaps(strip) for strip in strips)]


def over(here: Screen[Any]) -> list[Region]:
    """Where notifications stand on the screen, as far as there is room for them."""
    regions = []
    for note in here.query(Toast):
        with suppress(NoWidget):
            regions.append(here.find_widget(note).visible_region)
    return [region for region in regions if region]
