"""Keys through all phases at usual and odd sizes, on models of one to four layers: every pane fits, none fails."""

from __future__ import annotations

import random
import re
from functools import cache, partial
from threading import Event

import pytest
from rich.cells import cell_len
from textual.geometry import Region, Size
from textual.pilot import Pilot

from engine import Config, Session, load_docs
from engine.hangul import JAMO
from engine.model.dataset import bundled_path
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger.navigation import next_event
from microgpt_tui.drawing.picture import Line
from microgpt_tui.panes.base import Pane
from tests.support.harness import debugger, go, screen, text, until

AT_HOME = [(80, 24), (120, 36), (200, 60)]
SIZES = [*AT_HOME, (81, 25), (99, 31), (100, 32), (160, 48), (250, 70)]
KO = load_docs(bundled_path("ko"), JAMO)
RUNS = {
    "no layer": (Config(n_layer=0, n_embd=4, n_head=2, block_size=4, num_steps=1000, seed=3), ["anna", "bo"]),
    "one head": (Config(n_layer=1, n_embd=4, n_head=1, block_size=4, num_steps=1000, seed=3), ["anna", "bo"]),
    "korean": (Config(n_layer=2, n_embd=8, n_head=2, block_size=32, num_steps=1000, seed=3), ["가나 다라", "마바사아"]),
    "three": (Config(n_layer=3, n_embd=12, n_head=3, block_size=8, num_steps=1000, seed=3), ["mia", "noor"]),
    "letters": (Config(n_layer=1, n_embd=8, n_head=2, block_size=16, num_steps=1000, seed=3), KO[:40]),
    "large": (Config(n_layer=4, n_embd=16, n_head=8, block_size=32, num_steps=1000, seed=3), ["microgpt" * 5]),
}
TITLE_EDGES = 6  # cells of a border that its title cannot have


@cache
def run_of(which: str) -> Session:
    return Session(*RUNS[which])


def whole(line: Line) -> bool:
    """A line's width is that of its text, and its spots lie on it."""
    return line.width == sum(s.cell_length for s in line.segments) and all(
        0 <= x <= end <= line.width for x, end, _ in line.spots
    )


def check(pilot: Pilot[None], size: tuple[int, int]) -> None:
    """What must hold of every screen."""
    lines = text(pilot).splitlines()
    assert len(lines) == size[1]
    assert all(cell_len(line) <= size[0] for line in lines)
    for pane in (pane for pane in screen(pilot).query(Pane) if pane.display):
        assert pane.picture.lines, pane.id
        wide = [line for line in pane.picture.lines if line.width > pane.content_size.width or not whole(line)]
        assert not wide, (pane.id, size, screen(pilot).session.moment, pane.picture.text())
        if size in AT_HOME:
            assert cell_len(str(pane.border_title)) <= max(pane.outer_size.width - TITLE_EDGES, 0), pane.border_title


@pytest.mark.parametrize("which", RUNS)
async def test_keys_through_all_phases_at_every_size_reached_by_a_resize(which: str) -> None:
    """Three sizes for each model, one a phase; together they are all sizes."""
    chance, first = random.Random(which), 2 * list(RUNS).index(which)
    async with debugger(SIZES[(first - 1) % len(SIZES)], run_of(which)) as pilot:
        for phase, size in zip(PHASES, [*SIZES, *SIZES][first:], strict=False):
            await pilot.resize_terminal(*size)
            await go(pilot, *"f" * (phase is not Phase.FORWARD))
            assert screen(pilot).session.moment.phase is phase
            await go(pilot, *chance.choices("nst", k=2), "]")  # from the last matrix these lead to the next step
            check(pilot, size)
            await go(pilot, "o" if phase is Phase.FORWARD else "s")
            check(pilot, size)


@pytest.mark.parametrize("size", [(81, 25), (100, 32)])
async def test_a_resize_shows_what_a_start_at_that_size_shows(size: tuple[int, int]) -> None:
    shown = []
    for start in (size, (160, 48)):
        async with debugger(start, run_of("korean")) as pilot:
            await pilot.press("n", "t", "s")
            await pilot.resize_terminal(*size)
            await pilot.pause()
            shown.append(text(pilot))
    assert shown[0] == shown[1]


async def test_panes_that_were_hidden_show_the_present_moment() -> None:
    """Textual tells a pane that it is back only if the screen was laid out while it was away."""
    shown = []
    for zoom in (False, True):
        async with debugger(run=run_of("korean")) as pilot:
            here = screen(pilot)
            here.action_pane("inspector")
            await pilot.pause()
            if zoom:
                here.action_zoom()
            here.session.seek(next_event(here.session.program, here.session.moment))
            here.state.stand(here.state.where.at(here.session.moment))
            here.show()
            if zoom:
                here.action_zoom()
            await pilot.pause()
            shown.append(text(pilot))
    assert shown[0] == shown[1]


async def test_a_pane_that_is_painted_between_a_move_and_its_frame_keeps_its_picture() -> None:
    """The moment that it would draw is one that the run has left."""
    async with debugger(run=run_of("korean")) as pilot:
        here, pane = screen(pilot), screen(pilot).query_one("#stage", Pane)
        before = pane.picture.text()
        here.action_go("next_step")
        pane.drawn_for = Size()
        pane.render_lines(Region(0, 0, *pane.outer_size))
        assert pane.picture.text() == before
        await until(pilot, lambda: pane.picture.text() != before)


async def test_a_window_made_smaller_while_the_run_is_on_its_way_cuts_what_is_there() -> None:
    async with debugger((200, 60)) as pilot:
        here, may = screen(pilot), Event()

        def make() -> Session:
            may.wait()
            return here.session

        here.navigator.enter(make)
        try:
            await pilot.resize_terminal(120, 36)
            await pilot.pause()
            for pane in (pane for pane in here.query(Pane) if pane.display and pane.size):
                strips = pane.render_lines(Region(0, 0, *pane.outer_size))
                assert {sum(s.cell_length for s in strip) for strip in strips} == {pane.outer_size.width}, pane.id
        finally:
            may.set()
        await until(pilot, lambda: not here.busy)


async def test_keys_that_come_together_are_done_one_after_the_other() -> None:
    shown = []
    for at_once in (False, True):
        async with debugger(run=run_of("korean")) as pilot:
            here = screen(pilot)
            for do in (partial(here.action_go, "next_event"), partial(here.action_select, 1, 0)) * 2:
                do()
                if not at_once:
                    await pilot.pause()
            await pilot.pause()
            shown.append(text(pilot))
    assert shown[0] == shown[1]


LINE_OF_CODE = re.compile(r"\.py:\d+$")
CUT = {"source", "path", "tokens"}  # code, and lines that show a part of something longer and say so


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (160, 45), (200, 60)])
async def test_no_pane_cuts_a_name_or_a_sentence(size: tuple[int, int]) -> None:
    run = Session(Config(num_steps=1000, seed=3), ["bill", "abcdefghijklmnopqrstuvwxyz"])
    run.run(until=1)
    async with debugger(size, run) as pilot:
        for phase in PHASES:
            run.seek(Moment(1))
            events = [e for e in run.program.events(phase) if e.pos in (None, 2) and e.head in (None, 1)]
            ticks = {tick for e in events[::2] for tick in (e.first + 2, e.last) if tick <= e.last}
            for tick in sorted(ticks | {events[-1].last}):
                screen(pilot).navigator.go(Moment(1, phase, tick))
                await until(pilot, lambda: not screen(pilot).motion.busy)
                await pilot.pause()
                for pane in screen(pilot).query(Pane):
                    if pane.display and pane.id not in CUT:
                        cut = [line for line in pane.picture.text().splitlines() if "…" in line]
                        assert not [line for line in cut if not LINE_OF_CODE.search(line)], (pane.id, phase, tick)
