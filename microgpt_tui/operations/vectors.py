"""Operations on vectors, element by element: embedding, rmsnorm, residual addition, ReLU."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from engine.autograd.tape import Rows
from engine.immutable import immutable_by_identity
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, signed_strip, window
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.operations.canvas import ARRIVES, LEAVES, Board, Legend, element_labels, first_fitting
from microgpt_tui.texts.say import say

MOST_HALF = 8  # lines on either side of a strip's axis
MOST_SIZE = 6  # characters a number


@immutable_by_identity
class Track:
    """A vector of a picture: its sign and name, its scalars, what is said beside it, and whether it is a gradient."""

    name: str
    rows: Rows
    note: str = ""
    grad: bool = False
    arrives: bool = False  # the gradient that comes in; the others leave

    def title(self) -> str:
        """The name as it stands above the strip."""
        return f"∂{self.name}" if self.grad else self.name


def vector_legend(frame: Frame) -> Legend:
    """All strips of the picture have one scale: their heights can be compared."""
    event = frame.operation
    rows = [event.rows, *(rows for rows in event.operands.values() if rows.shape == event.rows.shape)]
    scale = max(frame.scale(each, frame.backward) for each in rows if each.size)
    return Legend(scale, (say("operations.canvas.bars"),))


def embed(board: Board) -> None:
    """Two rows added: what the token is, and where it stands."""
    frame, event = board.frame, board.operation
    token, position = event.operands["token"], event.operands["position"]
    names = (
        frame.explain.name(int(token[0])).split(",")[0] + "]",
        frame.explain.name(int(position[0])).split(",")[0] + "]",
    )
    reads = "" if event.pos is None else frame.token(event.pos)
    inputs = [
        (f"{names[0]} {reads}", token, say("operations.vectors.token")),
        (f"+ {names[1]}", position, say("operations.vectors.position")),
    ]  # fmt: skip
    _added(board, inputs)


def add(board: Board) -> None:
    """A block's result added to the stream that passed it by."""
    operands = board.operation.operands
    block = operands["x"]
    name, says = _name(board.frame, block), say("operations.vectors.block")
    if board.operation.left_out:
        _added(board, [(name, block, say("operations.vectors.block_alone"))])
        return
    stream = operands["x_residual"]
    inputs = [(_name(board.frame, stream), stream, say("operations.vectors.stream")), (f"+ {name}", block, says)]
    _added(board, inputs)


def _added(board: Board, inputs: list[tuple[str, Rows, str]]) -> None:
    """Two vectors and their sum; backward, the gradient of the sum, which both get whole. Or one of them alone."""
    event = board.operation
    if board.frame.backward:
        arrives = Track(event.name, event.rows, ARRIVES, True, True)
        parts = [
            Track(name.removeprefix("+ "), rows, say("operations.vectors.gets_all"), True) for name, rows, _ in inputs
        ]
        _picture(board, [arrives, *parts], _gradient_of_element)
        return
    tracks = [*(Track(name, rows, note) for name, rows, note in inputs), Track(f"= {event.name}", event.rows)]
    _picture(board, tracks, lambda b, i: _sum_of_element(b, [int(rows[i]) for _, rows, _ in inputs], i))


def relu(board: Board) -> None:
    """What is negative becomes 0, and lets no gradient through."""
    frame, event = board.frame, board.operation
    x = event.operands["x"]
    name = _name(frame, x)
    outputs = frame.data(event.rows)
    off = int(np.count_nonzero(outputs.known & ~(outputs.values > 0)))
    made = int(np.count_nonzero(outputs.known))
    state = "all" if made == x.size else "so_far"
    note = say(f"operations.vectors.off.{state}", off=off, count=made) if made or not x.size else ""
    if frame.backward:
        tracks = [
            Track(event.name, event.rows, ARRIVES, True, True),
            Track(name, x, say("operations.vectors.passes", on=x.size - off, count=x.size), True),
        ]
        _picture(board, tracks, _gradient_of_element)
        return

    def rule(board: Board, i: int) -> None:
        before, out = int(x[i]), int(event.rows[i])
        board.calculation(out, ("max(0, ", theme.DIM, None), board.figure(before), (")", theme.DIM, None))

    _picture(board, [Track(name, x), Track(f"max(0, {name})", event.rows, note)], rule)


def rmsnorm(board: Board) -> None:
    """The mean square, what it is divided by, and the vector of length √n."""
    frame, event = board.frame, board.operation
    x = event.operands["x"]
    source = _name(frame, x)
    if frame.backward:
        tracks = [Track(event.name, event.rows, ARRIVES, True, True), Track(source, x, LEAVES, True)]
        _picture(board, tracks, _gradient_of_element, _measures)
        return

    def rule(board: Board, i: int) -> None:
        out, scale = int(event.rows[i]), int(event.parts["scale"])
        board.calculation(out, board.figure(int(x[i])), (" · ", theme.DIM, None), board.figure(scale))

    norms = [_norm(frame, rows) for rows in (x, event.rows)]
    tracks = [Track(source, x, f"|x| {norms[0]}"), Track(f"= {event.name}", event.rows, f"|x| {norms[1]}")]
    _picture(board, tracks, rule, _measures)


def _name(frame: Frame, rows: Rows) -> str:
    """The tensor that a vector is."""
    return frame.name_of(int(rows[0])) or "x"


def _norm(frame: Frame, rows: Rows) -> str:
    cells = frame.data(rows)
    return plain(math.hypot(*cells.values.tolist())) if cells.known.all() else "·"


def _measures(board: Board) -> None:
    """The two numbers of rmsnorm that all elements share."""
    frame, event = board.frame, board.operation
    size = event.operands["x"].size
    for name, words in (
        ("mean_square", say("operations.vectors.mean_square", count=size)),
        ("scale", say("operations.vectors.scale")),
    ):
        row = int(event.parts[name])
        style = theme.NEW if row == frame.view.last_row else theme.TEXT
        line = board.picture.line().add(f"{words} ", style)
        line.add(plain(frame.value(row), 5), board.style(row, theme.STRONG), row)
        if frame.backward:
            grad = frame.gradient(row)
            line.add("   ∂ ", theme.DIM).add(number(grad), theme.signed(grad or 0.0), row)


def _sum_of_element(board: Board, parts: list[int], i: int) -> None:
    """The arithmetic of one element of a sum of vectors."""
    frame, out = board.frame, int(board.operation.rows[i])
    if len(parts) == 1:
        board.calculation(out, (frame.explain.name(parts[0]), theme.TEXT, parts[0]))
        return
    pieces = [(number(frame.used_value(row)), board.style(row, theme.TEXT), row) for row in parts]
    board.calculation(out, *pieces[:1], *(piece for each in pieces[1:] for piece in ((" + ", theme.DIM, None), each)))


def _gradient_of_element(board: Board, i: int) -> None:
    del i
    board.latest()


def _picture(
    board: Board, tracks: Sequence[Track], rule: Callable[[Board, int], None],
    between: Callable[[Board], None] | None = None,
) -> None:  # fmt: skip
    """Strips one below the other, as high as there is room for; under them the arithmetic of one element."""
    frame, n = board.frame, tracks[0].rows.size
    i = _element(frame, tracks)
    extra = 2 if between else 0
    closing = 2 if frame.backward else 1  # lines of arithmetic
    room = board.height - 1 - closing - extra
    size = max(1, min(MOST_SIZE, board.width // n))
    blocks = 1 if n <= board.width else -(-n // board.width)
    each = -(-n // blocks)
    if frame.where.digits and room > 4:
        _numbers(board, tracks, i, room)
    else:
        half = max(1, min(MOST_HALF, (room // (len(tracks) * blocks) - 1) // 2))
        if blocks * len(tracks) * (2 * half + 1) > room:  # what does not fit is a window around the element
            shown = max(1, room // (len(tracks) * (2 * half + 1)))
            first, last = window(blocks, shown, i // each)
        else:
            first, last = 0, blocks
        size = max(1, min(MOST_SIZE, board.width // each))
        for track in tracks:
            for block in range(first, last):
                part = slice(block * each, min((block + 1) * each, n))
                _strip(board, track, part, (size, half, i), block == first)
            if track is tracks[0] and between:
                between(board)
    if board.room > closing:
        board.picture.line()
    row = frame.selected
    if frame.forward and frame.value(int(tracks[-1].rows[i])) is None and frame.explain.formula(row):
        board.equation(row, frame.explain.name(row))
    else:
        rule(board, i)


def _strip(board: Board, track: Track, part: slice, place: tuple[int, int, int], with_note: bool) -> None:
    """Part of a vector as bars; the index that is spoken of is marked in all vectors."""
    frame, n, (size, half, i) = board.frame, track.rows.size, place
    cells = (frame.grad if track.grad else frame.data)(track.rows[part])
    style = theme.PHASE_TEXT["backward"] if track.grad else theme.STRONG
    if track.rows is frame.event.rows:
        style = theme.NEW
    line = board.picture.line().most(track.title(), board.width, style)
    index = ""
    if part.stop - part.start < n:
        index = f"  {say('operations.vectors.elements', first=part.start, last=part.stop - 1, count=n)}"
    note = f"   {track.note}" if track.note and with_note else ""
    line.most(first_fitting(board.width - line.width, index + note, index), board.width - line.width, theme.DIM)
    lines = [board.picture.line() for _ in range(2 * half)]
    signed_strip(lines, cells, size, board.scale, int(track.rows[i]))


def _numbers(board: Board, tracks: Sequence[Track], i: int, room: int) -> None:
    """The numbers of all vectors, a line an element."""
    frame = board.frame
    columns: list[tuple[str, Cells]] = [
        (track.title(), (frame.grad if track.grad else frame.data)(track.rows)) for track in tracks
    ]
    board.table(columns, element_labels(tracks[0].rows.size), i, room)


def _element(frame: Frame, tracks: Sequence[Track]) -> int:
    """The index of the selected scalar, or of the one in the making."""
    for track in tracks:
        found = np.flatnonzero(track.rows == frame.selected)
        if len(found):
            return int(found[0])
    made = _made_from(frame, frame.selected)
    for track in tracks:
        places = np.flatnonzero(np.isin(track.rows, made))
        if len(places) == 1:
            return int(places[0])
    return min(frame.element(), tracks[0].rows.size - 1)


def _made_from(frame: Frame, row: int) -> list[int]:
    """What a scalar on the way was made from; for a running sum, what its last term was."""
    terms = frame.explain.terms(row)
    return frame.explain.children(terms[-1] if terms else row)
