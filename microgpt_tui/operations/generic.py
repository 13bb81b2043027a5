"""The drawing of an operation that has none of its own: operands, what is made on the way, and the result."""

from __future__ import annotations

import numpy as np

from engine.autograd.tape import Rows
from microgpt_tui.operations.canvas import Board
from microgpt_tui.operations.elementwise import elements
from microgpt_tui.texts.sentences import operand_names


def generic(board: Board) -> None:
    """Every vector with its values and gradients; below, those of the result's size, element by element."""
    stretch = board.operation
    names = operand_names(board.frame)
    operands = [(names[operand], rows) for operand, rows in stretch.operands.items()]
    result = (f"= {stretch.name}", stretch.rows)
    for name, rows in (*operands, *stretch.parts.items(), result):
        if rows.ndim > 1:
            for i, row in enumerate(rows.reshape(-1, rows.shape[-1])):
                board.vector(f"{name}[{i}]", row)
        elif rows.size:
            board.vector(name, np.atleast_1d(rows))
    elements(board, [column for column in (*operands, result) if _fits(column[1], stretch.rows)])


def _fits(rows: Rows, result: Rows) -> bool:
    """Whether an operand has an element for each of the result's."""
    return rows.shape == result.shape
