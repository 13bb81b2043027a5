"""The network as a picture, bottom to top: what is computed, with its norm, what is at work, and what is to come."""

from __future__ import annotations

from collections.abc import Hashable
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len, set_cell_size
from textual import events

from engine.timeline.events import Moment, Phase, StepProgram
from microgpt_tui.debugger.frame import Folding, Frame
from microgpt_tui.debugger.navigation import at_position, has_own_words, matrix_name
from microgpt_tui.debugger.network import Network, Node, network_of
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import window
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line, Picture, measured
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.operations.canvas import first_fitting
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.map_lines import WAYS, MapLine, MapState, enlarged, map_lines, stem, stem_below, taken_rows
from microgpt_tui.panes.map_update import matrices, whole_update
from microgpt_tui.panes.map_zoomed import draw_cells, whole_network, zoomed_layout
from microgpt_tui.panes.tokens import DONE, HERE
from microgpt_tui.texts.say import say

WIDE = 60  # columns from which on the tensors themselves are drawn
COLOURS = 6  # columns before the numbers of a tensor, below its name
POSITION = 4  # columns of a position below the network
LABEL = 4  # columns of the words before them


class Map(Pane):
    """The tensors of one position along the residual stream; in the update the parameter matrices.

    The keys walk its edges, and go where they lead at once: up to what a tensor feeds, down to what feeds it, sideways
    to the next head, to what is made of the same, or along the stream.
    """

    TITLE = pane_title("map")

    def heading(self, frame: Frame) -> str:
        if frame.phase is Phase.UPDATE:
            return say("panes.map.matrices")
        state = MapState(frame)
        if frame.stage_event.is_parameter:
            return f"{self.TITLE} ─ {state.sign}{matrix_name(frame.stage_event.name)} ─ {state.measure}"
        own = has_own_words(frame.program)  # those leave no room for the token as well
        pos = frame.called("pos", frame.pos) if own else position(frame, frame.pos)
        where = f" ─ {pos}" if frame.program.n else ""
        return f"{self.TITLE}{where} {state.measure}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        if frame.phase is Phase.UPDATE:
            return whole_update(frame, width, height) if width >= WIDE else matrices(frame, width, height)
        if width >= WIDE:
            return whole_network(frame, width, height)
        return _column(frame, width, height)

    def tooltip_for(self, target: Hashable) -> str | None:
        """The shape, the norm and the line of the model of a tensor."""
        frame = self.frame
        if not isinstance(target, Moment) or frame is None or frame.phase is Phase.UPDATE:
            return super().tooltip_for(target)
        event = frame.program.event_at(target)
        state = MapState(frame)
        if state.network.find(event.place) is None:
            return None
        where = f", {frame.called('layer', event.layer)}" if event.layer is not None else ""
        where += f", {frame.called_head(event.head, event.name)}" if event.head is not None else ""
        size = say("panes.map.numbers", n=event.rows.size)
        norm = f"{state.measure} {plain(state.norms.get(event.place))}"
        matrix = f" · {event.matrix}" if event.matrix else ""
        return f"{state.sign}{event.name}{where} · {size} · {norm}{matrix} · {frame.source_of(event).label}"

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Fold more of the network."""
        self._fold(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Fold less of it."""
        self._fold(event, -1)

    def _fold(self, event: events.MouseEvent, way: int) -> None:
        """Show the next way to lay out the network that looks different; where there is none, scroll."""
        frame = self.frame
        if frame is None or frame.phase is Phase.UPDATE:
            return
        state, (width, height) = MapState(frame), self.content_size
        zoomed = width >= WIDE
        usual = zoomed_layout(state, height)[0] if zoomed else _fitting(state, positions(frame, width), height)[0]
        here = usual if state.folding is None else state.folding
        others = range(here + way, len(WAYS) if way > 0 else -1, way)
        lines = len(map_lines(state, WAYS[here], zoomed))
        there = next((i for i in others if len(map_lines(state, WAYS[i], zoomed)) != lines), None)
        if there is not None:
            event.prevent_default()  # the base class would scroll
            event.stop()
            self.post_message(self.Chosen(self, Folding(None if there == usual else there)))

    def neighbour(self, dx: int, dy: int) -> Moment | None:
        """Where an edge from the tensor at work leads, in a direction."""
        frame = self.frame
        if frame is None:
            return None
        here = frame.stage_event
        if here.is_parameter:
            return _next_matrix(frame, dy or dx)
        network = network_of(frame.program, frame.pos)
        edge = network.above if dy < 0 else network.below
        key = network.sibling(here, dx) if dx else edge(here, frame.where.head)
        return None if key is None else frame.ends[key]


def position(frame: Frame, pos: int) -> str:
    """A position by its number, and the token that it reads if that is known."""
    token = f" {frame.token(pos)}" if pos < len(frame.program.inputs) else ""
    return f"{frame.called('pos', pos)}{token}"


def _next_matrix(frame: Frame, way: int) -> Moment | None:
    """The matrix before or after the one at work, in this phase."""
    each = [s for s in frame.program.events(frame.phase) if s.is_parameter]
    at = each.index(frame.stage_event) + way
    return Moment(frame.moment.step, frame.phase, each[at].last) if 0 <= at < len(each) else None


# One column.


def _column(frame: Frame, width: int, height: int) -> Picture:
    """Names and norms, and the positions below."""
    state = MapState(frame)
    below = positions(frame, width)
    folding, rows = _fitting(state, below, height)
    if state.folding is not None:
        folding, rows = state.folding, below
    lines = map_lines(state, WAYS[folding])
    larger = enlarged(state.network, lines, height - len(lines) - 1 - len(rows) - 2)
    picture, known = Picture(), _drawn_lines(state, width)
    for line in reversed(lines):
        if line.nodes and state.holds(line.nodes):
            picture.focus = picture.height
        key = line, state.looks(line)
        if key not in known:
            known[key] = drawn = Line().add(" ")
            _column_line(drawn, state, line, width - 1)
        picture.lines.append(known[key])
        if line in larger:
            _colours(picture.line(" "), state, line, width - 1)
    _taken(picture.line(" "), state, width - 1)
    picture.lines += rows
    if larger:
        while picture.height + 1 < height:
            picture.line()
        scale = first_fitting(width - 1, say("panes.map.own_scale"), say("panes.map.own_scale_short"))
        picture.line(" ").add(scale, theme.DIM)
    return picture


def _fitting(state: MapState, below: list[Line], height: int) -> tuple[int, list[Line]]:
    """The way to lay out the network for which there is room, by its place in `WAYS`, and what stands below it."""
    each = [(i, rows) for i in range(len(WAYS) - 1) for rows in ([Line(), *below], below)]
    for i, rows in (*each, (len(WAYS) - 2, below[::2])):
        if len(map_lines(state, WAYS[i])) + 1 + len(rows) <= height:
            return i, rows
    return len(WAYS) - 1, below


_drawn: WeakKeyDictionary[Network, dict[Hashable, dict[Hashable, Line]]] = WeakKeyDictionary()


def _drawn_lines(state: MapState, width: int) -> dict[Hashable, Line]:
    """The lines of the network that are drawn already: from one event to the next few of them change."""
    styles = theme.NOW, theme.TEXT, theme.FAINT, state.lit  # those in use, which two themes differ in
    return _drawn.setdefault(state.network, {}).setdefault((width, state.frame.phase, styles), {})


def _column_line(drawn: Line, state: MapState, line: MapLine, width: int) -> None:
    drawn.extend(stem(state, line, 2))
    drawn.add(f" {line.title}" if line.title else " ", theme.DIM)
    if not line.nodes:
        return
    if line.layer is not None and line.folded:
        _folded_layer(drawn, state, line, width)
        return
    node = line.nodes[-1]
    if len(line.nodes) > 1 and not line.folded:
        for beside in line.nodes:
            drawn.add(state.label(beside), state.style(beside), state.target(beside)).add(" ")
        _kept(drawn, state, line.nodes, width - drawn.width)
    elif len(node.events) > 1 and not line.folded:
        _heads(drawn, state, node, width - drawn.width)
    else:
        style = state.style(node)
        number = plain(state.norm(node)) if state.all_done(node) else plain(None)
        room = width - drawn.width - len(number) - 1
        label = state.label(node)
        drawn.most(label, room, style, state.target(node))
        by = f" {state.made_by(node)}" if state.made_by(node) else ""
        note = f" L{node.layer}" if state.is_added(node) and state.many_layers else f" {node.size}"
        if by and measured(label + by)[1] <= room:
            drawn.add(by, theme.DIM)
            label += by
        told = node.size not in (1, state.network.spine_size) or note.startswith(" L")
        if told and measured(label + note)[1] <= room:
            drawn.add(note, theme.DIM)
        drawn.to(width - len(number))
        drawn.add(number, theme.NEW if style is theme.NOW else theme.TEXT if number != "·" else theme.FAINT)


def _colours(drawn: Line, state: MapState, line: MapLine, width: int) -> None:
    """The numbers of a tensor, of all heads, below its name: cells on a scale of their own."""
    drawn.extend(stem_below(state, line, 2)).to(COLOURS)
    node = line.nodes[0]
    rows = np.concatenate([event.rows.ravel() for event in node.events])
    done = state.all_done(node)
    cells = state.frame.shown(rows)
    if bool(cells.known.any()) and (done or not state.frame.backward):
        draw_cells(drawn, cells, width - drawn.width, state.target(node), below=True)


def _folded_layer(drawn: Line, state: MapState, line: MapLine, width: int) -> None:
    """A layer in one line: its number, and the norms of what its branches add to the stream."""
    network = state.network
    ends = [branch for branch in network.branches if network.nodes[branch.end] in line.nodes]
    done = state.all_done(line.nodes[-1])
    target = state.target(line.nodes[-1])
    drawn.add(state.frame.called("layer", line.layer or 0), theme.TEXT if done else theme.DIM, target)
    for branch in ends:
        added = network.nodes[max(place for place in network.nodes[branch.end].reads if place in branch.members)]
        norm = state.norm(added)
        text = plain(None) if norm is None else f"{norm:.2f}"
        if drawn.width + len(text) + 1 <= width:
            drawn.add(f" {text}", theme.TEXT if done else theme.FAINT, target)


def _heads(drawn: Line, state: MapState, node: Node, width: int) -> None:
    """The heads of a tensor, by their numbers: as `h0 h1`, `h0 1` or `h01`, whichever fits beside every name.

    Where not all fit, ‹ and › stand for the others.
    """
    events, n, letter = node.events, len(node.events), state.frame.program.head_word(node.name)[:1]
    others = [len(other.label) for other in state.network.nodes if len(other.events) == n]
    room = width - max(others) - len("∂ ")  # as much in every phase
    text, gap = next(((text, gap) for text, gap, size in ((2, 1, 3 * n - 1), (1, 1, 2 * n)) if size <= room), (1, 0))
    drawn.add(state.label(node), state.style(node), state.target(node)).add(" ")
    first, last = 0, n
    if not gap and n + 1 > room:
        first, last = window(n, max(1, room - 2), next((i for i, e in enumerate(events) if state.is_here(e)), 0))
    else:
        drawn.to(drawn.width + width - measured(state.label(node))[1] - 1 - (1 + n * text + (n - 1) * gap - (text > 1)))
    for i, event in enumerate(events[first:last]):
        name = f"{event.head}" if event.head is None or event.head < 10 else f"{event.head % 10}"
        before = " " * gap if i else "" if text > 1 else "‹" if first else letter
        drawn.add(before, theme.DIM)
        drawn.add(f"{letter}{name}" if text > 1 else name, state.style(node, event), state.target(node, event))
    drawn.add("›" if last < n else "", theme.DIM)


def _kept(drawn: Line, state: MapState, nodes: tuple[Node, ...], width: int) -> None:
    """Of which earlier positions keys and values are kept: their tokens if they fit, else how many."""
    if not any(node in state.network.kept for node in nodes):
        return
    frame = state.frame
    tokens = " ".join(frame.token(pos) for pos in range(frame.pos))
    for text in (
        say("panes.map.kept", what=tokens),
        f"◂ {tokens}",
        say("panes.map.kept", what=frame.pos),
        f"◂ {frame.pos}",
    ):
        if measured(text)[1] <= width:
            drawn.add(text, theme.DIM)
            return


def _taken(drawn: Line, state: MapState, width: int) -> None:
    """The rows of parameter matrices that the first tensor is made of."""
    node = state.network.nodes[0]
    drawn.add("┗", state.lit if state.all_done(node) else theme.FAINT).add(" ")
    drawn.most(taken_rows(state, node), width - drawn.width, theme.NEW if state.uses_it(node) else theme.DIM)


# Positions.

_ends: WeakKeyDictionary[StepProgram, dict[Phase, list[npt.NDArray[np.int64]]]] = WeakKeyDictionary()


def _ends_by_position(program: StepProgram, phase: Phase) -> list[npt.NDArray[np.int64]]:
    """For every position, the ticks at which its events of a phase are over, in order; found once a step."""
    found = _ends.setdefault(program, {})
    if phase not in found:
        ends: list[list[int]] = [[] for _ in range(program.n)]
        for event in program.events(phase):
            if event.pos is not None:
                ends[event.pos].append(event.last)
        found[phase] = [np.array(each) for each in ends]
    return found[phase]


def positions(frame: Frame, width: int) -> list[Line]:
    """The tokens, the loss of each where it is known, and how far each position is, in thirds, if there are any."""
    program, here = frame.program, frame.stage_event.pos
    if not program.n:
        return []
    first, last = window(program.n, max(1, (width - 6) // POSITION), frame.pos)
    own = program.place_names["pos"]
    place = own if own != "pos" and len(own) <= LABEL else say("panes.map.position")
    if first:
        place = f"{set_cell_size(place, LABEL - 1)}‹" if cell_len(place) < LABEL else "‹"
    labels = place, say("panes.map.loss"), say("panes.map.done")
    names, losses, thirds = (Line().add(" ").fit(label, LABEL, theme.DIM) for label in labels)
    lit = theme.PHASE_TEXT[frame.phase]
    known = _losses(frame, first, last)
    for pos, ends in enumerate(_ends_by_position(program, frame.phase)[first:last], first):
        target = at_position(program, frame.stage_event, pos)
        names.add(" ").fit(frame.token(pos), 3, theme.NEW if pos == here else theme.TEXT, target, right=True)
        value = known.get(pos)
        losses.add(" ").fit(_three(value), 3, theme.FAINT if value is None else theme.TEXT, target, right=True)
        over = int(np.searchsorted(ends, frame.moment.tick, side="right"))
        full = 3 * over // max(len(ends), 1)
        thirds.add(" ")
        if pos == here and full < 3:
            thirds.add(DONE * full, lit, target).add(HERE, theme.HERE_BAR, target)
            thirds.add("·" * (2 - full), theme.FAINT, target)
        else:
            thirds.add(DONE * full, theme.HERE_BAR if pos == here else lit, target)
            thirds.add("·" * (3 - full), theme.FAINT, target)
    if last < program.n:
        names.add("›", theme.DIM)
    return [names, losses, thirds]


def _three(loss: float | None) -> str:
    """A loss in three characters."""
    if loss is None:
        return "·"
    if not abs(loss) < 999.5:
        return f"{loss:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{loss:.1f}".removeprefix("-") if abs(loss) < 9.95 else f"{loss:.0f}"


def _losses(frame: Frame, first: int, last: int) -> dict[int, float]:
    """The losses of some positions as far as they are known: what each ends with, if that is a single number."""
    nodes = reversed(network_of(frame.program, first).nodes)
    last_of = next((node.event for node in nodes if node.event.pos is not None), None)
    key = None if last_of is None else last_of.place
    if key is None or (has_own_words(frame.program) and last_of is not None and last_of.kind != "nll"):
        return {}
    tensors, (name, _, layer, head) = frame.program.tensors, key
    found = {pos: tensors[name, pos, layer, head] for pos in range(first, last) if (name, pos, layer, head) in tensors}
    if not found or any(rows.size != 1 for rows in found.values()):
        return {}
    reading = frame.view.data(np.concatenate([rows.ravel() for rows in found.values()]))
    values = zip(found, reading.values.tolist(), reading.known.tolist(), strict=True)
    return {pos: value for pos, value, known in values if known}
