"""The residual stream: what runs past the blocks, after each of them, with its norm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.autograd.tape import Tensor
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, bar, heat_row, heat_size_for, window
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.operations.canvas import Board, Legend
from microgpt_tui.panes.base import PositionPane
from microgpt_tui.panes.qkv import say_cut
from microgpt_tui.texts.say import say

NORM, STATE, BAR = 9, 8, 16  # cells for a norm, for `so far`, for the longest bar
ROOMY = 60  # cells from which on stages have their full names


class Residual(PositionPane):
    """x after each block, one row a stage; in the backward phase dL/dx."""

    TITLE = pane_title("residual")
    FROZEN, NOT_SAID = say("panes.residual.frozen"), say("panes.residual.not_said")

    def draw_position(self, board: Board) -> None:
        if board.frame.span is not None:
            _stream(board, board.frame.span.residual_stream)


def residual_legend(frame: Frame) -> Legend:
    """One scale for all stages."""
    span = frame.span
    return Legend(0.0 if span is None else _scale(frame, span.residual_stream))


def _scale(frame: Frame, stages: Sequence[Tensor]) -> float:
    return max((frame.scale(s.rows, frame.backward, s.name) for s in stages), default=0.0)


def _label(frame: Frame, stage: Tensor, roomy: bool) -> str:
    """What a stage is called: = where it is the block's result alone, else + where it is not `roomy`."""
    if stage.layer is None:
        return stage.name if roomy else stage.name.split("_")[-1]
    layers, name = frame.config.n_layer, stage.name if roomy else f"+{stage.name.split('_')[0]}"
    event = frame.program.find(Phase.FORWARD, (stage.name, frame.pos, stage.layer, None))
    if event is not None and event.left_out:
        name = f"={stage.name.split('_')[0]}"
    return f"L{stage.layer} {name}" if layers > 1 else name


def known_length(cells: Cells) -> float | None:
    """The root of the sum of squares; None unless all of them are known."""
    if not cells.known.all():
        return None
    with np.errstate(over="ignore"):
        return float(np.linalg.norm(cells.values))


def _at_work(frame: Frame, stages: Sequence[Tensor]) -> int | None:
    """The stage that the present event belongs to: in a layer the one that its block ends with."""
    here = frame.stage_event
    if here.layer is None:
        return next((i for i, stage in enumerate(stages) if stage.rows is here.rows), None)
    block = here.block, here.layer
    return max((i for i, stage in enumerate(stages) if (stage.block, stage.layer) == block), default=None)


def _stream(board: Board, stages: Sequence[Tensor]) -> None:
    frame = board.frame
    n, roomy = len(stages[0].rows), board.width >= ROOMY
    labels = [_label(frame, stage, roomy) for stage in stages]
    label = max(map(len, labels)) + (3 if frame.backward else 2)
    room = board.width - label - NORM
    state = STATE if frame.backward and room - STATE >= min(n, 16) else 0
    room = max(1, room - state)
    size = heat_size_for(n, room, digits=frame.where.digits)
    chosen = next((int(i) for s in stages for i in np.flatnonzero(s.rows == frame.selected)), 0)
    left, right = window(n, room, chosen)
    at_work = _at_work(frame, stages)
    centre = len(stages) - 1 if at_work is None else at_work
    cut = len(stages) > board.height or (left, right) != (0, n)
    first, last = window(len(stages), max(1, board.height - cut), centre)
    if not cut and board.height > len(stages):
        line = board.picture.line().to(label + n * size)
        line.fit("|∂|" if frame.backward else "|x|", NORM - 1, theme.DIM, right=True)
    scale = _scale(frame, stages)
    to, shown = frame.ends, [frame.shown(s.rows) for s in stages]
    norms = [known_length(cells) for cells in shown]
    for i in range(first, last):
        stage, sign = stages[i], "∂" if frame.backward else ""
        now = stage.rows is frame.stage_event.rows
        style = theme.NEW if now else theme.STRONG if i == at_work else theme.TEXT
        text = f"{'▸' if i == at_work or now else ' '}{sign}{labels[i]}"
        line = board.picture.line().fit(text, label, style, to[stage.name, frame.pos, stage.layer, None])
        heat_row(line, shown[i][left:right], size, frame.selected, scale, now or at_work in (i, None))
        _measure(board, line, norms, i, _state(frame, stage, norms[i]) if state else "")
    notes = []
    if (first, last) != (0, len(stages)):
        part = {"first": first, "last": last - 1, "count": len(stages)}
        notes.append((say("panes.residual.stages.full", **part), say("panes.residual.stages.short", **part)))
    if (left, right) != (0, n):
        part = {"first": left, "last": right - 1, "count": n}
        notes.append((say("panes.residual.elements.full", **part), say("panes.residual.elements.short", **part)))
    say_cut(board, notes)
    if not notes and board.room > 1:
        board.note(say("panes.residual.scale", scale=plain(scale), sign="∂" if frame.backward else "x"))


def _state(frame: Frame, stage: Tensor, norm: float | None) -> str:
    """What is to be said of a gradient's norm: that more is to be added."""
    return "" if norm is None or frame.view.complete(stage.rows).all() else say("panes.residual.so_far")


def _measure(board: Board, line: Line, norms: list[float | None], i: int, state: str) -> None:
    """The norm of a stage, whether it is still growing, and a bar if there is room."""
    line.fit(plain(norms[i]), NORM - 1, theme.FAINT if norms[i] is None else theme.STRONG, right=True)
    if board.frame.backward and board.width - line.width >= STATE:
        line.add(" ").fit(state, STATE - 1, theme.DIM)
    room = min(board.width - line.width - 2, BAR)
    largest = max((n for n in norms if n is not None and np.isfinite(n)), default=0.0)
    if room >= 4:
        style = theme.PHASE_TEXT["backward" if board.frame.backward else "forward"]
        line.add("  ").add(bar(norms[i] or 0.0, largest, room), style)
