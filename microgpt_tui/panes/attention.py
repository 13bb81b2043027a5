"""Attention shares: a triangle a head, a row a query, a column a key. The future is absent, not masked."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.cells import cell_len
from rich.style import Style

from engine.immutable import immutable
from engine.timeline.events import Phase
from engine.timeline.view import View
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.targets import layer_or_head
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import GAMMA, Cells, heat, window
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.operations.canvas import Board, Legend
from microgpt_tui.panes.base import PositionPane
from microgpt_tui.panes.qkv import attention_of, chosen_head, missing
from microgpt_tui.texts.say import say

SIZES = (5, 4, 3)  # characters of a cell, its gap included; three hold a share in percent
GAP = 2  # characters between two triangles
FUTURE = say("panes.attention.future")


class Attention(PositionPane):
    """The shares of one head, in percent, or of all heads where they fit; in the backward phase their gradients."""

    TITLE = pane_title("attention")
    FROZEN = say("panes.attention.frozen")

    @classmethod
    def lacks(cls, view: View) -> str:
        return super().lacks(view) or missing(view, "attention")

    def heading(self, frame: Frame) -> str:
        if frame.phase is Phase.UPDATE or not frame.config.n_layer:
            return self.TITLE
        layer = f"{frame.called('layer', frame.layer)}, " if frame.config.n_layer > 1 else ""
        what = "gradients" if frame.backward else "shares"
        if self.content_size.height and _all_heads(frame, *self.content_size):
            return f"{self.TITLE} ─ {layer}{say(f'panes.attention.every_row.{what}')}"
        head = chosen_head(frame)
        if layer:  # the title has room for 28 characters
            return say(f"panes.attention.head_of_layer.{what}", layer=frame.layer, head=head)
        return say(f"panes.attention.head.{what}", head=head)

    def draw_position(self, board: Board) -> None:
        names = attention_of(board, "attention")
        if names is None:
            return
        frame, width, height = board.frame, board.width, board.height
        layers = list(range(frame.config.n_layer))
        plan = _all_heads(frame, width, height // len(layers) - (len(layers) > 1))
        if plan is None:
            if len(layers) > 1:
                _layer_names(board, layers)
            layers = [frame.layer]
            plan = _all_heads(frame, width, board.room) or _one_head(frame, width, board.room)
        for layer in layers:
            if len(layers) > 1:
                _layer_names(board, [layer])
            for band in plan.bands():
                board.picture.below(_band(frame, names.weights, plan, layer, band))
        if board.room > 1 and not frame.backward:
            board.note(FUTURE)
        board.picture.within(width)


@immutable
class _Plan:
    """What fits: which heads, how many of them side by side, characters a cell, which rows and columns.

    `label` is the width of a row's name; `tokens` says whether the names of the keys stand above the columns.
    """

    label: int
    size: int
    heads: range
    across: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    tokens: bool

    @property
    def slot(self) -> int:
        """The width of a triangle and the gap behind it, or of its head's name."""
        return max((self.columns[1] - self.columns[0]) * self.size + GAP, 7)

    def bands(self) -> Iterator[range]:
        """The heads of each line of triangles."""
        for first in range(self.heads.start, self.heads.stop, self.across):
            yield range(first, min(first + self.across, self.heads.stop))


def _row_names(frame: Frame) -> list[str]:
    return [frame.numbered_token(t) for t in range(frame.program.n)]


def _label(frame: Frame) -> int:
    return max(map(cell_len, _row_names(frame))) + 2


def _all_heads(frame: Frame, width: int, height: int) -> _Plan | None:
    """All triangles, whole; None if they do not fit."""
    n, heads, label = frame.program.n, frame.heads, _label(frame)
    if heads < 2:
        return None
    for tokens in (True, False):
        for size in SIZES:
            across = min(heads, (width - label + GAP) // max(n * size + GAP, 7))
            if across and -(-heads // across) * (n + 1 + tokens) <= height:
                return _Plan(label, size, range(heads), across, (0, n), (0, n), tokens)
    return None


def _one_head(frame: Frame, width: int, height: int) -> _Plan:
    """One triangle, cut around the present row to what fits."""
    n, label, head = frame.program.n, _label(frame), chosen_head(frame)
    rows = window(n, max(1, height - 1), frame.pos)
    size = next((size for size in SIZES if rows[1] * size <= width - label), SIZES[-1])
    columns = window(rows[1], max(1, (width - label) // size), frame.pos)
    return _Plan(label, size, range(head, head + 1), 1, rows, columns, True)


def _layer_names(board: Board, layers: list[int]) -> None:
    line = board.picture.line()
    for layer in layers:
        short = board.width < 9 * len(layers)
        style = theme.NEW if layer == board.frame.layer else theme.DIM
        line.add(
            board.frame.called("layer", layer, "L" if short else None), style, layer_or_head(board.frame, layer)
        ).add("  ")


def _band(frame: Frame, weights: str, plan: _Plan, layer: int, heads: range) -> Picture:
    """Some heads side by side: their names, the keys, and a line a query with its `weights`."""
    picture, several = Picture(), len(plan.heads) > 1
    if several:
        line = picture.line(" " * plan.label)
        for h in heads:
            here = layer == frame.layer and h == frame.attention_head
            target = layer_or_head(frame, layer, h)
            line.fit(frame.called_head(h, weights), plan.slot, theme.NEW if here else theme.TEXT, target)
    if plan.tokens:
        line = picture.line()
        if not several:
            _chosen_head(line, frame, layer, plan.heads.start)
        line.to(plan.label)
        for _ in heads:
            start = line.width
            for t in range(*plan.columns):
                name = frame.token(t)
                line.fit(name if cell_len(name) < plan.size else name[:1], plan.size - 1, theme.DIM, right=True).add(
                    " "
                )
            line.to(start + plan.slot if several else 0)
    names = _row_names(frame)
    tensors = {(t, h): frame.tensor(weights, t, layer, h) for t in range(*plan.rows) for h in heads}
    cells = {place: frame.shown(rows) for place, rows in tensors.items() if rows is not None}
    scale = max((each.scale for each in cells.values()), default=0.0) if frame.backward else 1.0
    for t in range(*plan.rows):
        here = t == frame.pos
        if here:
            picture.focus = picture.height
        target = frame.ends.get((weights, t, layer, heads.start))
        line = picture.line().fit(names[t], plan.label, theme.NEW if here else theme.TEXT, target)
        for i, h in enumerate(heads):
            left, right = plan.columns
            if (t, h) in cells:
                _row(line, frame, cells[t, h][left : min(right, t + 1)], plan.size, scale, here)
            if several:
                line.to(plan.label + (i + 1) * plan.slot)
    return picture


def attention_legend(frame: Frame) -> Legend:
    """Shares in the forward phase, later their gradients."""
    return Legend(0.0) if frame.backward else Legend(1.0, (say("panes.attention.bright_row"),), shares=True)


def _chosen_head(line: Line, frame: Frame, layer: int, head: int) -> None:
    """The head that is shown, between arrows that lead to those before and after it."""
    before, after = head > 0, head + 1 < frame.heads
    line.add("‹" if before else " ", theme.STRONG, layer_or_head(frame, layer, head - 1) if before else None)
    line.add(f"h{head}", theme.DIM, layer_or_head(frame, layer, head))
    line.add("›" if after else " ", theme.STRONG, layer_or_head(frame, layer, head + 1) if after else None)


def _row(line: Line, frame: Frame, cells: Cells, size: int, scale: float, here: bool) -> None:
    """The shares of one query, or their gradients; those of the present row in full colour."""
    for i in range(len(cells)):
        value, known, target = float(cells.values[i]), bool(cells.known[i]), int(cells.targets[i])
        body = size - 1 if size > SIZES[-1] else size
        style: Style | None
        if not known:
            text, style = "·".rjust(min(body, 3)).ljust(body), theme.FAINT
        elif frame.backward or not math.isfinite(value):
            text, style = heat(value, True, scale, body, here, cells.digits)
        else:
            text, style = share_cell(value, body, here)
        if target == frame.selected:
            style = theme.CURSOR
        line.add(text, style, target).add(" " * (size - body))


def share_cell(value: float, size: int, lit: bool = True) -> tuple[str, Style]:
    """A share of 1 in so many characters: its percent if there are three, else its tenths. Less `lit` it is fainter."""
    level = round(min(max(value, 0.0), 1.0) ** GAMMA * (theme.LEVELS - 1))
    style = (theme.HEAT_PLUS if lit else theme.FADED_PLUS)[level]
    if size >= 3:
        return f"{round(value * 100):>3}".ljust(size), style
    tenths = min(9, max(0, int(value * 10 + 1e-9)))
    if value > 1 - 1e-9:
        return ("█", theme.PLUS) if size == 1 else ("1.", style)
    return (str(tenths) if size == 1 else f".{tenths}"), style
