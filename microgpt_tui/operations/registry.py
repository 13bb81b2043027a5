"""Which drawing belongs to which operation."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from engine.immutable import immutable
from engine.timeline.events import Phase
from engine.timeline.update import ADAM
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import left_out_of
from microgpt_tui.operations.canvas import Board, Legend
from microgpt_tui.texts.say import say


@immutable
class Drawing:
    """How an operation is drawn, and what its colours mean: two functions of a module of this package.

    The module is imported when it is needed.
    """

    module: str
    drawing: str
    colours: str

    def draw(self, board: Board) -> None:
        """Draw the operation of the board's frame."""
        self._function(self.drawing)(board)

    def legend(self, frame: Frame) -> Legend:
        """What the colours mean."""
        legend: Legend = self._function(self.colours)(frame)
        return legend

    def _function(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(import_module(f"microgpt_tui.operations.{self.module}"), name)
        return function


DRAWINGS: dict[str, Drawing] = {
    "embed": Drawing("vectors", "embed", "vector_legend"),
    "rmsnorm": Drawing("vectors", "rmsnorm", "vector_legend"),
    "linear": Drawing("linear", "draw_linear", "linear_legend"),
    "softmax": Drawing("probabilities", "draw_shares", "share_legend"),
    "add": Drawing("vectors", "add", "vector_legend"),
    "relu": Drawing("vectors", "relu", "vector_legend"),
    "nll": Drawing("loss", "nll", "nll_legend"),
    "mean": Drawing("loss", "mean", "mean_legend"),
}
"""By the operation's name. Those of an attention head are drawn by `HEAD`, all others by `GENERIC`."""
GENERIC = Drawing("generic", "draw_generic", "generic_legend")
HEAD = Drawing("attention", "draw_head", "head_legend")
ADAM_UPDATE = Drawing("update", "draw_update", "update_legend")
UPDATE = Drawing("update", "draw_terms", "terms_legend")


def drawing_of(frame: Frame) -> Drawing:
    """How the operation of a frame is drawn."""
    if frame.phase is Phase.UPDATE:
        return ADAM_UPDATE if frame.view.optimizer == ADAM else UPDATE
    if frame.operation.head is not None and _is_of_head(frame):
        return HEAD
    return DRAWINGS.get(frame.operation.kind, GENERIC)


def _is_of_head(frame: Frame) -> bool:
    from microgpt_tui.operations.attention import head_of

    return head_of(frame) is not None


def legend_of(frame: Frame) -> Legend:
    """What the colours of the operation's picture mean."""
    return drawing_of(frame).legend(frame)


def draw(frame: Frame, width: int, height: int) -> Picture:
    """The operation of this frame, in so many cells (more lines if it must, never wider)."""
    drawing = drawing_of(frame)
    board = Board(frame, width, height, drawing.legend(frame).scale)
    _tell_of_left_out(board)
    _tell_of_set(board)
    drawing.draw(board)
    return board.picture.within(width)


def _tell_of_left_out(board: Board) -> None:
    """Say what a change leaves out of the operation; of an update, the title does."""
    part = left_out_of(board.frame)
    if part and not board.frame.operation.is_parameter:
        board.note(say(f"operations.registry.left_out.{part}"), theme.WARNING)


def _tell_of_set(board: Board) -> None:
    """Say which of the numbers are not what the arithmetic on the picture gives."""
    frame = board.frame
    if frame.operation.is_parameter:
        return
    rows, set_here = frame.operation.rows.ravel(), frame.view.overridden
    made = {row: frame.view.made(row) for row in rows[np.isin(rows, set_here)].tolist()} if len(set_here) else {}
    found = [(row, value) for row, value in made.items() if value is not None]
    if len(found) == 1:
        row, value = found[0]
        name = frame.explain.name(row)
        board.note(say("operations.registry.one_is_set", name=name, made=number(value)), theme.WARNING)
    elif found:
        board.note(say("operations.registry.some_are_set", count=len(found)), theme.WARNING)
