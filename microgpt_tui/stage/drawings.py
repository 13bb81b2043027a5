"""Which drawing belongs to which operation."""

from __future__ import annotations

from collections.abc import Callable

from engine.events import Phase
from microgpt_tui.frame import Frame
from microgpt_tui.stage import parameters, products, shares, vectors
from microgpt_tui.stage.board import Board
from microgpt_tui.widgets.picture import Picture

DRAWINGS: dict[str, Callable[[Board], None]] = {
    "embed": vectors.embed,
    "rmsnorm": vectors.rmsnorm,
    "linear": products.linear,
    "scores": products.scores,
    "softmax": shares.softmax,
    "weighted_sum": products.weighted_sum,
    "add": vectors.add,
    "relu": vectors.relu,
    "nll": shares.nll,
    "mean": shares.mean,
}


def draw(frame: Frame, width: int, height: int) -> Picture:
    """The operation of this frame, in so many cells (more lines if it must, never wider)."""
    board = Board(frame, width, height)
    if frame.stepping_inside and frame.phase is Phase.FORWARD:
        board.made_last()
    if frame.stretch.is_parameter:
        (parameters.adam if frame.phase is Phase.UPDATE else parameters.gradient)(board)
    else:
        DRAWINGS[frame.stretch.kind](board)
    return board.picture.within(width)
