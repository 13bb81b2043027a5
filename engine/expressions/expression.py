"""`Expression`: a formula over a run, such as `loss < 2 and step > 100`, checked once and evaluated at many moments.

Its syntax tree is checked node by node, so evaluation meets nothing of the run but numbers and texts. What is not yet
known at a moment makes the whole expression unknown: None.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from engine.expressions.checker import Checked, check_expression
from engine.expressions.functions import calculate
from engine.expressions.scope import Grain, Kind, Reference, Scope, Value
from engine.expressions.source import ExpressionSource
from engine.text import token_id
from engine.timeline.events import Moment, Phase, StepProgram
from engine.timeline.view import View

Before = tuple[float | None, ...]
"""The operands of every changes_sign, one training step earlier."""
Answer = float | int | str | bool | tuple[float, ...] | None


class Expression:
    """`text`, checked for runs of one configuration and alphabet. Raises ExpressionError, which points at the fault.

    Tensors are those of the position that the moment is at.
    """

    def __init__(self, text: str, scope: Scope) -> None:
        source = ExpressionSource(text)
        self.text, self.scope = source.text, scope
        self._checked = check_expression(source, scope)
        references = self._checked.references
        self.grain = max((x.grain for x in references), default=Grain.START)
        """The place in a step from which all that it refers to is known."""
        self.positional = any(x.positional for x in references)
        """Whether it refers to something that each position has."""
        self._phased = "phase" in self._checked.names

    @property
    def kind(self) -> Kind:
        """What its value is: a number, several, a text, or true or false."""
        return self._checked.kind

    @property
    def looks_back(self) -> bool:
        """Whether it has a changes_sign, so that its value also depends on the training step before."""
        return bool(self._checked.changes)

    # Its value.

    def value(self, view: View, before: Before | None = None) -> Answer:
        """Its value at the moment of the view; None where it is not known, or where arithmetic has no answer.

        Several numbers come as a tuple, row by row. `before` is what `operands` said at the end of the backward phase
        one training step earlier; without it, nothing is known of changes of sign.
        """
        known = self._known(view, self._checked)
        if known is None:
            return None
        for i, (node, operand) in enumerate(self._checked.changes.items()):
            now, then = self._number(operand.tree, known), before[i] if before else None
            if now is None or then is None:
                return None
            known[node] = now < 0.0 < then or then < 0.0 < now
        answer = self._evaluate(self._checked.tree, known)
        return tuple(answer.ravel().tolist()) if isinstance(answer, np.ndarray) else answer

    def operands(self, view: View) -> Before:
        """The present operands of its calls of changes_sign."""
        operands = ((each.tree, self._known(view, each)) for each in self._checked.changes.values())
        return tuple(None if known is None else self._number(tree, known) for tree, known in operands)

    def row(self, view: View) -> int | None:
        """The row of the scalar whose value, gradient or moment it is; None if it is not a single one that exists."""
        tree = self._checked.tree
        if isinstance(tree, ast.Name) and tree.id == "loss":
            return view.program.loss_row
        if tree not in self._checked.slots or self.kind is not Kind.NUMBER:
            return None
        inside = dict(self._checked.slots)  # of its index
        reference, parts = inside.pop(tree)
        known = self._known(view, replace(self._checked, slots=inside))
        index = None if known is None else self._index(parts, known)
        rows = None if index is None else reference.rows(view, index)
        return None if rows is None else int(rows)

    @property
    def of_data(self) -> bool:
        """Whether it refers to no gradient and to no moment of Adam."""
        return all(reference.quantity == "data" for reference, _ in self._checked.slots.values())

    def _known(self, view: View, of: Checked) -> dict[ast.expr | str, Value] | None:
        """The values of the plain names and the references in a checked tree; None if any of them is not known."""
        known: dict[ast.expr | str, Value] = {}
        for name, spec in of.names.items():
            value = spec.read(view)
            if value is None:
                return None
            known[name] = value
        for node, (reference, parts) in of.slots.items():
            index = self._index(parts, known)
            values = None if index is None else reference.read(view, index)
            if values is None:
                return None
            known[node] = values
        return known

    def _index(self, parts: tuple[ast.expr, ...], known: Mapping[ast.expr | str, Value]) -> tuple[int, ...] | None:
        index = []
        for part in parts:
            i = self._evaluate(part, known)
            i = token_id(i, self.scope.token_ids) if isinstance(i, str) else i
            if not isinstance(i, int | float) or i != i // 1:
                return None
            index.append(int(i))
        return tuple(index)

    def _number(self, tree: ast.expr, known: Mapping[ast.expr | str, Value]) -> float | None:
        answer = self._evaluate(tree, known)
        try:
            return float(answer) if isinstance(answer, int | float) else None
        except OverflowError:  # an integer that no float is as large as
            return None

    def _evaluate(self, tree: ast.expr, known: Mapping[ast.expr | str, Value]) -> Value | None:
        try:
            return calculate(tree, known)  # type: ignore[no-any-return]
        except (ArithmeticError, ValueError):
            return None

    # When to evaluate it.

    def moments(self, program: StepProgram) -> list[Moment]:
        """Where in a step to evaluate it, in order: the first places (the start, or the end of an event) where all that
        it refers to is known; once for each position if it refers to one, and for each phase if it refers to that.
        """
        first = 0 if self.grain <= Grain.LOSS and not (self.positional and self.grain is Grain.LOSS) else 1
        phases = list(Phase)[first:] if self._phased else [list(Phase)[first]]
        return [Moment(program.step, phase, tick) for phase in phases for tick in self._ticks(phase, program)]

    def _ticks(self, phase: Phase, program: StepProgram) -> list[int]:
        if self.positional:
            return [] if phase is Phase.UPDATE else self._ticks_of_positions(phase, program)
        if phase is Phase.FORWARD:
            return [0 if self.grain is Grain.START else program.ticks(phase)]
        if phase is Phase.BACKWARD and self.grain is Grain.NORM:
            return [program.ticks(phase)]
        return [program.events(phase)[0].last]

    def _ticks_of_positions(self, phase: Phase, program: StepProgram) -> list[int]:
        """For each position the end of the event that completes all references; of its first event without any."""
        tensors = [x for x in self._checked.references if isinstance(x, Reference) and x.positional]
        awaited = [x for x in tensors if phase is Phase.FORWARD or x.quantity == "grad"]
        ends: dict[int, int] = {}
        for event in program.events(phase):
            if event.pos is None:
                continue
            if any(x.matches(event.name, event.layer, event.head) for x in awaited):
                ends[event.pos] = event.last
            elif not awaited:
                start = 0 if phase is Phase.FORWARD and event.index == 0 else event.last
                ends.setdefault(event.pos, start)
        return sorted(ends.values())
