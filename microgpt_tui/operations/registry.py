"""Which drawing belongs to which operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.timeline.events import Phase
from engine.timeline.update import ADAM
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.operations import attention, linear, matmul, softmax_loss, update, vectors
from microgpt_tui.operations.canvas import Board, Legend
from microgpt_tui.operations.generic import generic


@dataclass(frozen=True, slots=True)
class Drawing:
    """How an operation is drawn, and what its colours mean."""

    draw: Callable[[Board], None]
    legend: Callable[[Frame], Legend]


def values(frame: Frame) -> Legend:
    """The legend of pictures whose colours are values, or gradients, of the event's tensor."""
    return Legend(frame.scale(frame.event.rows, frame.backward, frame.event.name))


DRAWINGS: dict[str, Drawing] = {
    "embed": Drawing(vectors.embed, vectors.legend),
    "rmsnorm": Drawing(vectors.rmsnorm, vectors.legend),
    "linear": Drawing(linear.draw, linear.legend),
    "scores": Drawing(matmul.scores, values),
    "softmax": Drawing(softmax_loss.softmax, values),
    "weighted_sum": Drawing(matmul.weighted_sum, values),
    "add": Drawing(vectors.add, vectors.legend),
    "relu": Drawing(vectors.relu, vectors.legend),
    "nll": Drawing(softmax_loss.nll, values),
    "mean": Drawing(softmax_loss.mean, values),
}
"""By the operation's name; one that is not among them is drawn by `generic`."""
GENERIC = Drawing(generic, values)
HEAD = Drawing(attention.draw, attention.legend)
ADAM_UPDATE = Drawing(update.draw, update.legend)
UPDATE = Drawing(update.draw_terms, update.legend)


def drawing_of(frame: Frame) -> Drawing:
    """How the operation of a frame is drawn."""
    if frame.phase is Phase.UPDATE:
        return ADAM_UPDATE if frame.view.optimizer == ADAM else UPDATE
    if attention.head_of(frame) is not None:
        return HEAD
    return DRAWINGS.get(frame.operation.kind, GENERIC)


def legend_of(frame: Frame) -> Legend:
    """What the colours of the operation's picture mean."""
    return drawing_of(frame).legend(frame)


def draw(frame: Frame, width: int, height: int) -> Picture:
    """The operation of this frame, in so many cells (more lines if it must, never wider)."""
    drawing = drawing_of(frame)
    board = Board(frame, width, height, drawing.legend(frame).scale)
    _tell_of_set(board)
    drawing.draw(board)
    return board.picture


def _tell_of_set(board: Board) -> None:
    """Say which of the numbers are not what the arithmetic on the picture gives."""
    frame = board.frame
    if frame.operation.is_parameter:
        return
    made = {int(row): frame.view.made(int(row)) for row in np.intersect1d(frame.operation.rows, frame.view.overridden)}
    found = [(row, value) for row, value in made.items() if value is not None]
    if len(found) == 1:
        row, value = found[0]
        name = frame.explain.name(row)
        board.note(f"{name} is set in this branch; the arithmetic made {number(value)}.", theme.WARNING)
    elif found:
        board.note(f"{len(found)} of these numbers are set in this branch; the arithmetic made others.", theme.WARNING)
