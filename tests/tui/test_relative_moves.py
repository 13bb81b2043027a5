"""Relative moves keep the event: the same tensor, layer, head and position in another step or phase."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from textual.pilot import Pilot

from engine import Session
from engine.timeline.events import PHASES, EventKey, Moment, Phase
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.panes.stage import Stage
from microgpt_tui.panes.status_line import StatusLine
from tests.support.harness import SMALL, debugger, go, notes, screen, session, until

SAME_LENGTH = ["anna", "otto", "emma"]
TEXTS = ["anna", "bo", "emma", "otto", "jo", "anna", "otto", "emma", "anna", "otto", "emma"]
PLACES = {
    Phase.FORWARD: ("attn_weights", 2, 0, 1),
    Phase.BACKWARD: ("wpe", None, None, None),
    Phase.UPDATE: ("layer0.attn_wq", None, 0, None),
}


def shown_event(pilot: Pilot[None]) -> tuple[Phase, EventKey]:
    """The phase and the event that is shown."""
    event = screen(pilot).session.view().event
    return event.phase, event.place


async def typed(pilot: Pilot[None], line: str) -> None:
    await go(pilot, *line, "enter")


def bring(pilot: Pilot[None], phase: Phase, place: EventKey, step: int = 20) -> None:
    """Stand at an event of a step."""
    here = screen(pilot)
    here.session.seek(Moment(step))
    here.navigator.go(here.session.program.ends(phase)[place])


@pytest.mark.parametrize("phase", PHASES)
async def test_a_move_to_another_step_keeps_the_event(phase: Phase) -> None:
    async with debugger(run=Session(SMALL, SAME_LENGTH)) as pilot:
        bring(pilot, phase, PLACES[phase])
        ways = [("]", 21), ("[", 20), ("}", 30), ("{", 20), (":+7", 27), (":-10", 17), (":step 9", 9), (":40", 40)]
        for way, step in ways:
            await (typed(pilot, way) if way[0] == ":" else go(pilot, way))
            assert (screen(pilot).session.step, shown_event(pilot)) == (step, (phase, PLACES[phase])), way
        assert notes(pilot) == ""


async def test_a_shorter_document_has_the_nearest_position_which_is_said_and_a_longer_one_the_same_again() -> None:
    async with debugger(run=Session(SMALL, TEXTS)) as pilot:
        run = screen(pilot).session
        run.seek(Moment(0))
        start = next(s for s in range(20) if [len(run.docs[(s + i) % len(run.docs)]) for i in range(3)] == [4, 2, 4])
        bring(pilot, Phase.FORWARD, ("q", 3, 0, None), start)
        await go(pilot, "]")
        assert shown_event(pilot) == (Phase.FORWARD, ("q", 2, 0, None))
        assert f"Step {start + 1} reads '{run.program.doc}', whose last position is 2: this is q there." in notes(pilot)
        await go(pilot, "]")
        assert shown_event(pilot) == (Phase.FORWARD, ("q", 3, 0, None))
        await go(pilot, "[", "[")
        assert shown_event(pilot) == (Phase.FORWARD, ("q", 3, 0, None))
        await go(pilot, "]", "n", "p", "]")  # who moves on from there means what is there
        assert shown_event(pilot) == (Phase.FORWARD, ("q", 2, 0, None))


async def test_a_run_from_a_shorter_document_shows_the_position_that_was_looked_for() -> None:
    async with debugger(run=Session(replace(SMALL, num_steps=10_000), TEXTS)) as pilot:
        here = screen(pilot)
        lengths = [len(doc) for doc in here.session.docs]
        start = next(i for i in range(len(lengths) - 1) if lengths[i : i + 2] == [4, 2])
        bring(pilot, Phase.FORWARD, ("q", 3, 0, None), start)
        whole = here.session.moment.tick
        await go(pilot, "]")
        assert here.session.moment.tick < whole
        here.motion.change_pace(-1)
        await pilot.press("space")
        await until(pilot, lambda: here.state.where.moment.step > start + 1 and here.state.where.moment.tick == whole)
        await pilot.press("space")
        await until(pilot, lambda: not here.busy)


async def test_phases_are_gone_through_with_the_event_and_back() -> None:
    async with debugger(run=Session(SMALL, SAME_LENGTH)) as pilot:
        bring(pilot, Phase.FORWARD, ("q", 1, 0, None))
        ways = [
            ("f", Phase.BACKWARD, ("q", 1, 0, None)),
            ("f", Phase.UPDATE, ("layer0.attn_wq", None, 0, None)),
            ("f", Phase.FORWARD, ("q", 1, 0, None)),
            ("F", Phase.UPDATE, ("layer0.attn_wq", None, 0, None)),
            ("F", Phase.BACKWARD, ("q", 1, 0, None)),
            ("F", Phase.FORWARD, ("q", 1, 0, None)),
        ]
        for key, *expected in ways:
            await go(pilot, key)
            assert shown_event(pilot) == tuple(expected)
        assert notes(pilot) == ""
        bring(pilot, Phase.FORWARD, ("attn_weights", 1, 0, 1))
        await go(pilot, "f", "f")
        assert shown_event(pilot)[1] == ("wte", None, None, None)
        assert "attn_weights is made without a parameter matrix; this is wte, the first that moves." in notes(pilot)


def test_every_event_has_a_counterpart_in_every_phase() -> None:
    run = session()
    run.seek(Moment(2))
    program = run.program
    for phase, to in product(PHASES, PHASES):
        for event in program.events(phase):
            found = SameEvent(program.step, to, event.place)
            there = program.event_at(found.moment(program))
            if phase is to or Phase.UPDATE not in (phase, to):
                kept = event.place if to is phase or not event.is_parameter else there.place
                assert there.place == kept
            if there.place != event.place and not found.remark(program):
                pair = (there, event) if event.is_parameter else (event, there)
                rows = run.recording.matrices[pair[1].name]
                assert any(set(rows.flat) & set(used.flat) for used in pair[0].operands.values())


def test_the_first_phase_of_all_has_none_before_it() -> None:
    run = session()
    run.seek(Moment(0))
    assert navigation.previous_phase(run.program, Moment(0, Phase.FORWARD, 5)) is None
    assert navigation.previous_step(run.program, Moment(0, Phase.UPDATE, 5)) is None
    assert navigation.next_phase(run.program, Moment(0, Phase.UPDATE, 5)).step == 1


async def test_inside_a_backward_event_place_stage_and_phase_keys_speak_of_one_tensor() -> None:
    async with debugger(run=Session(SMALL, SAME_LENGTH)) as pilot:
        here = screen(pilot)
        seen = set()
        for event in here.session.program.events(Phase.BACKWARD)[2:40:3]:
            bring(pilot, Phase.BACKWARD, event.place)
            for keys in ((), ("s",), ("s",)):
                await go(pilot, *keys)
                frame = here.frame
                word, tensor = "from" if frame.stepping_inside else "to", frame.stage_event
                if tensor.is_parameter:
                    continue
                assert here.query_one("#stage", Stage).title.endswith(f"{word} ∂{tensor.name}")
                assert f"› {tensor.name}" in here.query_one("#place", StatusLine).picture.text()
                seen.add(word)
            tensor = here.frame.stage_event
            await go(pilot, "F")
            assert here.frame.event.place == tensor.place or tensor.is_parameter
            await go(pilot, "f")
        assert seen == {"from", "to"}
