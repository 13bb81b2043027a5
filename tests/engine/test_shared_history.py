"""Copies of a run for other threads stay consistent while the run trains or forgets steps."""

from __future__ import annotations

import threading

import pytest

from engine import Moment, Phase, Session
from engine.interventions.syntax import Ablation
from engine.model.recording import Floats
from engine.run.branches import Branches
from engine.run.replay import course_of, replay
from engine.timeline import history
from tests.support.float_bits import DOCS, shown, tiny, words
from tests.support.wait import PATIENCE

CONFIG = tiny()
STEPS = 45


def trained() -> Session:
    session = Session(CONFIG, DOCS)
    session.run(until=STEPS)
    return session


def test_a_replay_goes_on_while_the_run_forgets_these_steps() -> None:
    run = trained()
    truth = dict(replay(run.replay_copy(), [39], course_of(5)))
    twin, losses = run.replay_copy(), list(run.losses)
    run.seek(Moment(3))
    told = {}

    def forget(step: int, loss: float) -> None:
        told[step] = loss
        if step == 25:
            run.forget_future()

    assert dict(replay(twin, [39], course_of(5), forget)) == truth
    assert words(list(told.values())) == words(losses[min(told) : 39])
    assert max(told) == 38
    assert len(run.losses) == 3
    assert words(twin.losses) == words(losses)  # as it was when the copy was made


def test_a_copy_made_while_a_step_is_recorded_is_consistent(monkeypatch: pytest.MonkeyPatch) -> None:
    run, begun, go_on = Session(CONFIG, DOCS), threading.Event(), threading.Event()
    norm = history.whole_norm

    def held(norms: Floats) -> float:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert go_on.wait(PATIENCE)
        return norm(norms)

    run.run(until=30)
    monkeypatch.setattr(history, "whole_norm", held)
    thread = threading.Thread(target=run.run, args=(STEPS,))
    thread.start()
    assert begun.wait(PATIENCE)
    copies = [run.replay_copy(), run.branch([])]
    for copy in copies:
        figures = copy.history
        assert len(figures.losses) == len(figures.grad_norms) == len(figures.norms)
    go_on.set()
    thread.join()
    copies[1].run(until=STEPS)
    assert words(copies[1].history.grad_norms) == words(run.history.grad_norms)
    assert words(copies[1].history.norms) == words(run.history.norms)
    assert words(copies[1].losses) == words(run.losses)


def test_a_copy_uses_no_keyframe_later_than_its_figures() -> None:
    run = Session(CONFIG, DOCS)
    run.run(until=30)
    known = run.history.reader()
    run.run(until=STEPS)
    later = known.until(100)
    assert (len(later.losses), sorted(later.keyframes)) == (30, [0, 20])


def test_a_copy_has_its_own_means_of_ablated_tensors() -> None:
    branch = trained().branch([Ablation(33, 0, "mlp", mean_of=3)])
    twin = branch.replay_copy()
    means = branch._altered._means
    twin.seek(Moment(35, Phase.UPDATE, 3))
    assert not branch._altered._means
    branch.seek(Moment(35, Phase.UPDATE, 3))
    assert not means  # a thread that was going through them is not disturbed
    assert {**shown(twin), "losses": []} == {**shown(branch), "losses": []}


def test_a_branch_can_be_copied_while_it_is_removed_or_renamed() -> None:
    branches = Branches(trained())
    changed = branches.change(None, [Ablation(33, 0, "mlp")])
    truth = branches.copy("branch 1", changed.changes)
    branches.rename("branch 1", "without")
    renamed = branches.copy("branch 1", changed.changes)
    branches.remove("without")
    removed = branches.copy("branch 1", changed.changes)
    for copy in (truth, renamed, removed):
        copy.seek(Moment(40))
    assert shown(truth) == shown(renamed) == shown(removed)
