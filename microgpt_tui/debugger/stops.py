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
from microgpt_tui.texts.say import say


class StopsController:
    """Sets and removes breakpoints and watches, says so with `notify`, and counts how often each breakpoint held."""

    def __init__(self, state: DebuggerState, notify: Callable[..., None]) -> None:
        self._state, self._notify = state, notify
        self.hits: Counter[str] = Counter()  # by the breakpoint's id

    @property
    def scope(self) -> Scope:
        """What expressions about the run can speak of."""
        session = self._state.session
        return Scope.of_run(session)

    def all(self) -> Stops:
        """Where a run stops."""
        annotations = self._state.annotations
        return Stops(self.scope, annotations.breakpoints, annotations.checks, self.hits)

    def only(self, breakpoint_: Breakpoint) -> Stops:
        """A single breakpoint, with the health checks."""
        return Stops(self.scope, (breakpoint_,), self._state.annotations.checks)

    def keep(self, annotations: Annotations) -> None:
        """Replace the annotations. The hits of a breakpoint that is another now are counted from 0."""
        same = {replace(each, enabled=True) for each in annotations.breakpoints}
        for each in self._state.annotations.breakpoints:
            if replace(each, enabled=True) not in same:
                self.hits.pop(each.id, None)
        self._state.annotate(annotations)

    def toggle(self, event: Event) -> None:
        """Set a breakpoint on an event, or remove it."""
        here, annotations = EventPattern.of(event), self._state.annotations
        others = tuple(each for each in annotations.breakpoints if each.place != here or each.condition is not None)
        if len(others) < len(annotations.breakpoints):
            self.keep(replace(annotations, breakpoints=others))
            self._notify(
                say("debugger.stops.no_breakpoint_any_more", place=here.describe(self.scope.place_names)),
                timeout=3,
                markup=False,
            )
        else:
            new = Breakpoint(annotations.next_id(), here)
            self.keep(replace(annotations, breakpoints=(*annotations.breakpoints, new)))
            self._notify(
                say("debugger.stops.breakpoint_c_runs_b", place=here.describe(self.scope.place_names)),
                timeout=4,
                markup=False,
            )

    def next_moment(self, breakpoint_: Breakpoint) -> Moment | None:
        """The next event of a breakpoint in this step, or its first one if there is no later one; None if none."""
        session = self._state.session
        moments = Armed(breakpoint_, self.scope).moments(session.program)
        later = [moment for moment in moments if moment.key > session.moment.key]
        return next(iter(later or moments), None)

    def watch(self, text: str) -> None:
        """Watch an expression."""
        annotations = self._state.annotations
        if text in annotations.watches:
            self._notify(say("debugger.stops.watched_already_v_shows", text=text), timeout=3, markup=False)
            return
        self.keep(replace(annotations, watches=(*annotations.watches, text)))
        self._notify(say("debugger.stops.watching_v_shows_watches", text=text), timeout=3, markup=False)

    def unwatch(self, text: str) -> None:
        """Watch an expression no longer."""
        annotations = self._state.annotations
        self.keep(replace(annotations, watches=tuple(each for each in annotations.watches if each != text)))
