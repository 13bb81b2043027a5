"""Logit attribution: how much each component of the residual stream contributed to a logit.

Blocks only add to the stream, and logits are a matrix times it. So a logit is a sum over the components that were
added: the token's and the position's embedding, the output of each head by way of its columns of Wo, and the output of
each MLP; where a change leaves the residual out, over those from there on. A norm scales all that the stream holds
below it; its `scale` at this position is taken as the number that it was. (Direct logit attribution, as in Elhage et
al. 2021.)
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from engine.autograd.tape import Rows, Tensor
from engine.errors import WhyError
from engine.immutable import immutable_by_identity
from engine.language.say import say
from engine.numerics import Exact
from engine.text import quoted
from engine.timeline.events import Event, Phase
from engine.timeline.view import View, tape_view

_OPERANDS = ("token", "position")  # that have words of their own


@immutable_by_identity
class ResidualComponent:
    """What was added to the residual stream: `label`, such as token, position, layer 0 head 1 or layer 0 MLP, the same
    in few letters, as in L0 h1, and its scalars, `rows`.
    """

    label: str
    short: str
    rows: Rows


@immutable_by_identity
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
    """Attributes the logits of one position.

    `altered`: numbers of the position, other than the parts themselves, are set to something else; what that changes in
    a logit is counted in its rounding. Raises WhyError if there is no such position, or if its logits are not known at
    the moment, or not finite.
    """

    def __init__(self, view: View, pos: int) -> None:
        view = tape_view(view, say("explain.logit_attribution.parts_logit"))
        program = view.program
        if not 0 <= pos < program.n:
            raise WhyError(
                say(
                    "explain.logit_attribution.no_such_position",
                    pos=pos,
                    doc=quoted(program.doc),
                    step=program.step,
                    last=program.n - 1,
                )
            )
        self.view, self.pos = view, pos
        self._span = view.recording.positions[pos]
        self._logits = self._span.logits
        reading = view.data(self._logits.rows)
        if not reading.known.all():
            raise WhyError(say("explain.logit_attribution.logits_position_not_known", pos=pos))
        if not np.isfinite(reading.values).all():
            raise WhyError(say("explain.logit_attribution.not_all_logits_position", pos=pos))
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
        weights = self._exact(matrix[token])
        values = tuple(float(weights @ added) for added in self._added)
        logit = float(self.logits[token])
        rounding = math.fsum((logit, *(-value for value in values)))
        return Attribution(self.pos, token, int(self._logits.rows[token]), logit, self.parts, values, rounding)

    def _split(self) -> tuple[tuple[ResidualComponent, ...], list[Exact]]:
        """The parts, and the vectors that they added to the stream, (n_embd,) each."""
        scale = Exact.of(1.0)
        found: list[list[tuple[ResidualComponent, Exact]]] = []
        for stream in reversed(self._span.residual_stream):
            operation = stream.operation
            if operation.kind == "rmsnorm":
                scale = scale * self._exact(stream.parts["scale"])
                continue
            parts = self._parts_of(stream)
            found.append([(part, added * scale) for part, added in parts])
            if operation.kind != "add" or self._event(stream).left_out:
                break
        whole = list(itertools.chain(*reversed(found)))
        return tuple(part for part, _ in whole), [added for _, added in whole]

    def _parts_of(self, stream: Tensor) -> list[tuple[ResidualComponent, Exact]]:
        """What one operation adds to the stream, or, of an operation that is not a sum, all that it makes."""
        if stream is self._span.embedding:
            return [
                (ResidualComponent(*_operand(name), rows), self._exact(rows))
                for name, rows in self._event(stream).operands.items()
            ]
        block = self._span.holder(stream.operation.operands["x"]) if stream.operation.kind == "add" else stream
        assert block is not None
        (layer, short), matrix, operands = _layer(block), block.operation.matrix, block.operation.operands
        heads = [t for t in self._span.tensors if t.head is not None and t.rows[0] in operands.get("x", ())]
        if matrix is None or not heads:
            name = "MLP" if block.block == "mlp" else block.name
            return [(ResidualComponent(layer + name, short + name, block.rows), self._exact(block.rows))]
        weights, found = self._exact(self.view.recording.matrices[matrix]), []
        for head in heads:
            columns = np.flatnonzero(np.isin(operands["x"], head.rows))
            added = weights[:, columns] @ self._exact(head.rows)
            label = say("explain.logit_attribution.head", layer=layer, head=head.head)
            in_short = say("explain.logit_attribution.head_short", layer=short, head=head.head)
            found.append((ResidualComponent(label, in_short, head.rows), added))
        return found

    def _event(self, stream: Tensor) -> Event:
        event = self.view.program.find(Phase.FORWARD, (stream.name, self.pos, stream.layer, stream.head))
        assert event is not None
        return event

    def _exact(self, rows: Rows) -> Exact:
        return Exact.of(self.view.passed(rows))


def _operand(name: str) -> tuple[str, str]:
    """What an operand is called, at length and in short."""
    if name not in _OPERANDS:
        return name, name
    return say(f"explain.logit_attribution.operand.{name}"), say(f"explain.logit_attribution.operand_short.{name}")


def _layer(tensor: Tensor) -> tuple[str, str]:
    """The layer of a tensor, at the beginning of a label and of a short one."""
    if tensor.layer is None:
        return "", ""
    of = tensor.layer
    return say("explain.logit_attribution.layer", layer=of), say("explain.logit_attribution.layer_short", layer=of)
