"""`StepRecord`: what is noted of a step while it runs. `tape_message` makes the tape of it."""

from __future__ import annotations

from array import array
from typing import Any

from .holders import Walk


class BackwardCall:
    """A backward call, until it is known whether an update follows it."""

    def __init__(self, root: Any, loss: float, params: list[Any], data_of: Any, stack: int) -> None:
        self.root, self.loss, self.params, self._data_of = root, loss, params, data_of
        self.data = list(map(data_of, params))
        self.stack = stack

    def look_again(self) -> None:
        """Let `moved` tell of what moves from now on."""
        self.data = list(map(self._data_of, self.params))

    def moved(self) -> bool:
        """Whether a parameter has another value than it had at the call."""
        return any(now != before for now, before in zip(map(self._data_of, self.params), self.data))


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
        self.moments: dict[str, list[float]] = {}
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
        self.nodes = [self.nodes[i] for i in places]
        self.stacks = array("i", [self.stacks[i] for i in places])
        self.methods = array("i", [self.methods[i] for i in places])
