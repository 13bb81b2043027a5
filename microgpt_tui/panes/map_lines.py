"""The network of a position as lines, bottom to top: what is on each, and how far it has come. For every form of it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from weakref import WeakKeyDictionary

import numpy as np
from rich.style import Style

from engine.immutable import immutable, immutable_by_identity
from engine.timeline.events import Event, EventKey, Moment, Phase
from engine.timeline.view import NEVER
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import MODULE, has_own_words, matrix_name
from microgpt_tui.debugger.network import Network, Node, ResidualBranch, network_of
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line


@immutable_by_identity
class MapLine:
    """One line of the map: tensors side by side, or a layer or a branch in one, or a piece of the stream alone.

    `branch` is the one that the line belongs to; `folded` says that the line stands for all of its nodes, those of
    `layer` if there is one. `stream` is the tensor that the stream holds where the line has no nodes, and `title` the
    function that made the tensors below it, where nothing else divides them.
    """

    nodes: tuple[Node, ...]
    branch: ResidualBranch | None = None
    stream: Node | None = None
    folded: bool = False
    layer: int | None = None
    title: str = ""


NUMBERED = re.compile(r"_\d+$")


class _Ends(dict[EventKey, Moment]):
    """When the tensors of a phase are complete; what no event completes, never."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame.ends)
        self._never = Moment(frame.moment.step, frame.phase, NEVER)

    def __missing__(self, key: EventKey) -> Moment:
        return self._never


class MapState:
    """How far the tensors of a position have come at a moment."""

    def __init__(self, frame: Frame) -> None:
        self.frame, self.here = frame, frame.stage_event
        self._here = self.here.place
        self.network: Network = network_of(frame.program, frame.pos)
        self.ends, self._tick = _Ends(frame), frame.moment.tick
        self.lit = theme.PHASE_TEXT[frame.phase]
        self.sign = "∂" if frame.backward else ""

    @property
    def folding(self) -> int | None:
        """The chosen way to lay out the network, by its place in `WAYS`; None leaves it to the room."""
        chosen = self.frame.where.folding
        return None if chosen is None else min(chosen, len(WAYS) - 1)

    @property
    def measure(self) -> str:
        """What the numbers beside the tensors are."""
        return "|∂|" if self.frame.backward else "|x|"

    def is_done(self, key: EventKey) -> bool:
        """Whether a tensor, or its gradient, is complete."""
        return self.ends[key].tick <= self._tick

    def all_done(self, node: Node) -> bool:
        """Whether all heads of a node are done."""
        return self._done[node.place]

    @cached_property
    def _done(self) -> list[bool]:
        found, phase = _last_ticks.setdefault(self.network, {}), self.frame.phase
        if phase not in found:
            found[phase] = [max(self.ends[e.place].tick for e in node.events) for node in self.network.nodes]
        return [last <= self._tick for last in found[phase]]

    @cached_property
    def _here_node(self) -> Node | None:
        return self.network.find(self._here)

    def is_here(self, event: Event) -> bool:
        """Whether this is the tensor at work."""
        return event.place == self._here

    def looks(self, line: MapLine) -> Hashable:
        """What a line is drawn from besides the network and the phase: two with the same looks are the same."""
        done, nodes, branch = self._done, line.nodes, line.branch
        at_work = self._here if self.holds(nodes) else None
        around = () if branch is None else (done[branch.start], done[branch.end])
        if line.stream:
            around = (*around, done[line.stream.place])
        heads = ([self.is_done(key) for key in node.keys] for node in nodes if len(node.events) > 1)
        norms = [self.norm(node) for node in nodes]
        return at_work, around, tuple(done[node.place] for node in nodes), tuple(map(tuple, heads)), tuple(norms)

    def holds(self, nodes: Sequence[Node]) -> bool:
        """Whether the tensor at work is among these, or the parameter matrix that they use is."""
        if self.here.is_parameter:
            return any(map(self.uses_it, nodes))
        return self._here_node in nodes

    def uses_it(self, node: Node) -> bool:
        """Whether a node uses the parameter matrix whose gradient has just become complete."""
        if not self.here.is_parameter:
            return False
        name = self.here.name
        return node.matrix == name or any(name == taken for taken, _ in node.taken)

    def style(self, node: Node, event: Event | None = None) -> Style:
        """How the name of a node, or of one head of it, is written."""
        if any(self.is_here(e) for e in ((event,) if event else node.events)):
            return theme.NOW
        if self.uses_it(node):
            return theme.NEW
        done = self.is_done(event.place) if event else self.all_done(node)
        return theme.TEXT if done else theme.DIM

    def target(self, node: Node, event: Event | None = None) -> Moment:
        """The moment at which a tensor of this phase is complete: of several heads, the last."""
        return self.ends[(event or node.events[-1]).place]

    def target_of(self, event: Event) -> Moment:
        """The moment at which one tensor of this phase is complete."""
        return self.ends[event.place]

    @cached_property
    def norms(self) -> dict[EventKey, float]:
        """The norm of every tensor, or of its gradient, that is complete: read in one piece."""
        rows, starts = self.network.rows
        view = self.frame.view
        reading = view.grad(rows) if self.frame.backward else view.data(rows)
        known = reading.known & view.complete(rows) if self.frame.backward else reading.known
        with np.errstate(all="ignore"):
            squares = np.add.reduceat(np.where(known, reading.values, 0.0) ** 2, starts)
        whole = np.logical_and.reduceat(known, starts).tolist()
        keys = (key for node in self.network.nodes for key in node.keys)
        return {key: norm for key, norm, known in zip(keys, np.sqrt(squares).tolist(), whole, strict=True) if known}

    def norm(self, node: Node) -> float | None:
        """The norm of a node with one tensor, if it is known."""
        return self.norms.get(node.event.place) if len(node.events) == 1 else None

    def is_added(self, node: Node) -> bool:
        """Whether a node is the end of a branch: the sum of it and the stream."""
        branch = self.network.branch_of(node)
        return branch is not None and branch.end == node.place

    @cached_property
    def many_layers(self) -> bool:
        """Whether layers have to be told from each other."""
        return len({node.layer for node in self.network.nodes} - {None}) > 1

    def made_by(self, node: Node) -> str:
        """What tells a tensor of a script from others of its name: its matrix, or the operation that makes it."""
        event, own = node.event, has_own_words(self.frame.program)
        if own and self.network.is_repeated(node) and node.layer is not None:
            return self.frame.called("layer", node.layer, "L")
        if not own or not NUMBERED.search(node.name) or self.is_added(node):
            return ""
        return matrix_name(event.matrix) if event.matrix else event.kind if event.kind != "generic" else ""

    def label(self, node: Node, names: bool = False) -> str:
        """How a node is called: by its name without what all of its function share, or by all of it.

        What is added to the stream is called so in the short form.
        """
        branch = self.network.branch_of(node)
        if branch is not None and self.is_added(node) and not names:
            return f"{self.sign}x {'+' if branch.added else '='} {branch.label}"
        return self.sign + (node.name if names else node.label)


@immutable
class Way:
    """A way to lay out the network: with all layers in full, else the present one; with gaps between branches; with
    all branches in full, else that which is at work.
    """

    layers: bool = False
    gaps: bool = False
    branches: bool = True


WAYS = (Way(True, True), Way(True), Way(gaps=True), Way(), Way(branches=False))
"""From the one that takes the most lines to the one that takes the fewest."""


_last_ticks: WeakKeyDictionary[Network, dict[Phase, list[int]]] = WeakKeyDictionary()
_lines: WeakKeyDictionary[Network, dict[tuple[Way, bool, int], list[MapLine]]] = WeakKeyDictionary()


def map_lines(state: MapState, way: Way, alone: bool = False) -> list[MapLine]:
    """The lines of the network from bottom to top; what is not shown in full has one line.

    `alone` gives each tensor a line of its own, else those that are made in the same way stand side by side.
    """
    if not way.branches:
        return _lines_of(state, way, alone)
    key = way, alone, state.frame.layer  # and on nothing else: what is at work changes no line
    known = _lines.setdefault(state.network, {})
    if key not in known:
        known[key] = _lines_of(state, way, alone)
    return known[key]


def _lines_of(state: MapState, way: Way, alone: bool) -> list[MapLine]:
    network = state.network
    lines: list[MapLine] = []
    beside = network.siblings if not alone else tuple((node,) for node in network.nodes)
    for layer, found in groupby(beside, key=lambda nodes: nodes[0].layer):
        groups = list(found)
        if layer is not None and layer != state.frame.layer and not way.layers:
            nodes = tuple(node for group in groups for node in group)
            lines.append(MapLine(nodes, folded=True, layer=layer))
        elif network.spine:
            lines += _unfolded(state, groups, not way.branches)
        else:
            lines += _by_function(groups)
    lines = [line for i, line in enumerate(lines) if not _repeated(lines, i)]
    return list(_with_gaps(network, lines)) if way.gaps else lines


def _repeated(lines: Sequence[MapLine], i: int) -> bool:
    """Whether a line is the title of a function that stands above the next tensors as well, or of no function."""
    later = next((line.title for line in lines[i + 1 :] if line.title), "")
    return bool(lines[i].title) and lines[i].title in (later, MODULE)


def _unfolded(state: MapState, groups: Sequence[tuple[Node, ...]], fold: bool) -> Iterator[MapLine]:
    network = state.network
    for branch, found in groupby(groups, key=lambda nodes: network.branch_of(nodes[0])):
        lines = [MapLine(nodes, branch) for nodes in found]
        nodes = tuple(node for line in lines for node in line.nodes)
        if fold and branch is not None and not state.holds(nodes):
            yield MapLine(nodes, branch, folded=True)
        else:
            yield from lines


def _by_function(groups: Sequence[tuple[Node, ...]]) -> Iterator[MapLine]:
    """Without a stream: the tensors in the order of use, each function with its name above what it made."""
    for block, found in groupby(groups, key=lambda nodes: nodes[0].block):
        yield from (MapLine(nodes) for nodes in found)
        yield MapLine((), title=block)


def _with_gaps(network: Network, lines: Sequence[MapLine]) -> Iterator[MapLine]:
    """A piece of the stream below every branch and above the last one."""
    before: MapLine | None = None
    for line in lines:
        if before is not None and line.branch is not before.branch:
            tensor = before.nodes[-1] if before.branch is None else network.nodes[before.branch.end]
            yield MapLine((), None, tensor)
        yield line
        before = line


def enlarged(network: Network, lines: Sequence[MapLine], spare: int) -> set[MapLine]:
    """Which lines get another line below, of so many that are left: those of one tensor with several numbers.

    The stream comes first, then the heads, then one branch after the other; each of these is enlarged whole or not.
    """
    if theme.signs_only or spare <= 0:  # characters are told once
        return set()
    groups: dict[tuple[int, int], list[MapLine]] = {}
    for line in lines:
        if len(line.nodes) != 1 or line.folded or line.nodes[0].event.rows.size == 1:
            continue
        node = line.nodes[0]
        branch = network.branch_of(node)
        if node.place in network.spine:
            group = 0, 0
        elif len(node.events) > 1:
            group = 1, 0
        else:
            group = (3, 0) if branch is None else (2, branch.start)
        groups.setdefault(group, []).append(line)
    found: set[MapLine] = set()
    for _, group_lines in sorted(groups.items()):
        if len(found) + len(group_lines) <= spare:
            found.update(group_lines)
    return found


def stem_below(state: MapState, line: MapLine, arm: int) -> Line:
    """The stream and the branch below a line of one tensor."""
    network, node, branch = state.network, line.nodes[0], line.branch
    done = state.lit if state.all_done(node) else theme.FAINT
    if branch is None:
        return Line().add("┃" if network.spine else " ", done)
    carried = network.nodes[branch.end if state.frame.backward else branch.start]
    past = branch.added or node.place == branch.members.start  # below its first tensor the stream goes into a branch
    drawn = Line().add("┃" if past else " ", state.lit if state.all_done(carried) else theme.FAINT)
    return drawn if node.place == branch.members.start else drawn.add(" " * arm + "│", done)


def stem(state: MapState, line: MapLine, arm: int) -> Line:
    """The stream and the branch at the left of a line; a branch stands `arm` cells off the stream."""
    drawn, network = Line(), state.network
    down = state.frame.backward
    dim = theme.FAINT
    if line.title:
        return drawn.add(" ")
    if not line.nodes:  # the stream alone
        return drawn.add("┃", state.lit if line.stream and state.all_done(line.stream) else dim)
    branch, first = line.branch, line.nodes[0]
    if line.folded:
        done = state.lit if state.all_done(line.nodes[-1]) else dim
        return drawn.add("◉" if down and done is state.lit else "○", done).add(("──" if down else "◀─"), done)
    if branch is None:
        above = not network.spine or first.place > network.spine[-1]
        return drawn.add(("▼" if down else "▲") if above else "┃", state.lit if state.all_done(first) else dim)
    done = state.lit if any(state.all_done(node) for node in line.nodes) else dim
    if first.place == branch.end:
        bar = "─" * arm
        drawn.add(("◉" if done is state.lit else "○") if down else "○", done)
        return drawn.add(f"{bar}┐" if down else f"◀{bar[1:]}┐", done)
    carried = network.nodes[branch.end if down else branch.start]
    stream = state.lit if state.all_done(carried) else dim
    if first.place != branch.members.start:
        return drawn.add("┃" if branch.added else " ", stream).add(" " * arm + "│", done)
    if down:
        start = state.all_done(network.nodes[branch.start])
        return drawn.add("◉" if start else "○", state.lit if start else dim).add(f"◀{'─' * (arm - 1)}┘", done)
    return drawn.add("┣" if branch.added else "┗", stream).add("─" * arm + "┘", done)


def taken_rows(state: MapState, node: Node) -> str:
    """The rows of matrices that a tensor reads, such as wte[i], wpe[2]: those of tokens are called by them."""
    frame, specs = state.frame, state.frame.program.specs
    return ", ".join(
        f"{name}[{frame.token_name(row) if name in specs and specs[name].tokens else row}]" for name, row in node.taken
    )
