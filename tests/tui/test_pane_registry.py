"""The registry of panes: keys that nothing else has, and one entry that makes a pane known everywhere."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from textual.geometry import Size

import microgpt_tui.screens
from engine.language.catalog import read_part
from engine.timeline.events import Phase
from microgpt_tui.app import ThemedApp
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.keys import IN_LECTURE
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import texts
from microgpt_tui.lectures.lecture import Lecture
from microgpt_tui.panes import registry
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.layouts import panes_of, plan
from microgpt_tui.panes.registry import FORWARD, PanePlace, PaneSpec
from tests.support.harness import session, text, until
from tests.support.lecture_harness import lecture_app, lecture_of, lecture_screen

DOCS = Path(__file__).resolve().parents[2] / "docs"


class Mirror(Pane):
    """Shows which event is going on."""

    TITLE = "Mirror"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture = Picture()
        picture.line(f"mirrored {frame.event.name}")
        return picture


MIRROR = PaneSpec("mirror", Mirror, "j", spots=(PanePlace("normal", FORWARD, "right", 6),))


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """One more entry, with its texts; and the debugger's module, whose bindings are made when it is imported."""
    of_keys = read_part("microgpt_tui.texts", "en", "keys")
    monkeypatch.setitem(of_keys["short"], "pane_mirror", "mirror")
    monkeypatch.setitem(of_keys["tooltip"], "pane_mirror", "Choose the mirror")
    monkeypatch.setattr(registry, "PANES", (*registry.PANES, MIRROR))
    name = "microgpt_tui.screens.debugger"
    monkeypatch.setattr(microgpt_tui.screens, "debugger", sys.modules[name])
    monkeypatch.delitem(sys.modules, name)
    return importlib.import_module(name)


def test_the_key_of_a_pane_is_no_other_key_of_the_debugger_nor_of_a_lecture() -> None:
    others = [key for key in registry.all_keys() if not key.id.startswith("pane.")]
    taken = {name for key in (*others, *IN_LECTURE) for name in key.keys.split(",")}
    chosen = [spec.key for spec in registry.PANES if spec.key]
    assert len(set(chosen)) == len(chosen)
    # On a page a digit is the number of a page; looking around, it is the pane again.
    assert {key for key in chosen if key in taken} <= set("0123456789")


def test_ids_are_there_once_and_every_pane_is_told_of() -> None:
    ids = registry.ids()
    assert len(set(ids)) == len(ids)
    assert set(ids) <= set(texts()["pane"])
    assert all(spec.binding.tooltip for spec in registry.PANES if spec.binding)


def test_every_pane_that_lectures_can_light_stands_in_their_reference() -> None:
    listed = re.search(r"\| `spotlight` \| panes in question: (.*) \|", (DOCS / "lectures.md").read_text("utf-8"))
    assert listed is not None
    assert tuple(listed[1].split(", ")) == registry.screen_names().panes


async def test_one_entry_brings_a_pane_its_key_and_its_place_in_layouts_help_and_palette(mirror: ModuleType) -> None:
    assert "mirror" in panes_of(plan(Phase.FORWARD, Size(120, 36)))
    assert "mirror" not in panes_of(plan(Phase.UPDATE, Size(120, 36)))
    app = ThemedApp()
    async with app.run_test(size=(120, 60)) as pilot:
        await app.push_screen(mirror.DebuggerScreen(session()))
        screen = app.screen
        await pilot.pause()
        assert "mirrored embed" in text(pilot)
        await pilot.press("j")
        assert screen.focused is screen.query_one("#mirror")
        await pilot.press("question_mark")
        await pilot.pause()
        while "Choose the mirror" not in text(pilot):
            before = text(pilot)
            await pilot.press("pagedown")
            await pilot.pause()
            assert text(pilot) != before
        await pilot.press("escape", "escape", "ctrl+p", *"choose the mirr")
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.press("enter")
        await until(pilot, lambda: screen.is_current and screen.focused is screen.query_one("#mirror"))
        screen.set_focus(None)
        await pilot.press("f", "f")
        await until(pilot, lambda: "mirrored" not in text(pilot))
        await pilot.press("j")  # where it has no place, it comes up over the others
        await until(pilot, lambda: "mirrored" in text(pilot))


async def test_a_lecture_can_light_it_and_wait_for_its_key(mirror: ModuleType, tmp_path: Path) -> None:
    pages = "---\nchapter: One\nmoment: step 0\nspotlight: mirror\nwait: j\n---\n# The mirror\n"
    lecture: Lecture = lecture_of(tmp_path, pages)
    async with lecture_app(lecture) as pilot:
        shown = lecture_screen(pilot)
        assert shown.player.bound_pages[0].spotlight == ("mirror",)
        assert "mirrored embed" in text(pilot)
        assert not shown.query_one("#mirror", Pane).dimmed
        assert shown.query_one("#stage", Pane).dimmed
