"""What happened to the parameters of a script over recorded steps: gradients that reached them, and moves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.script.gradient_sums import in_loss, zeroed_in_backward
from engine.script.graph_cut import GraphCut, graph_cut
from engine.script.parameters import Container, containers_of
from engine.script.tape import Floats, ParamGroup, ScriptTape, SourcePosition

NEXT_TO_NOTHING = 1e-6  # of the largest gradient
ADAPTERS = re.compile(r"lora|adapter", re.IGNORECASE)


@dataclass(slots=True)
class ParameterRecord:
    """The numbers that one container holds, and that the loss depends on."""

    container: Container
    count: int
    use: SourcePosition | None
    """Where the first number is made from one of them."""
    made: tuple[int, int] | None
    """File and line where they were made, if a recorded step saw that."""
    steps: int = 0
    """In how many steps the loss depended on them."""
    written: bool = False
    """Whether backward has written any of their gradients, zeros too."""
    largest: float = 0.0
    """The largest gradient, without its sign."""
    updated: bool = False
    """Whether the update writes them, moved or not."""
    moved: bool = False
    sizes: Floats = field(default_factory=lambda: np.zeros(1), repr=False)
    """Of each number the largest gradient, without its sign."""
    reached: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, bool))
    """Of each number whether the update has written it."""
    left_over: float = 0.0
    """The largest gradient, without its sign, that a step began with and that the step before ended with."""

    @property
    def left_out(self) -> Floats:
        """Of each number the largest gradient, without its sign, if the update never writes it; else 0."""
        return np.where(self.reached, 0.0, self.sizes)

    @property
    def root(self) -> str:
        """The variable that holds the container."""
        return re.split(r"[.\[]", self.container.holder, maxsplit=1)[0]


@dataclass(slots=True)
class Outside:
    """Numbers that the update writes, and that the loss does not depend on."""

    container: Container
    count: int
    position: SourcePosition | None
    cut: GraphCut | None
    moved: int = 0
    """The most that moved in one step."""


class ParameterHistory:
    """Collects recorded steps."""

    def __init__(self) -> None:
        self.steps = 0
        self.parameters: dict[str, ParameterRecord] = {}
        self.outside: dict[str, Outside] = {}
        self.update_lines: Counter[SourcePosition] = Counter()
        """Where parameters of the loss were moved."""
        self._last: dict[str, Floats] = {}

    def add(self, tape: ScriptTape) -> None:
        """Take in a step that was recorded whole."""
        self.steps += 1
        gradients, written = np.array(tape.grad_before), np.zeros(tape.n_rows, bool)
        gradients[tape.back_row] = tape.back_value
        written[tape.back_row] = True
        updated = np.zeros(tape.n_rows, bool)
        updated[tape.update_row] = True
        after = np.array(tape.value)
        after[tape.update_row] = tape.update_value
        in_the_loss = in_loss(tape)
        moves = tape.update_position[in_the_loss[tape.update_row]]
        self.update_lines.update(tape.positions[at] for at in moves.tolist() if at >= 0)
        uses = _first_uses(tape)
        first = np.where(np.isnan(tape.grad_first), tape.grad_before[: tape.n_params], tape.grad_first)
        first[zeroed_in_backward(tape)[: tape.n_params]] = 0.0
        ends, containers = {}, containers_of(tape)
        for held in tape.params:
            rows = slice(held.first, held.first + held.size)
            if not in_the_loss[rows].any():
                self._add_outside(tape, held, containers[held.name], after)
                continue
            parameter = self.parameters.get(held.name)
            if parameter is None:
                use = int(uses[rows].min())
                made = tape.position_of(held.first)
                parameter = self.parameters[held.name] = ParameterRecord(
                    containers[held.name], held.size, tape.position_of(use) if use < tape.n_rows else None,
                    (made.file, made.line) if made else None,
                )  # fmt: skip
            parameter.steps += 1
            parameter.written |= bool(written[rows].any())
            parameter.largest = max(parameter.largest, _largest(gradients[rows]))
            parameter.updated |= bool(updated[rows].any())
            finite = np.where(np.isfinite(gradients[rows]), np.abs(gradients[rows]), 0.0)
            parameter.sizes = np.maximum(parameter.sizes, finite)
            parameter.reached = parameter.reached | updated[rows]
            parameter.moved |= bool((after[rows] != tape.value[rows]).any())
            last = self._last.get(held.name)
            if last is not None and np.array_equal(last, first[rows]):
                parameter.left_over = max(parameter.left_over, _largest(last))
            ends[held.name] = gradients[rows]
        self._last = ends

    def _add_outside(self, tape: ScriptTape, held: ParamGroup, container: Container, after: Floats) -> None:
        rows = slice(held.first, held.first + held.size)
        writes = np.flatnonzero((tape.update_row >= rows.start) & (tape.update_row < rows.stop))
        if len(writes):
            position = int(tape.update_position[writes[0]])
            place = tape.positions[position] if position >= 0 else None
            if held.name not in self.outside:
                self.outside[held.name] = Outside(container, held.size, place, graph_cut(tape, rows))
            outside = self.outside[held.name]
            outside.moved = max(outside.moved, int((after[rows] != tape.value[rows]).sum()))

    @property
    def moving(self) -> list[ParameterRecord]:
        """Those that moved."""
        return [each for each in self.parameters.values() if each.moved]

    @property
    def without_gradient(self) -> list[ParameterRecord]:
        """Those whose gradients backward never wrote."""
        return [each for each in self._like_parameters() if not each.written and not each.largest]

    @property
    def with_zeros(self) -> list[ParameterRecord]:
        """Those that got zeros only in two steps and more, and so did all whose names differ in numbers alone.

        So a neuron that is off, and an expert that is not asked, are not among them.
        """
        families: dict[str, list[ParameterRecord]] = {}
        for each in self.parameters.values():
            families.setdefault(_family(each.container.holder), []).append(each)
        return [
            each
            for each in self._like_parameters()
            if each.written
            and (self.steps > 1 or not self.moving)
            and not any(other.largest for other in families[_family(each.container.holder)])
        ]

    @property
    def still(self) -> list[ParameterRecord]:
        """Those that got a gradient and never moved.

        A gradient that is next to nothing may move a number by less than its last bit; that is no fault.
        """
        return [
            each
            for each in self._like_parameters()
            if each.largest and not each.moved and (each.largest > self.least or not each.updated)
        ]

    @property
    def partly_still(self) -> list[ParameterRecord]:
        """Those of which the update writes some numbers, and never others that got a gradient."""
        return [each for each in self.moving if (each.left_out > self.least).any()]

    @property
    def least(self) -> float:
        """A gradient that is smaller is next to nothing."""
        return NEXT_TO_NOTHING * max((each.largest for each in self.moving), default=0.0)

    @property
    def data(self) -> list[ParameterRecord]:
        """Those that never moved, and are neither held nor made as those that did: the data, as a rule."""
        alike = {each.container for each in self._like_parameters()}
        return [each for each in self.parameters.values() if not each.moved and each.container not in alike]

    @property
    def left_over(self) -> list[ParameterRecord]:
        """Those that moved, and whose gradients were not set to 0 from one step to the next."""
        return [each for each in self.moving if each.left_over]

    @property
    def beside_the_loss(self) -> list[Outside]:
        """Those that are written where parameters of the loss are, though no number of such a name is in the loss."""
        lines = {(each.file, each.line) for each in self.update_lines}
        families = {_family(name) for name in self.parameters}
        return [
            each
            for each in self.outside.values()
            if each.position
            and (each.position.file, each.position.line) in lines
            and _family(each.container.holder) not in families
        ]

    @property
    def has_adapters(self) -> bool:
        """Whether adapters are trained, for which others are left as they are."""
        return any(ADAPTERS.search(each.container.holder) for each in self.moving)

    def _like_parameters(self) -> Iterable[ParameterRecord]:
        """Parameters that are held by a variable that holds one that moves, or were made in the same line as one."""
        if not self.moving:
            return self.parameters.values()
        roots = {each.root for each in self.moving}
        made = {each.made for each in self.moving if each.made}
        return [each for each in self.parameters.values() if each.root in roots or each.made in made]


def _family(name: str) -> str:
    """What names have in common that differ in numbers only: those of all layers, of all neurons, of all experts."""
    return re.sub(r"\d+", "#", name)


def _largest(gradients: Floats) -> float:
    sizes = np.abs(gradients[np.isfinite(gradients)])
    return float(sizes.max()) if len(sizes) else 0.0


def _first_uses(tape: ScriptTape) -> Any:
    """Of each parameter the first row that is made from it; `n_rows` where there is none."""
    parents = np.repeat(np.arange(tape.n_rows), np.diff(tape.child_start))
    first = np.full(tape.n_rows, tape.n_rows)
    np.minimum.at(first, tape.child, parents)
    return first[: tape.n_params]
