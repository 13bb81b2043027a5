"""Which drawing belongs to which operation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.operations import elementwise, matmul, parameters, softmax_loss
from microgpt_tui.operations.canvas import Board
from microgpt_tui.operations.generic import generic

DRAWINGS: dict[str, Callable[[Board], None]] = {
    "embed": elementwise.embed,
    "rmsnorm": elementwise.rmsnorm,
    "linear": matmul.linear,
    "scores": matmul.scores,
    "softmax": softmax_loss.softmax,
    "weighted_sum": matmul.weighted_sum,
    "add": elementwise.add,
    "relu": elementwise.relu,
    "nll": softmax_loss.nll,
    "mean": softmax_loss.mean,
}
"""By the operation's name; one that is not among them is drawn by `generic`."""


def draw(frame: Frame, width: int, height: int) -> Picture:
    """The operation of this frame, in so many cells (more lines if it must, never wider)."""
    board = Board(frame, width, height)
    _tell_of_set(board)
    if frame.stepping_inside and frame.phase is Phase.FORWARD:
        board.made_last()
    if frame.stretch.is_parameter:
        (parameters.adam if frame.phase is Phase.UPDATE else parameters.gradient)(board)
    else:
        DRAWINGS.get(frame.stretch.kind, generic)(board)
    return board.picture


def _tell_of_set(board: Board) -> None:
    """Say which of the numbers are not what the arithmetic on the picture gives."""
    frame = board.frame
    if frame.stretch.is_parameter:
        return
    made = {int(row): frame.view.made(int(row)) for row in np.intersect1d(frame.stretch.rows, frame.view.overridden)}
    found = [(row, value) for row, value in made.items() if value is not None]
    if len(found) == 1:
        row, value = found[0]
        name = frame.explain.name(row)
        board.note(f"{name} is set in this branch; the arithmetic made {number(value)}.", theme.NEW)
    elif found:
        board.note(f"{len(found)} of these numbers are set in this branch; the arithmetic made others.", theme.NEW)
