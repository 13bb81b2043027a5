"""One line that says how to read the colours of the stage, or of the pane that has all the room instead of it."""

from __future__ import annotations

from collections.abc import Callable

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

BEYOND = "! beyond the scale"


class LegendLine(Pane, can_focus=False):
    """The legend of the operation on the stage, or of the pane that is zoomed."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        zoomed = frame.around.zoomed
        if zoomed not in (None, "stage"):
            return Picture([_line(_LEGENDS.get(zoomed, _numbers)(frame), width)])
        return Picture([_line(legend_of(frame), width)])


def _line(legend: Legend, width: int) -> Line:
    line, cells = Line(), " cells " if theme.signs_only else " colour "
    for text, style in legend.words:
        if line.width + len(text) + 2 <= width:
            line.add(f" {text} ", style)
    if legend.bar:
        line.add(" bar ", theme.DIM).add("█████", legend.bar_style or theme.PLUS).add(f" {legend.bar}", theme.TEXT)
    elif legend.shares:
        share_swatch(line.add(cells, theme.DIM))
    elif not legend.words:
        signed_swatch(line.add(cells, theme.DIM), legend.scale)
    if not legend.words:
        line.add("   ▸ here", theme.NEW).add("   · not yet", theme.DIM)
    for note in (*legend.notes, *(() if legend.words or legend.shares else (BEYOND,))):
        text = f"   {note}"
        if line.width + len(text) + 1 <= width:
            line.add(text, theme.DIM)
    return line


def _numbers(frame: Frame) -> Legend:
    """Of a pane of words and numbers."""
    del frame
    words = (("+ positive", theme.PLUS), ("− negative", theme.MINUS), ("▸ here", theme.NEW), ("· not yet", theme.DIM))
    return Legend(0.0, words=words)


def _map(frame: Frame) -> Legend:
    if frame.phase is Phase.UPDATE:
        bars = ("█████ how far the step moves a matrix", theme.PHASE_TEXT[frame.phase])
        return Legend(0.0, words=(bars, ("▸ here", theme.NEW), ("□ not yet", theme.DIM)))
    return Legend(0.0, ("each tensor on its own scale",))


def _gradients(frame: Frame) -> Legend:
    if frame.phase is Phase.FORWARD:
        return _numbers(frame)
    scale = frame.scale(frame.program.parameters[frame.matrix], True, frame.matrix)
    return Legend(scale, (f"∂{frame.matrix}, below the bars of |∂|",))


def _embeddings(frame: Frame) -> Legend:
    words = [("bright: in this document", theme.STRONG), ("dim: the others", theme.DIM)]
    if frame.stage_event.pos is not None:
        words = [("[ ] read here", theme.NOW), ("◎ to be said", theme.TARGET), *words]
    return Legend(0.0, words=tuple(words))


def _source(frame: Frame) -> Legend:
    del frame
    words = (("▸ at work", theme.NEW), ("ran in this event", theme.RAN), ("● breakpoint", theme.WARNING))
    return Legend(0.0, words=words)


def _graph(frame: Frame) -> Legend:
    words = (("bright edges: the last key", theme.NEW), ("on an edge: the local gradient", theme.TEXT))
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
