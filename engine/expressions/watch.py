"""`Watch`: a number or an expression to be looked at from any moment, and how a single scalar is written as one.

`q[0, 3]` is the q of the position that the moment is at; `q[0, 3]@pos=2` is that of position 2, wherever the moment is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from engine.errors import ExpressionError
from engine.explain.scalar import Explainer
from engine.expressions.expression import Answer, Expression
from engine.expressions.scope import Scope
from engine.expressions.source import check_length
from engine.timeline.view import View

AT = re.compile(r"(?P<words>.*\S)\s*@\s*pos\s*=\s*(?P<pos>\d{1,9})\s*")


class Watch:
    """`text`, ready to be looked at. Raises ExpressionError."""

    def __init__(self, text: str, scope: Scope) -> None:
        check_length(text, ExpressionError)
        at = AT.fullmatch(text)
        self.text = text.strip()
        self.pos = int(at["pos"]) if at else None
        self.expression = Expression(at["words"] if at else text, scope)
        if self.pos is not None and self.pos >= scope.config.block_size:
            raise ExpressionError(f"pos is {self.pos}; write a number from 0 to {scope.config.block_size - 1}")
        if self.expression.looks_back:
            raise ExpressionError(
                "changes_sign compares two training steps, and a watch shows one; watch what it is about, "
                "or set a breakpoint on it",
                self.text, 0, len(self.text),
            )  # fmt: skip

    @property
    def lasting(self) -> bool:
        """Whether it can be known at the end of a step: it names its position, or speaks of none."""
        return self.pos is not None or not self.expression.positional

    def value(self, view: View) -> Answer:
        """Its value at the moment of the view; None where that is not known."""
        of = self._of(view)
        return None if of is None else self.expression.value(of)

    def row(self, view: View) -> int | None:
        """The scalar that it is, or is the gradient or a moment of; None if it is not a single one that is there."""
        of = self._of(view)
        return None if of is None else self.expression.row(of)

    def _of(self, view: View) -> View | None:
        return view if self.pos is None else view.speaking_of(self.pos)


def watching(text: str, scope: Scope) -> Callable[[View], Answer]:
    """For `engine.run.replay`: what a watch of its own says in each step. Raises ExpressionError."""
    return Watch(text, scope).value


def watch_text(view: View, row: int) -> str | None:
    """A scalar as a watch that is this one at every moment; None if it is on the way to another or a constant."""
    place = view.recording.matrix_of(row)
    if place is not None:
        matrix, i, j = place
        return f"{matrix}[{i}, {j}]"
    if row == view.program.loss_row:
        return "loss"
    tensor = Explainer(view).tensor(row)
    if tensor is None or tensor.pos is None or row not in tensor.rows:
        return None
    index = [number for number in (tensor.layer, tensor.head) if number is not None]
    if tensor.shape:
        index.append(int(np.flatnonzero(tensor.rows == row)[0]))
    brackets = f"[{', '.join(map(str, index))}]" if index else ""
    return f"{tensor.name}{brackets}@pos={tensor.pos}"


def describe_scalar(view: View, row: int) -> str:
    """Any scalar, in as many words as it takes to tell it from others: as a watch if it is one, else with its place."""
    explain = Explainer(view)
    tensor = explain.tensor(row)
    name = watch_text(view, row)
    if name is not None or tensor is None or tensor.pos is None:
        return name or explain.name(row)
    places = [
        f"{what}={number}" for what, number in (("layer", tensor.layer), ("head", tensor.head)) if number is not None
    ]
    return f"{explain.name(row)}@{','.join([f'pos={tensor.pos}', *places])}"
