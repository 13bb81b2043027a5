"""What the model predicts at one position: a bar a token, the token that really comes, and the loss."""

from __future__ import annotations

import numpy as np
from rich.cells import cell_len

from engine.autograd.tape import Rows
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, bar
from microgpt_tui.drawing.numbers import brief, number, percent, plain
from microgpt_tui.drawing.picture import Line
from microgpt_tui.drawing.wrapped_text import wrapped
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.operations.canvas import Board, first_fitting, names_width
from microgpt_tui.panes.base import PositionPane
from microgpt_tui.texts.say import say

FIGURE, LEAST_BAR = 8, 4  # characters of a number, and of the shortest bar that is worth a column
TOP = 3  # how many of the likeliest tokens are named


class Prediction(PositionPane):
    """Probabilities over the vocabulary, or logits while only those are known; in the backward phase dL/dlogits."""

    TITLE = pane_title("prediction")
    FROZEN, NOT_SAID = say("panes.prediction.frozen"), say("panes.prediction.not_said")

    def draw_position(self, board: Board) -> None:
        span = board.frame.span
        if span is not None:
            draw = _gradients if board.frame.backward else _values
            draw(board, span.logits.rows, span.probs.rows)


def _values(board: Board, logits: Rows, probs: Rows) -> None:
    frame = board.frame
    known = frame.data(probs).known.any()
    rows = probs if known else logits
    cells = frame.data(rows)
    if not cells.known.any():
        board.note(say("panes.prediction.to_come", pos=frame.pos))
        return
    _bars(board, "p" if known else say("panes.prediction.logit"), rows, cells, footer=2)
    _top(board, cells, bool(known))
    _loss(board)


def _gradients(board: Board, logits: Rows, probs: Rows) -> None:
    frame = board.frame
    cells = frame.grad(logits)
    if not cells.known.any():
        board.note(say("panes.prediction.gradients_to_come", pos=frame.pos))
        _loss(board)
        return
    rule = say("panes.prediction.rule", positions=frame.program.n)
    lines = len(wrapped(rule, board.width)) if board.height >= 9 and not _is_set(frame, probs) else 0
    _bars(board, f"∂{say('panes.prediction.logit')}", logits, cells, footer=2 + lines)
    _top(board, frame.data(probs))
    _loss(board)
    if lines:
        board.note(rule)


def _is_set(frame: Frame, probs: Rows) -> bool:
    """Whether a number of this softmax is set in the branch, so that its gradients are others than usual."""
    event = frame.program.event_of(int(probs[0]))
    if event is None:
        return False
    made = frame.program.rows_between(event.first, event.last)
    return bool(np.isin(made, frame.view.overridden).any())


def _bars(board: Board, what: str, rows: Rows, cells: Cells, footer: int) -> None:
    """A header, and below it the vocabulary in columns: in its order or, where not all of it fits, the largest."""
    frame, count = board.frame, len(rows)
    lines = max(1, board.height - 1 - footer)
    label = names_width([frame.token_name(i) for i in range(count)])
    columns = max(1, min(3, (board.width + 1) // (label + FIGURE + LEAST_BAR + 2), -(-count // lines)))
    shown = _shown(frame, rows, cells, lines * columns)
    style = theme.NEW if rows is frame.stage_event.rows else theme.STRONG
    cut = f" {say('panes.prediction.largest', shown=len(shown), count=count)}" if len(shown) < count else ""
    after = f" {say('panes.prediction.after', token=frame.token(frame.pos))}"
    target = f"  ◎ {frame.target(frame.pos)}"
    room = board.width - cell_len(what) - cell_len(target)
    board.say((what, style), first_fitting(room, cut + after, cut), (target, theme.TARGET))
    line = board.picture.lines[-1]
    comes = f" {say('panes.prediction.really_comes')}"
    line.add(comes if line.width + cell_len(comes) <= board.width else "", theme.DIM)
    per, width = -(-len(shown) // columns), (board.width + 1) // columns - 1
    for y in range(per):
        line = board.picture.line()
        for x in range(columns):
            if x * per + y < len(shown):
                line.to(x * (width + 1))
                _entry(line, frame, cells, shown[x * per + y], (label, width), share=what == "p")


def _shown(frame: Frame, rows: Rows, cells: Cells, room: int) -> list[int]:
    """The tokens that are listed: all in their order, or the largest, with the target and the selected one."""
    if len(rows) <= room:
        return list(range(len(rows)))
    wanted = [frame.program.targets[frame.pos], *np.flatnonzero(rows == frame.selected).tolist()]
    sizes = np.where(cells.known, np.abs(cells.values) if frame.backward else cells.values, -np.inf)
    order = np.argsort(-sizes, kind="stable").tolist()
    chosen = {*dict.fromkeys([*wanted, *order][:room])}
    for i in order:
        if len(chosen) >= room:
            break
        chosen.add(i)
    return [i for i in order if i in chosen]


def _entry(line: Line, frame: Frame, cells: Cells, i: int, widths: tuple[int, int], share: bool) -> None:
    """One token: its name, its number, its bar."""
    label, width = widths
    value, known, row = float(cells.values[i]), bool(cells.known[i]), int(cells.targets[i])
    target = i == frame.program.targets[frame.pos]
    sign = theme.FAINT if not known else theme.signed(value)
    start = line.width
    line.fit(f"{'◎' if target else ' '}{frame.token_name(i)}", label, theme.TARGET if target else theme.TEXT)
    text = percent(value if known else None) if share else number(value if known else None)
    if len(text) > FIGURE:
        text = brief(value, FIGURE)
    line.fit(text, FIGURE, theme.CURSOR if row == frame.selected else sign, right=True)
    room = width - label - FIGURE - 1
    if known and room > 0:
        line.add(" ").add(bar(abs(value), cells.scale, room), theme.TARGET if target else sign)
    line.spots.append((start, line.width, row))  # one for all of it, so that the cursor moves from token to token


def _figure(value: float, share: bool) -> str:
    return percent(value) if share else number(value, 3)


def _top(board: Board, cells: Cells, share: bool = True) -> None:
    """The likeliest tokens, once all are known."""
    if board.room < 2 or not cells.known.all():
        return
    line = board.picture.line(say("panes.prediction.top"), theme.DIM)
    for i in np.argsort(-cells.values, kind="stable")[:TOP]:
        target = int(i) == board.frame.program.targets[board.frame.pos]
        text = f" {board.frame.token_name(int(i))}{'◎' if target else ''} {_figure(float(cells.values[i]), share)}"
        if line.width + cell_len(text) > board.width:
            return
        line.add(text, theme.TARGET if target else theme.TEXT).add(" " * (line.width < board.width))


def _loss(board: Board) -> None:
    """The surprise at this position."""
    frame = board.frame
    if board.room < 1 or frame.span is None:
        return
    rows = frame.span.loss.rows
    row = int(rows[0])
    style = theme.NEW if rows is frame.stage_event.rows else theme.TEXT
    formula = say("panes.prediction.loss", target=frame.target(frame.pos))
    line = board.picture.line().most(f"{formula} = ", board.width, style)
    figure = plain(frame.value(row))
    line.most(figure, board.width - line.width, theme.CURSOR if row == frame.selected else theme.STRONG, row)
