"""`View`: what can be seen at one moment. Everything not yet computed then is unknown, whatever the arrays hold."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.autograd import kernels
from engine.autograd.kernels import LEAF
from engine.autograd.tape import Rows
from engine.model.config import Config
from engine.model.recording import Floats, Workspace
from engine.timeline.events import Event, Moment, Phase, StepProgram
from engine.timeline.history import History, Norms, matrix_norms
from engine.timeline.keyframes import Keyframe
from engine.timeline.validation import Validation

Mask = npt.NDArray[np.bool_]


class GradientState(Enum):
    """What there is to say of the gradient of one scalar, at one moment of one step."""

    PLAIN = "plain"  # a plain number to the model: it has no gradient
    INDEPENDENT = "independent"  # the loss does not depend on it: 0, at every moment
    NOT_YET = "not yet"  # the backward phase has handed it nothing so far
    VALUE = "value"  # a number: the sum of what was handed to it so far


@dataclass(frozen=True, slots=True)
class AdamStep:
    """One parameter's update: gradient, moments and parameter before, and all that Adam makes of them."""

    g: float
    m_before: float
    v_before: float
    p_before: float
    m: float
    v: float
    m_hat: float
    v_hat: float
    delta: float
    p: float
    learning_rate: float
    beta1: float
    beta2: float
    fix1: float
    fix2: float

    @property
    def unmoved(self) -> str | None:
        """Why the parameter is, to the last bit, what it was before; None if it has changed."""
        if self.p != self.p_before:
            return None
        if self.delta != 0:
            return "the step is too small to change it"
        if self.learning_rate == 0:
            return "the learning rate is 0"
        return "its mean gradient m is 0" if self.m == 0 else "the step is 0"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Values of some scalars and which of them are known, in the shape that was asked for."""

    values: Floats
    known: Mask


class View:
    """A run at one moment. It reads the run's own arrays, so it is good until the run moves."""

    def __init__(
        self,
        config: Config,
        program: StepProgram,
        workspace: Workspace,
        moment: Moment,
        start: Keyframe | None,
        moments: tuple[Floats, Floats],
        adam_rates: tuple[float, ...],
        history: History,
    ) -> None:
        self.config, self.program, self.workspace, self.moment = config, program, workspace, moment
        self.recording = workspace.recording
        self._start = start
        self._m, self._v = moments
        self.adam_rates = adam_rates
        self._history = history
        self._pos: int | None = None

    @property
    def stretch(self) -> Event:
        """What is being made at this moment, or has just been completed."""
        return self.program.stretch_at(self.moment)

    @property
    def pos(self) -> int | None:
        """The position that is spoken of where none is named: the event's; None where that has none."""
        return self.stretch.pos if self._pos is None else self._pos

    def speaking_of(self, pos: int) -> View | None:
        """This moment, with another `pos`; None if the document has no such position."""
        if not 0 <= pos < self.program.n:
            return None
        other = copy.copy(self)
        other._pos = pos
        return other

    @cached_property
    def passed_values(self) -> Floats:
        """All scalars as the forward and the backward phase of this step have them: parameters before the update."""
        if self._start is None:
            return self.workspace.data
        values = self.workspace.data.copy()
        values[: self.recording.n_params] = self._start.params
        return values

    @property
    def last_row(self) -> int:
        """The scalar that the last tick made, handed a gradient to, or moved; the first to come at tick 0."""
        tick = max(self.moment.tick - 1, 0)
        if self.moment.phase is Phase.FORWARD:
            return int(self.program.rows[tick])
        return int(self.program.receivers[tick]) if self.moment.phase is Phase.BACKWARD else tick

    @property
    def loss(self) -> float | None:
        """The document's loss, once it is known."""
        reading = self.data(np.array([self.program.loss_row]))
        return float(reading.values[0]) if reading.known[0] else None

    def data(self, rows: Rows) -> Reading:
        """The values of these scalars at this moment."""
        program, r = self.program, self.recording
        known = used = self._used(rows)
        if self.moment.phase is Phase.FORWARD:
            tick = self.moment.tick
            frontier = program.rows[tick - 1] if tick else -1
            known = used & ((rows <= frontier) | (r.op[rows] == LEAF))
        return Reading(self.workspace.data[rows], known | (rows < r.n_params))

    def _used(self, rows: Rows) -> Mask:
        """Which scalars this document uses; it may have fewer positions than the tape."""
        mean = self.program.mean
        last = self.recording.positions[self.program.n - 1].last
        return (rows < last) | ((rows >= mean.first) & (rows < mean.last))

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

    def gradient_state(self, row: int) -> GradientState:
        """Which of the things that can be said of a gradient is true of this scalar's. The one rule for all texts."""
        if not self.recording.live[row]:
            return GradientState.PLAIN
        rows = np.array([row])
        if self.independent(rows)[0]:
            return GradientState.INDEPENDENT
        return GradientState.VALUE if self.arrived(rows)[0] else GradientState.NOT_YET

    def independent(self, rows: Rows) -> Mask:
        """Where the backward phase of this step hands on nothing, because the loss does not depend on the scalar.

        Such are the row of a token that the document does not hold, and the probability of one that did not come.
        """
        first, _ = self._touched
        return np.asarray((first[rows] == 0) & self.recording.live[rows])

    def arrived(self, rows: Rows) -> Mask:
        """Where something has been added to the gradient so far, if it was only a 0."""
        first, _ = self._touched
        if self.moment.phase is Phase.FORWARD:
            return np.zeros(rows.shape, dtype=np.bool_)
        return (first[rows] > 0) & (first[rows] <= self._grad_tick)

    def grad(self, rows: Rows) -> Reading:
        """Gradients as accumulated so far; unknown where nothing has arrived yet, and in the forward phase.

        From the start of the backward phase on, what the loss does not depend on has the gradient 0. What is a plain
        number to the model has none.
        """
        known = self.arrived(rows)
        if self.moment.phase is not Phase.FORWARD:
            known |= self.independent(rows) & (self._used(rows) | (rows < self.recording.n_params))
        return Reading(self.workspace.grad[rows], known)

    def complete(self, rows: Rows) -> Mask:
        """Where nothing more will be added to the gradient in this step; nowhere in the forward phase."""
        _, last = self._touched
        if self.moment.phase is Phase.FORWARD:
            return np.zeros(rows.shape, dtype=np.bool_)
        return (last[rows] <= self._grad_tick) & (self._used(rows) | (rows < self.recording.n_params))

    @cached_property
    def _touched(self) -> tuple[Rows, Rows]:
        """As `StepProgram.touched`, but only of ticks that hand something on: not those of what is switched off."""
        program, overrides = self.program, self.workspace.overrides
        flows = None if overrides is None else overrides.flows(program.edges)
        if flows is None or flows.all():
            return program.touched
        ticks = np.flatnonzero(flows).astype(np.int32) + 1
        receivers = program.receivers[flows]
        first, last = np.zeros((2, len(self.recording)), dtype=np.int32)
        first[receivers[::-1]] = ticks[::-1]
        last[receivers] = ticks
        return first, last

    @property
    def _grad_tick(self) -> int:
        return self.moment.tick if self.moment.phase is Phase.BACKWARD else self.program.ticks(Phase.BACKWARD)

    def moved(self, rows: Rows) -> Mask:
        """Which parameters this step's update has moved."""
        return (rows < self.moment.tick) & (self.moment.phase is Phase.UPDATE)

    def moments(self, rows: Rows | int) -> tuple[Floats, Floats]:
        """Adam's first and second moments of these parameters, as they stand."""
        return self._m[rows], self._v[rows]

    def adam(self, row: int) -> AdamStep | None:
        """The arithmetic that moved a parameter in this step; None if it has not been moved yet."""
        if self._start is None or not (row < self.recording.n_params and self.moved(np.array(row))):
            return None
        start, (lr, beta1, beta2, fix1, fix2, *_) = self._start, self.adam_rates
        g = float(self.workspace.grad[row])
        before = float(start.m[row]), float(start.v[row]), float(start.params[row])
        after = kernels.adam_step(g, *before, *self.adam_rates)
        return AdamStep(g, *before, *after, lr, beta1, beta2, fix1, fix2)

    def adam_maps(self, rows: Rows) -> dict[str, Reading]:
        """Gradient, moments, corrected moments, step and parameter of a whole matrix: g, m, v, m_hat, v_hat, delta, p.

        What the update has not reached yet is unknown but for the gradient and the parameter.
        """
        moved, (m, v) = self.moved(rows), self.moments(rows)
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
