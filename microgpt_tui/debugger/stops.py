"""`StopsController`: the breakpoints, health checks and watches around a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from engine import Stops
from engine.expressions.breakpoint import Armed, Breakpoint, EventPattern
from engine.expressions.scope import Scope
from engine.timeline.events import Event, Moment
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.state import DebuggerState


class StopsController:
    """Sets and removes breakpoints and watches, says so with `notify`, and counts how often each breakpoint held."""

    def __init__(self, state: DebuggerState, notify: Callable[..., None]) -> None:
        self._state, self._notify = state, notify
        self.hits: Counter[str] = Counter()  # by the breakpoint's id

    @property
    def scope(self) -> Scope:
        """What expressions about the run can speak of."""
        return self._state.session.scope

    def all(self) -> Stops:
        """Where a run stops."""
        kept = self._state.kept
        return Stops(self.scope, kept.breakpoints, kept.checks, self.hits)

    def only(self, breakpoint_: Breakpoint) -> Stops:
        """A single breakpoint, with the health checks."""
        return Stops(self.scope, (breakpoint_,), self._state.kept.checks)

    def keep(self, kept: Annotations) -> None:
        """Replace the annotations. The hits of a breakpoint that is another now are counted from 0."""
        same = {replace(each, enabled=True) for each in kept.breakpoints}
        for each in self._state.kept.breakpoints:
            if replace(each, enabled=True) not in same:
                self.hits.pop(each.id, None)
        self._state.annotate(kept)

    def toggle(self, event: Event) -> None:
        """Set a breakpoint on an event, or remove it."""
        here, kept = EventPattern.of(event), self._state.kept
        others = tuple(each for each in kept.breakpoints if each.place != here or each.condition is not None)
        if len(others) < len(kept.breakpoints):
            self.keep(replace(kept, breakpoints=others))
            self._notify(f"No breakpoint any more: {here.describe()}.", timeout=3, markup=False)
        else:
            new = Breakpoint(kept.next_id(), here)
            self.keep(replace(kept, breakpoints=(*kept.breakpoints, new)))
            self._notify(f"Breakpoint: {here.describe()}. c runs to it, B lists all.", timeout=4, markup=False)

    def next_moment(self, breakpoint_: Breakpoint) -> Moment | None:
        """The next event of a breakpoint in this step, or its first one if there is no later one; None if none."""
        session = self._state.session
        moments = Armed(breakpoint_, self.scope).moments(session.program)
        later = [moment for moment in moments if moment.key > session.moment.key]
        return next(iter(later or moments), None)

    def watch(self, text: str) -> None:
        """Watch an expression."""
        kept = self._state.kept
        if text in kept.watches:
            self._notify(f"{text} is watched already; v shows the watches.", timeout=3, markup=False)
            return
        self.keep(replace(kept, watches=(*kept.watches, text)))
        self._notify(f"Watching {text}; v shows the watches.", timeout=3, markup=False)

    def unwatch(self, text: str) -> None:
        """Watch an expression no longer."""
        kept = self._state.kept
        self.keep(replace(kept, watches=tuple(each for each in kept.watches if each != text)))
