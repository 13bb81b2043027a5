"""The most memory that an action takes for a moment, in bytes for each scalar of the tape: no array of them too many.

Arrays as long as the tape count in full here, though the system gives their memory at the first touch.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from engine import Config, Moment, Phase, Session, load_docs
from engine.explain.gradient_paths import GradientPaths

STEP = 3
ROWS = np.arange(10)


def a_backward_moment(session: Session) -> None:
    """The last tick of each row, whether it has several, and what a piece of the ticks takes; no edges."""
    session.seek(Moment(STEP, Phase.BACKWARD, session.program.ticks(Phase.BACKWARD) // 2))
    session.view().grad(ROWS)
    session.view().complete(ROWS)


def a_compared_run(session: Session) -> Session:
    """Values, gradients, values as they were made, and a graph; ticks are those of the run itself."""
    other = session.branch([])
    other.seek(session.moment)
    other.view().grad(ROWS)
    return other


def gradient_paths(session: Session) -> GradientPaths:
    """The strongest chain of each row."""
    return GradientPaths(session.view())


def a_long_sample(session: Session) -> object:
    """Values, gradients, values as they were made, and a graph."""
    sampler = session.sampler()
    for length in range(1, session.config.block_size + 1):
        sampler.after([session.tokenizer.bos, *[1] * (length - 1)], 0.5)
    return sampler


@pytest.fixture(scope="module")
def session() -> Session:
    """A run in the update of a step, recorded as a large model is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.model.recording.LARGE", 0)
        session = Session(Config(n_layer=2, n_embd=32, block_size=12), load_docs())
    assert session.recording.packed is not None
    session.recording.reach(session.config.block_size)
    session.run(STEP)
    a_long_sample(session)  # what is found once stays
    return session


def stand(session: Session, phase: Phase) -> None:
    """Bring the run to a phase, from another step: after the forward phase, by a backward moment that is looked at."""
    session.seek(Moment(0))
    session.seek(Moment(STEP, phase, 5))
    if phase is not Phase.FORWARD:
        a_backward_moment(session)
        session.seek(Moment(STEP, phase, 5))


@pytest.mark.parametrize(
    ("phase", "act", "most"),
    [
        (Phase.FORWARD, a_backward_moment, 4 + 1 + 8),
        (Phase.BACKWARD, a_compared_run, 3 * 8 + 8 + 5),
        (Phase.UPDATE, gradient_paths, 8 + 2),
        (Phase.FORWARD, a_long_sample, 3 * 8 + 8 + 4),
    ],
)
def test_an_action_takes_no_more_than_it_has_to(
    session: Session, phase: Phase, act: Callable[[Session], object], most: int
) -> None:
    stand(session, phase)
    act(session)  # compiles what it needs
    stand(session, phase)
    gc.collect()
    tracemalloc.start()
    try:
        found = act(session)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del found
    assert peak / len(session.recording) < most
