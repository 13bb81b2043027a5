"""What an expression can refer to: names of a step, tensors, parameters, their gradients and moments, at one moment.

A reference is read from a `View`; what is not known at the moment is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum, IntEnum
from functools import cached_property, partial
from typing import Literal

import numpy as np

from engine.autograd.tape import Rows
from engine.immutable import immutable
from engine.language.say import say
from engine.model.config import Config
from engine.model.recording import Floats, specs_of
from engine.model.tensors import TensorSpec
from engine.model.tokenizer import Tokenizer
from engine.timeline.events import PLACE_NAMES, Phase
from engine.timeline.run import Run
from engine.timeline.view import View

Quantity = Literal["data", "grad", "m", "v"]
IN_LAYER = re.compile(r"layer\d+\b")


class Kind(Enum):
    """What kind of thing an expression is; the values are words for a person."""

    NUMBER = say("expressions.scope.number")
    NUMBERS = say("expressions.scope.several_numbers")
    TEXT = say("expressions.scope.text")
    TRUTH = say("expressions.scope.true_or_false")


class Grain(IntEnum):
    """The place in a step from which something is known, in the order of time."""

    START = 0  # the start of the step
    EVENT = 1  # events of the forward phase
    LOSS = 2  # the end of the forward phase
    GRADIENT = 3  # events of the backward phase
    NORM = 4  # the end of the backward phase


Value = float | int | str | bool | Floats


def grad_norm(view: View) -> float:
    """The norm of the gradients of all parameters, as they stand; in the end the figure that a run's history keeps."""
    return view.grad_norm()


def backward_done(view: View) -> bool:
    """Whether all gradients of this step are complete."""
    phase, tick = view.moment.phase, view.moment.tick
    return phase is Phase.UPDATE or (phase is Phase.BACKWARD and tick == view.program.ticks(phase))


def _token_at(view: View, tokens: Sequence[int]) -> str | None:
    pos = view.pos
    return None if pos is None or pos >= len(tokens) else view.program.tokenizer.name(tokens[pos])


@immutable
class Name:
    """A plain name: its kind, from where in a step it is known, whether it belongs to a position, how it is read."""

    kind: Kind
    grain: Grain
    positional: bool
    read: Callable[[View], float | int | str | None]


NAMES = {
    "step": Name(Kind.NUMBER, Grain.START, False, lambda view: view.moment.step),
    "doc": Name(Kind.TEXT, Grain.START, False, lambda view: view.program.doc),
    "n": Name(Kind.NUMBER, Grain.START, False, lambda view: view.program.n),
    "learning_rate": Name(Kind.NUMBER, Grain.START, False, lambda view: view.learning_rate),
    **{
        name: Name(Kind.NUMBER, Grain.START, False, partial(lambda name, view: getattr(view.config, name), name))
        for name in ("n_layer", "n_embd", "n_head", "head_dim", "block_size", "num_steps", "beta1", "beta2")
    },
    "vocab_size": Name(Kind.NUMBER, Grain.START, False, lambda view: view.program.tokenizer.vocab_size),
    "n_params": Name(Kind.NUMBER, Grain.START, False, lambda view: view.program.n_params),
    "phase": Name(Kind.TEXT, Grain.START, False, lambda view: str(view.moment.phase)),
    "pos": Name(Kind.NUMBER, Grain.EVENT, True, lambda view: view.pos),
    "token": Name(Kind.TEXT, Grain.EVENT, True, lambda view: _token_at(view, view.program.inputs)),
    "target": Name(Kind.TEXT, Grain.EVENT, True, lambda view: _token_at(view, view.program.targets)),
    "loss": Name(Kind.NUMBER, Grain.LOSS, False, lambda view: view.loss),
    "grad_norm": Name(
        Kind.NUMBER, Grain.NORM, False, lambda view: grad_norm(view) if backward_done(view) else None
    ),
}  # fmt: skip


class Scope:
    """All that expressions about runs of this configuration and alphabet can refer to.

    `specs` are the tensors and matrices by name, known where there is a recording. Without them two positions are
    recorded when they are first asked for, which raises ConfigError for a model that is too large. `place_names` are
    what position, layer and head are called besides.
    """

    def __init__(
        self,
        config: Config,
        tokenizer: Tokenizer,
        specs: dict[str, TensorSpec] | None = None,
        place_names: Mapping[str, str] = PLACE_NAMES,
    ) -> None:
        self.config, self.tokenizer, self.place_names = config, tokenizer, place_names
        if specs is not None:
            self.specs = specs
        self.token_ids = {tokenizer.name(i): i for i in range(tokenizer.vocab_size)}

    @classmethod
    def of(cls, view: View) -> Scope:
        """The scope of a view's run."""
        return cls(view.config, view.program.tokenizer, view.program.specs, view.program.place_names)

    @classmethod
    def of_run(cls, run: Run) -> Scope:
        """The scope of a run, as its present step has it."""
        return cls(run.config, run.tokenizer, run.program.specs, run.program.place_names)

    @cached_property
    def specs(self) -> dict[str, TensorSpec]:
        """All tensors and parameter matrices, by name."""
        return specs_of(self.config, self.tokenizer.vocab_size)

    def without_layers(self, name: str) -> str:
        """A sentence on a tensor or matrix that is not there because the model has no layers; else empty."""
        if self.config.n_layer:
            return ""
        spec = specs_of(replace(self.config, n_layer=1), self.tokenizer.vocab_size).get(name)
        in_layers = IN_LAYER.match(name) or (spec and "layer" in spec.places)
        return say("expressions.scope.belongs_layer_model_has", name=name) if in_layers else ""


@immutable
class Reference:
    """One quantity of a tensor or a matrix, at `place`, the layer and the head if it has them."""

    quantity: Quantity
    spec: TensorSpec
    place: tuple[int, ...] = ()

    @property
    def positional(self) -> bool:
        """Whether it is one at every position."""
        return not self.spec.parameter and self.spec.positions

    @property
    def grain(self) -> Grain:
        """From where in a step it is known."""
        if self.spec.parameter:
            return Grain.NORM if self.quantity == "grad" else Grain.START
        if not self.spec.positions:
            return Grain.NORM if self.quantity == "grad" else Grain.LOSS
        return Grain.GRADIENT if self.quantity == "grad" else Grain.EVENT

    def matches(self, name: str, layer: int | None, head: int | None) -> bool:
        """Whether this is what a tensor of that name, layer and head holds."""
        place = tuple(x for x in (layer, head) if x is not None)
        return (name, place) == (self.spec.name, self.place)

    def all_rows(self, view: View) -> Rows | None:
        """The rows of the whole tensor at the present position, or of the matrix; None where there is none."""
        if self.spec.parameter:
            return view.program.parameters[self.spec.name]
        pos = view.pos if self.spec.positions else None
        if pos is None and self.spec.positions:
            return None
        place = dict(zip(self.spec.places, self.place, strict=True))
        return view.program.tensors.get((self.spec.name, pos, place.get("layer"), place.get("head")))

    def rows(self, view: View, index: tuple[int, ...]) -> Rows | None:
        """The rows that `index` leaves, () for a single scalar; None where there are none, now or ever."""
        rows = self.all_rows(view)
        if (
            rows is None
            or len(index) > rows.ndim
            or not all(0 <= i < size for i, size in zip(index, rows.shape, strict=False))
        ):
            return None
        return np.asarray(rows.flat[0] if self.spec.shape == () else rows[index])

    def read(self, view: View, index: tuple[int, ...]) -> float | Floats | None:
        """Its value, or values, where all of them are known."""
        rows = self.rows(view, index)
        values = None if rows is None else self._values(view, rows)
        if values is None:
            return None
        return float(values) if values.ndim == 0 else values

    def _values(self, view: View, rows: Rows) -> Floats | None:
        if self.quantity in ("m", "v"):
            values = view.state(rows).get(self.quantity)
            return None if values is None else np.asarray(values)
        if self.quantity == "data":
            reading = view.data(rows)
            return np.asarray(reading.values) if reading.known.all() else None
        if not backward_done(view) and (self.spec.parameter or not self._complete(view, rows)):
            return None
        return np.asarray(view.grad(rows).values)

    def _complete(self, view: View, rows: Rows) -> bool:
        """Whether the tensor's event of the backward phase is over, and these rows have a gradient by then."""
        whole, last = self.all_rows(view), view.program.row_ticks.last
        done = whole is not None and view.moment.phase is Phase.BACKWARD and last(whole).max() <= view.moment.tick
        return bool(done and view.grad(rows).known.all())
