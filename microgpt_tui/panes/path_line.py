"""The network of a position in one line, for terminals that have no room for the map beside the stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.style import Style

from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import matrix_name
from microgpt_tui.debugger.network import Node, ResidualBranch
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import window
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.map_lines import MapLine, MapState, Way, map_lines
from microgpt_tui.panes.tokens import DONE, TO_COME
from microgpt_tui.texts.say import say

SEPARATORS = (" ▸ ", "▸ ", "▸")  # the widest that fits
MORE = "…"


class PathLine(Pane, can_focus=False):
    """What the present position goes through, in the order of the phase; in the update the matrices."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        picture = Picture()
        picture.lines.append(_matrices(frame, width) if frame.phase is Phase.UPDATE else _path(frame, width))
        return picture


def _path(frame: Frame, width: int) -> Line:
    """The tensors, those of branches that are not at work in one word if they have to be."""
    state = MapState(frame)
    for way in (Way(), Way(branches=False)):
        stops = list(_stops(state, map_lines(state, way)))
        stops = stops[::-1] if frame.backward else stops
        if _width(stops, SEPARATORS[0]) < width:
            break
    here = next((i for i, (_, at_work) in enumerate(stops) if at_work), 0)
    separator = next((each for each in SEPARATORS if _width(stops, each) < width), SEPARATORS[-1])
    return _row([stop for stop, _ in stops], here, width, separator)


def _stops(state: MapState, lines: Sequence[MapLine]) -> Iterator[tuple[Line, bool]]:
    """The tensors bottom to top, those of heads in one, each with whether it is at work."""
    for heads, found in groupby(lines, key=lambda line: not line.folded and any(len(n.events) > 1 for n in line.nodes)):
        group = [line for line in found if line.nodes]
        if heads:
            nodes = [node for line in group for node in line.nodes]
            here = state.here.head if any(state.is_here(e) for n in nodes for e in n.events) else None
            name = say("panes.path_line.heads") if here is None else state.frame.called_head(here, state.here.name)
            yield _stop(state, nodes, name), here is not None
            continue
        for line in group:
            if line.folded and line.branch is not None:
                yield _stop(state, line.nodes[:-1], line.branch.label), False
                yield _stop(state, line.nodes[-1:], _sum_of(line.branch)), False
            elif line.folded:
                yield _stop(state, line.nodes, state.frame.called("layer", line.layer or 0)), False
            elif line.branch is not None and line.nodes[-1].place == line.branch.end:
                yield _stop(state, line.nodes, _sum_of(line.branch)), state.holds(line.nodes)
            else:
                drawn = Line()
                for node in line.nodes:
                    drawn.add(" " if drawn.width else "").extend(_stop(state, [node], node.label))
                yield drawn, state.holds(line.nodes)


def _sum_of(branch: ResidualBranch) -> str:
    """What is done with what a branch has made: x is added, unless a change leaves it out."""
    return "+x" if branch.added else "="


def _stop(state: MapState, nodes: Sequence[Node], name: str) -> Line:
    """Some nodes in one word, which leads to the last of them."""
    here = any(state.is_here(event) for node in nodes for event in node.events)
    used = any(map(state.uses_it, nodes))
    done = all(map(state.all_done, nodes))
    style = theme.NOW if here else theme.NEW if used else theme.TEXT if done else theme.DIM
    return Line().add(name, style, state.target(nodes[-1]))


def _matrices(frame: Frame, width: int) -> Line:
    """The parameter matrices, each with its mark; those of other layers than the present one in one word."""
    stops: list[Line] = []
    here, layers = 0, set()
    for event in frame.program.events(Phase.UPDATE):
        target = Moment(frame.moment.step, Phase.UPDATE, event.last)
        name, done = matrix_name(event.name), event.last <= frame.moment.tick
        style: Style = theme.TEXT if done else theme.DIM
        if event is frame.stage_event:
            here = len(stops)
            stops.append(Line().add(name, theme.NOW, target))
        elif event.layer is None or event.layer == frame.stage_event.layer or frame.config.n_layer == 1:
            stops.append(Line().add(f"{DONE if done else TO_COME}{name}", style, target))
        elif event.layer not in layers:
            layers.add(event.layer)
            stops.append(Line().add(f"{DONE if done else TO_COME}{frame.called('layer', event.layer)}", style, target))
    return _row(stops, here, width, " ")


def _width(stops: Sequence[tuple[Line, bool]], separator: str) -> int:
    return sum(stop.width for stop, _ in stops) + len(separator) * (len(stops) - 1)


def _row(stops: Sequence[Line], here: int, width: int, separator: str) -> Line:
    """The stops side by side, as many as fit around the one at work."""
    count = len(stops)
    while True:
        first, last = window(len(stops), count, here)
        parts = [*([Line().add(MORE, theme.DIM)] if first else []), *stops[first:last]]
        parts += [Line().add(MORE, theme.DIM)] if last < len(stops) else []
        room = 1 + sum(part.width for part in parts) + len(separator) * (len(parts) - 1)
        if room <= width or count == 1:
            break
        count -= 1
    drawn = Line().add(" ")
    for i, part in enumerate(parts):
        drawn.add(separator if i else "", theme.FAINT).extend(part)
    return drawn
