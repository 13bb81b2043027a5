"""Logit attribution: how much each component of the residual stream contributed to a logit.

Blocks only add to the stream, and logits are lm_head times it with no norm in between. So a logit is a sum over the
parts that were added: the token's and the position's embedding, both scaled by the norm that the model applied to their
sum (its `scale` at this position, taken as the number that it was), the output of each head by way of its columns of
Wo, and the output of each MLP. (Direct logit attribution, as in Elhage et al. 2021.)
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from engine.autograd.tape import Rows, Tensor
from engine.errors import WhyError
from engine.model.recording import Floats
from engine.numerics import Exact
from engine.text import quoted
from engine.timeline.view import View


@dataclass(frozen=True, slots=True)
class ResidualComponent:
    """What was added to the residual stream: `name` is a matrix or a tensor, as wte or head_out, `rows` its scalars.

    `layer` and `head` are None where there is none.
    """

    name: str
    layer: int | None
    head: int | None
    rows: Rows

    @property
    def label(self) -> str:
        """Such as token, position, layer 0 head 1, layer 0 MLP."""
        if self.layer is None:
            return {"wte": "token", "wpe": "position"}[self.name]
        return f"layer {self.layer} " + ("MLP" if self.head is None else f"head {self.head}")


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """The logit of `token` at `pos`: `values`, one for each of `parts`, is what they contributed to it.

    Every value is the exact contribution, rounded once. `rounding` is what the model lost by rounding on the way, so
    that `math.fsum([*values, rounding])` is the logit. `row` is the logit's scalar.
    """

    pos: int
    token: int
    row: int
    logit: float
    parts: tuple[ResidualComponent, ...]
    values: tuple[float, ...]
    rounding: float


class Attributor:
    """Attributes the logits of one position. Raises WhyError if there is no such position, or if its logits are not
    known at the moment, or not finite. Where numbers of the position have been `altered`, other than the parts
    themselves, what that changes in a logit stands with its rounding.
    """

    def __init__(self, view: View, pos: int) -> None:
        program = view.program
        if not 0 <= pos < program.n:
            raise WhyError(
                f"there is no position {pos} in {quoted(program.doc)}, the document of step {program.step}; "
                f"write a number from 0 to {program.n - 1}"
            )
        self.view, self.pos = view, pos
        self._span = view.recording.positions[pos]
        self._logits = self._span.tensor("logits")
        reading = view.data(self._logits.rows)
        if not reading.known.all():
            raise WhyError(f"the logits of position {pos} are not known at this moment; go on to them")
        if not np.isfinite(reading.values).all():
            raise WhyError(f"not all logits of position {pos} are finite, and nothing adds up to them")
        self.logits = reading.values
        self.parts, self._added = self._split()
        on_the_way = np.setdiff1d(view.overridden, np.concatenate([part.rows for part in self.parts]))
        self.altered = bool(np.any((on_the_way >= self._span.first) & (on_the_way < self._span.last)))

    @property
    def target(self) -> int:
        """The token that really comes."""
        return self.view.program.targets[self.pos]

    def rival(self, token: int) -> int:
        """The token with the largest logit but for this one."""
        others = np.where(np.arange(len(self.logits)) == token, -np.inf, self.logits)
        return int(np.argmax(others))

    def logit(self, token: int) -> Attribution:
        """What contributed to the logit of a token."""
        matrix = self.view.recording.matrices[str(self._logits.operation.matrix)]
        weights = Exact.of(self._values(matrix[token]))
        values = tuple(float(weights @ added) for added in self._added)
        logit = float(self.logits[token])
        rounding = math.fsum((logit, *(-value for value in values)))
        return Attribution(self.pos, token, int(self._logits.rows[token]), logit, self.parts, values, rounding)

    def _split(self) -> tuple[tuple[ResidualComponent, ...], list[Exact]]:
        """The parts, and the vectors that they added to the stream, (n_embd,) each."""
        made = {int(tensor.rows[0]): tensor for tensor in self._span.tensors}
        stream, blocks = made[int(self._logits.operation.operands["x"][0])], []
        while stream.operation.kind == "add":
            blocks.append(self._parts_of(made[int(stream.operation.operands["x"][0])]))
            stream = made[int(stream.operation.operands["x_residual"][0])]
        scale = Exact.of(self._values(stream.parts["scale"]))
        first = []
        for name, place in (("wte", self.view.program.inputs[self.pos]), ("wpe", self.pos)):
            rows = self.view.recording.matrices[name][place]
            first.append((ResidualComponent(name, None, None, rows), Exact.of(self._values(rows)) * scale))
        parts, added = zip(*first, *itertools.chain(*reversed(blocks)), strict=True)
        return parts, list(added)

    def _parts_of(self, block: Tensor) -> list[tuple[ResidualComponent, Exact]]:
        """What a block adds to the stream: its result, or, if it is made of what heads make, the share of each head."""
        of = block.operation
        heads = [t for t in self._span.tensors if t.head is not None and t.rows[0] in of.operands["x"]]
        if of.matrix is None or not heads:
            return [(ResidualComponent(block.name, block.layer, None, block.rows), Exact.of(self._values(block.rows)))]
        matrix, found = Exact.of(self._values(self.view.recording.matrices[of.matrix])), []
        for head in heads:
            columns = np.flatnonzero(np.isin(of.operands["x"], head.rows))
            added = matrix[:, columns] @ Exact.of(self._values(head.rows))
            found.append((ResidualComponent(head.name, head.layer, head.head, head.rows), added))
        return found

    def _values(self, rows: Rows) -> Floats:
        return self.view.passed_values[rows]
