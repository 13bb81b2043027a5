"""The line of hints, the line of source on a narrow screen, and titles that are whole at every size."""

from __future__ import annotations

import re
from functools import cache

import pytest

from engine import Config, Session
from engine.language.chosen import LANGUAGES
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.frame import Context, Frame
from microgpt_tui.explanations.sentences import hints, texts
from microgpt_tui.panes import registry
from microgpt_tui.panes.hint_line import HintLine
from microgpt_tui.panes.source import Source, line_at_work
from microgpt_tui.panes.stage import Stage
from microgpt_tui.widgets.picture_view import title_within
from tests.support.harness import at, debugger, screen, text

FIVE = [(80, 24), (100, 30), (120, 36), (160, 45), (200, 60)]


@cache
def names() -> Session:
    """A model of the usual size."""
    return Session(Config(), ["bill", "anna"])


def around(frame: Frame, pane: str | None) -> Frame:
    """The same moment while a pane is chosen."""
    return Frame(frame.view, frame.where, Context(pane=pane))


def hint(pane: str | None, phase: Phase = Phase.FORWARD, width: int = 120) -> str:
    picture = HintLine("hint").draw(around(at(Moment(3, phase, 100)), pane), width, 1)
    assert picture.width <= width + 2
    return picture.text()


def test_the_hint_is_about_the_stage_until_a_pane_is_chosen() -> None:
    assert hint(None).startswith(" ↑↓ a row   2: ←→ as well   s: one product at a time   enter: where this number was")
    assert hint("stage").startswith(" ↑↓ ←→ a row   s: one product at a time")
    assert "2:" not in hint("stage", width=300)
    assert "one += at a time, in the order of topo" in hint(None, Phase.BACKWARD)
    assert hint(None, Phase.UPDATE).startswith(" ↑↓ a weight   2: ←→ as well   Y: which positions pushed it ")
    assert hint("watches").startswith(" ↑↓ a watch   d: take it away")


def test_every_pane_has_a_hint_and_none_is_cut() -> None:
    for pane in registry.ids():
        for width in (120, 160):
            words = hint(pane, width=width).strip().split("   ")
            assert len(words) > 1
            assert words == hints(around(at(Moment(3, tick=100)), pane))[: len(words)]


MOUSE = {"en": ("click", "mouse"), "ko": ("마우스", "누르기")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_keys_in_hints_are_keys_of_the_program(language: str) -> None:
    keys = registry.all_keys()
    known = {key.display or key.keys for key in keys} | {name for key in keys for name in key.keys.split(",")}
    for kinds in texts(language).values():
        for each in (entry.keys for entry in kinds.values()):
            for key in (part.partition(":")[0] for part in each.split("; ") if ":" in part):
                assert any(word in key for word in MOUSE[language]) or all(one in known for one in key.split()), key


async def test_the_hint_follows_the_chosen_pane() -> None:
    async with debugger((120, 36)) as pilot:
        line = screen(pilot).query_one(HintLine)
        assert line.picture.text().startswith(" ↑↓ a number   2: ←→ as well")
        await pilot.press("2")
        await pilot.pause()
        assert line.picture.text().startswith(" ↑↓ ←→ a number")
        await pilot.press("v")
        await pilot.pause()
        assert line.picture.text().startswith(" ↑↓ a watch")
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert line.picture.text().startswith(" ↑↓ a number   2:")


@pytest.mark.parametrize("size", [(120, 36), (200, 60)])
async def test_up_and_down_go_from_row_to_row(size: tuple[int, int]) -> None:
    async with debugger(size, names()) as pilot:
        here = screen(pilot)

        async def chosen(*keys: str) -> str:
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            return here.frame.explain.name(here.frame.selected)

        assert await chosen("down") == "embed[1]"  # what lies from left to right is gone through as well
        assert await chosen("up", "n", "n", "n") == "q[0]"
        assert [await chosen("down") for _ in range(3)] == ["q[1]", "q[2]", "q[3]"]
        assert await chosen("up") == "q[2]"
        here.navigator.go(here.session.program.ends(Phase.FORWARD)["attn_weights", 2, 0, 1])
        assert [await chosen("up"), await chosen("down")] == ["attn_weights[1]", "attn_weights[2]"]
        here.navigator.go(here.session.program.ends(Phase.UPDATE)["layer0.attn_wq", None, 0, None])
        before = await chosen("2", "left", "up")
        below = await chosen("down")
        row, column = re.findall(r"\d+(?=[,\]])", before)
        assert below == f"layer0.attn_wq[{int(row) + 1},{column}]"


@pytest.mark.parametrize("size", FIVE)
async def test_hints_stand_above_the_keys_where_there_is_room(size: tuple[int, int]) -> None:
    async with debugger(size) as pilot:
        lines = text(pilot).splitlines()
        assert lines[-1].startswith(" n next  p back  s scalar  t token  f phase  ] step  space run ")
        assert ("2: ←→ as well" in lines[-2]) is (size[0] >= 120)
        assert lines[-2 if size[0] < 120 else -3].startswith(" colour ")


async def test_at_80x24_the_line_of_source_stands_at_the_bottom_of_the_stage() -> None:
    async with debugger((80, 24), names()) as pilot:
        for keys in ("n", "n", "n", "s", "f", "s", "f"):
            await pilot.press(keys)
            await pilot.pause()
            frame = screen(pilot).frame
            source = frame.source
            code = source.path.read_text("utf-8").splitlines()[source.line - 1].strip()
            last = screen(pilot).query_one(Stage).picture.lines[-1]
            said = "".join(segment.text for segment in last.segments)
            assert said.endswith(f"{source.path.name}:{source.line}")
            assert code.startswith(said.rpartition("  ")[0].rstrip(" …"))
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert f"{source.path.name}:{source.line}" not in screen(pilot).query_one(Stage).picture.text()


def test_a_line_of_source_that_is_too_long_is_shortened_in_its_middle_before_its_place() -> None:
    frame = at(Moment(0, Phase.FORWARD, 100))
    code = frame.source.path.read_text("utf-8").splitlines()[frame.source.line - 1].strip()
    line = line_at_work(frame, 40)
    words = "".join(segment.text for segment in line.segments)
    assert line.width == 40
    head, tail = words.removesuffix(f"{frame.source.path.name}:{frame.source.line}").strip().split("…")
    assert code.startswith(head)
    assert code.endswith(tail)


def test_a_narrow_source_is_moved_to_the_left_and_named_by_its_function() -> None:
    frame = at(Moment(0, Phase.FORWARD, 100))
    pane = Source("source")
    assert pane.heading(frame) == "gpt.py ─ mlp()" or pane.heading(frame).startswith("gpt.py ─ ")
    narrow, wide = (pane.draw(frame, width, 9).lines[frame.source.line - 1] for width in (30, 90))
    left, right = ("".join(segment.text for segment in line.segments)[6:] for line in (narrow, wide))
    assert not left.startswith(" ")
    assert right.startswith("    ")


@pytest.mark.parametrize("size", FIVE)
async def test_no_title_is_cut(size: tuple[int, int]) -> None:
    run = names()
    async with debugger(size, run) as pilot:
        here = screen(pilot)
        for phase in PHASES:
            seen = set()
            for event in run.program.events(phase):
                if (event.name.rpartition(".")[2], event.kind) in seen:
                    continue
                seen.add((event.name.rpartition(".")[2], event.kind))
                here.navigator.go(Moment(0, phase, event.last))
                await pilot.pause()
                cut = [title for title in re.findall("╭[^╮]*╮", text(pilot)) if "…" in title]
                assert not cut, cut


def test_a_title_without_room_loses_its_last_parts() -> None:
    assert title_within("head 1 ─ whom does l listen to? ─ score", 99) == "head 1 ─ whom does l listen to? ─ score"
    assert title_within("head 1 ─ whom does l listen to? ─ score", 38) == "head 1 ─ whom does l listen to?"
    assert title_within("head 1 ─ whom does l listen to? ─ score", 10) == "head 1"
    assert title_within("inseparable", 5) == "inseparable"
