"""Training that runs under the screen: pausing it, its pace, breakpoints; and moments that are far."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from engine import Config, Session
from engine.expressions.breakpoint import Breakpoint, EventPattern
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.navigation import SameEvent, first_moment, last_moment
from microgpt_tui.debugger.navigator import MOST_WAITING
from microgpt_tui.debugger.run_controller import PACES, RunController
from microgpt_tui.panes.base import Pane
from tests.support.harness import DOCS, SMALL, debugger, notes, screen, text, until
from tests.support.wait import PATIENCE

LONG = replace(SMALL, num_steps=100_000)


def run(config: Config = LONG) -> Session:
    return Session(config, DOCS)


def same(one: Session, other: Session) -> bool:
    """Whether two runs at the same moment hold the same bits."""
    pairs = [(one.workspace.params, other.workspace.params), (one._m, other._m), (one._v, other._v)]
    return one.losses[: one.step] == other.losses[: one.step] and all(a.tobytes() == b.tobytes() for a, b in pairs)


async def still(pilot: Pilot[None]) -> None:
    """Wait until the run stands and is shown."""
    await until(pilot, lambda: not screen(pilot).busy)
    await pilot.pause()


def said(pilot: Pilot[None]) -> str:
    """What the latest notification says."""
    return next((note.message for note in reversed(list(pilot.app._notifications))), "")


def keep(pilot: Pilot[None], *breakpoints: Breakpoint) -> None:
    """Stop at these, and at nothing else."""
    screen(pilot).state.annotate(Annotations(breakpoints, frozenset()))


async def test_space_runs_and_pauses_on_the_event_that_was_shown() -> None:
    session = run()
    async with debugger(run=session) as pilot:
        keep(pilot)
        await pilot.press(*"nnnn")
        shown = screen(pilot).state.where.moment
        name = session.program.event_at(shown).name
        await pilot.press("space")
        await until(pilot, lambda: "steps a second" in text(pilot))
        assert screen(pilot).has_class("-live")
        await until(pilot, lambda: len(session.losses) > 50)
        await pilot.press("space")
        await still(pilot)
        assert session.step > 50
        assert session.program.event_at(session.moment).name == name
        assert not screen(pilot).has_class("-live")
        assert f"step {session.step:,}" in text(pilot)
    plain = run()
    plain.seek(session.moment)
    assert same(session, plain)


async def test_a_run_ends_with_the_schedule() -> None:
    session = run(replace(SMALL, num_steps=30))
    async with debugger(run=session) as pilot:
        keep(pilot)
        await pilot.press("space")
        await still(pilot)
        assert session.moment == last_moment(session.program)
        assert len(session.losses) == 30
        await pilot.press("space")
        await pilot.pause()
        assert not screen(pilot).busy
        await pilot.press("right_curly_bracket")  # as far as there is something: the trained model
        await still(pilot)
        assert session.step == 30
        for key in ("right_square_bracket", "right_curly_bracket"):
            await pilot.press(key)
            await still(pilot)
            assert session.step == 30
            await until(pilot, lambda: "The schedule ends here" in notes(pilot))


async def test_the_slowest_pace_goes_event_by_event() -> None:
    session = run()
    async with debugger(run=session) as pilot:
        keep(pilot)
        await pilot.press(*["minus"] * len(PACES))
        assert screen(pilot).motion.pace == PACES[0]
        await pilot.press("space")
        await until(pilot, lambda: screen(pilot).state.where.moment.tick > 0 and screen(pilot).has_class("-live"))
        assert screen(pilot).state.where.moment.step == 0
        await pilot.press("space")
        await still(pilot)
        first = session.program.events(Phase.FORWARD)
        assert session.moment.tick in [s.last for s in first[:4]]


async def test_it_continues_to_breakpoints_and_back() -> None:
    session = run()
    async with debugger(run=session) as pilot:
        keep(
            pilot,
            Breakpoint("a", condition="step == 70"),
            Breakpoint("b", EventPattern("attn_weights", Phase.FORWARD, 1), "step == 40"),
        )
        await pilot.press("c")
        await still(pilot)
        assert (session.step, session.program.event_at(session.moment).name) == (40, "attn_weights")
        await pilot.press("c")
        await still(pilot)
        await pilot.press("c")
        await still(pilot)
        assert session.moment == Moment(70)
        await pilot.press("C")
        await still(pilot)
        assert (session.step, session.program.event_at(session.moment).head) == (40, 1)
        assert "attn_weights" in text(pilot)


async def test_no_stop_is_missed_where_a_frame_is_drawn_just_before_it() -> None:
    session = run()
    async with debugger(run=session) as pilot:
        keep(pilot, Breakpoint("a", condition="step == 3"))
        await pilot.press("minus")  # a frame after every step
        assert screen(pilot).motion.pace.a_second
        assert not screen(pilot).motion.pace.events
        await pilot.press("space")
        await until(pilot, lambda: session.step >= 3)
        await still(pilot)
        assert session.moment == Moment(3)


async def test_a_health_stop_goes_to_its_place() -> None:
    session = run(replace(LONG, learning_rate=1e200))
    async with debugger(run=session) as pilot:
        await pilot.press("space")
        await still(pilot)
        await until(pilot, lambda: "inf" in said(pilot))
        assert session.step < 20


async def test_names_are_sampled_on_the_way_and_cost_the_run_nothing() -> None:
    session = run(replace(SMALL, num_steps=60))
    async with debugger(run=session, size=(120, 36)) as pilot:
        keep(pilot)
        await pilot.press("space")
        await still(pilot)
        assert list(screen(pilot).motion.names) == [6, 12, 18, 24, 30, 36, 42, 48, 54]
        await pilot.press("equals_sign")
        await pilot.pause()
        assert "sampled before step 54" in screen(pilot).query_one("#training", Pane).picture.text()
        session.seek(Moment(60))
    plain = run(replace(SMALL, num_steps=60))
    plain.run(60)
    assert session.sample(5) == plain.sample(5)


async def test_a_far_moment_is_reached_with_progress_and_can_be_halted() -> None:
    session = run()
    async with debugger(run=session) as pilot:
        screen(pilot).navigator.go(Moment(90_000))
        await until(pilot, lambda: "going to step 90000" in text(pilot))
        await pilot.press("space")
        await still(pilot)
        assert 0 < session.step < 90_000
        await until(pilot, lambda: "stopped at training step" in said(pilot))
        screen(pilot).navigator.go(Moment(7, Phase.BACKWARD, 9))
        await still(pilot)
        assert session.moment == Moment(7, Phase.BACKWARD, 9)


async def test_a_run_that_has_just_stopped_is_not_moved_until_the_screen_knows() -> None:
    session = run()
    async with debugger(run=session) as pilot:
        screen(pilot).navigator.go(Moment(90_000))
        await until(pilot, lambda: "going to step 90000" in text(pilot))
        motion = screen(pilot).motion
        motion.halt()
        assert motion._idle.wait(10)  # its message is on the way, behind the keys that were pressed before
        moment = session.moment
        screen(pilot).navigator.go(Moment(0))
        assert session.moment == moment
        await still(pilot)
        assert screen(pilot).state.where.moment == moment


async def test_ten_steps_on_and_back() -> None:
    async with debugger(run=run()) as pilot:
        for key in ("right_curly_bracket", "right_curly_bracket", "left_curly_bracket"):
            await pilot.press(key)
            await still(pilot)
        assert screen(pilot).session.step == 10


async def test_quitting_while_it_runs_ends_the_thread() -> None:
    session = run()
    async with debugger(run=session) as pilot:
        keep(pilot)
        await pilot.press("space")
        await until(pilot, lambda: screen(pilot).has_class("-live"))
    assert session.moment.step > 0


async def test_the_loss_curve_can_be_dragged() -> None:
    session = run()
    session.run(40)
    async with debugger((200, 60), run=session) as pilot:
        screen(pilot).navigator.go(Moment(39))
        await still(pilot)
        pane = screen(pilot).query_one("#training", Pane)
        spots = [s for s in pane.picture.spots() if isinstance(s.target, SameEvent)]
        line = [s for s in spots if s.y == spots[-1].y]
        x, y = pane.gutter.left, pane.gutter.top - pane.top
        await pilot.mouse_down(pane, offset=(line[-1].x + x, line[-1].y + y))
        await pilot.hover(pane, offset=(line[0].x + x, line[0].y + y))
        await pilot.mouse_up(pane, offset=(line[0].x + x, line[0].y + y))
        await still(pilot)
        assert session.step == line[0].target.step


async def test_a_run_that_cannot_be_sampled_goes_on() -> None:
    session = run(replace(SMALL, num_steps=30, learning_rate=1e200))
    async with debugger(run=session) as pilot:
        keep(pilot)
        for _ in range(4):  # names are sampled every third step
            await pilot.press("]")
        await pilot.press("space")
        await still(pilot)
        assert session.moment == last_moment(session.program)
        assert not screen(pilot).motion.names


class Held:
    """A run whose moves to far moments wait in the thread until they are let go."""

    def __init__(self, pilot: Pilot[None], monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on, motion = threading.Event(), screen(pilot).motion
        far = motion._go

        def held(*to: Any) -> RunController.Arrived:
            assert self.go_on.wait(PATIENCE)
            return far(*to)

        monkeypatch.setattr(motion, "near", lambda moment: moment.step == motion.session.step)
        monkeypatch.setattr(motion, "_go", held)


@pytest.mark.parametrize(
    ("keys", "step", "name"),
    [
        ("]]", 7, "embed"),
        ("]]n", 7, "embed_norm"),
        ("}[[", 13, "embed"),
        ("]" * 40, 6 + MOST_WAITING, "embed"),
        ("]]q", None, ""),
    ],
)
async def test_moves_that_are_pressed_on_the_way_to_a_far_moment_follow_it(
    keys: str, step: int | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = run()
    async with debugger(run=session) as pilot:
        keep(pilot)
        screen(pilot).navigator.go(first_moment(session.program, 5))
        await still(pilot)
        held = Held(pilot, monkeypatch)
        await pilot.press(*keys.replace("q", ""))
        assert screen(pilot).busy
        if step is None:
            await pilot.press("space")  # halts the way, and what was to follow
        held.go_on.set()
        await until(pilot, lambda: not screen(pilot).busy and not screen(pilot).navigator.waiting)
        if step is None:
            assert session.step <= 6
        else:
            assert (session.step, session.view().event.name) == (step, name)
