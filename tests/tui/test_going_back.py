"""Going back shows the same screens as going forward, and nothing is shown before it is computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine import Session
from engine.autograd.kernels import LEAF
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.status_line import StatusLine
from tests.support.harness import DOCS, SMALL, at, debugger, drawn, screen, session, text

POISON = 7.25e77


@pytest.mark.parametrize(("onward", "backward"), [("next_event", "previous_event"), ("next_phase", "previous_phase")])
async def test_every_screen_is_the_same_going_back(onward: str, backward: str) -> None:
    run = Session(replace(SMALL, block_size=2), DOCS)  # two positions have every kind of event
    async with debugger(run=run) as pilot:
        seen = []
        for _ in range(400):
            seen.append((screen(pilot).session.moment, drawn(pilot)))
            if screen(pilot).session.moment.step == 1 and screen(pilot).session.moment.phase is Phase.BACKWARD:
                break
            screen(pilot).action_go(onward)
            await pilot.pause()
        assert len({moment for moment, _ in seen}) == len(seen) > 4
        for moment, pictures in reversed(seen):
            assert screen(pilot).session.moment == moment
            assert drawn(pilot) == pictures
            screen(pilot).action_go(backward)
            await pilot.pause()


async def test_the_text_is_the_same_after_scalar_steps_on_and_back() -> None:
    async with debugger((80, 24)) as pilot:
        seen = []
        keys = ["s"] * 6 + ["n", "n", "s", "s", "f", "s", "s", "f", "s"]
        for key in keys:
            seen.append((screen(pilot).session.moment, text(pilot)))
            await pilot.press(key)
        for moment, shown in reversed(seen):
            screen(pilot).navigator.go(moment)
            await pilot.pause()
            assert text(pilot) == shown
        assert len({shown for _, shown in seen}) == len(seen)


def all_ticks() -> list[Moment]:
    """Every event's end in step 0, and a scatter of ticks between."""
    run = session()
    run.seek(Moment())
    moments = [Moment(0, p, s.last) for p in PHASES for s in run.program.events(p)]
    inside = [Moment(0, p, tick) for p in PHASES for tick in range(1, run.program.ticks(p), 37)]
    return moments + inside


def styled(frame: Frame) -> list[list[object]]:
    """The stage, the inspector and the line of place, as styled text."""
    pictures = draw(frame, 78, 40), Inspector("i").draw(frame, 40, 40), StatusLine("p").draw(frame, 120, 1)
    return [[line.segments for line in picture.lines] for picture in pictures]


def test_nothing_is_shown_before_it_is_computed() -> None:
    """Whatever the arrays hold where nothing is known yet, the pictures are the same."""
    run = session()
    for moment in all_ticks():
        frame = at(moment)
        kept = run.workspace.data.copy(), run.workspace.grad.copy()
        rows = np.arange(len(run.recording), dtype=np.int32)
        unknown = ~frame.view.data(rows).known & (run.recording.op != LEAF)
        assert unknown.any()
        shown = styled(frame)
        run.workspace.data[unknown] = POISON
        run.workspace.grad[~frame.view.grad(rows).known] = POISON
        try:
            assert styled(at(moment)) == shown, moment
        finally:
            run.workspace.data[:], run.workspace.grad[:] = kept


def test_pictures_fit_their_width_at_every_size() -> None:
    for moment in all_ticks():
        frame = at(moment)
        for width, height in ((52, 20), (76, 14), (104, 40)):
            picture = draw(frame, width, height)
            assert picture.lines
            wide = [line for line in picture.lines if line.width > width]
            assert not wide, (moment, width, picture.text())


def test_the_key_of_the_next_event_reaches_every_event() -> None:
    run = session()
    run.seek(navigation.first_moment(run.program, 0))
    moment, ends = run.moment, []
    while moment.step == 0:
        ends.append((moment.phase, moment.tick))
        following = navigation.next_event(run.program, moment)
        assert following is not None
        moment = following
    assert ends == [(p, s.last) for p in PHASES for s in run.program.events(p)]
