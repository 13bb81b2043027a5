"""Attention weights: one lower triangle a head, a row a query, a column a key. The future is absent, not masked."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, replace

from rich.style import Style

from engine.timeline.events import EventKey, Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.targets import layer_or_head
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, heat, window
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.operations.canvas import Board, names_width
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.qkv import chosen_head, frozen, head_name, lacks, other_heads, say_cut

ABSENT = "□"
FUTURE = ("the future is not there: its keys have not been made yet", "the future is not there")
TENTHS = "a digit is tenths of the row: 3 is 0.3 to 0.4"
SIGNS = "gradients: sign, and tenths of the largest one"


class Attention(Pane):
    """The weights of every head of a layer; of all layers if they fit. In the backward phase their gradients."""

    TITLE = "Attention"
    POSITIONS = True

    def heading(self, frame: Frame) -> str:
        if frame.phase is Phase.UPDATE or not frame.config.n_layer:
            return self.TITLE
        return f"{self.TITLE} ─ {'gradients of the weights, ' if frame.backward else ''}layer {frame.layer}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        board = Board(frame, width, height)
        if frame.phase is Phase.UPDATE:
            frozen(board, "attention weights are")
            return board.picture
        if lacks(board, "attention", ["attn_weights"]):
            return board.picture
        plan, to = _plan(frame, width, height), frame.ends
        if frame.config.n_layer > 1 and not plan.all_layers:
            _layer_names(board)
        for layer in range(frame.config.n_layer) if plan.all_layers else [frame.layer]:
            if plan.all_layers and frame.config.n_layer > 1:
                _layer_name(board.picture.line(), frame, layer)
            for first in range(plan.first, plan.last, plan.across):
                heads = range(first, min(first + plan.across, plan.last))
                board.picture.below(_band(frame, plan, layer, heads, to))
        _notes(board, plan)
        return board.picture


@dataclass(frozen=True, slots=True)
class _Plan:
    """What fits: heads `first` to `last`, `across` side by side, `size` characters a cell, which rows and columns.

    `slot` is the width of a triangle, with the mark behind it and a gap.
    """

    label: int
    size: int
    across: int
    slot: int
    first: int
    last: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    all_layers: bool


def _plan(frame: Frame, width: int, height: int) -> _Plan:
    """All layers, each below its name, if they fit whole; else the current one below the names of all."""
    layers = frame.config.n_layer
    if layers == 1:
        return _fit(frame, width, height)
    whole = _fit(frame, width, height // layers - 1)
    if whole.rows == (0, frame.program.n) and whole.last - whole.first == frame.config.n_head:
        return whole
    return replace(_fit(frame, width, height - 1), all_layers=False)


def _fit(frame: Frame, width: int, lines: int) -> _Plan:
    """The plan for one layer and so many lines."""
    n, heads = frame.program.n, frame.config.n_head
    label = names_width([frame.token(t) for t in range(n)])
    room = width - label
    for spare in (n > lines - 1, True):  # a line for the note, if anything is cut off
        rows = window(n, max(1, lines - 1 - spare), frame.pos)
        size, across, gap = _cells((n, rows[1]), heads, room, lines - spare)
        shown = heads if -(-heads // across) * (n + 1) <= lines - spare else across
        if shown == heads and rows[1] * size + gap <= room:
            break
    first, last = window(heads, shown, chosen_head(frame))
    columns = window(rows[1], max(1, (room - gap) // size), frame.pos)
    slot = max((columns[1] - columns[0]) * size + gap, 4 if room >= 4 * across else 3)
    return _Plan(label, size, across, slot, first, last, rows, columns, True)


def _cells(sides: tuple[int, int], heads: int, room: int, lines: int) -> tuple[int, int, int]:
    """Characters a cell, triangles side by side, gap behind each: the largest cells that show all heads, else as many
    heads as fit. `sides` are a triangle's own side and the columns of it that are needed.
    """
    n, wide = sides
    for size, gap in ((3, 1), (2, 2), (1, 2), (1, 1)):
        across = min(heads, room // max(wide * size + gap, 4 if gap > 1 else 3))
        if across == heads or (across and size < 3 and -(-heads // across) * (n + 1) <= lines):
            return size, across, gap
    return 1, max(1, room // max(wide + 2, 4)), 2


def _layer_names(board: Board) -> None:
    line = board.picture.line()
    for layer in range(board.frame.config.n_layer):
        _layer_name(line, board.frame, layer, short=board.width < 9 * board.frame.config.n_layer)


def _layer_name(line: Line, frame: Frame, layer: int, short: bool = False) -> None:
    here = layer == frame.layer
    text = f"{'L' if short else 'layer '}{layer}{'▣' if here else ''}"
    line.add(text, theme.NEW if here else theme.DIM, layer_or_head(frame, layer)).add(" ")


def _band(frame: Frame, plan: _Plan, layer: int, heads: range, to: dict[EventKey, Moment]) -> Picture:
    """Some heads side by side: their names, and a line a query."""
    picture = Picture()
    line = picture.line()
    if plan.last - plan.first < frame.config.n_head:
        other_heads(line, frame, plan.first, plan.last)
    line.to(plan.label)
    for h in heads:
        name = head_name(frame, h, plan.slot - 1, layer == frame.layer)
        line.fit(name, plan.slot - 1, theme.TEXT, layer_or_head(frame, layer, h)).add(" ")
    weights = {(t, h): _weights(frame, t, layer, h) for t in range(frame.program.n) for h in heads}
    scale = max((cells.scale for cells in weights.values()), default=0.0) if frame.backward else 1.0
    for t in range(*plan.rows):
        here = t == frame.pos
        text = f"{'▸' if here else ' '}{frame.token(t)}"
        style = theme.NEW if here else theme.TEXT
        line = picture.line().fit(text, plan.label, style, to["attn_weights", t, layer, min(heads)])
        for i, h in enumerate(heads):
            left, right = plan.columns
            _row(line, frame, weights[t, h][left : min(right, t + 1)], plan.size, scale)
            if frame.tensor("attn_weights", t, layer, h) is frame.stretch.rows:
                line.add("◂", theme.NEW)
            line.to(plan.label + (i + 1) * plan.slot)
    return picture


def _weights(frame: Frame, pos: int, layer: int, head: int) -> Cells:
    rows = frame.tensor("attn_weights", pos, layer, head)
    assert rows is not None
    return frame.shown(rows)


def _row(line: Line, frame: Frame, cells: Cells, size: int, scale: float) -> None:
    """The weights of one query, or their gradients."""
    for i in range(len(cells)):
        value, target = float(cells.values[i]), int(cells.targets[i])
        style: Style | None
        if not cells.known[i]:
            text, style = ABSENT.ljust(size), theme.FAINT
        elif frame.backward or not math.isfinite(value):
            text, style = heat(value, True, scale, size)
        else:
            text, style = share_cell(value, size)
        if cells.fresh[i] and style is not None:
            style += theme.FRESH
        cursor = theme.STRONG if text == "█" else theme.CURSOR  # a full cell shows its own colour, not the one below
        line.add(text, cursor if target == frame.selected else style, target)


def share_cell(value: float, size: int) -> tuple[str, Style]:
    """A share of 1 in so many characters: its percent if there are three, else its tenths."""
    tenths = min(9, max(0, int(value * 10 + 1e-9)))
    style = theme.HEAT_PLUS[round(tenths / 9 * (theme.LEVELS - 1))]
    if size >= 3:
        percent = round(value * 100)
        return f"{percent:>2}".ljust(size), style
    if value > 1 - 1e-9:
        return ("█", theme.PLUS) if size == 1 else ("1.", style)
    return (str(tenths) if size == 1 else f".{tenths}"), style


def _notes(board: Board, plan: _Plan) -> None:
    """What is cut off, and how to read what is there."""
    frame, n, heads = board.frame, board.frame.program.n, board.frame.config.n_head
    pieces = []
    for what, (first, last), count in (
        ("row", plan.rows, n), ("column", plan.columns, plan.rows[1]), ("head", (plan.first, plan.last), heads)
    ):  # fmt: skip
        if (first, last) != (0, count):
            total = heads if what == "head" else n
            pieces.append(
                f"{what} {first} of {total}" if last - first == 1 else f"{what}s {first}-{last - 1} of {total}"
            )
    say_cut(board, pieces)
    scale = "numbers are percent of the row" if plan.size >= 3 else TENTHS
    reading = ((SIGNS,), (f"{ABSENT} nothing has arrived yet",)) if frame.backward else (FUTURE, (scale,))
    for forms in reading:
        text = next((form for form in forms if len(textwrap.wrap(form, board.width)) <= board.room), None)
        if text:
            board.note(text)
