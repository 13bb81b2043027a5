"""Parameter matrices: their whole gradient at the end of the backward phase, and Adam's arithmetic on them."""

from __future__ import annotations

import textwrap

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import heatmap
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Picture, beside
from microgpt_tui.operations.canvas import Board

TITLES = {
    "g": "gradient g",
    "m": "1st moment m",
    "v": "2nd moment v",
    "m_hat": "m_hat=m/(1-β1ᵗ)",
    "v_hat": "v_hat=v/(1-β2ᵗ)",
    "delta": "step Δ",
    "p": "weight",
}
SHORT = {"g": "g", "m": "m", "v": "v", "m_hat": "m_hat", "v_hat": "v_hat", "delta": "Δ", "p": "weight"}


def gradient(board: Board) -> None:
    """The matrix and its gradient side by side."""
    frame, rows = board.frame, board.frame.stretch.rows
    each = max(8, (board.width - 4) // 2)
    size = 2 if rows.shape[1] * 2 <= each else 1
    values, grads = frame.data(rows), frame.grad(rows)
    height = max(2, board.height - 5)
    maps = []
    for title, cells, style in (
        ("weights", values, theme.TEXT),
        (f"gradient, {board.state(rows).strip()}", grads, theme.NEW),
    ):
        picture = Picture()
        picture.line(title, style)
        maps.append(picture.below(heatmap(cells, size, each, height, frame.selected)))
    board.picture.below(beside(maps[0], maps[1], 4))
    board.latest()
    board.scale_note(grads)


def adam(board: Board) -> None:
    """Small multiples with one cursor in all, and the five lines for the parameter under it."""
    frame, rows = board.frame, board.frame.stretch.rows
    maps = frame.view.adam_maps(rows)
    arithmetic = _arithmetic(board)
    per_line, size, height = _layout(board.width, board.height - arithmetic.height, rows.shape)
    each = (board.width + 1) // per_line - 1
    names = list(maps)
    for first in range(0, len(names), per_line):
        row = Picture()
        for name in names[first : first + per_line]:
            picture = Picture()
            title = TITLES[name] if len(TITLES[name]) <= each else SHORT[name]
            picture.line().fit(title, each, theme.NEW if name == "p" else theme.TEXT)
            cells = frame.cells(maps[name], rows)
            picture.below(heatmap(cells, size, each, height, frame.selected))
            row = beside(row, picture, 1) if row.lines else picture
        board.picture.below(row)
    board.picture.below(arithmetic)


def _layout(width: int, height: int, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Maps a line, characters a cell, rows a map: the largest cells that show whole matrices, else the most rows."""
    choices = []
    for per_line in (7, 4, 3):
        each = (width + 1) // per_line - 1
        rows = max(2, height // -(-7 // per_line) - 1)
        choices += [(per_line, size, rows) for size in (2, 1) if min(shape[1], 16) * size <= each]
    whole = [c for c in choices if c[2] >= shape[0]]
    if whole:
        return max(whole, key=lambda c: (c[1], c[0]))
    return max(choices or [(4, 1, 2)], key=lambda c: (c[2], c[1]))


def _arithmetic(board: Board) -> Picture:
    frame, row = board.frame, board.frame.selected
    picture = Picture()
    step = frame.view.adam(row)
    name = frame.explain.name(row)
    if step is None:
        picture.line().fit(f"{name} waits for its turn", board.width, theme.DIM)
        return picture
    a = step
    parts = [
        (f"m = {a.beta1:g}·{number(a.m_before)} + {1 - a.beta1:.3g}·g = ", a.m),
        (f"v = {a.beta2:g}·{number(a.v_before)} + {1 - a.beta2:.3g}·g² = ", a.v),
        (f"m_hat = m/{a.fix1:.4g} = ", a.m_hat),
        (f"v_hat = v/{a.fix2:.4g} = ", a.v_hat),
        (f"Δ = {a.learning_rate:.4g}·m_hat/(√v_hat+1e-8) = ", a.delta),
    ]
    line = picture.line(f"{name}  ", theme.NEW).add("g ", theme.TEXT).add(number(a.g), theme.signed(a.g))
    for words, value in parts:
        size = len(words) + len(number(value)) + 3
        if line.width + size > board.width:
            line = picture.line("   ")
        line.add("   ").add(words, theme.TEXT).add(number(value), theme.signed(value))
    line = picture.line("   weight ", theme.TEXT).add(number(a.p_before, 5), theme.STRONG).add(" → ", theme.DIM)
    line.add(number(a.p, 5), theme.NEW)
    rest = "   gradient set back to 0 for the next step"
    if a.unmoved is not None:
        rest = f"   not moved: {a.unmoved};{rest}"
    line.most(rest, board.width - line.width, theme.DIM)
    if frame.moment.step == 0 and board.height > 14 and a.unmoved is None:
        text = "first step: the corrections undo the zeros of m and v, so each weight moves by about the rate itself"
        for words in textwrap.wrap(f"({text})", board.width - 3):
            picture.line("   ").add(words, theme.DIM)
    return picture
