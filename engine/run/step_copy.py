"""`StepCopy`: a second copy of a run's training step, which stands at other moments of that step than the run does."""

from __future__ import annotations

import math

import numpy as np

from engine.errors import EngineError
from engine.immutable import immutable
from engine.model.recording import Floats
from engine.run.capabilities import RepeatableRun, can_repeat
from engine.timeline.events import Event, Moment, Phase
from engine.timeline.run import Run

LARGEST = 3_000_000  # scalars of a tape of which a step is not repeated: it would take longer than a key may


@immutable
class Extent:
    """The largest magnitudes of a tensor, over all positions, layers and heads of one training step.

    `data` is of its values, `grad` of its gradients, `step` of what the update adds to it (0 for what is no parameter).
    """

    data: float
    grad: float
    step: float = 0.0


class StepCopy:
    """The present training step of a run, once more, for what a moment cannot know: the later and the earlier ones.

    Scales of pictures come from it, so that no picture is repainted as the step goes on; the gradients at its end; and
    the loss of the same document after the update. It follows the run to whatever step that stands in, and answers None
    where the tape is too large to be run again in the time of a key, or a fault of arithmetic lies in the step.
    """

    def __init__(self, run: RepeatableRun) -> None:
        self._run = run
        self._twin: RepeatableRun | None = None
        self._step: int | None = None
        self._extents: dict[str, Extent] | None = None
        self._loss_after: float | None = None
        self._final: Floats | None = None
        self.latest: dict[str, Extent] | None = None  # of the last step that was asked for

    def extents(self) -> dict[str, Extent] | None:
        """The extents of every tensor and parameter of the step that the run stands in, by name."""
        self._follow()
        if self._extents is None and self._stand(Moment(self._run.step, Phase.UPDATE, self._n_params)):
            assert self._twin is not None
            self._extents = self.latest = _extents_of(self._twin, self._run.program.events(Phase.FORWARD))
            self._final = self._twin.workspace.copy_of(self._twin.workspace.grad, self._twin.program.n)
        return self._extents

    def final_gradients(self) -> Floats | None:
        """The gradients of all rows as the backward phase of the step leaves them."""
        return None if self.extents() is None else self._final

    def loss_after(self) -> float | None:
        """The loss of the step's document under the parameters that its update leaves."""
        self._follow()
        if self._loss_after is None and self._stand(Moment(self._run.step, Phase.UPDATE, self._n_params)):
            assert self._twin is not None
            self._loss_after = self._twin.loss_again()
            self._step = None  # the copy has other parameters now
            self._follow_quietly()
        return self._loss_after

    @property
    def _n_params(self) -> int:
        return self._run.recording.n_params

    def _follow(self) -> None:
        """Forget what is known of another step than the run's."""
        if self._step != self._run.step:
            self._extents = self._loss_after = self._final = None
            self._follow_quietly()

    def _follow_quietly(self) -> None:
        """Stand at the start of the run's step."""
        if len(self._run.recording) > LARGEST:
            return
        try:
            if self._twin is None:
                self._twin = self._run.step_copy()
            else:
                self._twin.adopt_step(self._run)
        except EngineError:
            self._twin = None
        self._step = self._run.step

    def _stand(self, moment: Moment) -> bool:
        if self._twin is None:
            return False
        try:
            self._twin.seek(moment)
        except EngineError:
            return False
        return True


def step_copy_of(run: Run) -> StepCopy | None:
    """The copy of a run's step; None for a run whose steps cannot be repeated beside it."""
    return StepCopy(run) if can_repeat(run) else None


def _extents_of(run: RepeatableRun, events: list[Event]) -> dict[str, Extent]:
    """The extents of a step at whose end a run stands, and of the tensors that its forward events make."""
    data, grad = run.workspace.data, run.workspace.grad
    start = run.start_of_step().params
    found: dict[str, Extent] = {}
    for name, rows in run.recording.matrices.items():
        flat = rows.ravel()
        found[name] = Extent(_largest(start[flat]), _largest(grad[flat]), _largest(data[flat] - start[flat]))
    for event in events:
        old = found.get(event.name, Extent(0.0, 0.0))
        rows = event.rows.ravel()
        found[event.name] = Extent(max(old.data, _largest(data[rows])), max(old.grad, _largest(grad[rows])))
    return found


def _largest(values: Floats) -> float:
    """The largest magnitude; infinities and what is not a number do not count."""
    most = float(np.abs(values).max(initial=0.0))
    if math.isfinite(most):
        return most
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
