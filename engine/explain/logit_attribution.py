"""Why a logit is what it is: how much each part of the residual stream contributed to it.

Blocks only add to the stream, and logits are lm_head times it with no norm in between. So a logit is a sum over the
parts that were added: the token's and the position's embedding, both scaled by the norm that the model applied to their
sum (its `scale` at this position, taken as the number that it was), the output of each head by way of its columns of
Wo, and the output of each MLP. (Direct logit attribution, as in Elhage et al. 2021.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.autograd.tape import Rows
from engine.errors import WhyError
from engine.model.recording import Floats
from engine.numerics import Exact
from engine.text import quoted
from engine.timeline.view import View


@dataclass(frozen=True, slots=True)
class Part:
    """What was added to the residual stream: `name` is wte, wpe, head_out or mlp_fc2, `rows` its scalars.

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
    parts: tuple[Part, ...]
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
        self._at = {(t.name, t.layer, t.head): t for t in view.recording.positions[pos].tensors}
        self._rows = self._at["logits", None, None].rows
        reading = view.data(self._rows)
        if not reading.known.all():
            raise WhyError(f"the logits of position {pos} are not known at this moment; go on to them")
        if not np.isfinite(reading.values).all():
            raise WhyError(f"not all logits of position {pos} are finite, and nothing adds up to them")
        self.logits = reading.values
        self.parts, self._added = self._split()
        place, own = view.recording.positions[pos], np.concatenate([part.rows for part in self.parts])
        on_the_way = np.setdiff1d(view.overridden, own)
        self.altered = bool(np.any((on_the_way >= place.first) & (on_the_way < place.last)))

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
        head = Exact.of(self._values(self.view.recording.matrices["lm_head"][token]))
        values = tuple(float(head @ added) for added in self._added)
        logit = float(self.logits[token])
        rounding = math.fsum((logit, *(-value for value in values)))
        return Attribution(self.pos, token, int(self._rows[token]), logit, self.parts, values, rounding)

    def _split(self) -> tuple[tuple[Part, ...], list[Exact]]:
        """The parts, and the vectors that they added to the stream, (n_embd,) each."""
        config, matrices = self.view.config, self.view.recording.matrices
        scale = Exact.of(self._values(self._at["embed_norm", None, None].parts["scale"]))
        parts, added = [], []
        for name, place in (("wte", self.view.program.inputs[self.pos]), ("wpe", self.pos)):
            parts.append(Part(name, None, None, matrices[name][place]))
            added.append(Exact.of(self._values(parts[-1].rows)) * scale)
        for li in range(config.n_layer):
            wo = Exact.of(self._values(matrices[f"layer{li}.attn_wo"]))
            for h in range(config.n_head):
                columns = slice(h * config.head_dim, (h + 1) * config.head_dim)
                parts.append(Part("head_out", li, h, self._at["head_out", li, h].rows))
                added.append(wo[:, columns] @ Exact.of(self._values(parts[-1].rows)))
            parts.append(Part("mlp_fc2", li, None, self._at["mlp_fc2", li, None].rows))
            added.append(Exact.of(self._values(parts[-1].rows)))
        return tuple(parts), added

    def _values(self, rows: Rows) -> Floats:
        return self.view.passed_values[rows]
