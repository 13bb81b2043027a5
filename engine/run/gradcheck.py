"""Compares gradients with central finite differences of a document's loss, computed by the engine's forward phase.

It reports both and their difference; there is no tolerance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import field

import numpy as np

from engine.autograd.kernels import FINE, RELU
from engine.autograd.tape import Rows
from engine.errors import GradCheckError
from engine.explain.scalar import TapeExplainer
from engine.expressions.scope import Scope
from engine.expressions.watch import Watch, watch_text
from engine.immutable import immutable
from engine.language.say import say
from engine.run.capabilities import on_tape
from engine.text import quoted
from engine.timeline.events import Moment, Phase
from engine.timeline.run import OnStep, Run
from engine.timeline.view import Mask

MACHINE_EPSILON = 2.0**-52


def default_h(x: float) -> float:
    """The step around `x`: the cube root of the machine's epsilon, times |x| where that is above 1.

    A central difference is cut off at h squared and rounded at epsilon / h; their sum is least near that root
    (Press et al., Numerical Recipes, 3rd ed. 2007, section 5.7).
    """
    return math.cbrt(MACHINE_EPSILON) * max(1.0, abs(x))


@immutable
class CheckedGradient:
    """One scalar's gradient, complete, beside (loss_plus - loss_minus) / 2h, the slope of the loss around its `value`.

    `kinks` are the ReLU units that are on at one of value + h and value - h, and off at the other: the loss has a
    corner between them, and then the two numbers may honestly differ.
    """

    row: int
    name: str
    value: float
    gradient: float
    finite_difference: float
    h: float
    loss_plus: float
    loss_minus: float
    kinks: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The finite difference less the gradient."""
        return self.finite_difference - self.gradient

    @property
    def relative(self) -> float:
        """The size of the difference as a share of the larger of the two; 0 where there is none."""
        if self.difference == 0 or math.isnan(self.difference):
            return abs(self.difference)
        return abs(self.difference) / max(abs(self.gradient), abs(self.finite_difference))

    @property
    def decade(self) -> int | None:
        """log10 of the relative difference, rounded down; None where the two are equal, or one is no number."""
        return math.floor(math.log10(self.relative)) if self.relative > 0 else None

    @property
    def unmoved(self) -> bool:
        """Whether h is so small beside the value that adding it, or taking it away, changes nothing."""
        return self.value in (self.value + self.h, self.value - self.h)


@immutable
class Summary:
    """Many checks: how many, the one with the largest difference, how many of them meet a kink.

    `decades` counts relative differences by their `CheckedGradient.decade`; `equal` of them are 0, `unknown` are nan.
    """

    count: int = 0
    largest: CheckedGradient | None = None
    kinked: int = 0
    equal: int = 0
    unknown: int = 0
    decades: Mapping[int, int] = field(default_factory=dict)

    def adding(self, check: CheckedGradient) -> Summary:
        """These, and one more."""
        decades = Counter(self.decades)
        if check.decade is not None:
            decades[check.decade] += 1
        return Summary(
            self.count + 1,
            check if self.largest is None or _size(check) > _size(self.largest) else self.largest,
            self.kinked + bool(check.kinks),
            self.equal + (check.difference == 0),
            self.unknown + math.isnan(check.relative),
            decades,
        )


def _size(check: CheckedGradient) -> float:
    """The size of the difference; nan counts as infinite."""
    return math.inf if math.isnan(check.difference) else abs(check.difference)


class GradientChecker:
    """Checks gradients of training step `step`: of its document's loss, at the parameters that the step starts from.

    `run` is moved there and belongs to the checker from then on, so give it a `Run.replay_copy()`. Raises
    GradCheckError for a run whose gradients cannot be checked, Stopped if `on_step` asks for it on the way,
    NumericFault if a fault lies on the way or in the step itself.
    """

    def __init__(self, run: Run, step: int, on_step: OnStep | None = None) -> None:
        run = on_tape(run)
        run.seek(Moment(step, Phase.UPDATE, 0), on_step)
        self.view = run.view()
        self.program, self.recording = run.program, run.recording
        self._scope = Scope(run.config, run.tokenizer, run.program.specs)
        self._workspace = run.workspace
        rows = self.program.rows
        self._relus = rows[self.recording.op[rows] == RELU]
        self._gates = self.program.child[2 * self._relus]

    def check(self, row: int, h: float | None = None) -> CheckedGradient:
        """Move one scalar by h either way: a parameter, or what the forward phase makes, after it was made.

        Without `h` it is `default_h`. Raises GradCheckError for an h that is not above 0, for a scalar that has no
        gradient, and where the loss cannot be computed at such a distance.
        """
        name = self.name(row)
        if h is not None and not (math.isfinite(h) and h > 0):
            raise GradCheckError(say("run.gradcheck.wrong_h", h=h))
        if not self.recording.live[row]:
            raise GradCheckError(say("run.gradcheck.plain_number", name=name))
        if not self.view.data(np.array([row])).known[0]:
            raise GradCheckError(
                say("run.gradcheck.unused", document=self._document, last=self.program.n - 1, name=name)
            )
        x, gradient = float(self._workspace.data[row]), float(self._workspace.grad[row])
        h = default_h(x) if h is None else h
        try:
            plus, on_above = self._loss_at(row, x + h)
            minus, on_below = self._loss_at(row, x - h)
        finally:
            self._compute_with(row, x)
        kinks = tuple(self.name(int(relu)) for relu in self._relus[on_above != on_below])
        return CheckedGradient(row, name, x, gradient, (plus - minus) / (2 * h), h, plus, minus, kinks)

    def row(self, text: str) -> int:
        """The scalar that is written like this, the inverse of `name`. Raises ExpressionError, GradCheckError."""
        row = Watch(text, self._scope).row(self.view)
        if row is None:
            raise GradCheckError(say("run.gradcheck.no_scalar", text=text, document=self._document))
        return row

    def matrix(self, name: str) -> Rows:
        """The scalars of a parameter matrix, (rows, columns). Raises GradCheckError."""
        if name not in self.recording.matrices:
            raise GradCheckError(say("run.gradcheck.no_matrix", name=name, matrices=", ".join(self.recording.matrices)))
        return self.recording.matrices[name]

    def name(self, row: int) -> str:
        """A scalar's name, such as wte[5, 3], q[0, 3]@pos=2 or, on the way to one, term 4 of q[3]@pos=2."""
        name = watch_text(self.view, row)
        if name is not None:
            return name
        explain = TapeExplainer(self.view)
        tensor = explain.tensor(row)
        return explain.name(row) + ("" if tensor is None or tensor.pos is None else f"@pos={tensor.pos}")

    @property
    def _document(self) -> str:
        return say("run.gradcheck.document", doc=quoted(self.program.doc), step=self.program.step)

    def _loss_at(self, row: int, x: float) -> tuple[float, Mask]:
        """The loss, and which ReLU units are on, if this scalar is `x`. Only what is made after it is computed."""
        data, at = self._workspace.data, self._compute_with(row, x)
        if at != FINE:
            name = self.name(at)
            raise GradCheckError(say("run.gradcheck.out_of_range", moved=self.name(row), x=x, name=name))
        return float(data[self.program.loss_row]), data[self._gates] > 0

    def _compute_with(self, row: int, x: float) -> int:
        """Let a scalar be `x`, and compute all that is made after it; FINE, or the row at which that cannot be."""
        program = self.program
        self._workspace.data[row] = x
        following = program.ranges_between(program.ticks_before(row + 1), program.ticks(Phase.FORWARD))
        return self._workspace.forward(*following)
