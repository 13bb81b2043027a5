"""Breakpoints on the screen: set by a key, typed, listed, switched, removed, marked, and hit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from engine import CHECKS, Breakpoint, EventPattern, Phase
from microgpt_tui.dialogs.breakpoints import BreakpointsScreen
from microgpt_tui.dialogs.text_input import AskScreen
from microgpt_tui.panes.base import Pane
from tests.support.harness import answer, debugger, name, notes, screen, text, until


def set_now(pilot: Pilot[None]) -> list[str]:
    """The breakpoints, as texts."""
    return [each.describe() for each in screen(pilot).state.annotations.breakpoints]


def pane(pilot: Pilot[None], which: str) -> str:
    return screen(pilot).query_one(f"#{which}", Pane).picture.text()


async def add(pilot: Pilot[None], *typed: str) -> None:
    """Type breakpoints into the list, which is open then."""
    await pilot.press("B")
    for words in typed:
        await pilot.press("a")
        await answer(pilot, words)


async def test_b_sets_and_removes_a_breakpoint_on_the_event_on_the_stage() -> None:
    async with debugger() as pilot:
        await pilot.press("n", "n", "n", "b")
        (made,) = screen(pilot).state.annotations.breakpoints
        assert made.place == EventPattern("q", Phase.FORWARD, 0, 0)
        assert "Breakpoint: q, position 0, layer 0, forward." in notes(pilot)
        assert "◉" in pane(pilot, "timeline")
        await pilot.press("o")
        assert "◆" in pane(pilot, "timeline")
        await pilot.press("f", "b", "p", "b")
        assert len(set_now(pilot)) == 2 + 1
        await pilot.press("b")
        assert len(set_now(pilot)) == 2


@pytest.mark.parametrize(
    ("keys", "file"), [("n n n", "model/gpt.py"), ("f n n", "autograd/kernels.py"), ("f f n", "autograd/kernels.py")]
)
async def test_the_source_marks_the_line_of_a_breakpoint(keys: str, file: str) -> None:
    async with debugger() as pilot:
        await pilot.press(*keys.split(), "3")
        assert "●" not in pane(pilot, "source")
        await pilot.press("b")
        frame = screen(pilot).frame
        assert frame.source.label.startswith(f"engine/{file}")
        (marked,) = [line for line in pane(pilot, "source").splitlines() if "●" in line]
        assert marked.split()[:2][-1].startswith(f"{frame.source.line}●")


async def test_c_continues_to_a_breakpoint_and_hits_are_counted() -> None:
    async with debugger() as pilot:
        await add(pilot, "q@pos=1,phase=forward", "loss < 0")
        await pilot.press("escape", "c")
        await until(pilot, lambda: not screen(pilot).busy)
        await pilot.pause()
        frame = screen(pilot).frame
        assert (name(pilot), frame.stage_event.pos, frame.moment.step) == ("q", 1, 0)
        await pilot.press("c")
        await until(pilot, lambda: not screen(pilot).busy)
        await pilot.pause()
        assert (name(pilot), screen(pilot).frame.moment.step) == ("q", 1)
        await pilot.press("B")
        await pilot.pause()
        assert "hits 2" in text(pilot)
        assert "hits 0" in text(pilot)
        await pilot.press("e")
        await answer(pilot, "q@pos=1 x 2")
        assert "hits 2" not in text(pilot)  # another breakpoint now


async def test_breakpoints_are_typed_changed_switched_and_deleted() -> None:
    async with debugger() as pilot:
        await add(pilot, "attn_weights@pos=2,head=1 if step > 3 x 4", "loss < 2")
        assert set_now(pilot) == ["attn_weights, position 2, head 1 if step > 3, every 4 times", "loss < 2"]
        shown = text(pilot)
        assert "● attn_weights, position 2, head 1 if step > 3" in shown
        assert "x 4" in shown
        await pilot.press("home", "enter")
        await pilot.pause()
        assert pilot.app.screen.query_one(Input).value == "attn_weights@pos=2,head=1 if step > 3 x 4"
        await answer(pilot, "q@layer=0")
        await pilot.press("space")
        assert set_now(pilot) == ["q, layer 0 (off)", "loss < 2"]
        assert "○ q, layer 0" in text(pilot)
        await pilot.press("e")
        await answer(pilot, "k")
        assert set_now(pilot) == ["k (off)", "loss < 2"]
        await pilot.press("d")
        assert set_now(pilot) == ["loss < 2"]
        await pilot.press("d")
        assert "none yet" in text(pilot)
        await pilot.press("d", "e", "g", "escape")
        assert pilot.app.screen is screen(pilot)


async def test_a_mistake_is_pointed_at_and_the_typed_text_stays() -> None:
    async with debugger() as pilot:
        await add(pilot, "loss < lose")
        dialog = pilot.app.screen
        assert isinstance(dialog, AskScreen)
        assert dialog.query_one(Input).value == "loss < lose"
        lines = text(pilot).splitlines()
        (at,) = [i for i, line in enumerate(lines) if "^^^^" in line]
        assert lines[at].index("^^^^") == lines[at - 1].index("lose")
        assert "did you mean loss?" in lines[at - 2]
        for words, says in (("q@pos=9", "pos is 9"), ("", "nothing to ask"), ("\x1b[2J", "cannot be read")):
            await answer(pilot, words)
            assert says in text(pilot)
        long = " and ".join(["loss < 2"] * 30) + " and lose > 2"
        await answer(pilot, long)
        lines = text(pilot).splitlines()
        (at,) = [i for i, line in enumerate(lines) if "^^^^" in line]
        assert lines[at].index("^^^^") == lines[at - 1].index("lose")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, BreakpointsScreen)
        assert set_now(pilot) == []


async def test_health_checks_are_on_and_can_be_switched_off() -> None:
    async with debugger() as pilot:
        assert screen(pilot).state.annotations.checks == set(CHECKS)
        await pilot.press("B", "end", "space")
        assert screen(pilot).state.annotations.checks == set(CHECKS) - {"grad-norm"}
        assert "○ grad-norm" in text(pilot)
        await pilot.press("enter", "up", "d", "space")
        assert screen(pilot).state.annotations.checks == set(CHECKS) - {"dead-relu"}
        assert screen(pilot).stops.all().checks == set(CHECKS) - {"dead-relu"}


async def test_g_goes_to_the_event_of_a_breakpoint() -> None:
    async with debugger() as pilot:
        await add(pilot, "k@phase=forward", "loss < 2", "q@pos=3")
        await pilot.press("home", "g")
        assert (name(pilot), screen(pilot).frame.pos) == ("k", 0)
        await pilot.press("B", "g")
        assert (name(pilot), screen(pilot).frame.pos) == ("k", 1)
        await pilot.press("B", "down", "g")
        assert isinstance(pilot.app.screen, BreakpointsScreen)  # a condition has no place
        assert pilot.app.screen.query_one(OptionList).highlighted == 1


async def test_only_enabled_breakpoints_of_the_step_are_marked() -> None:
    async with debugger((200, 60)) as pilot:
        keep = screen(pilot).stops.keep
        kept = screen(pilot).state.annotations
        for place, on, count in (
            (EventPattern("q"), True, 8),
            (EventPattern("q"), False, 0),
            (EventPattern("wte"), True, 2),
            (None, True, 0),
        ):
            condition = None if place else "loss < 2"
            keep(type(kept)((Breakpoint("1", place, condition, enabled=on),)))
            await pilot.pause()
            frame = screen(pilot).frame
            assert sum(len(frame.halts(phase)) for phase in Phase) == (
                count if place != EventPattern("q") or not on else 2 * frame.program.n
            )
            assert pane(pilot, "timeline").count("◆") == sum(len(frame.halts(phase)) for phase in Phase)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_the_list_of_breakpoints_fits(size: tuple[int, int]) -> None:
    async with debugger(size) as pilot:
        long = " and ".join(["loss < 2"] * 20)
        await add(pilot, long)
        kept = screen(pilot).state.annotations
        more = tuple(replace(kept.breakpoints[0], id=f"more{number}") for number in range(20))
        screen(pilot).state.annotate(replace(kept, breakpoints=(*kept.breakpoints, *more)))
        await pilot.press("escape", "B")
        await pilot.press("home")
        await pilot.pause()
        lines = text(pilot).splitlines()
        assert all(len(line) <= size[0] for line in lines)
        assert any("loss < 2 and loss < 2" in line and "…" in line and "hits 0" in line for line in lines)
        assert "a add · e edit · space on, off · d delete · g go · esc closes" in text(pilot)
