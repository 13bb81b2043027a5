"""A moment has the same bits however it was reached, forwards or backwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Config, Moment, NumericFault, Phase, Session, Stopped, load_docs
from engine.autograd.jit import Kernels, loops, plain_loops
from tests.support.float_bits import DOCS, end, shown, tiny, words

CONFIG = tiny(n_layer=2)
STEPS = 9  # three rounds through the documents, so that graphs are patched back and forth


@functools.cache
def ticks(place: int, phase: Phase) -> int:
    """How many ticks a phase has at a step that reads the document at `place`."""
    session = Session(CONFIG, DOCS)
    session.run(until=place)
    return session.program.ticks(phase)


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    """Any moment; the bounds of phases are drawn often, since mistakes are likeliest there."""
    step, phase = draw(st.integers(0, STEPS)), draw(st.sampled_from(list(Phase)))
    last = ticks(step % len(DOCS), phase)
    return Moment(step, phase, draw(st.sampled_from([0, 1, last - 1, last]) | st.integers(0, last)))


@functools.cache
def straight_to(moment: Moment) -> dict[str, Any]:
    session = Session(CONFIG, DOCS)
    session.seek(moment)
    return shown(session)


@settings(max_examples=30)
@given(st.lists(moments(), min_size=2, max_size=6), st.integers(1, 5))
def test_any_sequence_of_moves_ends_with_the_bits_of_a_direct_move(walk: list[Moment], spacing: int) -> None:
    session = Session(CONFIG, DOCS)
    session.history.keyframes.spacing = spacing
    for moment in walk:
        session.seek(moment)
        assert session.moment == moment
        assert shown(session) == straight_to(moment)


@pytest.mark.parametrize("phase", list(Phase))
def test_tick_by_tick_backwards(phase: Phase) -> None:
    session = Session(CONFIG, DOCS)
    last = ticks(1, phase)
    for tick in (*range(last, max(last - 12, 0), -1), *range(12, -1, -1)):
        session.seek(Moment(1, phase, tick))
        assert shown(session) == straight_to(Moment(1, phase, tick))


def test_moving_across_keyframes_in_both_directions() -> None:
    session = Session(CONFIG, DOCS)
    session.run(until=45)
    assert sorted(session.history.keyframes) == [0, 20, 40]
    assert [session.history.nearest(step) for step in (0, 19, 20, 39, 40, 45)] == [0, 0, 20, 20, 40, 40]
    losses, sample = list(session.losses), session.sample(4)
    for step in (41, 40, 39, 20, 19, 1, 0, 21, 44):
        session.seek(Moment(step, Phase.UPDATE, 7))
        fresh = Session(CONFIG, DOCS)
        fresh.seek(session.moment)
        assert shown(session) == shown(fresh)
        assert words(session.losses) == words(losses)  # figures of later steps stay
    session.seek(Moment(45))
    assert session.sample(4) == sample


def test_training_goes_on_from_anywhere() -> None:
    straight, wandering = Session(CONFIG, DOCS), Session(CONFIG, DOCS)
    straight.run(until=STEPS)
    wandering.run(until=5)
    wandering.seek(Moment(2, Phase.UPDATE, 3))
    wandering.run(until=6)
    wandering.seek(Moment(6, Phase.BACKWARD, 10))
    wandering.run(until=STEPS)
    assert shown(wandering) == shown(straight)


def test_running_to_an_earlier_step_does_nothing_and_ticks_are_cut_to_the_phase() -> None:
    session = Session(CONFIG, DOCS)
    session.run(until=3)
    session.run(until=1)
    assert session.moment == Moment(3)
    for phase in Phase:
        session.seek(Moment(3, phase, 10**9))
        assert session.moment == end(session, phase)


def test_a_run_can_be_stopped_between_steps() -> None:
    session, heard = Session(CONFIG, DOCS), []

    def on_step(step: int, loss: float) -> bool:
        heard.append((step, loss))
        return step == 2

    session.run(until=8, on_step=on_step)
    assert session.moment == Moment(3)
    assert heard == list(enumerate(session.losses))
    with pytest.raises(Stopped, match="at training step 4 on the way to 8"):
        session.seek(Moment(8), on_step=lambda step, loss: True)
    assert session.moment == Moment(4)
    assert shown(session) == straight_to(Moment(4))


def test_recording_can_be_stopped() -> None:
    shares: list[float] = []

    def progress(share: float) -> bool:
        shares.append(share)
        return len(shares) == 2

    with pytest.raises(Stopped):
        Session(CONFIG, DOCS, progress=progress)
    assert len(shares) == 2
    assert 0 < shares[0] < shares[1] < 1


def test_the_run_can_move_back_from_a_fault() -> None:
    session = Session(Config(learning_rate=5.0), load_docs())
    with pytest.raises(NumericFault):
        session.run(until=5)
    faulty = session.moment
    session.seek(Moment(0, Phase.BACKWARD, 1000))
    assert session.moment == Moment(0, Phase.BACKWARD, 1000)
    with pytest.raises(NumericFault):
        session.seek(Moment(1, Phase.UPDATE, 0))
    assert session.moment == faulty


def test_the_programs_of_other_steps_leave_the_run_as_it_is() -> None:
    here, later = Moment(4, Phase.BACKWARD, 50), Moment(STEPS, Phase.UPDATE, 3)
    session = Session(CONFIG, DOCS)
    programs = session.programs()
    programs(1).ticks(Phase.BACKWARD)
    session.seek(here)
    found = [programs(step) for step in (0, STEPS, 5)]
    assert [program.step for program in found] == [0, STEPS, 5]
    assert [program.doc for program in found] == [session.docs[step % len(DOCS)] for step in (0, STEPS, 5)]
    assert shown(session) == straight_to(here)
    session.seek(later)
    assert shown(session) == straight_to(later)
    assert programs(STEPS).ends(Phase.BACKWARD) == session.program.ends(Phase.BACKWARD)


@pytest.mark.parametrize("kernels", [loops, plain_loops])
def test_a_step_that_is_run_again_has_the_same_bits(kernels: Callable[[], Kernels]) -> None:
    session = Session(CONFIG, DOCS, kernels=kernels())
    session.run(until=5)
    session.seek(Moment(1))
    session.run(until=4)  # through steps whose figures are known
    assert shown(session) == straight_to(Moment(4))
