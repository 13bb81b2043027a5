"""A long run has a bounded number of keyframes, and any moment can be reached from them, bit for bit."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Config, Moment, Phase, Session
from engine.checkpoint import checkpoint
from engine.interventions.syntax import SetHyperparameter
from engine.run.replay import course_of, replay
from engine.timeline.keyframes import BUDGET, LATEST, LEAST, MOST, SPACING, Keyframe, Keyframes, Passed, most_kept
from tests.support.float_bits import DOCS, shown, tiny, words

CONFIG = tiny(num_steps=25_000)
STEPS = 20_000
PICKED = (0, 1, 19, 20, 979, 1000, 5119, 5120, 5121, 10_239, 12_345, 19_967, 19_999)


def frame(step: int) -> Keyframe:
    return Keyframe(np.array([float(step)]), np.zeros(1), np.zeros(1), ())


def small(config: Config = CONFIG, most: int = 4) -> Session:
    """A run that keeps few keyframes."""
    session = Session(config, DOCS)
    session.history.keyframes.most = most
    return session


def state(session: Session) -> bytes:
    return b"".join(array.tobytes() for array in (session.workspace.params, session._m, session._v))


@functools.cache
def straight(until: int) -> Session:
    """A run that went straight there."""
    session = Session(CONFIG, DOCS)
    session.run(until=until)
    return session


def test_every_moment_of_20_000_steps_can_be_reached() -> None:
    session, known = Session(CONFIG, DOCS), {}

    def note(step: int, loss: float) -> None:
        if step + 1 in PICKED:
            known[step + 1] = state(session)

    session.run(until=STEPS, on_step=note)
    kept = session.history.keyframes
    assert kept.spacing == 80  # 256 at 20 steps reach to 5,120, at 40 to 10,240, at 80 to 20,480
    assert sorted(kept) == list(range(0, STEPS + 1, 80))
    for step in sorted(known, reverse=True):
        session.seek(Moment(step, Phase.BACKWARD, 7))
        assert state(session) == known[step], step
    assert len(kept) <= MOST
    assert len(session.losses) == len(session.history.norms) == STEPS


def test_going_back_step_by_step_replays_few_steps() -> None:
    session, known = Session(CONFIG, DOCS), {}
    session.history.keyframes.spacing = 512
    session.run(until=1000, on_step=lambda step, loss: known.update({step + 1: state(session)}))
    session.sample(1)  # the generator goes on
    replayed = list[int]()
    for step in range(999, 700, -1):
        session.seek(Moment(step, Phase.FORWARD, 7), lambda step, loss: replayed.append(step))
        assert state(session) == known[step], step
        assert len(session._passed.frames) <= 24
        assert session.generator.getstate() == session.history.keyframes[512].generator
    assert len(replayed) < 488 + 5 * 299  # once from the keyframe, then few each; without these it is 100,000
    for there, back in ((600, 520), (990, 5), (999, 513), (1000, 600)):
        session.seek(Moment(there))
        session.seek(Moment(back, Phase.UPDATE, 3))
        session.seek(Moment(back))
        assert state(session) == known[back]
        assert len(session._passed.frames) <= 24
    branch = session.branch([SetHyperparameter(590, "learning_rate", 0.02)])
    branch.run(until=620)
    branch.seek(Moment(600))
    assert state(branch) != known[600]  # the run that it was copied from keeps its own


def test_the_steps_just_run_are_gone_back_to_without_running_others() -> None:
    session, known = Session(CONFIG, DOCS), {}
    session.run(until=30, on_step=lambda step, loss: known.update({step + 1: state(session)}))
    session.sample(1)
    session.run(until=39, on_step=lambda step, loss: known.update({step + 1: state(session)}))
    replayed = list[int]()
    for step in range(38, 38 - LATEST, -1):
        session.seek(Moment(step, Phase.BACKWARD, 5), lambda step, loss: replayed.append(step))
        assert state(session) == known[step], step
        assert session.generator.getstate() == session.history.keyframes[20].generator
    assert not replayed
    session.seek(Moment(38 - LATEST), lambda step, loss: replayed.append(step))
    assert state(session) == known[38 - LATEST]
    assert replayed == list(range(20, 38 - LATEST))
    session.seek(Moment(60))
    session.seek(Moment(12))
    assert state(session) == known[12]


@given(
    st.integers(1, 9), st.lists(st.integers(0, 70), max_size=3), st.lists(st.integers(0, 2000), min_size=1, max_size=9)
)
def test_keyframes_are_bounded_and_evenly_spaced(most: int, pinned: list[int], until: list[int]) -> None:
    kept, asked = Keyframes(most), frame(0)
    kept.add(0, asked)
    for step in pinned:
        kept.pin(step, frame(step))
    for first, last in zip([0, *until], until, strict=False):
        for step in range(first, last + 1):
            if kept.wants(step):
                kept.add(step, frame(step))
    assert {0, *pinned} <= kept.keys()
    free = kept.keys() - set(pinned)
    assert len(free | {0}) <= most + (0 in pinned)
    assert all(step % kept.spacing == 0 for step in free)
    assert all(kept[step].params[0] == step for step in kept)
    for step in (0, 5, 777, 3000):
        found, nearest = kept.nearest(step)
        assert found == max(s for s in kept if s <= step)
        assert nearest is kept[found]


def test_iterating_over_keyframes_while_they_change() -> None:
    kept = Keyframes(4)
    for step in range(0, 80, 20):
        kept.add(step, frame(step))
    steps = iter(kept)
    assert next(steps) == 0
    kept.add(80, frame(80))
    assert list(steps) == [20, 40, 60]
    assert list(kept) == [0, 40, 80]


@given(st.integers(0, 9), st.integers(1, 900))
def test_few_starts_are_added_on_a_way_back(most: int, length: int) -> None:
    passed = Passed(most)
    passed.before(1000, 1000 - length, frame(1000 - length))
    wanted = [step for step in range(1001) if passed.wants(step)]
    assert len(wanted) <= max(1, most)
    assert all(1000 - length < step < 1000 for step in wanted)
    assert wanted[-1:] == [999] * (length > 1)


def test_a_large_model_has_fewer_keyframes() -> None:
    assert most_kept(1) == most_kept(4192) == MOST
    assert most_kept(10**9) == LEAST
    assert LEAST < most_kept(100_000) < MOST
    assert most_kept(100_000) * 100_000 * 24 <= BUDGET
    assert Session(Config(), DOCS).history.keyframes.most == MOST


def test_keyframes_are_dense_again_after_later_steps_are_forgotten() -> None:
    session = small()
    session.run(until=400)
    assert session.history.keyframes.spacing == 160
    session.seek(Moment(170))
    session.forget_future()
    assert (session.history.keyframes.spacing, sorted(session.history.keyframes)) == (SPACING, [0, 160])
    session.run(until=215)
    assert sorted(session.history.keyframes) == [0, 160, 180, 200]
    assert state(session) == state(straight(215))


def test_keyframes_of_branches_and_new_runs_are_bounded() -> None:
    session = small()
    session.run(until=400)
    branch, anew = session.branch([SetHyperparameter(290, "learning_rate", 0.01)]), session.restart_copy()
    assert sorted(branch.history.keyframes) == [0, 160]
    assert sorted(anew.history.keyframes) == [0]
    for other in (branch, anew):
        other.run(until=700)
        assert len(other.history.keyframes) <= 4
    before = state(branch)
    branch.seek(Moment(333, Phase.UPDATE, 5))
    branch.seek(Moment(700))
    assert state(branch) == before
    assert state(anew) == state(straight(700))
    assert sorted(session.history.keyframes) == [0, 160, 320]


def test_a_loaded_run_keeps_a_keyframe_of_the_saved_step(tmp_path: Path) -> None:
    session = small()
    session.run(until=333)
    checkpoint.save(session, tmp_path / "run.safetensors")
    again = checkpoint.resume(checkpoint.load(tmp_path / "run.safetensors"), DOCS)
    assert sorted(again.history.keyframes) == [0, 333]
    again.history.keyframes.most = 4
    again.run(until=700)
    again.seek(Moment(340))
    assert {0, 333} <= again.history.keyframes.keys()
    assert len(again.history.keyframes) <= 5
    session.seek(Moment(340))
    assert shown(again) == shown(session)
    session.run(until=700)
    assert words(again.losses) == words(session.losses)
    assert words(again.history.norms) == words(session.history.norms)


@pytest.mark.parametrize("most", [1, 3])
def test_a_copy_in_a_thread_is_right_while_keyframes_are_thinned_out(most: int) -> None:
    session, steps = small(most=most), (3, 59, 81, 130)
    session.history.keyframes.spacing = 5
    session.run(until=140)
    truth = dict(replay(session.replay_copy(), steps, course_of(5)))
    found, over = [], threading.Event()

    def look_back() -> None:
        while not over.is_set():
            found.append(dict(replay(session.replay_copy(), steps, course_of(5))))

    thread = threading.Thread(target=look_back)
    thread.start()
    for _ in range(40):
        session.run(until=session.step + 50)
    over.set()
    thread.join()
    assert found
    assert all(each == truth for each in found)


def test_a_start_that_is_kept_for_two_reasons_is_kept_once() -> None:
    session = Session(CONFIG, DOCS)
    session.run(until=30)
    session.seek(Moment(29))
    session.seek(Moment(26))  # from step 20 on
    frames, latest = session._passed.frames, session._passed._latest
    assert frames.keys() & latest.keys() == {24, 25}
    assert all(frames[step] is latest[step] for step in (24, 25))
