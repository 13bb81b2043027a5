"""What a user lays out around a run, and expects to find again: breakpoints, health checks, watches, marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine import CHECKS
from engine.breakpoints import Breakpoint
from engine.events import Moment


@dataclass(frozen=True, slots=True)
class Kept:
    """`checks` are the health checks that are on, `watches` expressions as typed, `marks` moments by their letters."""

    breakpoints: tuple[Breakpoint, ...] = ()
    checks: frozenset[str] = frozenset(CHECKS)
    watches: tuple[str, ...] = ()
    marks: Mapping[str, Moment] = field(default_factory=dict)
