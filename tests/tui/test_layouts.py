"""Layouts fill the screen without overlapping; what the user rearranges is obeyed and remembered."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from textual.geometry import Region, Size

from engine.timeline.events import PHASES, Phase
from microgpt_tui.panes import arrangement
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.layouts import panes_of, plan, regions, spotlit, usual
from microgpt_tui.panes.registry import companions
from microgpt_tui.texts.sentences import pane_text, texts
from tests.support.harness import debugger, drawn, screen, text

SIZES = [(80, 24), (100, 24), (120, 36), (160, 47), (160, 54), (200, 60), (240, 80)]


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrangement, "settings_folder", lambda: tmp_path)


@pytest.mark.parametrize("size", SIZES)
def test_any_panes_can_be_in_question(size: tuple[int, int]) -> None:
    for count in (1, 2, 3):
        for names in permutations((*companions("middle"), "qkv", "adam"), count):
            shown = list(panes_of(spotlit(names, Size(*size))))
            assert names[0] in shown
            assert len(shown) == len(set(shown))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("watches", [False, True])
def test_panes_cover_the_room_and_do_not_overlap(size: tuple[int, int], phase: Phase, watches: bool) -> None:
    room = Region(0, 0, size[0], size[1] - 7)
    split = plan(phase, Size(*size), watches)
    assert ("watches" in panes_of(split)) is (watches and size[0] >= 160 and size[1] >= 54)
    places = dict(regions(split, room))
    assert set(places) == set(panes_of(split))
    assert "stage" in places
    assert sum(place.area for place in places.values()) == room.area
    assert all(place in room and place.height >= 5 and place.width >= 20 for place in places.values())


def test_a_pinned_pane_stays_in_every_phase_and_takes_no_pinned_place() -> None:
    wish = Arrangement().pin("prediction")
    for phase in PHASES:
        assert "prediction" in set(panes_of(wish.apply(usual("normal", phase))))
    assert wish.pin("prediction") == Arrangement()
    both = wish.pin("attention")
    assert {"prediction", "attention"} <= set(panes_of(both.apply(usual("normal", Phase.BACKWARD))))


def test_swapped_panes_trade_places_and_back() -> None:
    split = usual("normal", Phase.FORWARD)
    room = Region(0, 0, 120, 29)
    before = dict(regions(split, room))
    wish = Arrangement().swap("stage", "inspector")
    after = dict(regions(wish.apply(split), room))
    assert (after["stage"], after["inspector"]) == (before["inspector"], before["stage"])
    assert wish.swap("inspector", "stage") == Arrangement()


def test_the_arrangement_is_remembered_and_a_damaged_file_is_no_arrangement(tmp_path: Path) -> None:
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
        await pilot.press("4", "P")
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
        await pilot.press("3", "question_mark")
        await pilot.pause()
        assert pane_text("inspector").what[:40] in text(pilot)
