"""A copy of a training step has the numbers that the run finds at its other moments, and does not change the run."""

from __future__ import annotations

import numpy as np

from engine import Config, Session
from engine.run.step_copy import StepCopy
from engine.timeline.events import PHASES, Moment, Phase
from tests.support.float_bits import DOCS

CONFIG = Config(n_layer=2, n_embd=4, n_head=2, block_size=4, num_steps=20)


def end_of(run: Session, phase: Phase) -> Moment:
    return Moment(run.step, phase, run.program.ticks(phase))


def test_scales_gradients_and_the_loss_again_are_those_of_the_run() -> None:
    run = Session(CONFIG, DOCS)
    copy = StepCopy(run)
    for step in (2, 5, 3):
        run.seek(Moment(step))
        found = [(copy.extents(), copy.final_gradients(), copy.loss_after())]
        for phase in PHASES:
            run.seek(Moment(step, phase, run.program.ticks(phase) // 2))
            here = run.moment
            found.append((copy.extents(), copy.final_gradients(), copy.loss_after()))
            assert run.moment == here
        extents, final, after = found[0]
        assert extents is not None
        assert final is not None
        for other, gradients, loss in found[1:]:
            assert (other, loss) == (extents, after)
            assert gradients is not None
            assert (gradients == final).all()
        run.seek(end_of(run, Phase.BACKWARD))
        assert (run.workspace.grad == final).all()
        events = [e for e in run.program.events(Phase.FORWARD) if e.name == "q"]
        assert extents["q"].data == max(np.abs(run.workspace.data[e.rows]).max() for e in events)
        assert extents["q"].grad == max(np.abs(run.workspace.grad[e.rows]).max() for e in events)
        before = run.params
        run.seek(end_of(run, Phase.UPDATE))
        assert extents["wte"].step == np.abs(run.params["wte"] - before["wte"]).max()
        again = run.step_copy()
        again.workspace.params[:] = run.workspace.params
        again.seek(end_of(again, Phase.FORWARD))
        assert after == again.workspace.data[again.program.loss_row]
