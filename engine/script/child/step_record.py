"""`StepRecord`: what is noted of a step while it runs. `tape_message` makes the tape of it."""

from __future__ import annotations

import operator
from array import array
from typing import Any

from .holders import Walk
from .scalar_class import ScalarClass


class HeldParams:
    """The scalars that a loss depends on and that something holds, each with the variable that holds it."""

    def __init__(self, scalars: list[Any], roots: list[str]) -> None:
        self.scalars, self.roots = scalars, roots


class BackwardCall:
    """A backward call, until it is known whether an update follows it.

    A write is told by the object that it leaves, so one that leaves the same number counts too.
    """

    def __init__(self, root: Any, loss: float, held: HeldParams, scalar: ScalarClass, stack: int) -> None:
        self.root, self.loss, self.held, self.stack = root, loss, held, stack
        self.params, self._scalar = held.scalars, scalar
        self.data_of = scalar.data_of
        self.data = list(map(self.data_of, self.params))
        self.earlier: list[float] = []
        """The losses of the calls before it whose gradients it adds to."""
        same = all(map(operator.is_, map(self.data_of, self.params[:1]), self.data))
        self._differ: Any = operator.is_not if same else operator.ne  # what a property computes is new each time

    @property
    def whole_loss(self) -> float:
        """What the gradients are those of: the sum of the losses of this call and of those that it adds to."""
        total = 0.0
        for each in (*self.earlier, self.loss):
            total += each
        return total if self.earlier else self.loss

    def adds_to(self, before: BackwardCall) -> bool:
        """Whether gradients that an earlier call has made are there still; to be asked before this one runs."""
        params = self.params
        if self.held is not before.held:
            known = set(map(id, before.params))
            params = [each for each in params if id(each) in known]
        return any(getattr(each, self._scalar.grad_name, None) for each in params)

    def look_again(self) -> None:
        """Let `moved` tell of what moves from now on."""
        self.data = list(map(self.data_of, self.params))

    def moved(self) -> bool:
        """Whether a parameter was written since the call."""
        return any(map(self._differ, map(self.data_of, self.params), self.data))

    def moved_whole(self, before: BackwardCall | None) -> bool:
        """Whether all was written that has a gradient and that updates write: the update has come to its end.

        What updates write is told by the one before, after the last call of the step before; in a first step, by the
        variables that hold what was written.
        """
        written = list(map(self._differ, map(self.data_of, self.params), self.data))
        if before is not None and before.held is self.held:
            expected = list(map(self._differ, self.data, before.data))
        else:
            roots = {root for root, was in zip(self.held.roots, written) if was}
            expected = [root in roots for root in self.held.roots]
        grads = (getattr(each, self._scalar.grad_name, None) for each in self.params)
        return any(written) and not any(grad and due and not was for grad, due, was in zip(grads, expected, written))


class StepRecord:
    """The scalars that a step has made, in their order, and what was written since.

    `kept` is False for what is only watched to see when an update ends.
    """

    def __init__(self, kept: bool, start: dict[int, float]) -> None:
        self.kept = kept
        self.start = start
        """Values of parameters at the start of the step, by their id, as far as they are known."""
        self.nodes: list[Any] = []
        self.values = array("d")
        """Values of the scalars as they were made."""
        self.stacks = array("i")
        self.methods = array("i")
        self.operands: dict[int, Any] = {}
        """Operands of scalars that do not keep them in order, and those that are plain numbers."""
        self.wrote: list[tuple[Any, Any, int, Any, int]] = []
        """Writes of data in the forward phase: scalar, value, how many scalars there were, value before, position."""
        self.names: list[tuple[int, int, str, Any, Any, int]] = []
        """What names held: how many scalars there were, hook, name, scalars, context, stack."""
        self.single: dict[int, int] = {}
        """How many single scalars a hook has named."""
        self.backward: BackwardCall | None = None
        """The last backward call; none while there was none in this step."""
        self.calls = 0
        """Backward calls in this step."""
        self.end = 0
        """How many scalars there were at that call."""
        self.names_end = 0
        self.printed: list[tuple[int, str, int, int]] = []
        """Pieces of printed text: number, phase, how many scalars there were, how many writes of gradients or data."""
        self.kids: list[Any] = []
        self.slopes: list[Any] = []
        """Operands and local gradients of the scalars, as they were at that call."""
        self.grads = array("d")
        """Gradients of the scalars just before it."""
        self.made: dict[int, int] = {}
        """The number of each scalar, by its id."""
        self.outer: dict[int, tuple[Any, float, float]] = {}
        """Older scalars: value and gradient just before it, by id."""
        self.used: set[int] = set()
        """Those among them that the scalars are computed from."""
        self.first_grads: dict[int, float] = {}
        """Gradients before the first backward call of the step by id, where there were several calls."""
        self.walk: Walk | None = None
        self.moments: dict[str, tuple[Any, list[float]]] = {}
        self.on_params: dict[str, dict[int, float]] = {}
        """Numbers that scalars carry besides value and gradient, by attribute and the id of the scalar."""
        self.back: list[Any] = []
        """Writes of gradients, four items each: scalar, the last other one whose gradient was read, value, position."""
        self.updates: list[tuple[Any, Any, int]] = []
        """Writes of data after it: scalar, value, position."""
        self.update_stack = -1
        self.scalars: list[tuple[int, int, str, float]] = []
        """Numbers that names held after it: how many updates there were, hook, name, value."""

    def forget_before(self, end: int, kept: dict[int, Any]) -> None:
        """Leave out the scalars before one that are not among some: those of earlier backward calls."""
        places = [i for i, each in enumerate(self.nodes) if i >= end or id(each) in kept]
        if len(places) == len(self.nodes):
            return
        now = {old: new for new, old in enumerate(places)}
        times, left = [], 0
        for i in range(len(self.nodes) + 1):
            times.append(left)
            left += i in now
        self.operands = {now[i]: each for i, each in self.operands.items() if i in now}
        self.wrote = [(each, value, times[at], *rest) for each, value, at, *rest in self.wrote]
        self.names = [(times[at], *rest) for at, *rest in self.names]
        self.printed = [(number, phase, times[at], count) for number, phase, at, count in self.printed]
        self.nodes = [self.nodes[i] for i in places]
        self.stacks = array("i", [self.stacks[i] for i in places])
        self.methods = array("i", [self.methods[i] for i in places])
