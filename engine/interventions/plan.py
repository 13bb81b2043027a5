"""`InterventionPlan`: the changes of a run as rows and numbers for each of its steps.

Means of ablated parts are sums in the plain order: documents, positions, left to right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from engine.autograd.jit import Kernels
from engine.autograd.kernels import FINE
from engine.autograd.overrides import Overrides
from engine.autograd.tape import Rows
from engine.errors import ChangeError, NumericFault
from engine.interventions.syntax import PARTS, SCALAR, Ablation, Change, SetHyperparameter, SetParameter, SetScalar
from engine.language.say import say
from engine.model.config import Config
from engine.model.recording import Floats, Recording, Span, Workspace
from engine.text import quoted
from engine.timeline.events import Phase, StepProgram

TEMPERATURE = 0.5  # of samples, unless it is changed
OPERANDS = {"scores": "score_scale"}  # what is left out of an operation, by its kind; a residual is called as its sum


def apart(one: Sequence[Change], other: Sequence[Change]) -> int | None:
    """The first step in which runs with these changes differ; None if they never do. Order counts as well."""
    steps = sorted({change.step for change in (*one, *other)})
    return next((s for s in steps if [c for c in one if c.step <= s] != [c for c in other if c.step <= s]), None)


class InterventionPlan:
    """Applies changes to the steps of a run. Later changes come after earlier ones."""

    def __init__(self, recording: Recording, changes: Iterable[Change] = ()) -> None:
        self.changes = tuple(changes)
        self._recording = recording
        self._means: dict[Ablation, Floats] = {}  # replaced, never changed: other threads may be reading it
        self._latest: tuple[tuple[Ablation, ...], Overrides | None] = (), None  # what was off last, and what that sets

    def taking_on(self, changes: Iterable[Change]) -> InterventionPlan:
        """The plan of other changes; it keeps means that were taken before the first step that differs."""
        other = InterventionPlan(self._recording, changes)
        step = apart(self.changes, other.changes)
        other._means = {change: mean for change, mean in self._means.items() if step is None or change.step < step}
        return other

    def config(self, step: int) -> Config:
        """The hyperparameters that hold in a step."""
        if not self.changes:
            return self._recording.config
        rates = {c.name: c.value for c in self._rates(step) if c.name != "temperature"}
        return replace(self._recording.config, **rates) if rates else self._recording.config  # type: ignore[arg-type]

    def temperature(self, step: int) -> float:
        """The temperature of samples after so many steps."""
        return next((c.value for c in reversed(self._rates(step)) if c.name == "temperature"), TEMPERATURE)

    def _rates(self, step: int) -> list[SetHyperparameter]:
        return [c for c in self.changes if isinstance(c, SetHyperparameter) and c.step <= step]

    def set_parameters(self, params: Floats, step: int) -> None:
        """Write what is set at the start of the step."""
        for change in self.changes:
            if isinstance(change, SetParameter) and change.step == step:
                params[self._recording.matrices[change.matrix][change.index]] = change.value

    def overrides(self, program: StepProgram) -> Overrides | None:
        """The scalars that are set in a training step; None if there are none. Raises what `rows` raises."""
        own = [change for change in self.changes if isinstance(change, SetScalar) and change.step == program.step]
        if not own:
            return self.in_samples(program.step)
        off = self._off(program.step)
        values = self._constants(off)
        cut = set(values)
        for change in own:
            rows = self.rows(change, program)
            values |= dict.fromkeys(rows, change.value)
            cut -= set(rows)
        r = self._recording
        return Overrides(r.op, values, frozenset(cut), r.group_of, *self._operands(off))

    def in_samples(self, step: int) -> Overrides | None:
        """What is otherwise in samples drawn in a step: all that is switched off in it; None if nothing is."""
        off = self._off(step)
        if off != self._latest[0]:
            r, values, (edges, operands) = self._recording, self._constants(off), self._operands(off)
            found = Overrides(r.op, values, frozenset(values), r.group_of, edges, operands)
            self._latest = off, found if values or len(edges) else None
        return self._latest[1]

    def corrects_bias(self, step: int) -> bool:
        """Whether Adam divides the moments of a step by 1 - beta ** (step + 1)."""
        return not any(change.leaves_out("bias_correction") for change in self._off(step))

    def check(self, change: Change, program: StepProgram) -> None:
        """Raise ChangeError if its step, of which this is the program, has no such scalar."""
        if isinstance(change, SetScalar):
            self.rows(change, program)

    def rows(self, change: SetScalar, program: StepProgram) -> list[int]:
        """The scalars that are set. Raises ChangeError if the document of the step has none such."""
        if change.name == SCALAR:
            n_rows = program.ticks(Phase.FORWARD)
            if change.index[0] >= n_rows:
                raise ChangeError(
                    say(
                        "interventions.plan.there_no_scalar_step",
                        index=change.index[0],
                        step=program.step,
                        n_rows=n_rows,
                    )
                )
            return [program.row_of(change.index[0])]
        layer, head = (*change.place, None, None)[:2]
        rows = program.tensors.get((change.name, change.pos, layer, head))
        if rows is None:
            raise ChangeError(
                say(
                    "interventions.plan.no_such_position",
                    step=program.step,
                    doc=quoted(program.doc),
                    last=program.n - 1,
                    name=change.name,
                    pos=change.pos,
                )
            )
        if change.index and change.index[0] >= len(rows):  # as long as there are positions so far
            raise ChangeError(
                say("interventions.plan.has_elements_at_position", name=change.name, n_rows=len(rows), pos=change.pos)
            )
        return np.atleast_1d(rows[change.index]).ravel().tolist()

    def _off(self, step: int) -> tuple[Ablation, ...]:
        """What is switched off in a step, as far as means are known."""
        if not self.changes:
            return ()
        off = (change for change in self.changes if isinstance(change, Ablation) and change.step <= step)
        return tuple(change for change in off if not change.mean_of or change in self._means)

    def _operands(self, off: Sequence[Ablation]) -> tuple[Rows, Rows]:
        """The edges to the operands that are left out, and the constants that they lead to instead."""
        r = self._recording
        r.reach(1)  # the others of a name are made alike
        ops = {tensor.name: int(r.op[tensor.rows[0]]) for tensor in r.positions[0].tensors}
        edges, constants = [np.empty(0, dtype=np.int32)], list[int]()
        for tensor in (tensor for span in r.positions for tensor in span.tensors):
            part = OPERANDS.get(tensor.operation.kind, tensor.name)
            if any(change.leaves_out(part, tensor.layer) for change in off):
                edges.append(2 * tensor.rows + 1)
                constants += [r.neutral[ops[tensor.name]]] * len(tensor.rows)
        return np.concatenate(edges), np.array(constants, dtype=np.int32)

    def _constants(self, off: Sequence[Ablation]) -> dict[int, float]:
        """The value of every scalar that is a constant, of what is switched off."""
        values: dict[int, float] = {}
        for change in off:
            if not PARTS[change.kind].constant:
                continue
            spans = self._recording.positions
            if change.kind == "pos" and change.number is not None:
                spans = spans[change.number : change.number + 1]
            for tensors in (_tensors(change, span) for span in spans):
                means = self._means[change] if change.mean_of else np.zeros((len(tensors), len(tensors[0])))
                for rows, mean in zip(tensors, means, strict=True):
                    values |= zip(rows.tolist(), mean.tolist(), strict=True)
        return values

    def take_means(self, step: int, loops: Kernels, params: Floats, tokens: Callable[[int], list[int]]) -> None:
        """Take the means that are taken when this step begins; `tokens` gives the tokens of the document of a step.

        Raises NumericFault where Python's arithmetic would.
        """
        for change in self.changes:
            if isinstance(change, Ablation) and change.mean_of and change.step == step and change not in self._means:
                workspace = Workspace.beside(self._recording, loops)
                workspace.params[:] = params
                workspace.overrides = self.in_samples(step)
                mean = _mean(change, workspace, [tokens(step + i) for i in range(change.mean_of)])
                self._means = {**self._means, change: mean}


def _tensors(change: Ablation, span: Span) -> list[Rows]:
    """The tensors of a part at a position: the output of a head, that of the MLP, or key and value."""
    own = [tensor for tensor in span.tensors if tensor.layer == change.layer]
    if change.kind == "head":
        return [t.rows for t in own if t.operation.kind == "weighted_sum" and t.head == change.number]
    if change.kind == "mlp":
        return [t.operation.operands["x"] for t in own if t.operation.kind == "add" and t.block == "mlp"]
    kept = [t.operation.operands.get("keys", t.operation.operands.get("values")) for t in own]
    return [rows[-1] for rows in kept if rows is not None]


def _mean(change: Ablation, workspace: Workspace, documents: list[list[int]]) -> Floats:
    """The mean of each tensor of a part over all positions of the documents, one row each."""
    r, total, count = workspace.recording, np.zeros(()), 0
    for tokens in documents:
        n = min(r.config.block_size, len(tokens) - 1)
        workspace.read(0, tokens[:n], tokens[1 : n + 1])
        at = workspace.forward((r.positions[0].first, r.positions[n - 1].last))
        if at != FINE:
            raise NumericFault(
                step=change.step, doc="", pos=None, tensor=change.part, row=at,
                reason=say("interventions.plan.mean_over_documents_cannot", mean_of=change.mean_of),
            )  # fmt: skip
        for span in r.positions[:n]:
            total = total + np.stack([workspace.data[rows] for rows in _tensors(change, span)])
            count += 1
    return total / count
