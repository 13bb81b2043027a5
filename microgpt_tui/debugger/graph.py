"""The graph around a scalar: what it was made from and what uses it, some steps far, and where its boxes stand.

Pure. The pane draws it with characters, the exports as SVG and DOT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from engine.immutable import immutable, immutable_by_identity
from engine.numerics import sum_in_order
from engine.timeline.events import Event, StepProgram
from engine.timeline.view import GradientState
from microgpt_tui.debugger.frame import Frame

BOX, FOLDED = 3, 1  # lines of a box, and of a line that says how many more there are


@immutable
class GraphNode:
    """A scalar: its name, the operation that made it, its value and its gradient so far. None: not known at the moment.

    `plain`: a plain number to the model, which has no gradient. `new`: it was made or moved just now.
    """

    row: int
    name: str
    operation: str
    data: float | None
    grad: float | None
    plain: bool
    new: bool


@immutable
class Subtree:
    """A node with what lies beyond it, seen from the scalar in the middle: all children, or all users.

    `local` is the local gradient on the edge from the middle to it, once for each of `times`; `new`: gradient was
    handed on along it just now. `left_out` further ones are not shown; `rest` is what they add, if that is a sum.
    """

    node: GraphNode
    local: float | None = None
    times: int = 1
    new: bool = False
    beyond: tuple[Subtree, ...] = ()
    left_out: int = 0
    rest: float | None = None

    @property
    def lines(self) -> int:
        """How many lines it takes."""
        return max(BOX, sum(subtree.lines for subtree in self.beyond) + FOLDED * bool(self.left_out))


@immutable_by_identity
class Neighbourhood:
    """The scalar in the middle, once as the root of its children and once as that of its users."""

    children: Subtree
    users: Subtree

    @property
    def node(self) -> GraphNode:
        """The scalar in the middle."""
        return self.children.node


class GraphBuilder:
    """Builds graphs of one frame. What has more children or users than there is room for is folded."""

    def __init__(self, frame: Frame) -> None:
        self.frame, self.explain = frame, frame.explain
        self._edge: tuple[int, int] | None = None  # child and user of the last tick of the backward phase
        if frame.backward and frame.moment.tick:
            tick = frame.moment.tick
            source = frame.program.source_of(tick)
            self._edge = None if source is None else (frame.program.receiver_of(tick), source)

    def sides(self, row: int) -> tuple[bool, bool]:
        """Whether a scalar has children, and whether it has users."""
        return bool(self._children(row)), bool(self._users(row))

    def around(self, row: int, steps: tuple[int, int], lines: int) -> Neighbourhood:
        """The graph so many steps of children and of users around a scalar, either side in about so many lines."""
        back, on = steps
        return Neighbourhood(
            self._subtree(row, row, back, lines, users=False), self._subtree(row, row, on, lines, users=True)
        )

    def _subtree(self, row: int, middle: int, steps: int, lines: int, users: bool) -> Subtree:
        node = self._node(row, middle, users)
        if not steps:
            return Subtree(node)
        found = self._users(row) if users else self._children(row)
        most = max(1, lines // (BOX if steps == 1 else 2 * BOX))
        if len(found) > most:
            most = max(1, (lines - FOLDED) // (BOX if steps == 1 else 2 * BOX))
        shown = found if len(found) <= most else self._weightiest(row, found, most, users)
        each = max(BOX, (lines - FOLDED * (len(shown) < len(found))) // max(len(shown), 1))
        beyond = []
        for other, times in shown:
            goal, local, new = self._whole(row, other) if users else (other, *self._edge_to(row, other))
            beyond.append(
                replace(self._subtree(goal, middle, steps - 1, each, users), local=local, times=times, new=new)
            )
        rest = None
        if not users and len(shown) < len(found) and self.explain.terms(row):
            rest = self._sum([other for other in found if other not in shown])
        return Subtree(node, beyond=tuple(beyond), left_out=len(found) - len(shown), rest=rest)

    # Neighbours. A running sum counts as one operation, with all that it adds.

    def _children(self, row: int) -> list[tuple[int, int]]:
        """What a scalar was made from, each once, with how often it stands there."""
        kids = self.explain.terms(row) or self.explain.children(row)
        if self.explain.operation(row).startswith("^"):
            kids = kids[:1]  # the exponent stands in the operation
        return [(kid, kids.count(kid)) for kid in dict.fromkeys(kids)]

    def _users(self, row: int) -> list[tuple[int, int]]:
        """What uses a scalar directly, with how often it stands there."""
        return [(user, self.explain.children(user).count(row)) for user in self.explain.users(row)]

    def _whole(self, row: int, user: int) -> tuple[int, float | None, bool]:
        """The whole sum that a user is a part of, or the user; with the local gradient and whether it is new."""
        local, new = self._edge_to(user, row)
        while terms := self.explain.terms(user):
            after = (each for each in self.explain.users(user) if self.explain.terms(each)[:-1] == terms)
            further = next(after, None)
            if further is None:
                break
            user = further
        known = self.frame.value(user) is not None  # a term that is added counts once, however long the sum
        return user, local if known else None, new

    def _edge_to(self, user: int, child: int) -> tuple[float | None, bool]:
        """The local gradient on an edge, and whether gradient was handed on along it just now."""
        new = (child, user) == self._edge
        if child not in self.explain.terms(user):
            return self.explain.local_gradient(user, child), new
        known = self.frame.value(user) is not None and bool(self.frame.view.live(np.array([child]))[0])
        return (1.0 if known else None), new

    def _weightiest(self, row: int, found: list[tuple[int, int]], most: int, users: bool) -> list[tuple[int, int]]:
        """Those to show of too many, in their order: what is at work, the largest that a sum adds, else the first."""
        signed = self.explain.operation(row) == "−max"

        def weight(each: tuple[int, int]) -> tuple[bool, float]:
            edge = (row, each[0]) if users else (each[0], row)
            value = None if users else self.frame.value(each[0])
            if value is None or np.isnan(value):
                return edge == self._edge, -np.inf
            return edge == self._edge, value if signed else abs(value)

        kept = sorted(found, key=weight, reverse=True)[:most]
        return [each for each in found if each in kept]

    def _sum(self, found: list[tuple[int, int]]) -> float | None:
        values = [self.frame.value(row) for row, times in found for _ in range(times)]
        known = [value for value in values if value is not None]
        return sum_in_order(known) if len(known) == len(values) else None

    # Nodes.

    def _node(self, row: int, middle: int, users: bool) -> GraphNode:
        frame = self.frame
        state = frame.gradient_state(row)
        new = frame.stepping_inside and frame.moment.tick > 0 and row == frame.view.last_row
        # Which term it is says less than of what, and there may be no room for both.
        whole = self.explain.part_of(row) if users and row != middle else ""
        name = (f"→ {whole}" if whole else self.explain.name(row)) + elsewhere(frame.program, middle, row)
        return GraphNode(
            row, name, self._operation(row), frame.value(row), frame.gradient(row), state is GradientState.PLAIN, new
        )

    def _operation(self, row: int) -> str:
        terms = self.explain.terms(row)
        return f"Σ {len(terms)}" if terms else self.explain.operation(row)


def elsewhere(program: StepProgram, middle: int, row: int) -> str:
    """What tells a scalar from one of the same name at another position, layer or head than the one in the middle."""
    tensor, own = program.event_of(row), program.event_of(middle)
    if tensor is None or row == middle:
        return ""
    places = [
        f"{what}={there}"
        for what, there, here in zip(("pos", "layer", "head"), _place(tensor), _place(own), strict=True)
        if there is not None and there != here and (what == "pos" or here is not None)
    ]
    return f"@{','.join(places)}" if places else ""


def _place(tensor: Event | None) -> tuple[int | None, int | None, int | None]:
    return (tensor.pos, tensor.layer, tensor.head) if tensor else (None, None, None)


# Where the boxes stand.


@immutable_by_identity
class Box:
    """A node in a column, 0 for the scalar in the middle, children to the left; `y` is its first line.

    `inward` is the box that it hangs on, `branch` the edge to it.
    """

    column: int
    y: int
    subtree: Subtree
    inward: Box | None

    @property
    def node(self) -> GraphNode:
        """The scalar."""
        return self.subtree.node


@immutable_by_identity
class More:
    """The line that says how many children or users of a box are not shown."""

    column: int
    y: int
    count: int
    rest: float | None
    inward: Box


@dataclass(eq=False)
class Placed:
    """Boxes and the lines for those that are left out, each in a column and at a line. The first box is the middle."""

    boxes: list[Box] = field(default_factory=list)
    folded: list[More] = field(default_factory=list)
    height: int = 0

    @property
    def columns(self) -> range:
        """Its columns, left to right."""
        columns = [box.column for box in self.boxes]
        return range(min(columns), max(columns) + 1)

    def beyond(self, box: Box, side: int) -> list[Box]:
        """The boxes that hang on a box, top to bottom: children (-1) or users (1)."""
        return [each for each in self.boxes if each.inward is box and each.column - box.column == side]

    @staticmethod
    def outer(child: Box, user: Box) -> Box:
        """The one of two joined boxes that is farther out, whose subtree tells of the edge."""
        return child if child.inward is user else user


def placed(graph: Neighbourhood) -> Placed:
    """Where everything stands: each box in the middle of what hangs on it, nothing overlaps."""
    found = Placed()
    tops = {side: _root(subtree) for side, subtree in ((-1, graph.children), (1, graph.users))}
    line = max(tops.values())
    middle = Box(0, line, graph.children, None)
    found.boxes.append(middle)
    for side, subtree in ((-1, graph.children), (1, graph.users)):
        _hang(found, subtree, middle, side, line - tops[side])
    ends = [box.y + BOX for box in found.boxes] + [more.y + FOLDED for more in found.folded]
    found.height = max(ends)
    return found


def _root(subtree: Subtree, top: int = 0) -> int:
    """The first line of the box of a subtree that starts at a line."""
    if not subtree.beyond:
        return top
    last = top + sum(each.lines for each in subtree.beyond[:-1])
    return (_root(subtree.beyond[0], top) + _root(subtree.beyond[-1], last)) // 2


def _hang(found: Placed, subtree: Subtree, box: Box, side: int, top: int) -> None:
    for each in subtree.beyond:
        hung = Box(box.column + side, _root(each, top), each, box)
        found.boxes.append(hung)
        _hang(found, each, hung, side, top)
        top += each.lines
    if subtree.left_out:
        found.folded.append(More(box.column + side, top, subtree.left_out, subtree.rest, box))


def placed_edges(layout: Placed) -> Iterator[tuple[Box, Box]]:
    """The edges from child to user, with the subtree that tells of each in the box that is farther out."""
    for box in layout.boxes:
        if box.inward is not None:
            child, user = (box, box.inward) if box.column < 0 else (box.inward, box)
            yield child, user
