"""`Session`: one run. It holds parameters and moments, trains, and stands at a moment that can be moved at will."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from engine.autograd.jit import ROOT, SQUARE, Kernels, loops, power_band
from engine.autograd.kernels import EXP, FINE, LOG
from engine.errors import DataError, NumericFault, Stopped
from engine.explain.scalar import TapeExplainer
from engine.explain.source_lines import source_line
from engine.expressions.scope import Scope
from engine.interventions.plan import InterventionPlan, apart
from engine.interventions.syntax import Change
from engine.language.say import say
from engine.model.backward_order import GradientOrder
from engine.model.config import Config
from engine.model.dataset import checksum, shuffle
from engine.model.recording import Floats, Progress, Recording, Workspace, record
from engine.model.tokenizer import Tokenizer
from engine.run.capabilities import BranchingRun, RepeatableRun, SamplingRun, SlowedRun
from engine.sampling.sampler import Sampler, sample
from engine.sampling.strategy import DecodingStrategy
from engine.timeline.events import PHASES, Event, EventValues, Moment, Phase, TapeProgram
from engine.timeline.history import FigureTable, History, matrix_norms
from engine.timeline.keyframes import Keyframe, Keyframes, Passed, most_kept
from engine.timeline.row_ticks import pieces
from engine.timeline.run import OnStep
from engine.timeline.validation import Validator, kept_aside
from engine.timeline.view import TapeView

EPS_ADAM = 1e-8
INIT_STD = 0.08
DOCS_A_RECORDING = 1_000_000  # about as many documents are shuffled in the time that a small model's recording takes
SECONDS_A_SCALAR = {True: 10e-9, False: 1e-6}  # that a training step takes for each of the tape; whether compiled
ADAM_BLOCK = 256  # parameters that one pass of `kernels.adam` takes at once


class Session:
    """A run of one configuration on some documents; `checksum` tells these from others.

    `docs` are those that it trains on, shuffled; `val_docs` those that are kept aside.

    Raises DataError without documents, ConfigError if the tape would not fit in memory, Stopped if `progress`
    (told the share of the shuffling and the recording that is done) returns True.
    """

    def __init__(
        self, config: Config, docs: Sequence[str], progress: Progress | None = None, kernels: Kernels | None = None
    ) -> None:
        if not docs:
            raise DataError(say("run.session.no_document"))
        self.config = config
        self.checksum = checksum(docs)
        self.tokenizer = Tokenizer(docs)
        self.generator = random.Random(config.seed)
        self.docs = list(docs)
        apart = len(docs) / (len(docs) + DOCS_A_RECORDING)
        shuffle(self.docs, self.generator, progress and (lambda share: progress(share * apart)))
        aside = len(self.docs) - kept_aside(config, len(self.docs))
        self.docs, self.val_docs = self.docs[:aside], self.docs[aside:]
        self.loops = kernels or loops()
        self.recording: Recording = record(
            config, self.tokenizer.vocab_size, progress and (lambda share: progress(apart + share * (1 - apart)))
        )
        self._start: Keyframe | None = None  # what the present step started from, once the update has begun
        self._away: tuple[Keyframe, Floats] | None = None  # if numbers are put away: start of the step, parameters now
        self._workspace = Workspace(self.recording, self.loops)
        self._order = GradientOrder(self.recording, self.loops)
        self._validator = self._new_validator()
        params = self.workspace.params
        params[:] = [self.generator.gauss(0, INIT_STD) for _ in range(len(params))]
        self._m: Floats = np.zeros(len(params))
        self._v: Floats = np.zeros(len(params))
        self.history = History(Keyframes(most_kept(len(params))), self._no_figures())
        self._altered = InterventionPlan(self.recording)
        self._generator_state = self.generator.getstate()
        self._passed = Passed(self.history.keyframes.most // 3)
        self._program: TapeProgram | None = None  # until it is wanted in a step: nothing of that is computed until then
        self._begin(0)

    # What a run looks like from outside.

    @property
    def moment(self) -> Moment:
        """Where the run stands."""
        return self._moment

    @property
    def step(self) -> int:
        """The training step that the run stands in, counted from 0: as many steps are finished."""
        return self._moment.step

    @property
    def workspace(self) -> Workspace:
        """The numbers of the present moment. If they were put away, they are computed again."""
        if self._away is not None:
            self._come_back()
        return self._workspace

    @property
    def program(self) -> TapeProgram:
        """What the present step does."""
        if self._away is not None:
            self._come_back()
        if self._program is None:
            self._program = self._program_of(self.step)
        return self._program

    @cached_property
    def scope(self) -> Scope:
        """What expressions about this run can speak of."""
        return Scope(self.config, self.tokenizer, self.recording.specs)

    @property
    def first_step(self) -> int:
        """The earliest step that the run can go back to."""
        return min(self.history.keyframes)

    def start_towards(self, step: int) -> int:
        """The latest step, not after `step`, with a keyframe."""
        return self.history.nearest(step)

    def seconds_a_step(self) -> float:
        """About how long running a step takes."""
        return len(self.recording) * SECONDS_A_SCALAR[self.loops.compiled]

    @property
    def slowed(self) -> str:
        """What makes it slow at present, in a few words; empty if nothing does."""
        return say("run.session.slow") if self.loops.awaiting else ""

    @property
    def losses(self) -> list[float]:
        """The loss of every step done so far."""
        return self.history.losses

    @property
    def params(self) -> dict[str, Floats]:
        """Copies of the parameter matrices at this moment, (rows, columns) each, by name."""
        return self._by_name(self.workspace.params)

    @property
    def m(self) -> dict[str, Floats]:
        """Copies of Adam's first moments, shaped as the parameters."""
        return self._by_name(self._m)

    @property
    def v(self) -> dict[str, Floats]:
        """Copies of Adam's second moments, shaped as the parameters."""
        return self._by_name(self._v)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is otherwise in this run than its configuration and seed say; empty but in a branch."""
        return self._altered.changes

    @property
    def config_now(self) -> Config:
        """The hyperparameters that hold in the present step: `config`, and what has been changed of it."""
        return self._altered.config(self.step)

    @property
    def temperature(self) -> float:
        """The temperature of samples: 0.5 unless it is changed in this run."""
        return self._altered.temperature(self.step)

    def sample(
        self, n: int = 20, temperature: float | None = None, generator: random.Random | None = None
    ) -> list[str]:
        """`n` new documents from the parameters as they are, drawn on with the run's own generator unless given one.

        Raises ConfigError for a temperature that is not above 0.
        """
        strategy = DecodingStrategy(self.temperature if temperature is None else temperature)
        return sample(self.sampler(), self.tokenizer, generator or self.generator, n, strategy)

    def sampler(self) -> Sampler:
        """What reads tokens with the parameters as they are, and says what comes next; numbers stay put away."""
        overrides = self._altered.in_samples(self.step)
        params = self.workspace.params if self._away is None else self._away[1]
        return Sampler(self.recording, self.loops, params, overrides)

    # Training.

    def run(self, until: int, on_step: OnStep | None = None) -> None:
        """Train on to the start of step `until`; does nothing if the run is there or beyond.

        Raises NumericFault where Python's arithmetic would raise; the run then stands at that very scalar.
        """
        while self.step < until:
            step = self.step
            loss = self._pass_step()
            if loss is None:
                for phase in PHASES:
                    self._advance(phase, self.program.ticks(phase))
                loss = self._loss()
                self.workspace.clear_grad(self.program.n)
            if self._start is not None and not self.changes:  # else it holds what was set in its step
                self._passed.ran(step, self._start)
            self._begin(step + 1)
            if on_step and on_step(step, loss):
                return

    def seek(self, moment: Moment, on_step: OnStep | None = None) -> None:
        """Stand at `moment`, whether it lies before or after. Ticks beyond the phase's last are cut to it.

        Raises Stopped if `on_step` asks for it on a long way, NumericFault if a fault lies on the way; both leave
        the run at a moment that can be looked at.
        """
        if moment.step != self.step:
            nearest, start = self.history.keyframes.nearest(moment.step)
            if moment.step < self.step:
                self._restore(*self._passed.before(moment.step, nearest, start))
            elif nearest > self.step:
                self._restore(nearest, start)
        self.run(moment.step, on_step)
        if self.step != moment.step:
            raise Stopped(say("run.session.stopped", step=self.step, target=moment.step))
        if moment.key < self._moment.key:
            self._rewind()
        for phase in PHASES[: moment.phase.place]:
            self._advance(phase, self.program.ticks(phase))
        self._advance(moment.phase, min(moment.tick, self.program.ticks(moment.phase)))
        self._workspace.keep_only(self.program.n, with_grad=moment.phase is not Phase.FORWARD)

    def events(self, step: int | None = None) -> Iterator[EventValues]:
        """The events of one training step; without `step`, all that come from the present moment on, step after step.

        The run stands at each event's moment while it is handed out.
        """
        moment = self._moment if step is None else Moment(step)
        while True:
            self.seek(moment)
            for phase in PHASES[moment.phase.place :]:
                for event in self.program.events(phase):
                    if phase is not moment.phase or event.last > moment.tick:
                        self.seek(Moment(moment.step, phase, event.last))
                        yield self._event(event)
            if step is not None:
                return
            moment = Moment(moment.step + 1)

    def view(self) -> TapeView:
        """What can be seen at this moment, and nothing that is not yet computed."""
        program, workspace = self.program, self.workspace
        return TapeView(
            self.config_now, program, workspace, self._moment, self._start, (self._m, self._v),
            self._adam_rates(), self._corrects_bias, self.history, TapeExplainer, source_line,
        )  # fmt: skip

    def replay_copy(self) -> Session:
        """Another run of the same recording and documents, at the nearest keyframe: for looking back.

        It has its own numbers, graph and order, and the figures of this run's history as they are now, to which it adds
        nothing. So it may be made and moved in another thread while this run is moved in its own, or forgets steps.
        Raises ConfigError if there is no memory for it.
        """
        twin = self._unplaced_copy()
        twin._validator = self._new_validator()
        twin._restore(*self.history.keyframes.nearest(self.step))
        return twin

    def step_copy(self) -> Session:
        """Another run at the start of the present step, for looking at other moments of it. It measures no validation.

        Raises ConfigError if there is no memory for it.
        """
        self.program.ticks(Phase.BACKWARD)  # finds the way back, so that the copy need not
        twin = self._unplaced_copy()
        twin._validator = None
        twin.adopt_step(self)
        return twin

    def adopt_step(self, other: Session) -> None:
        """Stand at the start of the step in which `other` stands, of which this is a `step_copy`."""
        self._restore(other.step, other.start_of_step())

    def loss_again(self) -> float:
        """The loss of the present step's document under the parameters as they are now, after the update.

        The run then stands at the end of a forward phase that never was: it has to be placed anew.
        """
        after = self.workspace.params.copy()
        self.workspace.clear_grad(self.program.n)
        self._begin(self.step)
        self.workspace.params[:] = after
        self._advance(Phase.FORWARD, self.program.ticks(Phase.FORWARD))
        return self._loss()

    def _unplaced_copy(self) -> Session:
        twin = copy.copy(self)
        twin.generator = random.Random()
        twin._away = twin._program = None
        twin._workspace = Workspace.beside(self.recording, self.loops)
        twin._order = self._order.beside()
        twin._m, twin._v = np.zeros_like(self._m), np.zeros_like(self._v)
        twin._altered = self._altered.taking_on(self.changes)
        twin.history = self.history.reader()
        twin._passed = Passed(self.history.keyframes.most // 3)
        return twin

    def restart_copy(self) -> Session:
        """Another run of the same recording and documents, from its beginning, with a history of its own."""
        other = self.replay_copy()
        other.generator.setstate(self.history.keyframes[0].generator)
        other.history = History(self.history.keyframes.until(0), self._no_figures())
        other._restore(*other.history.keyframes.nearest(0))
        return other

    def branch(self, changes: Iterable[Change]) -> Session:
        """Another run that is as this one up to where the first change begins that they do not share.

        It stands there, or at the last keyframe before it. `changes` are all of its own, later ones after earlier ones.
        Raises ChangeError for one that has no place in its step.
        """
        other = self.replay_copy()
        other._altered = self._altered.taking_on(changes)
        for change in set(other.changes) - set(self.changes):
            other._altered.check(change, other._program_of(change.step))
        step = apart(self.changes, other.changes)
        step = len(other.losses) if step is None else step
        other.history = other.history.until(step)
        other._restore(*other.history.keyframes.nearest(step))
        return other

    def check(self, change: Change) -> None:
        """Raises ChangeError for a change of the present step that has no place in it."""
        self._altered.check(change, self.program)

    def forget_future(self) -> None:
        """Forget the figures of every step that is not finished at this moment, as if none had ever been run."""
        finished = self._moment == Moment(self.step, Phase.UPDATE, self.program.ticks(Phase.UPDATE))
        self.history.forget(self.step + finished)

    def programs(self) -> Callable[[int], TapeProgram]:
        """What any step does, by its number; the run is not moved. A program is valid until another is asked for.

        Raises ConfigError if there is no memory for it.
        """
        return lru_cache(maxsize=1)(self.replay_copy()._program_of)  # the graph is patched for a program's document

    @property
    def is_large(self) -> bool:
        """Whether its numbers take so much memory that they are put away while another screen covers it."""
        return self.recording.packed is not None

    def put_away(self) -> None:
        """Give back the memory of all numbers but parameters and what the step started from, until they are wanted.

        The run stays at its moment. What was made from it before, such as a view or a program, is not valid any more.
        """
        if self._away is None:
            kept = self.start_of_step(), self.workspace.params.copy()
            self._let_program_go()
            self._workspace.let_go()
            self._start, self._passed, self._away = None, Passed(self.history.keyframes.most // 3), kept

    def _come_back(self) -> None:
        """Compute again what was put away."""
        moment, start, self._away = self._moment, self.start_of_step(), None
        with suppress(NumericFault):  # the run stands at the fault again
            self._restore(moment.step, start)
            self.seek(moment)

    # Saved work.

    def start_of_step(self) -> Keyframe:
        """What the present step started from, and the generator as it is now."""
        if self._away is not None:
            return replace(self._away[0], generator=self.generator.getstate())
        start = self._keyframe()
        return start if self._start is None else replace(self._start, generator=start.generator)

    def take_up(self, step: int, start: Keyframe, history: History) -> None:
        """Stand at the start of `step` as another run of the same configuration and documents did, with its history.

        It has to be a fresh run: its start stays within reach, so that steps before `step` can be gone back to.
        """
        history.keyframes = self.history.keyframes
        history.keyframes.pin(step, start)
        self.history = history
        self._restore(step, start)

    # The machinery.

    def _begin(self, step: int) -> None:
        """Stand at the start of a step whose parameters and moments are in place."""
        self._moment = Moment(step)
        self._start = None
        if self.history.wants(step):
            self.history.keyframes.add(step, self._keyframe())  # what runs share that differ from this step on
        if self._passed.wants(step):
            self._passed.add(step, self._copy())
        if self.changes:
            self._altered.set_parameters(self.workspace.params, step)
        self._let_program_go()
        if not len(self.workspace.child):  # let it read now, before another workspace takes the recording's own graph
            self._program = self._program_of(step)
        self._prepare(step)

    def _let_program_go(self) -> None:
        if self._program is not None:
            self._program.let_go()
            self._program = None

    def _prepare(self, step: int) -> None:
        """Take what is taken as a step begins. After a fault in it, the run comes here again before it goes on."""
        self._ready = False
        if self.changes:
            self._altered.take_means(step, self.loops, self.workspace.params, self._tokens_of)
            self.workspace.overrides = self._altered.overrides(self.program)
        else:
            self.workspace.overrides = None
        self._ready = True
        if self._validator and step % self.config.val_every == 0 and self.history.lacks_validation(step):
            found = self._validator.measure(self.workspace.params, self._altered.in_samples(step))
            self.history.note_validation(step, found)

    def _no_figures(self) -> FigureTable:
        return FigureTable(np.empty((0, len(self.recording.matrices), 3)))

    def _program_of(self, step: int) -> TapeProgram:
        self.workspace.overrides = self._altered.in_samples(step)  # the graph of the step
        return TapeProgram(self.workspace, self._order, self.tokenizer, step, self.docs[step % len(self.docs)])

    def _tokens_of(self, step: int) -> list[int]:
        return self.tokenizer.encode(self.docs[step % len(self.docs)])

    def _new_validator(self) -> Validator | None:
        return Validator(self.recording, self.loops, self.tokenizer, self.val_docs) if self.val_docs else None

    def _keyframe(self) -> Keyframe:
        if self.generator.getstate() != self._generator_state:
            self._generator_state = self.generator.getstate()  # one copy for all keyframes: training draws nothing
        return self._copy()

    def _copy(self) -> Keyframe:
        """Parameters and moments as they are; the generator's state, slow to get, as of the last keyframe."""
        return Keyframe(self.workspace.params.copy(), self._m.copy(), self._v.copy(), self._generator_state)

    def _put_back(self, start: Keyframe) -> None:
        self.workspace.params[:], self._m[:], self._v[:] = start.params, start.m, start.v

    def _restore(self, step: int, start: Keyframe) -> None:
        self._put_back(start)
        self.generator.setstate(start.generator)
        if self._program is not None:
            self.workspace.clear_grad(self._program.n)
        self._begin(step)

    def _rewind(self) -> None:
        """Stand at the start of the present step again."""
        if self._start is not None:
            self._put_back(self._start)
        if self._moment.phase is not Phase.FORWARD:  # else all gradients are 0
            self.workspace.clear_grad(self.program.n)
        self._moment = Moment(self.step)

    def _advance(self, phase: Phase, tick: int) -> None:
        """Go on to `tick` of `phase`, the phases before which are done; does nothing if the run is there or beyond."""
        here = self._moment
        if here.key >= (here.step, phase.place, tick):
            return
        if not self._ready:
            self._prepare(here.step)
        first = here.tick if here.phase is phase else 0
        {Phase.FORWARD: self._forward, Phase.BACKWARD: self._backward, Phase.UPDATE: self._adam}[phase](first, tick)
        self._moment = Moment(here.step, phase, tick)
        if phase is Phase.UPDATE and tick == self.program.ticks(phase):
            self._note()

    def _pass_step(self) -> float | None:
        """Go from the start of the present step to its end, without keeping anything that is made on the way.

        Returns the loss, or None, at a moment before the end, where that cannot be: the run stands within the step,
        scalars in it are set, or a fault lies in it.
        """
        here, w = self._moment, self.workspace
        if here.tick or here.phase is not Phase.FORWARD:
            return None
        if not self._ready:
            self._prepare(here.step)
        if w.sets_scalars:
            return None
        doc = self.docs[here.step % len(self.docs)]
        tokens = np.array(self.tokenizer.first(doc, self.config.block_size + 1), dtype=np.int32)
        inputs, targets = tokens[:-1], tokens[1:]
        w.read(0, inputs, targets)
        route, start = self._order.grouped_route(targets), self._copy()
        is_new = self.history.lacks(here.step)
        sums = np.empty((len(self.recording.matrices) if is_new else 0, 3))
        loss = w.pass_step(
            len(inputs), (route.edges, route.terms, route.segments), (self._m, self._v),
            (*self._adam_rates(), power_band(self.loops)), np.empty(2 * ADAM_BLOCK), start.params, sums,
        )  # fmt: skip
        if loss is None:
            w.clear_grad(len(inputs))
            self._put_back(start)
        else:
            self._start = start
            if is_new:
                self.history.note(loss, np.sqrt(sums, out=sums))
        return loss

    def _note(self) -> None:
        """Keep the figures of the step that is just finished, if they are new."""
        if not self.history.lacks(self.step):
            return
        assert self._start is not None
        w = self.workspace
        norms = matrix_norms(self.loops, self.recording.bounds, w.grad, self._start.params, w.data)
        self.history.note(self._loss(), norms)

    def _loss(self) -> float:
        """The loss of the present step, whose forward phase is done."""
        return float(self.workspace.data[self.program.loss_row])

    def _forward(self, first: int, last: int) -> None:
        program, w = self.program, self.workspace
        whole = first == 0 and last == program.ticks(Phase.FORWARD)
        row = w.forward_whole(program.n) if whole else w.forward(*program.ranges_between(first, last))
        if row != FINE:
            tick = program.ticks_before(row)
            self._moment = Moment(self.step, Phase.FORWARD, tick)
            raise self._fault(Moment(self.step, Phase.FORWARD, tick + 1), row)

    def _backward(self, first: int, last: int) -> None:
        route = self.program.grouped_route
        if first == 0 and last == route.ticks and not self.workspace.sets_scalars:
            self.workspace.backward_whole(route.edges, route.terms, route.segments)
        else:
            for piece in pieces(first, last):
                self.workspace.backward(self.program.edges_between(*piece))

    def _adam(self, first: int, last: int) -> None:
        at = self._move(first, last)
        if at != FINE:
            self._moment = Moment(self.step, Phase.UPDATE, at)
            raise self._fault(Moment(self.step, Phase.UPDATE, at + 1), at)

    def _move(self, first: int, last: int) -> int:
        """Move these parameters; FINE, or the first one that cannot be moved."""
        if self._start is None:
            self._start = self._copy()
        w = self.workspace
        band, scratch = power_band(self.loops), np.empty(2 * ADAM_BLOCK)
        return self.loops.adam(w.data, w.grad, self._m, self._v, first, last, *self._adam_rates(), band, scratch)

    @property
    def _corrects_bias(self) -> bool:
        return self._altered.corrects_bias(self.step)

    def _adam_rates(self) -> tuple[float, ...]:
        """The numbers that every parameter's update of this step shares, as `kernels.adam_step` takes them."""
        c, step = self.config_now, self.step
        fixes = (1 - c.beta1 ** (step + 1), 1 - c.beta2 ** (step + 1)) if self._corrects_bias else (1.0, 1.0)
        return c.learning_rate_at(step), c.beta1, c.beta2, *fixes, SQUARE, ROOT, EPS_ADAM

    def _fault(self, moment: Moment, row: int) -> NumericFault:
        return numeric_fault(self.program, self.workspace, moment, row)

    def _by_name(self, flat: Floats) -> dict[str, Floats]:
        return {name: flat[rows] for name, rows in self.recording.matrices.items()}

    def _event(self, event: Event) -> EventValues:
        own = {f.name: getattr(event, f.name) for f in fields(Event)}
        data, grad = (a[event.rows].reshape(event.shape) for a in (self.workspace.data, self.workspace.grad))
        return EventValues(**own, data=data, grad=grad)


def numeric_fault(program: TapeProgram, workspace: Workspace, moment: Moment, row: int) -> NumericFault:
    """The fault of the scalar at `row` that would have been made at `moment`, in words."""
    event = program.event_at(moment)
    if moment.phase is Phase.UPDATE:
        reason = say("run.session.square_too_large", gradient=float(workspace.grad[row]))
    else:
        op, x = workspace.recording.op[row], float(workspace.data[workspace.child[2 * row]])
        if op == LOG:
            reason = say("run.session.no_log", x=x)
        elif op == EXP:
            reason = say("run.session.exp_too_large", x=x)
        else:
            reason = say("run.session.no_power", x=x)
    return NumericFault(step=program.step, doc=program.doc, pos=event.pos, tensor=event.name, row=row, reason=reason)


if TYPE_CHECKING:

    def _offers(session: Session) -> tuple[BranchingRun, SamplingRun, RepeatableRun, SlowedRun]:
        """A session is a `Run`, with all that a run may lack."""
        return session, session, session, session
