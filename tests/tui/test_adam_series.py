"""The series of a parameter in the Adam pane: the numbers of a straight run, replayed in a thread, none early."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from textual.pilot import Pilot

from engine import Session
from engine.run.replay import steps_to_show
from engine.timeline.events import Moment, Phase
from engine.timeline.keyframes import SPACING
from engine.timeline.update import AdamStep
from microgpt_tui.debugger.frame import Context, Focus, Frame
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.series import MOST_SHOWN, Series, Update
from microgpt_tui.drawing.curve import sparkline
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Line
from microgpt_tui.panes.adam import Adam
from tests.support.harness import DOCS, SMALL, debugger, screen, text

STEPS = 100
FIELDS = ("g", "m", "v", "m_hat", "v_hat", "delta", "p")


def trained() -> Session:
    """Trained far enough for a series that leaves steps out; a screen puts its run away when it ends."""
    session = Session(SMALL, DOCS)
    session.run(until=STEPS)
    return session


@cache
def run() -> Session:
    """One for all tests that have no screen."""
    return trained()


@cache
def straight(row: int) -> list[AdamStep]:
    """The parameter's update in every step, from a run that stands at the end of each."""
    session, found = Session(SMALL, DOCS), []
    for step in range(STEPS):
        session.seek(Moment(step, Phase.UPDATE, 10**9))
        update = session.view().update(row)
        assert update is not None
        found.append(update)
    return found


def frame_at(moment: Moment, row: int, steps: int = 10**9) -> Frame:
    """A frame that knows this many of the steps it can show."""
    run().seek(moment)
    wanted = steps_to_show(moment.step - 1, MOST_SHOWN, SPACING)[:steps]
    past = {(Update(row), step): straight(row)[step] for step in wanted}
    return Frame(run().view(), Focus(moment, row), Context(past=past))


def spark(values: list[float], room: int) -> str:
    """A step takes two characters where all have room for them."""
    twice = [value for value in values for _ in range(2 if 2 * len(values) <= room else 1)]
    return "".join(s.text for s in sparkline(Line(), twice, room, lambda i: i).segments)


def lines(pilot: Pilot[None]) -> list[str]:
    """What the Adam pane shows."""
    return screen(pilot).query_one(Adam).picture.text().splitlines()


async def arrive(pilot: Pilot[None], moment: Moment) -> None:
    """Go to a moment and wait until it is shown, with the series that are known."""
    screen(pilot).navigator.go(moment)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def whole(pilot: Pilot[None]) -> Series[AdamStep]:
    """Wait until the series of the pane is complete. Each round ends when a worker does."""
    for _ in range(50):
        if any(line.startswith("on the right") for line in lines(pilot)):
            return screen(pilot).frame.course()
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
    raise AssertionError("\n".join(lines(pilot)))


@pytest.mark.parametrize("moment", [Moment(9, Phase.UPDATE, 10**9), Moment(90, Phase.UPDATE, 10**9)])
def test_each_number_has_its_series_beside_it(moment: Moment) -> None:
    frame = frame_at(moment, row=7)
    steps = [*steps_to_show(moment.step - 1, MOST_SHOWN, SPACING), moment.step]
    shown = Adam("p").draw(frame, 118, 20)
    for line, field in zip(shown.text().splitlines(), FIELDS, strict=False):
        values = [(-1 if field == "delta" else 1) * getattr(straight(7)[step], field) for step in steps]
        assert number(values[-1]) in line
        assert line.endswith(" " + spark(values, 54))
    leads_to = {spot.target for spot in shown.spots() if isinstance(spot.target, SameEvent)}
    assert leads_to >= {frame.in_step(step) for step in steps}
    assert max(target.step for target in leads_to) == moment.step


def test_a_parameter_that_waits_shows_the_last_update_in_full() -> None:
    for moment in (Moment(90, Phase.FORWARD, 5), Moment(90, Phase.BACKWARD, 50), Moment(90, Phase.UPDATE, 7)):
        frame = frame_at(moment, row=7)
        text = Adam("p").draw(frame, 80, 20).text()
        assert "as step 89 left it" in text
        signs = [-1 if field == "delta" else 1 for field in FIELDS]
        assert all(number(s * getattr(straight(7)[89], f)) in text for s, f in zip(signs, FIELDS, strict=True))
        assert max(frame.course().known) == 89
        assert "every 20th step, then each from 78 to 89" in text


def test_steps_not_replayed_yet_are_blank_and_counted() -> None:
    text = Adam("p").draw(frame_at(Moment(90), row=7, steps=3), 80, 20).text()
    m, v = run().view().state(7).values()
    assert "replaying the past: 3 of 16 steps" in text
    assert [line[24:34].strip() for line in text.splitlines()[1:8]] == [
        "·", number(float(m)), number(float(v)), "·", "·", "·", number(straight(7)[89].p)
    ]  # fmt: skip


async def test_series_are_filled_in_while_they_are_replayed() -> None:
    async with debugger((120, 36), run=trained()) as pilot:
        await arrive(pilot, Moment(90, Phase.UPDATE, 10**9))
        await pilot.press("0")
        await pilot.press("z")
        assert screen(pilot).query_one(Adam).size.width > 100
        course = await whole(pilot)
        row = screen(pilot).frame.parameter
        assert course.known == {step: straight(row)[step] for step in course.known}
        assert len(course.known) == 17
        assert any(line.startswith("gradient ") and spark([u.g for u in course.known.values()], 54) in line
                   for line in lines(pilot))  # fmt: skip


async def test_sizes_at_which_series_are_shown_without_zooming() -> None:
    async with debugger((200, 60), run=trained()) as pilot:
        await arrive(pilot, Moment(30, Phase.UPDATE, 9))
        course = await whole(pilot)
        assert len(course.known) == 31
        assert any(line.startswith("on the right: each step to 30") for line in lines(pilot))


async def test_nothing_is_replayed_where_there_is_no_room_for_it() -> None:
    async with debugger((120, 36), run=trained()) as pilot:
        await arrive(pilot, Moment(30, Phase.UPDATE, 9))
        assert screen(pilot).query_one(Adam).display
        assert not screen(pilot).series_loader.known
        assert not pilot.app.workers


async def test_what_is_shown_does_not_depend_on_the_way() -> None:
    here, seen = Moment(70, Phase.UPDATE, 40), []
    for way in ([here], [Moment(20), Moment(90, Phase.BACKWARD, 4), Moment(69, Phase.UPDATE, 10**9), here]):
        async with debugger((200, 60), run=trained()) as pilot:
            for moment in way:
                await arrive(pilot, moment)
            assert max((await whole(pilot)).known) == 70
            seen.append(lines(pilot))
    assert seen[0] == seen[1]


async def test_a_new_request_replaces_an_older_one_and_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microgpt_tui.debugger.series_loader.MOST_KNOWN", 40)
    async with debugger((120, 36), run=trained()) as pilot:
        loader = screen(pilot).series_loader
        for row in (*range(20), 3):
            loader.ask([Series(Update(row), {}, tuple(range(30)))])
        await pilot.app.workers.wait_for_complete()
        assert [loader.known.get((Update(3), step)) for step in range(30)] == straight(3)[:30]
        assert len(loader.known) <= 40


async def test_one_weight_is_told_from_step_to_step() -> None:
    run_ = Session(SMALL, DOCS)
    async with debugger((120, 36), run_) as pilot:
        end = next(event for event in run_.program.events(Phase.UPDATE) if event.name == "wpe").last
        told, largest = [], []
        for step in range(4):
            await arrive(pilot, Moment(step, Phase.UPDATE, end))
            frame = screen(pilot).frame
            delta = frame.view.update_maps(frame.event.rows)["delta"].values
            largest.append(int(frame.event.rows.flat[np.argmax(np.abs(delta))]))
            told.append(frame.parameter)
            assert frame.explain.name(frame.parameter) in screen(pilot).query_one(Adam).title
            assert "◆ the weight below: the largest step when first shown" in text(pilot)
        assert told == [largest[0]] * 4
        assert len(set(largest)) > 1  # that would be another weight each step
        await pilot.press("2", "right")  # another is chosen
        await pilot.pause()
        chosen = screen(pilot).frame.parameter
        assert chosen != told[0]
        assert "when first shown" not in text(pilot)
