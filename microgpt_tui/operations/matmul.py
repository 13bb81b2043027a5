"""Operations made of dot products: linear layers, attention scores, and the weighted sum of values."""

from __future__ import annotations

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from engine.autograd.tape import Rows
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import NUMBER, Cells, bar, heat_row, heat_size_for, strip, window
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Line
from microgpt_tui.operations.canvas import FIGURE, LABEL, Board


def linear(board: Board) -> None:
    """Input above, weights below it, one output a row; under them the dot product of the selected row."""
    frame, stretch = board.frame, board.operation
    w, x = stretch.operands["w"], stretch.operands["x"]
    specs = frame.program.specs
    in_heads = any("head" in spec.places and stretch.name in spec.inputs for spec in specs.values())
    names = [frame.token_name(i) if specs[stretch.name].tokens else f"[{i}]" for i in range(len(w))]
    per_head = len(w) // frame.config.n_head
    styles = [theme.TEXT] * len(w)
    labels = [f"h{i // per_head} {name}" for i, name in enumerate(names)] if in_heads else names
    _matrix(board, "x", x, w, stretch.rows, labels, styles)
    source = frame.program.event_of(int(x[0]))
    if source and board.room > 0 and not frame.backward:
        board.say(f"x is {source.name}, w is {stretch.matrix}: {w.shape[0]} rows of {w.shape[1]}")


def scores(board: Board) -> None:
    """The query against each kept key."""
    frame, stretch = board.frame, board.operation
    keys = stretch.operands["keys"]
    labels = [f"key {t} {frame.token(t)}" for t in range(len(keys))]
    _matrix(board, "query", stretch.operands["q"], keys, stretch.rows, labels, [theme.TEXT] * len(keys))
    board.note(f"score = q·k / √{keys.shape[1]}. The future has no keys yet, so it cannot be looked at.")


def weighted_sum(board: Board) -> None:
    """Each kept value, times its weight, added up."""
    frame, stretch = board.frame, board.operation
    weights, values = stretch.operands["weights"], stretch.operands["values"]
    i = frame.element()
    size = heat_size_for(values.shape[1], max(8, board.width - LABEL - FIGURE - 4))
    shares, kept = frame.data(weights), frame.data(values)
    part = " ∂weight" if frame.backward else " weight"
    line = board.picture.line().fit("", LABEL).fit(part, FIGURE, theme.DIM, right=True).add("  ")
    line.most("value of that position", board.width - line.width, theme.DIM)
    scale = kept.scale
    first, last = window(len(weights), max(1, board.height - 6), len(weights) - 1)
    for t in range(first, last):
        line = board.label(f"{t} {frame.token(t)}")
        _figure(board, line, frame.shown(weights), t)
        line.add(" ×")
        shown = frame.grad(values)[t] if frame.backward else kept[t]
        heat_row(line, shown, size, frame.selected, frame.grad(values).scale if frame.backward else scale)
        share = float(shares.values[t])
        room = board.width - line.width - 2
        if shares.known[t] and room > 2:
            line.add(" ").add(bar(share, 1.0, min(room, 20)), theme.PLUS)
    board.vector(f"= {stretch.name}", stretch.rows)
    if frame.backward:
        board.latest()
        return
    _terms(
        board,
        [(int(weights[t]), int(values[t, i])) for t in range(len(weights))],
        f"{stretch.name}[{i}]",
        int(stretch.rows[i]),
    )


def _matrix(board: Board, x_name: str, x: Rows, w: Rows, out: Rows, labels: list[str], styles: list[Style]) -> None:
    frame = board.frame
    i, columns = _row_of(board, w), w.shape[1]
    label = max(*(cell_len(text) for text in labels), 5) + 1
    room = max(4, board.width - label - FIGURE - 3)
    size = heat_size_for(columns, room)
    j = _column_of(board, w, x)
    left, right = window(columns, room // size, j)
    weights, inputs, outputs = frame.shown(w), frame.shown(x), frame.shown(out)
    weights_scale = weights.scale
    specs = frame.program.specs
    if frame.operation.kind == "linear" and any(
        "head" in specs[name].places for name in specs[frame.operation.name].inputs
    ):
        _head_names(board, label, size, left, right)
    sign = "∂" if frame.backward else ""
    line = board.picture.line().fit(f"{sign}{x_name}", label, theme.TEXT)
    _cells(line, inputs[left:right], size, frame.selected, inputs.scale)
    if (left, right) != (0, columns):
        line.add(f" {left}-{right - 1}/{columns}", theme.DIM)
    below = (3 if not frame.backward else 4) + (board.picture.height - 1)
    first, last = window(len(w), max(1, board.height - below - 2 - (0 if len(w) <= board.height - below - 2 else 1)), i)
    for r in range(first, last):
        chosen = r == i
        line = board.picture.line().fit(
            f"{labels[r]}{'▸' if chosen else ' '}", label, theme.NEW if chosen else styles[r]
        )
        heat_row(line, weights[r, left:right], size, frame.selected, weights_scale)
        line.add(
            " ∂" if frame.backward else " →" if frame.operation.kind == "scores" else " ="
        )  # a score is scaled too
        if chosen:
            board.picture.focus = board.picture.height - 1
        _figure(board, line, outputs, r)
    if (first, last) != (0, len(w)):
        board.say(f" rows {first}-{last - 1} of {len(w)}")
    if frame.backward:
        board.latest()
        board.note(
            f"on top ∂{x_name}: {board.state(x).strip()}; cells ∂weights: {board.state(w).strip()}; "
            f"right ∂{frame.operation.name}: {board.state(out).strip()}"
        )
    else:
        _running(board, x, w, out, i, (label, size, left, right))


def _head_names(board: Board, label: int, size: int, left: int, right: int) -> None:
    """Above the input of the output projection: which head each stretch of it comes from."""
    line, dim = board.picture.line().fit("heads", label, theme.DIM), board.frame.config.head_dim
    for head in range(left // dim, -(-right // dim)):
        width = (min((head + 1) * dim, right) - max(head * dim, left)) * size
        line.fit(f"h{head}" if width > 1 else "", width, theme.TEXT)


def _cells(line: Line, cells: Cells, size: int, selected: int, scale: float) -> None:
    """A vector above or below a heatmap, in cells as wide: numbers where they fit, bars elsewhere."""
    if size >= NUMBER:
        heat_row(line, cells, size, selected, scale)
    else:
        strip(line, cells, size, selected, scale)


def _running(board: Board, x: Rows, w: Rows, out: Rows, i: int, place: tuple[int, int, int, int]) -> None:
    """Under the matrix: the products of the selected row, and their sum so far."""
    frame = board.frame
    label, size, left, right = place
    terms = frame.explain.terms(_sum_of(board, int(out[i])))
    if len(terms) != w.shape[1]:
        return
    rows = np.array(terms, dtype=np.int32)
    sums = rows + 1  # a running sum is made right after the term that it adds
    for text, cells in (("w·x", frame.data(rows)), ("Σ w·x", frame.data(sums))):
        line = board.picture.line().fit(text, label, theme.DIM)
        _cells(line, cells[left:right], size, frame.selected, cells.scale)
    name, scaled = frame.explain.name(int(out[i])), frame.operation.kind == "scores"
    pairs = [(int(w[i, j]), int(x[j])) for j in range(w.shape[1])]
    _terms(board, pairs, name, int(out[i]), f" / √{w.shape[1]}" if scaled else "")


def _sum_of(board: Board, out: int) -> int:
    """The row of the plain sum behind an output: a score is one divided by √head_dim."""
    explain = board.frame.explain
    return out if explain.terms(out) else explain.children(out)[0]


def _terms(board: Board, pairs: list[tuple[int, int]], name: str, out: int, divided: str = "") -> None:
    """One line: the sum written out with numbers, as far as it fits, and what all of it is `divided` by."""
    frame = board.frame
    line = board.picture.line().add(f"{name} = ", theme.NEW).add("(" if divided else "", theme.DIM)
    figure = number(frame.value(out))
    shown, after = 0, f"){divided} = " if divided else " = "
    for a, b in pairs:
        text = f"{'' if shown == 0 else ' + '}{number(frame.value(a), 3)}·{number(frame.value(b), 3)}"
        if line.width + len(text) + len(" + …") + len(after) + len(figure) > board.width:
            break
        line.add(text, theme.TEXT)
        shown += 1
    left = "" if shown == len(pairs) else " + …" if shown else "…"
    line.add(left + after, theme.DIM).add(figure, board.style(out, theme.STRONG), out)


def _figure(board: Board, line: Line, cells: Cells, i: int) -> None:
    known, value, target = bool(cells.known[i]), float(cells.values[i]), int(cells.targets[i])
    style = board.style(target, theme.signed(value) if known else theme.FAINT)
    line.fit(number(value if known else None), FIGURE, style, target, right=True)


def _row_of(board: Board, w: Rows) -> int:
    """The row of the matrix that the selection lies in, or that is being worked on."""
    found = np.argwhere(w == board.frame.selected)
    if len(found):
        return int(found[0][0])
    return board.frame.element()


def _column_of(board: Board, w: Rows, x: Rows) -> int:
    """The column that the selection lies in."""
    for rows in (w, x):
        found = np.argwhere(rows == board.frame.selected)
        if len(found):
            return int(found[0][-1])
    return 0
