"""The drawing of an operation that has none of its own: operands, what is made on the way, and the result."""

from __future__ import annotations

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from engine.autograd.tape import Rows
from engine.immutable import immutable_by_identity
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, heat_row, signed_strip, window
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Line
from microgpt_tui.explanations.sentences import operand_names
from microgpt_tui.operations.canvas import ARRIVES, LEAVES, Board, Legend
from microgpt_tui.texts.say import say

MOST_HALF = 3  # lines on either side of a strip's axis
MOST_SIZE = 6  # characters a number
LEAST_LABEL, MOST_LABEL = 6, 16


@immutable_by_identity
class _Row:
    """One vector of the picture, or a row of a matrix: its name, and its scalars in the lines they take."""

    name: str
    rows: Rows
    is_result: bool


def generic_legend(frame: Frame) -> Legend:
    """All vectors of the picture have one scale."""
    event = frame.operation
    found = [frame.scale(rows, frame.backward) for rows in (event.rows, *event.operands.values()) if rows.size]
    return Legend(max(found), (say("operations.canvas.bars"),))


def draw_generic(board: Board) -> None:
    """A strip of bars for every vector, or a line of cells where there is less room; below, the chosen scalar."""
    frame, event = board.frame, board.operation
    names = operand_names(frame)
    vectors: list[_Row] = []
    parts = [(names[operand], rows) for operand, rows in event.operands.items()]
    for name, rows in (*parts, *event.parts.items(), (f"= {event.name}", event.rows)):
        matrix = rows.reshape(-1, rows.shape[-1]) if rows.ndim > 1 else np.atleast_2d(rows)
        for i, row in enumerate(matrix):
            if len(row):
                vectors.append(_Row(f"{name}[{i}]" if len(matrix) > 1 else name, row, rows is event.rows))
    if frame.backward:  # the gradient of the result comes first: it arrives
        vectors = [v for v in vectors if v.is_result] + [v for v in vectors if not v.is_result]
    label = min(MOST_LABEL, max(LEAST_LABEL, *(cell_len(v.name) + 2 for v in vectors)))
    room = board.height - 4
    longest = max(len(v.rows) for v in vectors)
    half = min(MOST_HALF, (room // len(vectors) - 1) // 2)
    if half >= 1 and longest <= board.width and not frame.where.digits:
        for vector in vectors:
            _strip(board, vector, half)
    else:
        _heat(board, vectors, label, room)
    if board.room > 2:
        board.picture.line()
    _formula(board)


def _title(frame: Frame, vector: _Row) -> tuple[str, Style]:
    name = f"∂{vector.name.removeprefix('= ')}" if frame.backward else vector.name
    if vector.is_result:
        return name, theme.PHASE_TEXT["backward"] if frame.backward else theme.NEW
    return name, theme.STRONG


def _cells(frame: Frame, rows: Rows) -> Cells:
    return frame.grad(rows) if frame.backward else frame.data(rows)


def _strip(board: Board, vector: _Row, half: int) -> None:
    """One vector as bars on an axis."""
    frame = board.frame
    name, style = _title(frame, vector)
    line = board.picture.line().most(name, board.width, style)
    if frame.backward:
        line.most(f"   {ARRIVES if vector.is_result else LEAVES}", board.width - line.width, theme.DIM)
    size = max(1, min(MOST_SIZE, board.width // len(vector.rows)))
    lines = [board.picture.line() for _ in range(2 * half)]
    signed_strip(lines, _cells(frame, vector.rows), size, board.scale, frame.selected)


def _heat(board: Board, vectors: list[_Row], label: int, room: int) -> None:
    """Every vector as a line of cells, the result whole; the others cut to what there is room for."""
    frame = board.frame
    per = max(1, board.width - label)
    result = next(v for v in vectors if v.is_result)
    needed = -(-len(result.rows) // per)
    others = [v for v in vectors if not v.is_result]
    lines = [(v, k) for v in others for k in range(-(-len(v.rows) // per))]
    at = next((i for i, (v, k) in enumerate(lines) if frame.selected in v.rows[k * per : (k + 1) * per]), 0)
    first, last = window(len(lines), max(1, room - needed), at)
    shown = lines[first:last]
    own = [(result, k) for k in range(needed)]
    for vector, k in own + shown if frame.backward else shown + own:
        part = vector.rows[k * per : (k + 1) * per]
        name, style = _title(frame, vector)
        line: Line = board.picture.line().fit("" if k else name, label - 1, style).add(" ")
        size = max(1, min(4, per // len(vector.rows)))
        heat_row(line, _cells(frame, part), size, frame.selected, board.scale)
        if frame.selected in part:
            board.picture.focus = board.picture.height - 1
    if (first, last) != (0, len(lines)):
        board.say(say("operations.canvas.rows_of_cells", first=first, last=last - 1, count=len(lines)))


def _formula(board: Board) -> None:
    """The selected scalar, or the one made last: its formula by names, and in numbers; backward, the last `+=`."""
    frame = board.frame
    if frame.backward:
        board.latest()
        return
    row = frame.selected
    pieces = frame.explain.formula(row)
    if not pieces:
        line = board.picture.line().most(frame.explain.name(row), board.width - 12, theme.NEW, row)
        line.add(" = ", theme.DIM).add(number(frame.value(row)), theme.STRONG, row)
        return
    names = "".join(text for text, _ in frame.explain.names_in_formula(row))
    line = board.picture.line().most(frame.explain.name(row), board.width // 2, theme.NEW, row)
    line.most(f" = {names}", board.width - line.width, theme.DIM)
    board.equation(row)
