"""`ScriptView`: what can be seen of a script's run at one moment of a recorded step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from engine.autograd.tape import Rows
from engine.model.config import Config
from engine.model.recording import Floats
from engine.numerics import sum_in_order
from engine.script.explainer import ScriptExplainer
from engine.script.program import ScriptProgram
from engine.script.step import RecordedStep
from engine.script.tape import SourcePosition
from engine.script.update import PastUpdate, ScriptUpdate
from engine.timeline.events import Event, Moment, Phase
from engine.timeline.explainer import SourceLine
from engine.timeline.history import Norms, whole_norm
from engine.timeline.update import Optimizer
from engine.timeline.view import Mask, Reading, View

MOST_PAST = 64 * 2**20  # bytes of the updates of earlier steps that are kept


class ScriptView(View):
    """One moment of one recorded step; `figures` are those of the run's other steps.

    `stopped` is where the script has stopped, if it did so at this moment: the calls, outermost first.
    """

    replays = False  # a second process would have to run the script to there; recorded steps leave what is shown

    def __init__(
        self,
        config: Config,
        step: RecordedStep,
        moment: Moment,
        figures: Figures,
        printed: str,
        stopped: Sequence[SourcePosition] = (),
    ) -> None:
        self.config, self.moment = config, moment
        self._step, self._figures, self._printed, self._stopped = step, figures, printed, stopped

    @property
    def program(self) -> ScriptProgram:
        """What the moment's step does."""
        return self._step.program

    @property
    def last_row(self) -> int:
        """As in `View`; the loss where a phase has no tick, because the script stopped before."""
        return self.program.loss_row if not self.program.ticks(self.moment.phase) else super().last_row

    def explainer(self) -> ScriptExplainer:
        """What explains single scalars at this moment."""
        return ScriptExplainer(self._step, self)

    @property
    def learning_rate(self) -> float | None:
        """What the script calls so in this step; None if it calls nothing so."""
        return self._step.updates.learning_rate

    @property
    def printed(self) -> str | None:
        """What the script has printed up to this moment."""
        return self._printed

    # Lines.

    def source(self, event: Event | None = None) -> SourceLine:
        """The line of the script that is at work, that ends an event, or that the script has stopped in."""
        if event is None and self._stopped:
            return self._step.line(self._stopped)
        moment = self.moment if event is None else Moment(self.moment.step, event.phase, event.last)
        if moment.phase is Phase.FORWARD:
            return self._forward_line(moment, event)
        return self._backward_line(moment) if moment.phase is Phase.BACKWARD else self._update_line(moment)

    def _forward_line(self, moment: Moment, event: Event | None) -> SourceLine:
        row = self.last_row if event is None else int(event.rows.flat[-1])
        made = self.program.rows.size  # nothing, where the script stopped before its first operation
        if made and (row < self.program.n_params or not self.program.computed[row]):
            row = int(self.program.rows[max(moment.tick - 1, 0)])
        return self._step.line(self._step.tape.stack_of(row))

    def _backward_line(self, moment: Moment) -> SourceLine:
        tape, tick = self._step.tape, max(moment.tick, 1) - 1
        if tick >= len(tape.back_position):
            return self._step.line([])
        own, source = int(tape.back_position[tick]), int(self.program.sources[tick])
        stack = tape.stack_of(source) if source >= 0 else []
        method = tape.method_of(source) if source >= 0 else None
        return self._step.line(stack if own < 0 else [*stack, tape.positions[own]], method)

    def _update_line(self, moment: Moment) -> SourceLine:
        tape, table = self._step.tape, self._step.updates
        row = max(moment.tick, 1) - 1
        write = int(table.write[row]) if row < len(table.write) else -1
        position = int(tape.update_position[write]) if write >= 0 else -1
        source = self._step.line([tape.positions[position]] if position >= 0 else [])
        before = tape.scalars_before(write, write) if write >= 0 else []
        own = [tape.positions[each.position] for each in before]
        lines = {at.line for at in own if position >= 0 and at.file == tape.positions[position].file}
        return replace(source, ran=source.ran | lines)

    # Values.

    @cached_property
    def _values(self) -> Floats:
        """All scalars as they are now; those that are not made yet are not to be read."""
        step, moment = self._step, self.moment
        if moment.phase is Phase.FORWARD:
            return step.values_at(moment.tick)
        values = self.program.passed_values
        if moment.phase is Phase.UPDATE:
            values = values.copy()
            values[: moment.tick] = step.updates.after[: moment.tick]
        return values

    def data(self, rows: Rows) -> Reading:
        """The values of these scalars at this moment."""
        program = self.program
        known = np.ones(rows.shape, dtype=np.bool_)
        if self.moment.phase is Phase.FORWARD:
            tick = self.moment.tick
            frontier = int(program.rows[tick - 1]) if tick else -1
            known = np.asarray((rows <= frontier) | ~program.computed[rows])
        return Reading(self._values[rows], known)

    @property
    def passed_values(self) -> Floats:
        """All scalars as the forward phase leaves them: parameters before the update."""
        return self.program.passed_values

    @property
    def loss(self) -> float | None:
        """The loss of the step, once it is known; None if the script stopped before.

        Where gradients of several backward calls add up, it is the sum of their losses.
        """
        tape, own = self._step.tape, super().loss
        if tape.loss_row < 0 or own is None:
            return None
        total = 0.0
        for each in (*tape.earlier, own):
            total += each
        return total if tape.earlier else own

    @property
    def carried(self) -> str:
        """What earlier backward calls have left in the gradients of parameters, in a few words."""
        return self._step.carried

    @property
    def remark(self) -> str:
        """That not all backward calls of this step are shown, or that gradients were not set to 0."""
        return self._step.remark

    # Gradients.

    @cached_property
    def _gradients(self) -> Floats:
        writes = self._step.gradients
        return writes.after(self.moment.tick) if self.moment.phase is Phase.BACKWARD else writes.final

    def live(self, rows: Rows) -> Mask:
        """Where gradients flow to: parameters, what is computed, and plain numbers that the script gives a gradient."""
        return np.asarray(
            (rows < self.program.n_params) | self.program.computed[rows] | (self._row_ticks.last(rows) > 0)
        )

    def grad(self, rows: Rows) -> Reading:
        """Gradients as accumulated so far; unknown where nothing has arrived yet, and in the forward phase."""
        known = self.arrived(rows)
        if self.moment.phase is not Phase.FORWARD:
            known |= self.independent(rows) | (self._step.gradients.at_first[rows] != 0)
        return Reading(self._gradients[rows], known)

    def contributed(self, event: Event, rows: Rows) -> Reading:
        """What a forward event's products have added so far to the gradients of these scalars, one product each."""
        program, writes = self.program, self._step.gradients
        first, last = int(program.rows[event.first]), int(program.rows[event.last - 1])
        done = slice(0, self.backward_ticks)
        own = np.flatnonzero((writes.sources[done] >= first) & (writes.sources[done] <= last))
        own = own[program.multiplies[writes.sources[own]]]
        values, known = np.zeros(program.n_rows), np.zeros(program.n_rows, dtype=np.bool_)
        values[writes.rows[own]] = writes.terms(own)[2]
        known[writes.rows[own]] = True
        return Reading(values[rows], known[rows])

    @property
    def local_gradients(self) -> Floats:
        """For every backward tick of the step the local gradient that it multiplies by; 0 where it hands on nothing."""
        writes = self._step.gradients
        ticks = np.flatnonzero(writes.sources >= 0)
        found = np.zeros(len(writes.sources))
        found[ticks] = np.nan_to_num(writes.terms(ticks)[1], posinf=0.0, neginf=0.0)
        return found

    # The update.

    @property
    def optimizer(self) -> Optimizer:
        """What moves the parameters, by the quantities that the script names."""
        return self._step.updates.optimizer

    def state(self, rows: Rows | int) -> dict[str, Floats]:
        """What the script remembers of these parameters from step to step, by its names."""
        at = np.asarray(rows)
        done = (at < self.moment.tick) & (self.moment.phase is Phase.UPDATE)
        return {
            each.name: np.where(done, each.after[at], each.before[at])
            for each in self._step.updates.quantities
            if each.before is not None
        }

    def update(self, row: int) -> ScriptUpdate | None:
        """The arithmetic that moved a parameter in this step; None if it has not been moved yet."""
        if not (row < self.program.n_params and self.moved(np.array(row))):
            return None
        return self._step.updates.step(row, float(self._gradients[row]))

    def past_updates(self, row: int) -> dict[int, ScriptUpdate]:
        """How a parameter was moved in the earlier steps that were recorded, by step."""
        found = self.program.parameter_of(row)
        return {} if found is None else self._figures.updates(*found, self.moment.step)

    def update_maps(self, rows: Rows) -> Mapping[str, Reading]:
        """The update's quantities of a whole parameter, in their order and in its shape."""
        moved = self.moved(rows)
        maps = {"g": self.grad(rows)}
        for each in self._step.updates.quantities:
            known = moved & ~np.isnan(each.after[rows])
            maps[each.name] = Reading(np.where(known, each.after[rows], 0.0), known)
        return maps | {"p": self.data(rows)}

    # History.

    @property
    def losses(self) -> list[float]:
        """The loss of every step that was ever finished."""
        return self._figures.losses

    @property
    def grad_norms(self) -> list[float]:
        """The gradient norm of every step that was finished; nan for those that were not recorded."""
        return [self._figures.grad_norm(step) for step in range(len(self.losses))]

    @property
    def spacing(self) -> int:
        """Every step can be run to."""
        return 1

    def grad_norm(self) -> float:
        """The norm of the gradients of all parameters, as they stand."""
        if self.moment.phase is Phase.FORWARD:
            return whole_norm(np.zeros(1))
        return _norm(self._gradients[: self.program.n_params])

    def norms(self, name: str) -> Norms | None:
        """Norms of a parameter in this step; None until the update has moved all of it."""
        rows = self.program.parameters[name]
        return self._step.norms[name] if self.moved(rows).all() else None

    def first_parameters(self, name: str) -> Floats:
        """A parameter as it was in the first step that was recorded, in its own shape."""
        return self._figures.first_parameters(name, self.program)

    def norms_before(self, name: str, first: int = 0) -> Floats:
        """Norms of a parameter in every step before this one, or from `first` on; nan for those not recorded."""
        found = [self._figures.norms(step, name) for step in range(first, self.moment.step)]
        return np.array(found, dtype=np.float64).reshape(-1, 3)


def _norm(values: Floats) -> float:
    return float(np.sqrt(sum_in_order((values * values).tolist())))


class Figures:
    """What is kept of the steps of a run: losses, and norms and first parameters of those that were recorded."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._norms: dict[int, Mapping[str, Norms]] = {}
        self._grad_norms: dict[int, float] = {}
        self._first: tuple[int, dict[str, Floats]] | None = None
        self._updates: dict[int, PastUpdate] = {}

    def note(self, step: RecordedStep) -> None:
        """Keep the figures of a recorded step."""
        at, program = step.program.step, step.program
        if step.tape.complete:
            self._keep_update(at, step.updates.past())
        self._norms[at] = step.norms
        self._grad_norms[at] = _norm(step.gradients.final[: program.n_params])
        if self._first is None or at < self._first[0]:
            self._first = at, {name: program.made_values[rows] for name, rows in program.parameters.items()}

    def _keep_update(self, step: int, update: PastUpdate) -> None:
        """Keep the numbers of an update, and as many of others as there is room for, the latest steps first."""
        self._updates[step] = update
        while len(self._updates) > 1 and sum(each.nbytes for each in self._updates.values()) > MOST_PAST:
            del self._updates[min(self._updates)]

    def updates(self, name: str, index: tuple[int, ...], before: int) -> dict[int, ScriptUpdate]:
        """How a number of a parameter was moved in the recorded steps before one, by step."""
        with_number = {step: self._updates[step].step(name, index) for step in sorted(self._updates) if step < before}
        return {step: found for step, found in with_number.items() if found is not None}

    def grad_norm(self, step: int) -> float:
        """The norm of all gradients of a step; nan if it was not recorded."""
        return self._grad_norms.get(step, float("nan"))

    def norms(self, step: int, name: str) -> Sequence[float]:
        """Norms of a parameter in a step; nan if it was not recorded."""
        found = self._norms.get(step, {}).get(name)
        return (float("nan"),) * 3 if found is None else found

    def first_parameters(self, name: str, program: ScriptProgram) -> Floats:
        """A parameter as the first recorded step had it; as `program` has it if that one had none of the name."""
        if self._first is not None and name in self._first[1]:
            return self._first[1][name]
        return program.made_values[program.parameters[name]]
