"""Health checks: find the first moment at which training goes wrong. Each reads arrays, once a training step."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import numpy as np

from engine.autograd.kernels import ADD, LEAF, LOG, MUL, NEG_MAX
from engine.autograd.tape import Rows
from engine.expressions.scope import grad_norm
from engine.immutable import immutable
from engine.language.say import say
from engine.model.recording import Floats, Recording
from engine.model.tensors import TensorSpec
from engine.timeline.events import PHASES, Moment, Phase, TapeProgram
from engine.timeline.row_ticks import pieces
from engine.timeline.view import TapeView

CHECKS = {
    "nan": say("run.health.check.nan"),
    "fault": say("run.health.check.fault"),
    "zero-grad": say("run.health.check.zero_grad"),
    "dead-relu": say("run.health.check.dead_relu"),
    "grad-norm": say("run.health.check.grad_norm"),
}
"""What each check finds, by id. A fault is raised by the arithmetic itself; the others are searched for here."""

MEDIAN_OF = 100  # steps that the running median of the gradient norm looks back
FEWEST = 10  # steps that it takes to have one
TIMES = 100.0
HANDING_ON = (LEAF, ADD, MUL, LOG, NEG_MAX)  # operations; any other can make a finite number of one that is not


@immutable
class Finding:
    """What a check found: the first moment of it, a sentence, and the row if it is a single scalar."""

    check: str
    moment: Moment
    sentence: str
    row: int | None = None


Look = Callable[[TapeView, int, bool], Finding | None]
"""Checks a phase: its view, how many ticks of the phase are done, and whether those are all."""


class Health:
    """The checks that are on, for runs of one recording."""

    def __init__(self, recording: Recording, on: Collection[str] = tuple(CHECKS)) -> None:
        looks: dict[str, dict[Phase, Look]] = {
            "nan": {Phase.FORWARD: self._bad_value, Phase.BACKWARD: _bad_gradient, Phase.UPDATE: _bad_parameter},
            "zero-grad": {Phase.BACKWARD: self._zero_gradient},
            "dead-relu": {Phase.FORWARD: self._dead_relu},
            "grad-norm": {Phase.BACKWARD: _steep},
        }
        self._looks = {
            phase: [look[phase] for check, look in looks.items() if check in on and phase in look] for phase in Phase
        }
        relus = [[t for t in span.tensors if t.operation.kind == "relu"] for span in recording.positions]
        self._relus = [(same[0].layer, np.stack([t.rows for t in same])) for same in zip(*relus, strict=True)]
        self._gates: dict[int, Rows] = {}  # by how many positions a document has
        self._of_scores = _matrices_of_scores(recording.specs)
        self._n_params = recording.n_params
        self._matrices = list(recording.matrices)
        self._starts = [int(rows[0, 0]) for rows in recording.matrices.values()]

    def __bool__(self) -> bool:
        return any(self._looks.values())

    def look(self, view: TapeView) -> list[Finding]:
        """All that has gone wrong in this step up to the moment, in order; each check finds the first in a phase.

        What it reads does not change until the step is over, so one look at the end of the step is enough.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return [finding for phase in PHASES[: view.moment.phase.place + 1] for finding in self._look(view, phase)]

    def _look(self, view: TapeView, phase: Phase) -> list[Finding]:
        whole = view.program.ticks(phase)
        done = view.moment.tick if phase is view.moment.phase else whole
        found = [finding for look in self._looks[phase] if (finding := look(view, done, done == whole))]
        return sorted(found, key=lambda finding: finding.moment.tick)

    def _bad_value(self, view: TapeView, tick: int, ended: bool) -> Finding | None:
        data, program = view.workspace.data, view.program
        # Sums and products hand on what is not finite, so it reaches the loss, or a function that can hide it.
        if ended and math.isfinite(data[program.loss_row]) and _finite(data[self._gates_of(program)]):
            return None
        rows = program.rows_between(0, tick)
        bad = np.flatnonzero(~np.isfinite(data[rows]))
        if not len(bad):
            return None
        row = int(rows[bad[0]])
        sentence = say("run.health.is", name=view.explainer().name(row), value=data[row])
        return Finding("nan", Moment(view.moment.step, Phase.FORWARD, int(bad[0]) + 1), sentence, row)

    def _gates_of(self, program: TapeProgram) -> Rows:
        """What the functions of a document read that can hide what is not finite."""
        if program.n not in self._gates:
            r = program.recording
            users = np.flatnonzero(~np.isin(r.op[: r.positions[program.n - 1].last], HANDING_ON))
            self._gates[program.n] = r.child[2 * users]
        return self._gates[program.n]

    def _dead_relu(self, view: TapeView, _: int, ended: bool) -> Finding | None:
        n = view.program.n
        for layer, rows in self._relus:
            units = rows[:n]
            if not view.workspace.data[units].any() and (ended or view.data(units).known.all()):
                made = view.program.ticks_before(int(units[-1, -1])) + 1
                sentence = say("run.health.dead", count=units.shape[1], layer=layer)
                return Finding("dead-relu", Moment(view.moment.step, Phase.FORWARD, made), sentence)
        return None

    def _zero_gradient(self, view: TapeView, tick: int, ended: bool) -> Finding | None:
        if not ended:
            return None
        moving = np.logical_or.reduceat(view.workspace.grad[: self._n_params] != 0.0, self._starts)
        if moving.all():
            return None
        # One position attends to itself alone: its one weight is 1 whatever q and k are, so their gradients are 0.
        exempt = self._of_scores if view.program.n == 1 else set()
        still = [name for name, moves in zip(self._matrices, moving, strict=True) if not moves and name not in exempt]
        sentence = say("run.health.zero_gradient", names=", ".join(still))
        return Finding("zero-grad", Moment(view.moment.step, Phase.BACKWARD, tick), sentence) if still else None


def _matrices_of_scores(specs: Mapping[str, TensorSpec]) -> set[str]:
    """The matrices that make queries and keys."""
    compared = {name for spec in specs.values() if spec.kind == "scores" for name in spec.inputs}
    return {name for made in compared for name in specs[made].inputs if specs[name].parameter}


def _steep(view: TapeView, tick: int, ended: bool) -> Finding | None:
    if not ended:
        return None
    step = view.moment.step
    recent = view.grad_norms[max(step - MEDIAN_OF, 0) : step]
    grad = view.workspace.grad[: view.recording.n_params]
    # The median is not below the least, and costs more; so does the norm to the last bit.
    if len(recent) < FEWEST or not np.dot(grad, grad) > (0.99 * TIMES * min(recent)) ** 2:
        return None
    norm = grad_norm(view)
    median = float(np.median(recent))
    if not norm > TIMES * median:
        return None
    sentence = say(
        "run.health.steep",
        norm=norm,
        times=norm / median if median else math.inf,
        median=median,
        steps=len(recent),
    )
    return Finding("grad-norm", Moment(view.moment.step, Phase.BACKWARD, tick), sentence)


def _bad_gradient(view: TapeView, tick: int, ended: bool) -> Finding | None:
    grad, data = view.workspace.grad, view.workspace.data
    # What is not finite is handed on by every edge, times 0 too, so in the end some parameter has it.
    if ended and _finite(grad[: view.recording.n_params]):
        return None
    if all(np.isfinite(grad[view.program.receivers_between(*piece)]).all() for piece in pieces(0, tick)):
        return None
    if not np.isfinite(data[view.program.rows]).all():  # the forward phase has shown it
        return None
    first = _first_bad_tick(view, tick)
    row = view.program.receiver_of(first)
    sentence = say("run.health.gradient_not_finite", name=view.explainer().name(row))
    return Finding("nan", Moment(view.moment.step, Phase.BACKWARD, first), sentence, row)


def _first_bad_tick(view: TapeView, last: int) -> int:
    """The first backward tick up to `last` after which some gradient is not finite, by bisection: it stays so."""
    w = view.workspace
    good, bad = 0, last
    before, grad = np.zeros_like(w.grad), np.empty_like(w.grad)
    while bad - good > 1:
        middle = (good + bad) // 2
        grad[:] = before
        for piece in pieces(good, middle):
            edges = view.program.edges_between(*piece)
            w.loops.backward(w.recording.op, w.child, w.data, grad, edges, 0, len(edges))
        if np.isfinite(grad).all():
            good, before, grad = middle, grad, before
        else:
            bad = middle
    return bad


def _bad_parameter(view: TapeView, tick: int, ended: bool) -> Finding | None:
    p = view.workspace.params
    if ended and _finite(p):
        return None
    bad = np.flatnonzero(~np.isfinite(p[:tick]))
    before = view.workspace.data[view.program.rows], view.workspace.grad[: len(p)]
    if not len(bad) or not all(np.isfinite(part).all() for part in before):  # an earlier phase has shown it
        return None
    row = int(bad[0])
    sentence = say("run.health.becomes", name=view.explainer().name(row), value=p[row])
    return Finding("nan", Moment(view.moment.step, Phase.UPDATE, row + 1), sentence, row)


def _finite(array: Floats) -> bool:
    """True only if all numbers are finite; False also where their squares overflow. One dot product is the cheapest."""
    return math.isfinite(np.dot(array, array))
