"""Replayed figures are those of a run that visits every step, also while the run moves; its history does not change."""

from __future__ import annotations

import dataclasses
import functools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Config, Moment, Phase, Session, Stopped, load_docs
from engine.run.replay import RECENT, course_of, replay, steps_to_show
from engine.timeline.keyframes import SPACING
from engine.timeline.update import AdamStep
from tests.support.float_bits import DOCS, shown, tiny, words

CONFIG = tiny(n_layer=2)
STEPS = 17
ROW = 5


def hexed(update: AdamStep) -> list[str]:
    return words(dataclasses.asdict(update))


@functools.cache
def straight() -> list[list[str]]:
    """The update of one parameter in every step, from a run that stands at the end of each."""
    session, found = Session(CONFIG, DOCS), []
    for step in range(STEPS):
        session.seek(Moment(step, Phase.UPDATE, 10**9))
        update = session.view().update(ROW)
        assert update is not None
        found.append(hexed(update))
    return found


@functools.cache
def trained(spacing: int) -> Session:
    """One run for all tests; none of them takes it further."""
    session = Session(CONFIG, DOCS)
    session.history.keyframes.spacing = spacing
    session.run(until=STEPS)
    return session


@given(st.sets(st.integers(0, STEPS - 1)), st.integers(0, STEPS), st.sampled_from([1, 5, 20]))
def test_replayed_updates_are_those_of_a_straight_run(steps: set[int], stands: int, spacing: int) -> None:
    session = trained(spacing)
    session.seek(Moment(stands, Phase.BACKWARD, 3))
    before = shown(session), words(session.history.norms), list(session.history.keyframes)
    found = dict(replay(session.replay_copy(), steps, course_of(ROW)))
    assert list(found) == sorted(steps)
    assert {step: hexed(update) for step, update in found.items()} == {step: straight()[step] for step in found}
    assert (shown(session), words(session.history.norms), list(session.history.keyframes)) == before


def test_any_figure_can_be_replayed() -> None:
    session = trained(5)
    assert words(dict(replay(session.replay_copy(), range(STEPS), lambda view: view.loss or 0.0))) == words(
        session.losses
    )


def test_a_copy_starts_at_a_keyframe_and_moves_alone() -> None:
    session = trained(5)
    session.seek(Moment(13, Phase.FORWARD, 7))
    twin = session.replay_copy()
    assert twin.moment == Moment(10)
    twin.run(until=STEPS + 4)
    assert len(session.losses) == STEPS
    assert sorted(session.history.keyframes) == [0, 5, 10, 15]
    straight_on = Session(CONFIG, DOCS)
    straight_on.run(until=STEPS + 4)
    assert (words(twin.params), words(twin.m), words(twin.v)) == (
        words(straight_on.params), words(straight_on.m), words(straight_on.v),
    )  # fmt: skip


def test_copies_do_not_share_a_graph() -> None:
    session = trained(5)
    session.seek(Moment(12, Phase.BACKWARD, 9))
    before = shown(session)
    twin = session.replay_copy()
    twin.seek(Moment(1, Phase.UPDATE, 3))
    assert shown(session) == before
    other = Session(CONFIG, DOCS)
    other.seek(Moment(1, Phase.UPDATE, 3))
    assert {**shown(twin), "losses": []} == {**shown(other), "losses": []}
    session.seek(Moment(12, Phase.UPDATE, 2))
    whole = Session(CONFIG, DOCS)
    whole.seek(Moment(12, Phase.UPDATE, 2))
    assert shown(session) == shown(whole)


def test_a_replay_can_be_closed_or_stopped_and_begun_anew() -> None:
    twin = trained(20).replay_copy()
    first = replay(twin, range(STEPS), course_of(ROW))
    assert next(first)[0] == 0
    assert next(first)[0] == 1
    first.close()
    with pytest.raises(Stopped):
        list(replay(twin, [9], course_of(ROW), lambda step, loss: step == 4))
    assert twin.moment == Moment(5)
    assert [hexed(update) for _, update in replay(twin, [0, 12, 3], course_of(ROW))] == [
        straight()[step] for step in (0, 3, 12)
    ]


def test_a_copy_in_a_thread_is_right_while_the_run_trains() -> None:
    session, steps = Session(Config(num_steps=200), load_docs()), range(0, 40, 3)
    session.run(until=40)
    truth = [hexed(update) for _, update in replay(session.replay_copy(), steps, course_of(ROW))]
    found: list[list[str]] = []
    trained_on = threading.Event()

    def look_back() -> None:
        twin = session.replay_copy()
        while True:
            last = trained_on.is_set()
            found.extend(hexed(update) for _, update in replay(twin, steps, course_of(ROW)))
            if last:
                return

    thread = threading.Thread(target=look_back)
    thread.start()
    session.run(until=120)
    for step in (7, 119, 50):  # the graph is patched back and forth, and keyframes are read on both sides
        session.seek(Moment(step, Phase.BACKWARD, 100))
    trained_on.set()
    thread.join()
    assert found == truth * (len(found) // len(truth))
    alone = Session(Config(num_steps=200), load_docs())
    alone.run(until=120)
    assert words(session.losses) == words(alone.losses)
    assert sorted(session.history.keyframes) == sorted(alone.history.keyframes)


@given(st.integers(-1, 30_000), st.integers(1, 100), st.sampled_from([SPACING, 8 * SPACING]))
def test_a_series_has_few_steps_mostly_keyframes_and_ends_at_the_last(last: int, most: int, spacing: int) -> None:
    steps = steps_to_show(last, most, spacing)
    assert steps == sorted(set(steps))
    assert len(steps) <= most
    if last < most:
        assert steps == list(range(last + 1))
        return
    recent = min(RECENT, most // 2)
    assert steps[len(steps) - recent :] == list(range(last + 1 - recent, last + 1))
    assert steps[0] == 0
    assert all(step % spacing == 0 for step in steps[: len(steps) - recent])


def test_most_steps_of_a_series_stay_when_the_run_goes_on() -> None:
    for last in range(100, 3000, 37):
        before, after = (set(steps_to_show(step, 64, SPACING)) for step in (last, last + 1))
        assert after - before <= {last + 1, last - RECENT + 1}, last


def test_a_new_run_shares_only_the_recording() -> None:
    run = Session(CONFIG, DOCS)
    run.run(until=30)
    other = run.restart_copy()
    assert (other.step, other.losses, other.recording) == (0, [], run.recording)
    assert other.docs == run.docs
    other.run(until=45)
    assert (run.step, len(run.losses)) == (30, 30)
    fresh = Session(CONFIG, DOCS)
    fresh.run(until=45)
    assert other.losses == fresh.losses
    assert all((other.params[name] == fresh.params[name]).all() for name in fresh.params)
    assert other.sample(3) == fresh.sample(3)
    run.run(until=45)
    assert run.losses == fresh.losses


def test_forgotten_steps_give_the_same_figures_again() -> None:
    run = Session(CONFIG, DOCS)
    run.run(until=45)
    losses, norms = list(run.losses), list(run.history.grad_norms)
    run.seek(Moment(25))
    run.forget_future()
    assert run.losses == losses[:25]
    run.seek(Moment(44))
    assert (run.losses, run.history.grad_norms) == (losses[:44], norms[:44])
    run.seek(Moment(3))
    run.seek(Moment(45))
    assert run.losses == losses


def test_a_finished_step_is_not_forgotten() -> None:
    run = Session(CONFIG, DOCS)
    run.run(until=9)
    losses = list(run.losses)
    run.seek(Moment(4, Phase.UPDATE, run.program.ticks(Phase.UPDATE)))
    run.forget_future()
    assert run.losses == losses[:5]
    run.run(until=9)
    assert run.losses == losses
    run.seek(Moment(4, Phase.UPDATE, 3))
    run.forget_future()
    assert run.losses == losses[:4]
    run.run(until=9)
    assert run.losses == losses
