"""Gradient paths: the paths through the graph from a scalar to the loss, the strongest first.

A gradient is the sum, over every path through the graph from the scalar to the loss, of the product of the derivatives
along it (the chain rule, multiplied out). Paths are far too many to list, but the strongest can be found one by one.
"""

from __future__ import annotations

import heapq
import weakref
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from engine.autograd.tape import Rows
from engine.errors import WhyError
from engine.explain.scalar import handed_on
from engine.immutable import immutable
from engine.language.say import say
from engine.model.recording import Floats
from engine.timeline.events import Phase, StepProgram, TapeProgram
from engine.timeline.explainer import Explainer
from engine.timeline.row_ticks import pieces
from engine.timeline.view import TapeView, View

MOST_TRIED = 50_000  # unfinished paths; ties could make them many


@immutable
class Edge:
    """One step of a path, to the scalar `row`, which hands its gradient on to the scalar before it.

    That happens at backward tick `tick`; `local` is the derivative of `row` with respect to the scalar before it.
    """

    tick: int
    row: int
    local: float


@immutable
class GradientPath:
    """A path from a scalar to the loss.

    `product` is that of all local derivatives, multiplied in the order of the backward phase, from the loss on.
    """

    edges: tuple[Edge, ...]
    product: float


_Linked = tuple[Edge, Any] | None  # the last edge of a path, and the path before it
_Unfinished = tuple[float, int, int, float, _Linked]  # - the most it can be, - its number, its last row, product, path


class GradientPaths:
    """Finds the paths of one document's graph. Raises WhyError while its loss is not known, or if it is not finite.

    It can be kept for as long as the program of the step is there, which it does not keep alive.
    """

    def __init__(self, view: View) -> None:
        self.program: StepProgram = weakref.proxy(view.program)
        loss = view.loss
        if loss is None:
            raise WhyError(say("explain.gradient_paths.loss_not_known_at"))
        if not np.isfinite(loss):
            raise WhyError(say("explain.gradient_paths.loss_no_chain_leads", loss=loss))
        self._edges: dict[int, list[Edge]] = {}
        self._best = np.zeros(self.program.n_rows)
        self._local: Floats | None = None
        if isinstance(view, TapeView):
            self._tape: TapeProgram = weakref.proxy(view.program)
            self._workspace, self._params = view.workspace, view.passed_params.copy()
            self._find_best(view)
        else:
            self._local = self._handed_on(view)

    def _handed_on(self, view: View) -> Floats:
        """The derivative that each backward tick hands on by, of a run that says them all; fills `_best`, too."""
        local, program = view.local_gradients, view.program
        if local is None:
            raise WhyError(say("explain.gradient_paths.run_does_not_tell"))
        sources = [program.source_of(tick) for tick in range(1, len(local) + 1)]
        best = self._best.tolist()
        best[program.loss_row] = 1.0
        receivers = program.receivers.tolist()
        for source, receiver, slope in zip(sources, receivers, np.abs(local).tolist(), strict=True):
            if source is not None and slope * best[source] > best[receiver]:
                best[receiver] = slope * best[source]
        self._best = np.array(best)
        return local

    def _find_best(self, view: TapeView) -> None:
        """Fill `_best`: for each row the largest |product| of any path from it.

        What is switched off hands nothing on. An exponential that was set keeps the derivative that it was made with.
        The backward phase goes by the parameters before the update, which stand in the workspace for as long.
        """
        params = view.workspace.params
        now = params.copy()
        params[:] = self._params
        try:
            for piece in pieces(0, view.program.ticks(Phase.BACKWARD)):
                self._go_along(view, *piece)
        finally:
            params[:] = now

    def _go_along(self, view: TapeView, first: int, last: int) -> None:
        """Fill it for what the ticks after `first` up to `last` go along."""
        workspace, overrides = view.workspace, view.workspace.overrides
        edges, done = view.program.edges_between(first, last), 0
        if overrides is not None:
            edges = overrides.flowing(edges)
            for at in overrides.own_slopes(edges):
                self._go_on(view, edges[done:at])
                row = int(edges[at]) >> 1
                value, workspace.data[row] = float(workspace.data[row]), workspace.made(row)
                self._go_on(view, edges[at : at + 1])
                workspace.data[row] = value
                done = at + 1
        self._go_on(view, edges[done:])

    def _go_on(self, view: TapeView, edges: Rows) -> None:
        workspace = view.workspace
        workspace.loops.strongest(view.recording.op, view.program.child, workspace.data, edges, self._best)

    def _edge(self, tick: int) -> Edge | None:
        """What hands its gradient on at a tick; None where that of the loss is set, and from what is switched off."""
        source = self.program.source_of(tick)
        if source is None:
            return None
        if self._local is not None:
            return Edge(tick, source, float(self._local[tick - 1]))
        overrides = self._workspace.overrides
        if overrides is not None and overrides.cuts(source):
            return None
        return Edge(tick, source, handed_on(self._workspace, self._params, self._tape.edge_of(tick), 1.0))

    def strongest(self, row: int, count: int) -> list[GradientPath]:
        """At most `count` paths of a scalar, the largest |product| first; none whose product is 0."""
        found = [GradientPath(edges, _product(edges)) for edges in islice(self._paths(row), count)]
        return sorted(found, key=lambda path: -abs(path.product))

    def _paths(self, start: int) -> Iterator[tuple[Edge, ...]]:
        """Paths from a scalar to the loss, the strongest first: a best-first search, whose bound `_best` is exact."""
        waiting: list[_Unfinished] = [(-self._best[start], 0, start, 1.0, None)]
        number = 0
        while waiting and waiting[0][0] < 0 and number < MOST_TRIED:
            _, _, row, product, path = heapq.heappop(waiting)
            while len(self.edges(row)) == 1:
                (edge,) = self.edges(row)
                row, product, path = edge.row, product * edge.local, (edge, path)
            if row == self.program.loss_row:
                yield _in_order(path)
                continue
            for edge in self.edges(row):
                number += 1  # of equals the newest comes first, which is the longest
                far = product * edge.local
                heapq.heappush(waiting, (-abs(far) * self._best[edge.row], -number, edge.row, far, (edge, path)))

    def edges(self, row: int) -> list[Edge]:
        """The first edges of all paths of a scalar, in the order of their ticks."""
        if row not in self._edges:
            found = (self._edge(tick) for tick in self.program.ticks_into(row))
            self._edges[row] = [edge for edge in found if edge is not None]
        return self._edges[row]


def waypoints(explain: Explainer, path: GradientPath) -> list[Edge]:
    """The edges of a path to scalars with a name; each `local` is the product of all since the one before."""
    found, local = [], 1.0
    for edge in path.edges:
        local *= edge.local
        if explain.is_named(edge.row):
            found.append(Edge(edge.tick, edge.row, local))
            local = 1.0
    return found


def _in_order(path: _Linked) -> tuple[Edge, ...]:
    edges: list[Edge] = []
    while path is not None:
        edge, path = path
        edges.append(edge)
    return tuple(reversed(edges))


def _product(edges: tuple[Edge, ...]) -> float:
    product = 1.0
    for edge in reversed(edges):
        product = edge.local * product
    return product
