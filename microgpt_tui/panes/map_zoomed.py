"""The network with all the room: the tensors themselves, and around them the positions, what is kept, the weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.style import Style

from engine.autograd.tape import Rows
from engine.immutable import immutable
from engine.timeline.events import Event, Moment
from microgpt_tui.debugger.frame import Choice, Frame
from microgpt_tui.debugger.navigation import matrix_name
from microgpt_tui.debugger.network import Network, Node
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, heat, window
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line, Picture, beside, measured
from microgpt_tui.operations.canvas import first_fitting
from microgpt_tui.panes.map_lines import WAYS, MapLine, MapState, enlarged, map_lines, stem, stem_below, taken_rows
from microgpt_tui.panes.qkv import called_head
from microgpt_tui.panes.tokens import DONE, HERE, TO_COME
from microgpt_tui.texts.say import say

SIDES = 110  # columns from which on the map has something at its sides
LEFT, RIGHT = 27, 21  # columns of the sides
NORM, GAP = 7, 2
WIDEST = 4  # columns of a cell
TALLEST = 3  # lines of it
BELOW = 3  # lines below the network: what it is made from, and how to read it
LEGEND = say("panes.map_zoomed.legend").split(" · ")


def whole_network(frame: Frame, width: int, height: int) -> Picture:
    """The map: where there is room, with the positions and what is kept on its left, the weights on its right."""
    state = MapState(frame)
    if width < SIDES:
        picture = _middle(state, width, height)
    else:
        more = max(0, width - 118) // 5
        left_width, right_width = LEFT + more, RIGHT + more
        middle_width = width - left_width - right_width - 2 * GAP
        middle = _middle(state, middle_width, height)
        left = _all_positions(state, left_width)
        left.below(_kept(state, left_width, height - left.height - 2)).within(left_width)
        right = _weights(state, right_width).below(_edges(state, right_width)).within(right_width)
        (left.lines or [left.line()])[0].to(left_width)  # a picture is as wide as its widest line
        middle.lines[0].to(middle_width)
        picture = beside(beside(left, middle, GAP), right, GAP)
    if picture.height + 2 <= height:
        picture.lines += [Line() for _ in range(height - picture.height - 1)]
        legends = [" · ".join(LEGEND[:count]) for count in range(len(LEGEND), 0, -1)]
        picture.line(" ").most(first_fitting(width - 1, *legends), width - 1, theme.DIM)
    return picture


# The middle.


@immutable
class _Columns:
    """Where things stand on a line: names after the arms of branches, numbers from `cells` on, `room` of them.

    `head` is what each head has of them; 0 where one head has all, since they do not fit side by side.
    """

    arm: int
    cells: int
    room: int
    head: int


def _columns(state: MapState, nodes: Sequence[Node], width: int) -> _Columns:
    names = 2 + max(measured(node.name + _note(state, node))[1] for node in nodes)
    arm = 6 if width - 12 - names - NORM >= 2 * state.network.spine_size else 2
    room = width - arm - 6 - names - NORM
    many = max(len(node.events) for node in nodes)
    largest = max((event.rows.size for node in nodes if len(node.events) > 1 for event in node.events), default=0)
    head = (room + 1) // many
    return _Columns(arm, arm + 5 + names, room, head if head > max(largest, 2) else 0)


def _middle(state: MapState, width: int, height: int) -> Picture:
    """The stream with its branches, a line a tensor: name, numbers as cells, norm."""
    columns = _columns(state, state.network.nodes, width)
    folding, named = zoomed_layout(state, height)
    if state.folding is not None:
        folding, named = state.folding, True
    lines = map_lines(state, WAYS[folding], alone=True)
    numbered = set(_above_heads(lines)) if named else set()
    spare = height - len(lines) - len(numbered) - BELOW
    larger = enlarged(state.network, lines, spare)
    more = dict.fromkeys(larger, min(TALLEST - 1, spare // len(larger))) if larger else {}
    picture = _lines(state, lines, columns, numbered, more)
    first = state.network.nodes[0]
    last = picture.line(" ").add("┗", state.lit if state.all_done(first) else theme.FAINT).to(columns.arm + 4)
    last.most(taken_rows(state, first), width - last.width, theme.NEW if state.uses_it(first) else theme.DIM)
    return picture


def zoomed_layout(state: MapState, height: int) -> tuple[int, bool]:
    """The way to lay out the network for which there is room, by its place in `WAYS`, and whether heads are named."""
    for i, how in enumerate(WAYS):
        lines = map_lines(state, how, alone=True)
        for named in (True, False):
            if len(lines) + named * len(list(_above_heads(lines))) < height:
                return i, named
    return len(WAYS) - 1, False


def _above_heads(lines: Sequence[MapLine]) -> Iterator[MapLine]:
    """The lines of heads below which there are none: there stand their numbers."""
    for line, below in zip(reversed(lines), [*lines[-2::-1], None], strict=True):
        heads = line.nodes and len(line.nodes[-1].events) > 1
        if heads and (below is None or not below.nodes or len(below.nodes[-1].events) == 1):
            yield line


def _lines(
    state: MapState, lines: Sequence[MapLine], columns: _Columns, numbered: set[MapLine], more: dict[MapLine, int]
) -> Picture:
    """The lines of the network, some with the names of heads below, and with so many `more` lines of cells."""
    picture = Picture()
    for line in reversed(lines):
        if line.nodes and state.holds(line.nodes):
            picture.focus = picture.height
        drawn = picture.line(" ").extend(stem(state, line, columns.arm)).to(columns.arm + 4).add(line.title, theme.DIM)
        if not line.nodes:
            continue
        node = line.nodes[-1]
        if line.layer is not None and line.folded:
            style = theme.TEXT if state.all_done(node) else theme.DIM
            drawn.add(state.frame.called("layer", line.layer), style, state.target(node))
        else:
            _name(drawn, state, node, line.folded)
        _tensor(drawn.to(columns.cells), state, node, columns)
        if len(node.events) == 1 or not columns.head:
            _norm(drawn, state, _shown_of(state, node))
        for _ in range(more.get(line, 0)):
            below = picture.line(" ").extend(stem_below(state, line, columns.arm))
            _tensor(below.to(columns.cells), state, node, columns, below=True)
        if line in numbered:
            _head_names(picture.line(" ").extend(stem(state, line, columns.arm)), state, node, columns)
    return picture


def _shown_of(state: MapState, node: Node) -> Event:
    """Its tensor, or that of the head that is at work or chosen."""
    return next((e for e in node.events if e.head == state.frame.head), node.event)


def _tensor(drawn: Line, state: MapState, node: Node, columns: _Columns, below: bool = False) -> None:
    """The numbers of a node: of all heads side by side, or of one of them. `below` its first line are colours alone."""
    if len(node.events) > 1 and columns.head:
        for place, event in enumerate(node.events):
            _cells(drawn.to(columns.cells + place * columns.head), state, event, columns.head - 1, below)
    else:
        _cells(drawn, state, _shown_of(state, node), columns.room, below)


def _norm(drawn: Line, state: MapState, event: Event) -> None:
    """The norm of a tensor, or of its gradient, if it is known."""
    norm = state.norms.get(event.place) if state.is_done(event.place) else None
    if norm is not None:
        style = theme.NEW if state.is_here(event) else theme.TEXT
        drawn.add(" ").fit(plain(norm), NORM, style, state.target_of(event))


def _head_names(drawn: Line, state: MapState, node: Node, columns: _Columns) -> None:
    """The heads below their columns; where one has all the room, side by side, that one lit."""
    chosen = state.frame.head if columns.head else state.frame.head or 0
    each = columns.head or 3 + (len(node.events) <= columns.room // 4)
    for place, event in enumerate(node.events):
        if columns.cells + (place + 1) * each > columns.cells + columns.room + 1:
            break
        drawn.to(columns.cells + place * each)
        here, text = (
            event.head == state.here.head,
            state.frame.called_head(event.head or 0, event.name, None if each > 7 else 0),
        )
        style = theme.NEW if here else theme.TEXT if event.head == chosen else theme.DIM
        drawn.add(text, style, state.target_of(event))


def _name(drawn: Line, state: MapState, node: Node, folded: bool) -> None:
    """The name of a tensor, and what is to be noted of it."""
    drawn.add(state.label(node, names=not folded), state.style(node), state.target(node))
    drawn.add(_note(state, node), theme.DIM)


def _note(state: MapState, node: Node) -> str:
    """Its size, if that is not the stream's, of how many earlier positions it is kept, the layer at its end."""
    if state.is_added(node) and state.many_layers:
        return f" L{node.layer}"
    if len(node.events) > 1:
        return f" {len(node.events)}×{node.event.rows.size}"
    if node.size not in (1, state.network.spine_size):
        return f" {node.size}"
    kept = node in state.network.kept and state.frame.pos
    return f" {say('panes.map_zoomed.kept', count=state.frame.pos)}" if kept else ""


def _cells(drawn: Line, state: MapState, event: Event, room: int, below: bool) -> None:
    """The numbers of a tensor as cells on a scale of their own; as many as fit."""
    rows = event.rows.ravel()
    if len(rows) == 1:
        return  # beside its norm there is nothing to see
    done = state.is_done(event.place)
    cells = state.frame.shown(rows)
    begun = bool(cells.known.any()) and (done or not state.frame.backward)
    if begun or not below:
        draw_cells(drawn, cells, room, state.target_of(event), begun, below)


def draw_cells(
    drawn: Line, cells: Cells, room: int, target: Moment | None, begun: bool = True, below: bool = False
) -> None:
    """Numbers as cells, as many as fit, and how many more there are; dots where they are still to be made."""
    n = len(cells)
    size = max(1, min(WIDEST, room // n))
    more = f"+{n - max(0, room - len(str(n)) - 1)}" if n > room > 5 else ""
    n = min(n, max(0, room - len(more)))
    if not begun:
        drawn.add("·" * min(n, 8) if n else "", theme.FAINT, target)
        return
    scale = cells.scale
    for value, known in zip(cells.values[:n].tolist(), cells.known[:n].tolist(), strict=True):
        text, style = heat(value, known, scale, size)
        drawn.add(text, style, target)
    if more and n:
        drawn.add("" if below else more, theme.DIM, target)


# The left side.


def _all_positions(state: MapState, width: int) -> Picture:
    """A square for every position and every tensor of the stream, every branch and what comes before and after."""
    frame, network = state.frame, state.network
    picture, stages = Picture(), list(_stages(network))
    if not stages:
        return picture
    picture.line().add(f" {say('panes.map_zoomed.all_positions')}", theme.STRONG)
    label = max(len(name) for name, _ in stages) + 2
    first, last = window(frame.program.n, max(1, (width - label) // 3), frame.pos)
    tokens = picture.line().to(label)
    for pos in range(first, last):
        token = frame.token(pos)
        short = "^" if pos < len(frame.program.inputs) and token == "BOS" else token
        tokens.add(" ").fit(short, 2, theme.NEW if pos == state.here.pos else theme.TEXT, right=True)
    for name, nodes in reversed(stages):
        line = picture.line().add(" ").fit(name, label - 1, theme.TEXT if state.holds(nodes) else theme.DIM)
        for pos in range(first, last):
            event = nodes[-1].events[-1]
            end = state.ends[event.name, pos, event.layer, event.head]
            here = pos == state.here.pos and state.holds(nodes)
            done = end.tick <= frame.moment.tick
            mark = HERE if here else DONE if done else TO_COME
            line.add(f"  {mark}", theme.HERE_BAR if here else state.lit if done else theme.DIM, end)
    picture.line()
    return picture


def _stages(network: Network) -> Iterator[tuple[str, tuple[Node, ...]]]:
    """The names of the tensors outside branches and of the branches, bottom to top, with their nodes."""
    layers = {node.layer for node in network.nodes} - {None}
    done = set()
    for node in network.nodes:
        branch = network.branch_of(node)
        if node.event.pos is None or branch in done:
            continue
        number = f" {node.layer}" if len(layers) > 1 and node.layer is not None else ""
        if branch is None:
            yield node.name + number, (node,)
        else:
            done.add(branch)
            yield branch.label + number, (*(network.nodes[i] for i in branch.members), network.nodes[branch.end])


def _kept(state: MapState, width: int, height: int) -> Picture:
    """What this position reads of each position up to its own, as far as the head at work reads it."""
    frame, picture = state.frame, Picture()
    head = frame.attention_head or 0
    kept = [node for node in state.network.kept if node.layer == frame.layer]
    columns = [(node, rows) for node in kept for rows in _read_of(state, node, head)]
    if not columns:
        return picture
    which = f", {called_head(frame, head)}" if any(len(n.events) > 1 for n in state.network.nodes) else ""
    picture.line().add(f" {say('panes.map_zoomed.kept_so_far')}{which}", theme.STRONG)
    label = 2 + min(6, max(measured(frame.token(pos))[1] for pos in range(frame.pos + 1)) + 4)
    room = (width - label) // len(columns) - 1
    names = picture.line().to(label)
    for i, (node, _) in enumerate(columns):
        names.to(label + i * (room + 1)).most(state.label(node, names=True), room, theme.DIM, state.target(node))
    first, last = window(frame.pos + 1, max(1, height), frame.pos)
    for pos in range(first, last):
        style = theme.NEW if pos == frame.pos else theme.TEXT
        line = (
            picture.line()
            .add(" ")
            .fit(f"{pos:>2} {frame.numbered_token(pos).partition(' ')[2]}".rstrip(), label - 1, style)
        )
        for i, (node, rows) in enumerate(columns):
            line.to(label + i * (room + 1))
            event = node.event
            end = state.ends[event.name, pos, event.layer, event.head]
            draw_cells(line, frame.shown(rows[pos]), room, end, end.tick <= frame.moment.tick)
    return picture


def _read_of(state: MapState, node: Node, head: int) -> Iterator[Rows]:
    """The rows that a head reads of a node at all positions, (positions, n)."""
    own = set(node.event.rows.ravel().tolist())
    for reader in state.network.feeds(node):
        event = next((e for e in reader.events if e.head == head), reader.event)
        for rows in event.operands.values():
            if rows.ndim == 2 and len(rows) == state.frame.pos + 1 and int(rows[-1, 0]) in own:
                yield rows
                return


# The right side.


def _weights(state: MapState, width: int) -> Picture:
    """The parameter matrices of the present layer and of none, with their shapes; the ones at work are lit."""
    frame, picture = state.frame, Picture()
    picture.line().add(say("panes.map_zoomed.weights"), theme.STRONG)
    matrices = frame.program.parameters
    used = {state.here.matrix, *(name for name, _ in _taken_by(state))}
    layered: dict[str, int | None] = {node.matrix: node.layer for node in state.network.nodes if node.matrix}
    for name, rows in reversed(list(matrices.items())):
        if layered.get(name) not in (None, frame.layer):
            continue
        shape = "×".join(map(str, rows.shape))
        style: Style = theme.NEW if name in used or name == state.here.name else theme.TEXT
        line = picture.line().most(matrix_name(name), width - len(shape) - 1, style, Choice(matrix=name))
        line.to(width - len(shape)).add(shape, theme.DIM)
    layers = {layer for layer in layered.values() if layer is not None}
    if len(layers) > 1:
        picture.line().add(say("panes.map_zoomed.same_in_layers", count=len(layers)), theme.DIM)
    picture.line().add(say("panes.map_zoomed.numbers_in_all", count=frame.program.n_params), theme.DIM)
    picture.line()
    return picture


def _taken_by(state: MapState) -> tuple[tuple[str, int], ...]:
    node = state.network.find(state.here.place)
    return node.taken if node else ()


def _edges(state: MapState, width: int) -> Picture:
    """What the tensor at work is made of, and what reads it."""
    picture, here, network = Picture(), state.here, state.network
    node = network.find(here.place)
    if node is None:
        return picture
    head = f", {state.frame.called_head(here.head, here.name)}" if here.head is not None else ""
    picture.line().add(say("panes.map_zoomed.edges"), theme.STRONG)
    picture.line().most(f"{state.label(node, names=True)}{head}", width, theme.NEW)
    up = [("▸", other) for other in network.feeds(node)]
    down = [("◂", other) for other in network.reads(node)]
    for arrow, other in (*reversed(up), *reversed(down)):
        event = next((e for e in other.events if e.head == here.head), other.event)
        words = f"  {arrow} {state.label(other, names=True)}"
        size = f" {other.size if here.head is None else event.rows.size:,}"
        style = state.style(other, event)
        picture.line().most(words, width - len(size), style, state.target(other, event)).add(size, theme.DIM)
    for place in node.kept:
        tokens = " ".join(state.frame.token(pos) for pos in range(state.frame.pos))
        text = say("panes.map_zoomed.of_tokens", name=network.nodes[place].name, tokens=tokens)
        picture.line().most(f"  ◂ {text}", width, theme.DIM)
    for name, row in node.taken:
        picture.line().most(f"  ◂ {say('panes.map_zoomed.row', row=row, name=name)}", width, theme.DIM)
    matrix = matrix_name(node.matrix) if node.matrix else say("panes.map_zoomed.none")
    picture.line().most(say("panes.map_zoomed.weights_of", matrix=matrix), width, theme.DIM)
    return picture
