"""Layouts fill the screen without overlapping; the user's arrangement is used and saved."""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path

import pytest
from textual.geometry import Region, Size

from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.dialogs.help import debugger_help
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import heat
from microgpt_tui.drawing.numbers import number
from microgpt_tui.explanations.sentences import pane_text, texts
from microgpt_tui.panes import arrangement, registry
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.grid import PaneGrid
from microgpt_tui.panes.layouts import below, panes_of, plan, regions, spotlit, usual
from microgpt_tui.panes.registry import companions
from tests.support.harness import at, debugger, drawn, go, screen, text

pytestmark = pytest.mark.usefixtures("own_settings")

SMALL = [(80, 9), (80, 14), (66, 24), (100, 15), (130, 15)]  # what a page of a lecture leaves
SIZES = [(80, 24), (100, 24), (100, 30), (119, 40), (120, 36), (160, 45), (160, 60), (200, 50), (200, 60), (240, 80)]
FIVE = [(80, 24), (100, 30), (120, 36), (160, 45), (200, 60)]
STRIPS = {(80, 24): 8, (100, 30): 7, (120, 36): 8, (160, 45): 8, (200, 60): 9}  # lines around the panes


@pytest.mark.parametrize("size", [*SIZES, *SMALL])
def test_any_panes_can_be_lit(size: tuple[int, int]) -> None:
    for count in (1, 2, 3):
        for names in permutations((*companions("middle"), "qkv", "adam"), count):
            split = spotlit(names, Size(*size))
            shown = list(panes_of(split))
            assert set(names) <= set(shown)
            assert len(shown) == len(set(shown))
            room = Region(0, 0, *size)
            assert sum(place.area for _, place in regions(split, room)) == room.area


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("watches", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_panes_cover_the_room_and_do_not_overlap(
    size: tuple[int, int], phase: Phase, watches: bool, running: bool
) -> None:
    room = Region(0, 0, size[0], size[1] - 8)
    split = plan(phase, Size(*size), watches, running)
    assert ("watches" in panes_of(split)) is (watches and size[0] >= 200 and size[1] >= 60)
    assert "training" in panes_of(split) or not running
    places = dict(regions(split, room))
    assert set(places) == set(panes_of(split))
    assert "stage" in places
    assert sum(place.area for place in places.values()) == room.area
    assert all(place in room and place.height >= 5 and place.width >= 20 for place in places.values())


def places(size: tuple[int, int], phase: Phase, head: bool = False) -> dict[str, Region]:
    """Where the panes stand, counted from the first line of the panes."""
    room = Region(0, 0, size[0], size[1] - STRIPS[size])
    return dict(regions(plan(phase, Size(*size), head=head), room))


@pytest.mark.parametrize(("size", "stage"), [
    ((80, 24), (80, 16)), ((100, 30), (74, 18)), ((120, 36), (58, 28)), ((160, 45), (86, 37)), ((200, 60), (110, 39)),
])  # fmt: skip
def test_the_stage_has_its_room_at_each_size(size: tuple[int, int], stage: tuple[int, int]) -> None:
    for phase in PHASES[:2]:
        for head in (False, True):
            assert places(size, phase, head)["stage"].size == stage


def test_a_grid_is_placed_once_its_panes_are_there() -> None:
    grid = PaneGrid({}, Arrangement(), lambda: below((1, "stage")), {})
    grid.place()
    assert not grid.shows("stage")


def test_at_120x36_number_and_one_context_pane_stand_below_the_source() -> None:
    for phase, head, context in (
        (Phase.FORWARD, False, "training"),
        (Phase.FORWARD, True, "attention"),
        (Phase.BACKWARD, False, "gradients"),
        (Phase.BACKWARD, True, "gradients"),
    ):
        here = places((120, 36), phase, head)
        right = {pane: place for pane, place in here.items() if place.x == 86}
        assert {pane: tuple(place.size) for pane, place in right.items()} == {
            "source": (34, 9), "inspector": (34, 11), context: (34, 8)
        }  # fmt: skip


def test_at_120x36_the_update_has_one_weight_below_a_wide_stage() -> None:
    here = places((120, 36), Phase.UPDATE)
    assert here.keys() == {"map", "stage", "adam"}
    assert here["map"] == places((120, 36), Phase.FORWARD)["map"]
    assert here["stage"] == Region(28, 0, 92, 20)
    assert here["adam"] == Region(28, 20, 92, 8)


def test_at_100x30_number_and_source_stand_side_by_side_below_the_stage() -> None:
    here = places((100, 30), Phase.FORWARD)
    assert here["inspector"] == Region(26, 18, 37, 5)
    assert here["source"] == Region(63, 18, 37, 5)


@pytest.mark.parametrize("size", FIVE)
def test_the_same_panes_stay_at_the_same_place_over_the_phases(size: tuple[int, int]) -> None:
    forward, backward, update = (places(size, phase) for phase in PHASES)
    for pane in forward.keys() & backward.keys():
        assert forward[pane] == backward[pane], pane
    for pane in (forward.keys() & update.keys()) - {"stage"}:
        assert forward[pane] == update[pane], pane
    assert forward["stage"].offset == update["stage"].offset
    assert update.keys() - forward.keys() <= {"adam"}


def test_while_training_runs_its_curve_is_there_at_every_size() -> None:
    for size in SIZES:
        for phase in PHASES:
            for head in (False, True):
                assert "training" in panes_of(plan(phase, Size(*size), running=True, head=head))


def test_a_pinned_pane_stays_in_every_phase_and_takes_no_pinned_place() -> None:
    wish = Arrangement().pin("prediction")
    for phase in PHASES:
        assert "prediction" in set(panes_of(wish.apply(usual("normal", phase))))
    assert wish.pin("prediction") == Arrangement()
    both = wish.pin("attention")
    assert {"prediction", "attention"} <= set(panes_of(both.apply(usual("normal", Phase.BACKWARD))))


def test_swapping_panes_twice_restores_them() -> None:
    split = usual("normal", Phase.FORWARD)
    room = Region(0, 0, 120, 29)
    before = dict(regions(split, room))
    wish = Arrangement().swap("stage", "inspector")
    after = dict(regions(wish.apply(split), room))
    assert (after["stage"], after["inspector"]) == (before["inspector"], before["stage"])
    assert wish.swap("inspector", "stage") == Arrangement()


def test_the_arrangement_is_saved_and_a_damaged_file_is_ignored(tmp_path: Path) -> None:
    wish = Arrangement(("qkv",), (("stage", "source"),))
    wish.save()
    assert Arrangement.load() == wish
    for damage in ("", "{", "[]", '{"pinned": 3, "swapped": []}', '{"pinned": []}'):
        (tmp_path / arrangement.FILE).write_text(damage)
        assert Arrangement.load() == Arrangement()
    assert [path.name for path in tmp_path.iterdir()] == [arrangement.FILE]


async def test_keys_pin_and_swap_the_chosen_pane() -> None:
    async with debugger((120, 36)) as pilot:
        await pilot.press("P")
        assert screen(pilot).grid.arrangement == Arrangement()  # no pane is chosen yet
        await pilot.press("3", "P")
        assert screen(pilot).grid.arrangement.pinned == ("source",)
        place = screen(pilot).query_one("#source", Pane).region
        await pilot.press("less_than_sign")
        await pilot.pause()
        assert screen(pilot).query_one("#source", Pane).region != place
        await pilot.press("f", "f")
        await pilot.pause()
        assert "source" in drawn(pilot)
    async with debugger((120, 36)) as pilot:
        assert screen(pilot).grid.arrangement.pinned == ("source",)
        assert "FORWARD" in text(pilot)


async def test_every_pane_has_its_sentences_and_help_says_them() -> None:
    async with debugger((120, 60)) as pilot:
        ids = {str(pane.id) for pane in screen(pilot).query(Pane)}
        assert ids == set(texts()["pane"])
        await pilot.press("4", "question_mark")
        await pilot.pause()
        assert pane_text("inspector").what[:40] in text(pilot)


def test_help_explains_every_character_that_a_cell_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theme, "signs_only", True)
    shares = [sign * i / 100 for i in range(120) for sign in (1, -1)]
    signs = {heat(share, True, 1.0, 1)[0] for share in shares}
    words = set(debugger_help(at(Moment()), None).plain.split())
    assert len(signs) > 8
    assert signs <= words
    assert {heat(0.35, True, 1.0, 2)[0], heat(-0.35, True, 1.0, 2)[0]} <= words


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_the_keys_of_panes_stand_in_their_borders(size: tuple[int, int]) -> None:
    keys = {spec.id: spec.display or spec.key for spec in registry.PANES}
    async with debugger(size) as pilot:
        await go(pilot, "n", "n")
        lines = text(pilot).splitlines()
        shown = [pane for pane in screen(pilot).query(Pane) if pane.display and pane.id in keys]
        assert len(shown) >= 1
        for pane in shown:
            upper = lines[pane.region.y][: pane.region.right]
            assert upper.endswith(f" {keys[pane.id]} ─╮"), upper
        assert lines[shown[0].region.y].rstrip("╮").count("─") > 10


async def test_a_narrow_window_tells_the_chosen_weight_in_numbers() -> None:
    async with debugger((80, 24)) as pilot:
        here = screen(pilot)
        for event in here.session.program.events(Phase.UPDATE):
            here.navigator.go(Moment(0, Phase.UPDATE, event.last))
            await go(pilot)
            frame = here.frame
            update = frame.view.update(frame.parameter)
            assert update is not None
            shown, numbers = text(pilot), {term.name: term for term in update.terms}
            assert f"{number(numbers['m'].before)} → {number(numbers['m'].value)}" in shown
            assert f"{number(numbers['v'].before)} → {number(numbers['v'].value)}" in shown
            assert f"step   {number(-numbers['delta'].value)}" in shown
            assert re.search(rf"weight .*{re.escape(number(frame.value(frame.parameter)))}", shown)
            assert "kernels.py" in shown  # the line at work still has its place
