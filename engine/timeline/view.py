"""`View`: what can be seen at one moment. Everything not yet computed then is unknown, whatever the arrays hold."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from engine.autograd import kernels
from engine.autograd.kernels import LEAF, MUL
from engine.autograd.tape import Rows
from engine.errors import WhyError
from engine.immutable import immutable_by_identity
from engine.language.say import say
from engine.model.config import Config
from engine.model.recording import Floats, Workspace
from engine.timeline.events import Event, Moment, Phase, StepProgram, TapeProgram
from engine.timeline.explainer import Explainer, SourceLine
from engine.timeline.history import History, Norms, matrix_norms, whole_norm
from engine.timeline.keyframes import Keyframe
from engine.timeline.row_ticks import RowTicks, pieces
from engine.timeline.update import ADAM, AdamStep, Optimizer, UpdateStep
from engine.timeline.validation import Validation

Mask = npt.NDArray[np.bool_]


class GradientState(Enum):
    """What there is to say of the gradient of one scalar, at one moment of one step."""

    PLAIN = "plain"  # a plain number to the model: it has no gradient
    INDEPENDENT = "independent"  # the loss does not depend on it: 0, at every moment
    NOT_YET = say("timeline.view.not_yet")  # the backward phase has handed it nothing so far
    VALUE = "value"  # a number: the sum of what was handed to it so far


NEVER = 2**31 - 1  # the tick of what does not happen
RECENT = 50  # steps that the mean loss is over


@immutable_by_identity
class Reading:
    """Values of some scalars and which of them are known, in the shape that was asked for."""

    values: Floats
    known: Mask


class View(Protocol):
    """What can be seen of a run at one moment: values, gradients, updates, figures of its history.

    It is good until the run moves. An implementation that names this class as its base brings what has no body here,
    and inherits the rest.
    """

    config: Config
    moment: Moment
    corrects_bias: bool = True  # whether the optimizer does, if it is one that has moments
    replays: bool = True  # whether the past can be looked at by running it again beside this run
    changeable: bool = False  # whether scalars can be set to other values, for what if and gradient checks
    _pos: int | None = None  # the position that is spoken of, where it is not the event's

    @property
    def program(self) -> StepProgram:
        """The program of the moment's step."""

    @property
    def event(self) -> Event:
        """What is being made at this moment, or has just been completed."""
        return self.program.event_at(self.moment)

    @property
    def pos(self) -> int | None:
        """The position that is spoken of where none is named: the event's; None where that has none."""
        return self.event.pos if self._pos is None else self._pos

    def speaking_of(self, pos: int) -> Self | None:
        """This moment, with another `pos`; None if the document has no such position."""
        if not 0 <= pos < self.program.n:
            return None
        other = copy.copy(self)
        other._pos = pos
        return other

    @property
    def last_row(self) -> int:
        """The scalar that the last tick made, handed a gradient to, or moved; the first to come at tick 0."""
        tick = max(self.moment.tick - 1, 0)
        if self.moment.phase is Phase.FORWARD:
            return self.program.row_of(tick)
        return self.program.receiver_of(tick + 1) if self.moment.phase is Phase.BACKWARD else tick

    def explainer(self) -> Explainer:
        """What explains single scalars at this moment."""

    def source(self, event: Event | None = None) -> SourceLine:
        """The line of code that is at work, or that ends an event."""

    @property
    def learning_rate(self) -> float | None:
        """The learning rate of this step; None in a run that does not say what it is."""
        return None

    @property
    def printed(self) -> str | None:
        """What the run has printed so far, and the traceback that it ended with, if any; None if it prints nothing."""
        return None

    # Values.

    def data(self, rows: Rows) -> Reading:
        """The values of these scalars at this moment."""

    def value(self, row: int) -> float | None:
        """The value of one scalar at this moment; None if it is not known."""
        reading = self.data(np.array([row]))
        return float(reading.values[0]) if reading.known[0] else None

    @property
    def passed_values(self) -> Floats:
        """All scalars as the forward and the backward phase of this step have them: parameters before the update."""

    def passed(self, rows: Rows) -> Floats:
        """These of the `passed_values`."""
        return self.passed_values[rows]

    @property
    def loss(self) -> float | None:
        """The document's loss, once it is known."""
        return self.value(self.program.loss_row)

    @property
    def carried(self) -> str:
        """What the gradients of parameters begin with, in a few words; empty where they begin with 0."""
        return ""

    @property
    def remark(self) -> str:
        """A sentence on what of this step is not as in others, without which its figures mislead; empty for none."""
        return ""

    def made(self, row: int) -> float | None:
        """What a scalar was when it was made, where it has been set to something else; None elsewhere."""
        del row
        return None

    @property
    def overridden(self) -> Rows:
        """The scalars of this step that take another value than the model makes, known already or not."""
        return np.empty(0, dtype=np.int32)

    # Gradients.

    def grad(self, rows: Rows) -> Reading:
        """Gradients as accumulated so far; unknown where nothing has arrived yet, and in the forward phase.

        From the start of the backward phase on, what the loss does not depend on has the gradient 0. What is a plain
        number to the model has none.
        """

    def live(self, rows: Rows) -> Mask:
        """Where gradients flow to: not to constants."""

    def used(self, rows: Rows) -> Mask:
        """Which scalars this document has, parameters among them."""
        return np.ones(rows.shape, dtype=np.bool_)

    def gradient_state(self, row: int) -> GradientState:
        """Which of the things that can be said of a gradient is true of this scalar's. The one rule for all texts."""
        rows = np.array([row])
        if not self.live(rows)[0]:
            return GradientState.PLAIN
        if self.independent(rows)[0]:
            return GradientState.INDEPENDENT
        return GradientState.VALUE if self.arrived(rows)[0] else GradientState.NOT_YET

    def independent(self, rows: Rows) -> Mask:
        """Where the backward phase of this step hands on nothing, because the loss does not depend on the scalar.

        Such are the row of a token that the document does not hold, and the probability of one that did not come.
        """
        return np.asarray((self._row_ticks.last(rows) == 0) & self.live(rows))

    def arrived(self, rows: Rows) -> Mask:
        """Where something has been added to the gradient so far, if it was only a 0."""
        first = self._row_ticks.first(rows)
        return np.asarray((first > 0) & (first <= self.backward_ticks))

    def complete(self, rows: Rows) -> Mask:
        """Where nothing more will be added to the gradient in this step; nowhere in the forward phase."""
        last = self._row_ticks.last(rows)
        if self.moment.phase is Phase.FORWARD:
            return np.zeros(rows.shape, dtype=np.bool_)
        return np.asarray((last <= self.backward_ticks) & self.used(rows))

    def contributed(self, event: Event, rows: Rows) -> Reading:
        """What a forward event's products have added so far to the gradients of these scalars, one product each."""
        del event
        return Reading(np.zeros(rows.shape), np.zeros(rows.shape, dtype=np.bool_))

    @property
    def local_gradients(self) -> Floats | None:
        """For every backward tick of the step the local gradient that it multiplies by, 0 where nothing is handed on;
        None in a run that does not say them all at once.
        """
        return None

    @cached_property
    def contributions(self) -> dict[str, tuple[int, int, int]]:
        """For every parameter: how many positions have added to its gradient so far, how many will have in the end, and
        the tick at which the first of them begins (a large number if none does).
        """
        done = self.backward_ticks
        return {
            name: (int(((own > 0) & (own <= done)).sum()), int((own > 0).sum()), int(own[own > 0].min(initial=NEVER)))
            for name, own in zip(self.program.parameters, self._contributions(), strict=True)
        }

    def _contributions(self) -> Rows:
        """As `StepProgram.contributions`, but only of ticks that hand something on."""
        return self.program.contributions

    @property
    def _row_ticks(self) -> RowTicks:
        """As `StepProgram.row_ticks`, but only of ticks that hand something on: not those of what is switched off."""
        return self.program.row_ticks

    @property
    def backward_ticks(self) -> int:
        """How many ticks of the backward phase are done."""
        if self.moment.phase is Phase.FORWARD:
            return 0
        return self.moment.tick if self.moment.phase is Phase.BACKWARD else self.program.ticks(Phase.BACKWARD)

    # Updates.

    @property
    def optimizer(self) -> Optimizer:
        """What moves the parameters."""

    def moved(self, rows: Rows) -> Mask:
        """Which parameters this step's update has moved."""
        return np.asarray((rows < self.moment.tick) & (self.moment.phase is Phase.UPDATE))

    def state(self, rows: Rows | int) -> dict[str, Floats]:
        """What the optimizer remembers of these parameters, as it stands, by its name."""

    def update(self, row: int) -> UpdateStep | None:
        """The arithmetic that moved a parameter in this step; None if it has not been moved yet."""

    def past_updates(self, row: int) -> Mapping[int, UpdateStep]:
        """How a parameter was moved in earlier steps, by step, where the run keeps that because it does not replay."""
        del row
        return {}

    def update_maps(self, rows: Rows) -> Mapping[str, Reading]:
        """The optimizer's quantities of a whole parameter, in their order and in its shape.

        What the update has not reached yet is unknown but for the gradient and the parameter.
        """

    # History.

    @property
    def losses(self) -> list[float]:
        """The loss of every step that was ever finished; those from `moment.step` on lie in this moment's future."""

    @property
    def losses_so_far(self) -> list[float]:
        """The loss of every step before this one, and of this one if it is known."""
        now = self.loss
        return self.losses[: self.moment.step] + ([] if now is None else [now])

    @property
    def recent_losses(self) -> list[float]:
        """The last of the `losses_so_far`, whose mean says more of the model than any of them."""
        return self.losses_so_far[-RECENT:]

    @property
    def grad_norms(self) -> list[float]:
        """The gradient norm of every step that was ever finished, as `losses`."""

    @property
    def spacing(self) -> int:
        """How many training steps lie between those that can be gone back to without replaying others."""

    @property
    def validations(self) -> dict[int, Validation]:
        """What held-out documents cost before the steps at which that was measured, as far as this moment knows."""
        return {}

    def grad_norm(self) -> float:
        """The norm of the gradients of all parameters, as they stand; in the end the figure that `grad_norms` has."""

    def norms(self, name: str) -> Norms | None:
        """Norms of a parameter in this step; None until the update has moved all of it."""

    def first_parameters(self, name: str) -> Floats:
        """A parameter as the run began with it, in its own shape."""

    def norms_before(self, name: str, first: int = 0) -> Floats:
        """Norms of a parameter in every step before this one, or from `first` on: (steps, 3), as in `Norms`."""


class TapeView(View):
    """A run of the GPT at one moment. It reads the run's own arrays.

    `explain_with` and `source_with` make what `explainer` and `source` return.
    """

    changeable = True

    def __init__(
        self,
        config: Config,
        program: TapeProgram,
        workspace: Workspace,
        moment: Moment,
        start: Keyframe | None,
        moments: tuple[Floats, Floats],
        adam_rates: tuple[float, ...],
        corrects_bias: bool,
        history: History,
        explain_with: Callable[[TapeView], Explainer],
        source_with: Callable[[TapeView, Event | None], SourceLine],
    ) -> None:
        self.config, self.workspace, self.moment = config, workspace, moment
        self._program = program
        self._explain_with, self._source_with = explain_with, source_with
        self.recording = workspace.recording
        self._start = start
        self._m, self._v = moments
        self.adam_rates, self.corrects_bias = adam_rates, corrects_bias
        self._history = history

    @property
    def program(self) -> TapeProgram:
        """The program of the moment's step."""
        return self._program

    def explainer(self) -> Explainer:
        """What explains single scalars at this moment."""
        return self._explain_with(self)

    def source(self, event: Event | None = None) -> SourceLine:
        """The line of the engine or of its model."""
        return self._source_with(self, event)

    @property
    def learning_rate(self) -> float:
        """The learning rate of this step."""
        return self.config.learning_rate_at(self.moment.step)

    @property
    def passed_params(self) -> Floats:
        """The parameters as the forward and the backward phase of this step have them."""
        return self.workspace.params if self._start is None else self._start.params

    @cached_property
    def passed_values(self) -> Floats:
        """All scalars as the forward and the backward phase of this step have them: parameters before the update."""
        if self._start is None:
            return self.workspace.data
        values = self.workspace.copy_of(self.workspace.data, self.program.n)
        values[: self.recording.n_params] = self._start.params
        return values

    def passed(self, rows: Rows) -> Floats:
        """These of the `passed_values`, without a copy of all of them."""
        values, own = self.workspace.data[rows], rows < self.recording.n_params
        return np.where(own, self.passed_params[np.where(own, rows, 0)], values)

    def data(self, rows: Rows) -> Reading:
        """The values of these scalars at this moment."""
        known = self.used(rows)
        if self.moment.phase is Phase.FORWARD:
            known &= (rows <= self._frontier) | (self.recording.op[rows] == LEAF)
        return Reading(self.workspace.data[rows], known)

    def value(self, row: int) -> float | None:
        """As `data`, without the detour of arrays of one."""
        last, first_mean, last_mean = self._used
        known = row < last or first_mean <= row < last_mean
        if self.moment.phase is Phase.FORWARD and row > self._frontier:
            known = known and bool(self.recording.op[row] == LEAF)
        return float(self.workspace.data[row]) if known else None

    @cached_property
    def _frontier(self) -> int:
        """The row that the forward phase has made last; -1 before the first."""
        tick = self.moment.tick
        return self.program.row_of(tick - 1) if tick else -1

    def used(self, rows: Rows) -> Mask:
        """Which scalars this document has; it may have fewer positions than the tape."""
        last, first_mean, last_mean = self._used
        return np.asarray((rows < last) | ((rows >= first_mean) & (rows < last_mean)))

    @cached_property
    def _used(self) -> tuple[int, int, int]:
        """The row after those of the last position, and the first and the last row of what comes after it."""
        mean = self.program.mean
        return self.recording.positions[self.program.n - 1].last, mean.first, mean.last

    def made(self, row: int) -> float | None:
        """What a scalar was when it was made, where it has been set to something else; None elsewhere."""
        overrides = self.workspace.overrides
        if overrides is None or row not in overrides or not self.data(np.array([row])).known[0]:
            return None
        return self.workspace.made(row)

    @property
    def overridden(self) -> Rows:
        """The scalars of this step that take another value than the model makes, known already or not."""
        overrides = self.workspace.overrides
        return np.empty(0, dtype=np.int32) if overrides is None else overrides.rows

    def live(self, rows: Rows) -> Mask:
        """Where gradients flow to: parameters and what is computed, not constants."""
        return self.recording.live[rows]

    def grad(self, rows: Rows) -> Reading:
        """Gradients as accumulated so far; unknown where nothing has arrived yet, and in the forward phase.

        From the start of the backward phase on, what the loss does not depend on has the gradient 0. What is a plain
        number to the model has none.
        """
        known = self.arrived(rows)
        if self.moment.phase is not Phase.FORWARD:
            known |= self.independent(rows) & self.used(rows)
        return Reading(self.workspace.grad[rows], known)

    def arrived(self, rows: Rows) -> Mask:
        """As every view's; a constant in the place of what is left out gets nothing, though ticks lead to it."""
        return super().arrived(rows) & self.live(rows)

    def _contributions(self) -> Rows:
        return self.program.contributions_flowing(self.workspace.overrides)

    @property
    def _row_ticks(self) -> RowTicks:
        return self.program.row_ticks_flowing(self.workspace.overrides)

    def contributed(self, event: Event, rows: Rows) -> Reading:
        """What a forward event's products have added so far to these gradients: the other factor times the gradient."""
        program, r = self.program, self.recording
        first, last = program.row_of(event.first), program.row_of(event.last - 1)
        made = np.arange(first, last + 1, dtype=np.int32)
        ticks = self._row_ticks.first(made)  # nothing is handed on before
        start = int(ticks[ticks > 0].min(initial=self.backward_ticks))
        found = (program.edges_between(*piece) for piece in pieces(start, self.backward_ticks))
        own = np.concatenate([np.empty(0, np.int32), *(e[(e >= 2 * first) & (e <= 2 * last + 1)] for e in found)])
        own = own[r.op[own >> 1] == MUL]
        values, known = np.zeros(len(r)), np.zeros(len(r), dtype=np.bool_)
        values[program.child[own]] = self.passed(program.child[own ^ 1]) * self.workspace.grad[own >> 1]
        known[program.child[own]] = True
        return Reading(values[rows], known[rows])

    @property
    def optimizer(self) -> Optimizer:
        """Adam."""
        return ADAM

    def state(self, rows: Rows | int) -> dict[str, Floats]:
        """Adam's first and second moments of these parameters, as they stand: m and v."""
        return {"m": self._m[rows], "v": self._v[rows]}

    def update(self, row: int) -> AdamStep | None:
        """The arithmetic that moved a parameter in this step; None if it has not been moved yet."""
        if self._start is None or not (row < self.recording.n_params and self.moved(np.array(row))):
            return None
        start, (lr, beta1, beta2, fix1, fix2, *_) = self._start, self.adam_rates
        g = float(self.workspace.grad[row])
        before = float(start.m[row]), float(start.v[row]), float(start.params[row])
        after = kernels.adam_step(g, *before, *self.adam_rates)
        return AdamStep(g, *before, *after, lr, beta1, beta2, fix1, fix2, self.corrects_bias)

    def update_maps(self, rows: Rows) -> dict[str, Reading]:
        """Gradient, moments, corrected moments, step and parameter of a whole matrix: g, m, v, m_hat, v_hat, delta, p.

        What the update has not reached yet is unknown but for the gradient and the parameter.
        """
        moved, m, v = self.moved(rows), self._m[rows], self._v[rows]
        lr, _, _, fix1, fix2, _, root, eps = self.adam_rates
        with np.errstate(all="ignore"):  # what is not finite is shown as it is
            m_hat, v_hat = m / fix1, v / fix2
            roots = [kernels.power(x, root) for x in v_hat.ravel().tolist()]  # numpy's own power rounds differently
            delta = lr * m_hat / (np.array(roots).reshape(rows.shape) + eps)
        maps = {"m": m, "v": v, "m_hat": m_hat, "v_hat": v_hat, "delta": delta}
        return {
            "g": self.grad(rows),
            **{name: Reading(np.where(moved, values, 0.0), moved) for name, values in maps.items()},
            "p": self.data(rows),
        }

    def first_parameters(self, name: str) -> Floats:
        """A matrix as the run began with it."""
        return np.asarray(self._history.keyframes[0].params[self.recording.matrices[name]])

    @property
    def losses(self) -> list[float]:
        """The loss of every step that was ever finished; those from `moment.step` on lie in this moment's future."""
        return self._history.losses

    @property
    def grad_norms(self) -> list[float]:
        """The gradient norm of every step that was ever finished, as `losses`."""
        return self._history.grad_norms

    @property
    def spacing(self) -> int:
        """How many training steps lie between those that can be gone back to without replaying others."""
        return self._history.keyframes.spacing

    @property
    def validations(self) -> dict[int, Validation]:
        """What held-out documents cost before the steps at which that was measured, as far as this moment knows."""
        return {step: found for step, found in self._history.validations.items() if step <= self.moment.step}

    def grad_norm(self) -> float:
        """The norm of the gradients of all parameters, as they stand."""
        w, r = self.workspace, self.recording
        return whole_norm(matrix_norms(w.loops, r.bounds, w.grad[: r.n_params], w.params, w.params)[:, 0])

    def norms(self, name: str) -> Norms | None:
        """Norms of a matrix in this step; None until the update has moved all of it."""
        rows = self.recording.matrices[name]
        if self._start is None or not self.moved(rows).all():
            return None
        flat, w = rows.ravel(), self.workspace
        bounds = np.array([0, len(flat)], dtype=np.int32)
        norms = matrix_norms(w.loops, bounds, w.grad[flat], self._start.params[flat], w.data[flat])
        return Norms(*norms[0].tolist())

    def norms_before(self, name: str, first: int = 0) -> Floats:
        """Norms of a matrix in every step before this one, or in those from `first` on: (steps, 3), as in `Norms`."""
        place = list(self.recording.matrices).index(name)
        return self._history.norms[first : self.moment.step, place]


def tape_view(view: View, what: str) -> TapeView:
    """The view of a run of the GPT, whose recording `what` needs. Raises WhyError for that of another run."""
    if not isinstance(view, TapeView):
        raise WhyError(say("timeline.view.can_be_told_runs", what=what))
    return view
