"""`Network`: how the tensors of one position hang together, derived from the events of a step.

Nothing here is a name of the model: who reads whom follows from the operands of the events, and the residual stream is
the chain of tensors that additions hand on unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from weakref import WeakKeyDictionary

import numpy as np

from engine.autograd.tape import Rows
from engine.immutable import immutable, immutable_by_identity
from engine.timeline.events import Event, EventKey, Phase, StepProgram
from microgpt_tui.debugger.navigation import has_own_words, matrix_name


@immutable_by_identity
class Node:
    """A tensor of a position; where heads have one each, all of them.

    `size` counts its numbers, all heads together. `reads` are the nodes that it is made of, by their places in the
    network; `kept` those of them that it reads at earlier positions. `taken` are rows of parameter matrices that it
    reads, `matrix` is the matrix that it uses whole.
    """

    place: int
    label: str
    events: tuple[Event, ...]  # one a head
    size: int
    reads: tuple[int, ...]
    kept: tuple[int, ...]
    taken: tuple[tuple[str, int], ...]

    @property
    def event(self) -> Event:
        """The event that makes it, of the first head."""
        return self.events[0]

    @property
    def name(self) -> str:
        """The name of the tensor."""
        return self.event.name

    @property
    def layer(self) -> int | None:
        """The layer that it belongs to."""
        return self.event.layer

    @property
    def block(self) -> str:
        """The function of the model that made it."""
        return self.event.block

    @property
    def matrix(self) -> str | None:
        """The parameter matrix that it was made with."""
        return self.event.matrix

    @property
    def keys(self) -> Iterator[EventKey]:
        """What tells its tensors from all others of the document, head by head."""
        return (event.place for event in self.events)


@immutable
class ResidualBranch:
    """What hangs on the residual stream: it reads the node `start`, and `end` adds it to that.

    `members` are the nodes between. All are places in the network. `added` is False where a change leaves `start` out
    of the sum, so that nothing passes the branch by.
    """

    label: str
    start: int
    members: range
    end: int
    added: bool


@dataclass(eq=False)
class Network:
    """The tensors of one position in the order in which they are made, and the branches among them.

    What belongs to no position and comes after all of them, the loss of the document, is a part of each.
    """

    nodes: tuple[Node, ...]
    branches: tuple[ResidualBranch, ...]

    @cached_property
    def spine(self) -> tuple[int, ...]:
        """The tensors of the residual stream: where each branch begins and ends."""
        return tuple(dict.fromkeys(place for b in self.branches for place in (b.start, b.end)))

    @cached_property
    def spine_size(self) -> int:
        """How wide the stream is; without one, how wide the first tensor is."""
        return self.nodes[self.spine[0] if self.spine else 0].size

    @cached_property
    def _feeds(self) -> dict[int, list[int]]:
        return {node.place: [other.place for other in self.nodes if node.place in other.reads] for node in self.nodes}

    def feeds(self, node: Node) -> list[Node]:
        """The nodes that read a node, in order."""
        return [self.nodes[place] for place in self._feeds[node.place]]

    def reads(self, node: Node) -> list[Node]:
        """The nodes that a node is made of, in order."""
        return [self.nodes[place] for place in node.reads]

    def branch_of(self, node: Node) -> ResidualBranch | None:
        """The branch that a node is a member or the end of."""
        return self._branches[node.place]

    @cached_property
    def _branches(self) -> list[ResidualBranch | None]:
        places = range(len(self.nodes))
        return [next((b for b in self.branches if p in b.members or p == b.end), None) for p in places]

    @cached_property
    def kept(self) -> tuple[Node, ...]:
        """The nodes that later positions read."""
        return tuple(self.nodes[place] for place in sorted({p for node in self.nodes for p in node.kept}))

    @cached_property
    def _by_key(self) -> dict[EventKey, Node]:
        return {key: node for node in self.nodes for key in node.keys}

    @cached_property
    def _names(self) -> Counter[str]:
        return Counter(node.name for node in self.nodes)

    def is_repeated(self, node: Node) -> bool:
        """Whether other layers have a node of the same name."""
        return self._names[node.name] > 1

    def find(self, key: EventKey) -> Node | None:
        """The node of a tensor; None if it belongs to another position."""
        return self._by_key.get(key)

    @cached_property
    def siblings(self) -> tuple[tuple[Node, ...], ...]:
        """The nodes, those side by side that are made in the same way of the same: q, k and v are."""

        def made_of(node: Node) -> tuple[object, ...]:
            alone = None if node.reads and len(node.events) == 1 else node.place
            return node.reads, node.kept, node.event.kind, node.layer, node.block, alone

        return tuple(tuple(found) for _, found in groupby(self.nodes, key=made_of))

    @cached_property
    def rows(self) -> tuple[Rows, Rows]:
        """The rows of all tensors, one after another, and where each begins."""
        rows = [event.rows.ravel() for node in self.nodes for event in node.events]
        return np.concatenate(rows), np.cumsum([0, *(len(each) for each in rows[:-1])])

    # Walking.

    def above(self, event: Event, head: int | None = None) -> EventKey | None:
        """What the tensor of an event feeds: that of its own head, else of the given one; None if nothing reads it."""
        node = self.find(event.place)
        found = self.feeds(node) if node else []
        return _of_head(found[0], event.head, head).place if found else None

    def below(self, event: Event, head: int | None = None) -> EventKey | None:
        """What feeds the tensor of an event: of several tensors that which was made last."""
        node = self.find(event.place)
        found = self.reads(node) if node else []
        return _of_head(found[-1], event.head, head).place if found else None

    def sibling(self, event: Event, way: int) -> EventKey | None:
        """The next head, the tensor beside it that is made of the same, or the next of the stream; None at the edge."""
        node = self.find(event.place)
        if node is None:
            return None
        line: Sequence[Event] = node.events
        if len(line) == 1:
            beside = next(found for found in self.siblings if node in found)
            stream = [self.nodes[place] for place in self.spine]
            line = [found.event for found in (beside if len(beside) > 1 else stream if node in stream else [node])]
        at = line.index(event if event in line else next(e for e in line if e.place == event.place)) + way
        return line[at].place if 0 <= at < len(line) else None


def _of_head(node: Node, *heads: int | None) -> Event:
    """The event of the first of these heads that the node has, else its first."""
    return next((e for head in heads for e in node.events if head is not None and e.head == head), node.event)


_built: WeakKeyDictionary[StepProgram, tuple[Rows, dict[int, Network]]] = WeakKeyDictionary()


def network_of(program: StepProgram, pos: int) -> Network:
    """The network of a position of a step; it is derived once."""
    if program not in _built:
        last_rows = [int(s.rows.flat[-1]) for s in program.events(Phase.FORWARD)]
        _built[program] = np.array(last_rows, dtype=np.int32), {}
    lasts, found = _built[program]
    if pos not in found:
        found[pos] = _derive(program, pos, lasts)
    return found[pos]


def _derive(program: StepProgram, pos: int, lasts: Rows) -> Network:
    """The network of a position; `lasts` are the last rows of all forward events."""
    forward = program.events(Phase.FORWARD)
    own = [s for s in forward if s.pos in (pos, None)]
    heads: dict[tuple[str, int | None, int | None], list[Event]] = {}
    for event in own:
        heads.setdefault(_without_head(event), []).append(event)
    groups = [tuple(found) for found in heads.values()]
    node_of = {event.index: place for place, events in enumerate(groups) for event in events}
    node_named = {_without_head(events[0])[:2]: place for place, events in enumerate(groups)}
    labels = [events[0].name for events in groups] if has_own_words(program) else _labels(groups)
    nodes = []
    for place, events in enumerate(groups):
        reads: set[int] = set()
        kept: set[int] = set()
        taken: dict[tuple[str, int], None] = {}
        for rows in (rows for event in events for rows in event.operands.values() if rows.size):
            parameter = program.parameter_of(int(rows.flat[0]))
            if parameter is not None:
                name, index = parameter
                if name != events[0].matrix and index:
                    taken[name, index[0]] = None
                continue
            for index in sorted(set(np.searchsorted(lasts, rows.ravel()).tolist())):
                read = forward[index]
                if index in node_of:
                    reads.add(node_of[index])
                elif events[0].pos is not None and (read.name, read.layer) in node_named:
                    kept.add(node_named[read.name, read.layer])
        reads.discard(place)
        size = sum(event.rows.size for event in events)
        nodes.append(Node(place, labels[place], events, size, tuple(sorted(reads)), tuple(sorted(kept)), tuple(taken)))
    return Network(tuple(nodes), tuple(_branches(program, nodes)))


def _without_head(event: Event) -> tuple[str, int | None, int | None]:
    return event.name, event.layer, event.pos


def _labels(groups: Sequence[tuple[Event, ...]]) -> list[str]:
    """The names of tensors, without the prefix that several of one function share, where they stay different."""
    firsts = [events[0] for events in groups]
    shared = {
        where: _shared_prefix(event.name for event in found)
        for where, found in groupby(sorted(firsts, key=_where), key=_where)
    }
    short = [event.name.removeprefix(f"{shared[_where(event)]}_") for event in firsts]
    count = Counter((_where(event), label) for event, label in zip(firsts, short, strict=True))
    return [
        label if count[_where(event), label] == 1 else event.name for event, label in zip(firsts, short, strict=True)
    ]


def _where(event: Event) -> tuple[int, str]:
    return -1 if event.layer is None else event.layer, event.block


def _shared_prefix(names: Iterable[str]) -> str:
    """The first word that most of several names begin with; empty if no two do."""
    count = Counter(name.split("_")[0] for name in names)
    word, times = count.most_common(1)[0]
    return word if times > 1 else ""


def _branches(program: StepProgram, nodes: Sequence[Node]) -> Iterator[ResidualBranch]:
    """One branch a residual addition, bottom to top; of those that overlap, the one that ends first."""
    free = 0  # what comes before is part of a branch
    for node in nodes:
        start = _stream_into(program, node, nodes)
        if start is not None and start >= free and node.place - start > 1:
            members = range(start + 1, node.place)
            inside = [nodes[place].event for place in members]
            label = _branch_label(program, node, inside)
            yield ResidualBranch(label, start, members, node.place, not node.event.left_out)
            free = node.place


def _branch_label(program: StepProgram, node: Node, inside: Sequence[Event]) -> str:
    """What a branch is called: by the word that its tensors share, or its matrices in a script; else its function."""
    if has_own_words(program):
        matrices = [matrix_name(event.matrix) for event in inside if event.matrix]
        return (_shared_prefix(matrices) if matrices else "") or inside[-1].name
    return _shared_prefix(event.name for event in inside if event.block == node.block) or node.block


def _stream_into(program: StepProgram, node: Node, nodes: Sequence[Node]) -> int | None:
    """Of a tensor that is the sum of two whole tensors, the place of the one that the other was made from."""
    if len(node.events) > 1 or node.event.kind != "add":
        return None
    for rows in node.event.left_out.values():  # it would be added
        return next((n.place for n in nodes if np.array_equal(n.event.rows, rows)), None)
    if len(node.reads) != 2:
        return None
    added = set(zip(*(program.children(row) for row in node.event.rows.ravel().tolist()), strict=True))
    early, late = (nodes[place] for place in node.reads)
    if any(len(n.events) > 1 or tuple(n.event.rows.ravel().tolist()) not in added for n in (early, late)):
        return None
    return early.place if early.place in _made_from(late, nodes) else None


def _made_from(node: Node, nodes: Sequence[Node]) -> set[int]:
    """All nodes that a node was made from, near and far."""
    found: set[int] = set()
    waiting = list(node.reads)
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += nodes[place].reads
    return found
