"""Gradient paths: the chains of derivatives from a scalar to the loss, the strongest first.

A gradient is the sum, over every path through the graph from the scalar to the loss, of the product of the derivatives
along it (the chain rule, multiplied out). Paths are far too many to list, but the strongest can be found one by one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from engine.errors import WhyError
from engine.explain.scalar import Explainer
from engine.model.recording import Floats
from engine.timeline.view import Mask, View

MOST_LOOKED_AT = 50_000  # beginnings of paths; ties could make them many


@dataclass(frozen=True, slots=True)
class Edge:
    """At backward tick `tick` the scalar `row` hands its gradient on to the one before it in the chain.

    `local` is d row / d the one before.
    """

    tick: int
    row: int
    local: float


@dataclass(frozen=True, slots=True)
class GradientPath:
    """A path from a scalar to the loss. `product` is that of all `local`, multiplied as the backward phase does: from
    the loss on.
    """

    links: tuple[Edge, ...]
    product: float


_Way = tuple[Edge, Any] | None  # the last link, and the way before it
_Beginning = tuple[float, int, int, float, _Way]  # - the most it can be, - its number, where it ends, product, way


class Chains:
    """The chains of one document's graph. Raises WhyError while its loss is not known, or if it is not finite."""

    def __init__(self, view: View) -> None:
        self.program = view.program
        loss = view.loss
        if loss is None:
            raise WhyError("the loss is not known at this moment, so no chain leads to it; go on to the backward phase")
        if not np.isfinite(loss):
            raise WhyError(f"the loss is {loss}, and no chain leads to such a number; look at a step before this one")
        self._links: dict[int, list[Edge]] = {}
        self._best = np.zeros(len(view.recording))
        self._flows, self._local = self._derivatives(view)

    def _derivatives(self, view: View) -> tuple[Mask, Floats]:
        """Which backward ticks hand something on, and the derivative that each hands on by; fills `_best` on the way.

        What is switched off hands nothing on. An exponential that was set keeps the slope that it was made with.
        """
        edges, overrides, data = self.program.edges, view.workspace.overrides, view.passed_values
        flows = np.ones(len(edges), dtype=np.bool_) if overrides is None else overrides.flows(edges)
        flowing = edges if overrides is None else edges[flows]
        local, unit = np.zeros(len(flowing)), np.zeros(len(view.recording))
        first = 0

        def go_on(values: Floats, last: int) -> None:
            part = slice(first, last)
            view.workspace.loops.strongest(
                view.recording.op, self.program.child, values, flowing[part], unit, local[part], self._best
            )

        for at in [] if overrides is None else overrides.own_slopes(flowing):
            go_on(data, at)
            row, own, first = int(flowing[at]) >> 1, data.copy(), at
            own[row] = view.workspace.made(row)
            go_on(own, at + 1)
            first = at + 1
        go_on(data, len(flowing))
        whole = np.zeros(len(edges))
        whole[flows] = local
        return flows, whole

    def strongest(self, row: int, count: int) -> list[GradientPath]:
        """At most `count` chains of a scalar, by |product|, the largest first; none whose product is 0."""
        found = [GradientPath(links, _product(links)) for links in islice(self._paths(row), count)]
        return sorted(found, key=lambda chain: -abs(chain.product))

    def _paths(self, start: int) -> Iterator[tuple[Edge, ...]]:
        """Paths from a scalar to the loss, best first: what a path can still be is known exactly for every scalar."""
        waiting: list[_Beginning] = [(-self._best[start], 0, start, 1.0, None)]
        number = 0
        while waiting and waiting[0][0] < 0 and number < MOST_LOOKED_AT:
            _, _, row, product, way = heapq.heappop(waiting)
            while len(self.links(row)) == 1:
                (link,) = self.links(row)
                row, product, way = link.row, product * link.local, (link, way)
            if row == self.program.loss_row:
                yield _in_order(way)
                continue
            for link in self.links(row):
                number += 1  # of equals, the newest comes first, which is the furthest along
                far = product * link.local
                heapq.heappush(waiting, (-abs(far) * self._best[link.row], -number, link.row, far, (link, way)))

    def links(self, row: int) -> list[Edge]:
        """The first links of all chains of a scalar, in the order in which they hand on gradient."""
        if row not in self._links:
            program = self.program
            self._links[row] = [
                Edge(tick, int(program.edges[tick - 1]) >> 1, float(self._local[tick - 1]))
                for tick in program.ticks_into(row)
                if self._flows[tick - 1]
            ]
        return self._links[row]


def waypoints(explain: Explainer, chain: GradientPath) -> list[Edge]:
    """The links of a chain to scalars that have a name; each `local` is the product of all since the one before."""
    found, local = [], 1.0
    for link in chain.links:
        local *= link.local
        if explain.is_named(link.row):
            found.append(Edge(link.tick, link.row, local))
            local = 1.0
    return found


def _in_order(way: _Way) -> tuple[Edge, ...]:
    links: list[Edge] = []
    while way is not None:
        link, way = way
        links.append(link)
    return tuple(reversed(links))


def _product(links: tuple[Edge, ...]) -> float:
    product = 1.0
    for link in reversed(links):
        product = link.local * product
    return product
