"""The figures of every step are those of a straight run, wherever the run stands, and none is shown early."""

from __future__ import annotations

import functools

import numpy as np

from engine import Config, Moment, Phase, Session, load_docs
from engine.timeline.history import Norms
from tests.support.float_bits import DOCS, tiny, words

CONFIG = tiny(n_layer=2)
STEPS = 9
Stepwise = list[dict[str, Norms]]


@functools.cache
def straight() -> Stepwise:
    """Norms of every matrix in every step, from parameters and gradients before and after each."""
    session, found = Session(CONFIG, DOCS), []
    for step in range(STEPS):
        session.seek(Moment(step, Phase.BACKWARD, 10**9))
        before = session.params
        grad = {name: session.workspace.grad[rows] for name, rows in session.recording.matrices.items()}
        session.seek(Moment(step, Phase.UPDATE, 10**9))
        found.append(
            {
                name: Norms(*(float(np.linalg.norm(a)) for a in (grad[name], after - before[name], before[name])))
                for name, after in session.params.items()
            }
        )
    return found


def agree(session: Session, step: int) -> None:
    view = session.view()
    for name in session.recording.matrices:
        before = view.norms_before(name)
        assert len(before) == step
        np.testing.assert_allclose(before, np.array([s[name] for s in straight()[:step]]).reshape(-1, 3), rtol=1e-12)


def test_norms_are_those_of_the_parameters_before_and_after() -> None:
    session = Session(CONFIG, DOCS)
    session.run(until=STEPS)
    agree(session, STEPS)


def test_figures_do_not_depend_on_the_way_and_are_not_shown_early() -> None:
    session = Session(CONFIG, DOCS)
    session.history.keyframes.spacing = 3
    session.run(until=6)
    kept = words(session.history.norms)
    for step in (2, 5, 0, 4):
        session.seek(Moment(step, Phase.UPDATE, 7))
        agree(session, step)
    session.seek(Moment(6))
    assert words(session.history.norms) == kept
    session.run(until=STEPS)
    agree(session, STEPS)


def test_norms_of_the_present_step_are_known_once_the_whole_matrix_has_moved() -> None:
    session = Session(CONFIG, DOCS)
    session.seek(Moment(4))
    for event in session.program.events(Phase.UPDATE):
        session.seek(Moment(4, Phase.UPDATE, event.last - 1))
        assert session.view().norms(event.name) is None
        session.seek(Moment(4, Phase.UPDATE, event.last))
        norms = session.view().norms(event.name)
        np.testing.assert_allclose(norms, straight()[4][event.name], rtol=1e-12)
    last = {name: session.view().norms(name) for name in session.recording.matrices}
    session.seek(Moment(5))
    assert last == {name: Norms(*session.view().norms_before(name)[4]) for name in last}
    assert session.view().norms("wte") is None


def test_figures_of_a_diverging_run_are_nan() -> None:
    session = Session(Config(learning_rate=1e200), load_docs())
    session.run(until=5)
    assert np.isnan(session.view().norms_before("wte")[-1]).all()
