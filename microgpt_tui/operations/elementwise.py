"""Operations on vectors, element by element: embedding, rmsnorm, residual, ReLU."""

from __future__ import annotations

import numpy as np

from engine.autograd.tape import Rows
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.operations.canvas import ROOMY, Board, element_labels
from microgpt_tui.texts.sentences import operand_names


def embed(board: Board) -> None:
    """Two rows added: what the character is, and where it stands."""
    frame, stretch = board.frame, board.operation
    assert stretch.pos is not None
    names: dict[str, str] = {}
    for operand, rows in stretch.operands.items():
        matrix = frame.program.parameter_of(int(rows[0]))
        names[operand] = f"{'+ ' if names else ''}{operand if matrix is None else f'{matrix[0]}[{matrix[1][0]}]'}"
        board.vector(f"{names[operand]}{f' {frame.token(stretch.pos)}' if operand == 'token' else ''}", rows)
    result = f"= {stretch.name}"
    board.vector(result, stretch.rows)
    elements(board, [*((names[operand], rows) for operand, rows in stretch.operands.items()), (result, stretch.rows)])


def add(board: Board) -> None:
    """The block's result added to the stream that ran past it."""
    stretch = board.operation
    result, stream = stretch.operands["x"], stretch.operands["x_residual"]
    block = operand_names(board.frame)["x"]
    board.vector(block, result)
    board.vector("+ x before", stream)
    board.vector("= x", stretch.rows)
    elements(board, [(block, result), ("+ x before", stream), ("= x", stretch.rows)])


def relu(board: Board) -> None:
    """What is negative becomes 0, and lets no gradient through."""
    frame, stretch = board.frame, board.operation
    x = stretch.operands["x"]
    board.vector(operand_names(frame)["x"], x)
    board.vector("max(0, x)", stretch.rows)
    before = frame.data(x)
    dead = int(np.count_nonzero(before.known & ~(before.values > 0)))
    board.note(f"{dead} of {x.size} units are off (0): no gradient flows through them")
    elements(board, [("x", x), ("max(0, x)", stretch.rows)])


def rmsnorm(board: Board) -> None:
    """Mean square, scale, and the vector times the scale."""
    stretch = board.operation
    x = stretch.operands["x"]
    formulas = {"mean_square": ("mean of x²", f"= Σ x² / {x.size} ="), "scale": ("scale", "= (mean + 1e-5)^-½ =")}
    board.vector("x", x)
    for part, row in stretch.parts.items():
        _square_line(board, *formulas.get(part, (part, "=")), int(row))
    board.vector("x · scale", stretch.rows)
    elements(board, [("x", x), ("x · scale", stretch.rows)])


def _square_line(board: Board, name: str, formula: str, row: int) -> None:
    """A name with its number and, where there is room, how it is made and its gradient."""
    frame = board.frame
    now = row == frame.view.last_row
    words = f"{name} {formula}" if board.width >= ROOMY else f"{name} ="
    line = board.picture.line("  ").add(words + " ", theme.NEW if now else theme.TEXT)
    line.add(plain(frame.value(row), 5), board.style(row, theme.STRONG), row)
    if frame.backward:
        line.add("   ∂ ", theme.DIM).add(number(frame.gradient(row)), theme.signed(frame.gradient(row) or 0.0), row)


def elements(board: Board, columns: list[tuple[str, Rows]]) -> None:
    """The numbers, one line an element, in as many lines as are left."""
    frame = board.frame
    board.latest()
    cells: list[tuple[str, Cells]] = [(title, frame.data(rows)) for title, rows in columns]
    if frame.backward:
        cells = [(f"∂ {title.lstrip('+= ')}", frame.grad(rows)) for title, rows in reversed(columns)]
    if board.room > 2:
        board.table(cells, element_labels(len(columns[0][1])), _index(board), board.room - 1, bars=not frame.backward)


def _index(board: Board) -> int:
    """Which element the table is cut around."""
    frame = board.frame
    for rows in (frame.operation.rows, *frame.operation.operands.values()):
        if rows.shape == frame.operation.rows.shape and len(found := np.flatnonzero(rows == frame.selected)):
            return int(found[0])
    return min(frame.element(), frame.operation.rows.size - 1)
