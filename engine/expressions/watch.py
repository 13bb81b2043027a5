"""`Watch`: an expression evaluated at any moment, perhaps for a position of its own; and the watch that names a scalar.

`q[0, 3]` is the q of the position that the moment is at; `q[0, 3]@pos=2` is that of position 2, wherever the moment is.
"""

from __future__ import annotations

import re

import numpy as np

from engine.errors import ExpressionError
from engine.expressions.breakpoint import EventPattern
from engine.expressions.expression import Answer, Expression
from engine.expressions.scope import Scope
from engine.expressions.source import check_length
from engine.language.say import say
from engine.timeline.view import View

AT = re.compile(r"(?P<words>.*\S)\s*@\s*(?P<key>\w+)\s*=\s*(?P<pos>\d{1,9})\s*")


class Watch:
    """A checked watch. Raises ExpressionError."""

    def __init__(self, text: str, scope: Scope) -> None:
        check_length(text, ExpressionError)
        at = AT.fullmatch(text)
        at = at if at and at["key"] in ("pos", scope.place_names["pos"]) else None
        self.text = text.strip()
        self.pos = int(at["pos"]) if at else None
        self.expression = Expression(at["words"] if at else text, scope)
        if self.pos is not None and self.pos >= scope.config.block_size:
            raise ExpressionError(
                say(
                    "expressions.watch.write_number_from",
                    place=scope.place_names["pos"],
                    pos=self.pos,
                    last=scope.config.block_size - 1,
                )
            )
        if self.expression.looks_back:
            raise ExpressionError(
                say("expressions.watch.changes_sign_compares_two"),
                self.text, 0, len(self.text),
            )  # fmt: skip

    @property
    def lasting(self) -> bool:
        """Whether it has a value at the end of a step: it names its position, or depends on none."""
        return self.pos is not None or not self.expression.positional

    def value(self, view: View) -> Answer:
        """Its value at the moment of the view; None where that is not known."""
        at = self._at_position(view)
        return None if at is None else self.expression.value(at)

    def row(self, view: View) -> int | None:
        """The row of the scalar whose value, gradient or moment it is; None if it is not a single one that exists."""
        at = self._at_position(view)
        return None if at is None else self.expression.row(at)

    def _at_position(self, view: View) -> View | None:
        return view if self.pos is None else view.speaking_of(self.pos)


def watch_text(view: View, row: int) -> str | None:
    """The watch that names a scalar at every moment; None for a constant or a scalar on the way to a tensor."""
    parameter = view.program.parameter_of(row)
    if parameter is not None:
        name, place = parameter
        return f"{name}[{', '.join(map(str, place))}]" if place else name
    if row == view.program.loss_row:
        return "loss"
    tensor = view.program.event_of(row)
    if tensor is None or row not in tensor.rows or tensor.name not in view.program.specs:
        return None
    index = [number for number in (tensor.layer, tensor.head) if number is not None]
    if view.program.specs[tensor.name].shape:
        index += np.argwhere(tensor.rows == row)[0].tolist()
    brackets = f"[{', '.join(map(str, index))}]" if index else ""
    at = "" if tensor.pos is None else f"@{view.program.place_names['pos']}={tensor.pos}"
    return f"{tensor.name}{brackets}{at}"


def describe_scalar(view: View, row: int) -> str:
    """A unique name of any scalar: its watch if it has one, else its name with position, layer and head."""
    explain, tensor = view.explainer(), view.program.event_of(row)
    name = watch_text(view, row)
    if name is not None or tensor is None or tensor.pos is None:
        return name or explain.name(row)
    return EventPattern(explain.name(row), None, tensor.pos, tensor.layer, tensor.head).written(
        view.program.place_names
    )
