"""One line that says how to read the colours of the stage, or of the pane that has all the room instead of it."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len

from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.drawing.swatch import share_swatch, signed_swatch
from microgpt_tui.operations.canvas import Legend
from microgpt_tui.operations.registry import legend_of
from microgpt_tui.panes.attention import attention_legend
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.qkv import qkv_legend
from microgpt_tui.panes.residual import residual_legend
from microgpt_tui.texts.say import say

BEYOND = say("panes.legend_line.beyond")
HERE, NOT_YET = say("panes.legend_line.here"), say("panes.legend_line.not_yet")


class LegendLine(Pane, can_focus=False):
    """The legend of the operation on the stage, or of the pane that is zoomed."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        zoomed = frame.around.zoomed
        if zoomed not in (None, "stage"):
            return Picture([_line(_LEGENDS.get(zoomed, _numbers)(frame), width)])
        return Picture([_line(legend_of(frame), width)])


def _line(legend: Legend, width: int) -> Line:
    line, cells = Line(), "cells" if theme.signs_only else "colours"
    swatch = f" {say(f'panes.legend_line.swatch.{cells}')} "
    for text, style in legend.words:
        if line.width + cell_len(text) + 2 <= width:
            line.add(f" {text} ", style)
    if legend.bar:
        line.add(f" {say('panes.legend_line.swatch.bar')} ", theme.DIM).add("█████", legend.bar_style or theme.PLUS)
        line.add(f" {legend.bar}", theme.TEXT)
    elif legend.shares:
        share_swatch(line.add(swatch, theme.DIM))
    elif not legend.words:
        signed_swatch(line.add(swatch, theme.DIM), legend.scale)
    if not legend.words:
        line.add(f"   {HERE}", theme.NEW).add(f"   {NOT_YET}", theme.DIM)
    for note in (*legend.notes, *(() if legend.words or legend.shares else (BEYOND,))):
        text = f"   {note}"
        if line.width + cell_len(text) + 1 <= width:
            line.add(text, theme.DIM)
    return line


def _numbers(frame: Frame) -> Legend:
    """Of a pane of words and numbers."""
    del frame
    words = (
        (say("panes.legend_line.positive"), theme.PLUS),
        (say("panes.legend_line.negative"), theme.MINUS),
        (HERE, theme.NEW),
        (NOT_YET, theme.DIM),
    )
    return Legend(0.0, words=words)


def _map(frame: Frame) -> Legend:
    if frame.phase is Phase.UPDATE:
        bars = (f"█████ {say('panes.legend_line.how_far')}", theme.PHASE_TEXT[frame.phase])
        return Legend(0.0, words=(bars, (HERE, theme.NEW), (say("panes.legend_line.to_come"), theme.DIM)))
    return Legend(0.0, (say("panes.legend_line.own_scale"),))


def _gradients(frame: Frame) -> Legend:
    if frame.phase is Phase.FORWARD:
        return _numbers(frame)
    scale = frame.scale(frame.program.parameters[frame.matrix], True, frame.matrix)
    return Legend(scale, (say("panes.legend_line.below_bars", matrix=frame.matrix),))


def _embeddings(frame: Frame) -> Legend:
    words = [(say("panes.legend_line.bright"), theme.STRONG), (say("panes.legend_line.dim"), theme.DIM)]
    if frame.stage_event.pos is not None:
        words = [
            (say("panes.legend_line.read_here"), theme.NOW),
            (say("panes.legend_line.to_be_said"), theme.TARGET),
            *words,
        ]
    return Legend(0.0, words=tuple(words))


def _source(frame: Frame) -> Legend:
    del frame
    words = (
        (say("panes.legend_line.at_work"), theme.NEW),
        (say("panes.legend_line.ran"), theme.RAN),
        (say("panes.legend_line.breakpoint"), theme.WARNING),
    )
    return Legend(0.0, words=words)


def _graph(frame: Frame) -> Legend:
    words = (
        (say("panes.legend_line.bright_edges"), theme.NEW),
        (say("panes.legend_line.on_edges"), theme.TEXT),
    )
    return Legend(0.0, words=(*_numbers(frame).words[:2], *words))


_LEGENDS: dict[str | None, Callable[[Frame], Legend]] = {
    "map": _map,
    "source": _source,
    "qkv": qkv_legend,
    "attention": attention_legend,
    "residual": residual_legend,
    "gradients": _gradients,
    "graph": _graph,
    "embeddings": _embeddings,
}
"""By the pane; those of words and numbers have no entry."""
