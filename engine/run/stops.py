"""Moves a run from one moment on to the next stop, or back to the last one before.

Which moments may be stops depends on the run alone, not on the direction: a condition is evaluated at the moments that
`Expression.moments` lists, an event has its own, and a health check finds the first moment in a phase. A breakpoint
with a count passes some of its moments; they are counted on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby

from engine.errors import NumericFault, Stopped
from engine.expressions.breakpoint import Armed, Breakpoint, EventPattern
from engine.expressions.expression import Answer, Before, Expression
from engine.expressions.scope import Scope
from engine.immutable import immutable
from engine.language.say import say
from engine.run.health import CHECKS, Health
from engine.text import quoted
from engine.timeline.events import Moment, Phase, StepProgram
from engine.timeline.run import OnStep, Run
from engine.timeline.view import TapeView, View

END = 2**62  # a tick beyond any; `Run.seek` cuts it to the phase's last


@immutable
class Stop:
    """Where the run has stopped, in a sentence, for which breakpoint or check, and at which scalar if it is one."""

    moment: Moment
    sentence: str
    breakpoint: Breakpoint | None = None
    check: str | None = None
    row: int | None = None


class Stops:
    """The breakpoints and health checks to stop at.

    `hits` counts, by breakpoint, how often it held on the ways gone on so far; given, it goes on from there.
    Raises BreakpointError or ExpressionError for a breakpoint that this model cannot have.
    """

    def __init__(
        self,
        scope: Scope,
        breakpoints: Iterable[Breakpoint] = (),
        checks: Collection[str] = tuple(CHECKS),
        hits: Counter[str] | None = None,
    ) -> None:
        self.armed = [Armed(each, scope) for each in breakpoints if each.enabled]
        self.checks = frozenset(checks)
        self.hits: Counter[str] = Counter() if hits is None else hits


def continue_to(
    session: Run, stops: Stops, until: Moment, on_step: OnStep | None = None, here_too: bool = False
) -> Stop | None:
    """Train on to the first stop after the present moment, or at it if it counts `here_too`; the session stands there.

    None if there is none up to `until`, itself included, where the session then stands, or if `on_step` asked to
    stop; it then stands between two steps, and the start of the next one has not been looked at. Raises NumericFault
    at a fault if that check is off, or if the session stands at it already.
    """
    here = session.moment
    for found in _Walk(session, stops, until, on_step).stops():
        stop = _first((each for each in found if each.moment.key > here.key or here_too), stops.hits)
        if stop is not None:
            session.seek(stop.moment)
            return stop
    return None


def _first(found: Iterable[Stop], hits: Counter[str]) -> Stop | None:
    """The first that is not passed: a breakpoint stops every `count`-th time. All at one moment are counted."""
    for _, at_once in groupby(found, key=lambda stop: stop.moment):
        first = None
        for stop in at_once:
            if stop.breakpoint is not None:
                hits[stop.breakpoint.id] += 1
                if hits[stop.breakpoint.id] % stop.breakpoint.count:
                    continue
            first = first or stop
        if first:
            return first
    return None


def reverse_continue(session: Run, stops: Stops, on_step: OnStep | None = None) -> Stop | None:
    """Go back to the last stop before the present moment; None if there is none, and the session stays where it is.

    A breakpoint with a count is counted from here: from one of its stops, the way leads to the one before.
    Goes from keyframe to keyframe and runs again what lies between. Raises Stopped, the session where it was, if
    `on_step`, told of every step that is run again, asks for it.
    """
    here = limit = session.moment
    hits: Counter[str] = Counter()
    first = session.first_step
    while limit.key > (first, 0, 0):
        start = session.start_towards(limit.step if limit != Moment(limit.step) else limit.step - 1)
        session.seek(Moment(start))
        walk = _Walk(session, stops, limit, on_step)
        passed = [stop for found in walk.stops() for stop in found if stop.moment.key < limit.key]
        if walk.stopped:
            session.seek(here)
            raise Stopped(say("run.stops.stopped", step=here.step))
        found = _first(sorted(passed, key=lambda stop: stop.moment.key, reverse=True), hits)
        if found is not None:
            session.seek(found.moment)
            return found
        limit = Moment(start)
    session.seek(here)
    return None


def evaluate(session: Run, expression: Expression) -> Answer:
    """The value of an expression at the present moment, changes of sign included; None if it is not known.

    The session stands where it was, but may have been one step back.
    """
    before = _before(session, [expression])[0] if expression.looks_back else None
    return expression.value(session.view(), before)


def _before(session: Run, expressions: list[Expression]) -> list[Before | None]:
    """The operands of expressions at the end of the backward phase one step earlier; None before the first step."""
    here = session.moment
    if here.step == session.first_step:
        return [None] * len(expressions)
    session.seek(Moment(here.step - 1, Phase.BACKWARD, END))
    view = session.view()
    found: list[Before | None] = [expression.operands(view) for expression in expressions]
    session.seek(here)
    return found


class _Walk:
    """One way forward, from where the session stands to `limit`."""

    def __init__(self, session: Run, stops: Stops, limit: Moment, on_step: OnStep | None) -> None:
        self.session, self.wanted, self.limit, self.on_step = session, stops, limit, on_step
        view = session.view()
        self.health = Health(view.recording, stops.checks) if isinstance(view, TapeView) else None
        self.stopped = False
        self.looking_back = {a: a.condition for a in stops.armed if a.condition and a.condition.looks_back}
        self.operands: dict[int, dict[Armed, Before | None]] = {}  # by step: what changes of sign looked at there

    def stops(self) -> Iterator[list[Stop]]:
        """Every stop from the present moment to the limit, both included; in each list in the order of time."""
        while self.session.moment.key <= self.limit.key and not self.stopped:
            yield from self._step()
            if self.session.step == self.limit.step:
                return
            yield from self._go(partial(self.session.run, self.session.step + 1, self._on_step))

    def _step(self) -> Iterator[list[Stop]]:
        """The stops of the present step."""
        session, here = self.session, self.session.moment
        if self.looking_back and session.step - 1 not in self.operands:
            self._remember(session.step - 1, _before(session, list(self.looking_back.values())))
        for moment, armed in self._agenda(session.program):
            if moment.key < here.key:
                continue
            yield from self._go(partial(session.seek, moment))
            yield from self._found(armed)
            if (
                self.looking_back
                and moment.phase is Phase.BACKWARD
                and moment.tick == session.program.ticks(Phase.BACKWARD)
            ):
                view = session.view()
                self._remember(session.step, (e.operands(view) for e in self.looking_back.values()))

    def _agenda(self, program: StepProgram) -> list[tuple[Moment, list[Armed]]]:
        """Where to halt in this step up to the limit, in order, and which breakpoints to ask there."""
        places: dict[Moment, list[Armed]] = {}
        for armed in self.wanted.armed:
            for moment in armed.moments(program):
                places.setdefault(moment, []).append(armed)
        for phase, wanted in ((Phase.BACKWARD, self.looking_back), (Phase.UPDATE, self.health)):
            if wanted:
                places.setdefault(Moment(program.step, phase, program.ticks(phase)), [])
        if program.step == self.limit.step:
            places = {moment: armed for moment, armed in places.items() if moment.key <= self.limit.key}
            places.setdefault(self.limit, [])
        return sorted(places.items(), key=lambda place: place[0].key)

    def _found(self, armed: list[Armed]) -> Iterator[list[Stop]]:
        view, before = self.session.view(), self.operands.get(self.session.step - 1, {})
        hits = [a.breakpoint for a in armed if a.holds(view, before.get(a))]
        ended = view.moment == Moment(view.moment.step, Phase.UPDATE, view.program.ticks(Phase.UPDATE))
        if hits or ended or view.moment == self.limit:
            stops = self._unhealthy(view)
            if hits:
                where = describe_moment(view.program, view.moment)
                stops += [  # the moment names the event that a breakpoint waits for
                    Stop(view.moment, f"{b.condition}: {where}" if b.condition else where, breakpoint=b) for b in hits
                ]
            if stops:
                yield stops

    def _unhealthy(self, view: View) -> list[Stop]:
        if self.health is None or not isinstance(view, TapeView):  # the checks know the built-in model only
            return []
        return [
            Stop(f.moment, f"{f.sentence}: {describe_moment(view.program, f.moment)}", check=f.check, row=f.row)
            for f in self.health.look(view)
        ]

    def _go(self, move: Callable[[], None]) -> Iterator[list[Stop]]:
        """Move on; a fault on the way is a stop, and cannot be passed."""
        try:
            move()
        except NumericFault as fault:
            stops = self._unhealthy(self.session.view())
            if "fault" in self.wanted.checks:
                stops.append(Stop(self.session.moment, str(fault), check="fault", row=fault.row))
            yield stops
            raise

    def _on_step(self, step: int, loss: float) -> bool:
        self.stopped = bool(self.on_step and self.on_step(step, loss))
        return self.stopped

    def _remember(self, step: int, operands: Iterable[Before | None]) -> None:
        self.operands = {
            step - 1: self.operands.get(step - 1, {}),
            step: dict(zip(self.looking_back, operands, strict=True)),
        }


def describe_moment(program: StepProgram, moment: Moment) -> str:
    """A moment in words; training steps are counted from 0."""
    if program.doc:
        step = say("run.stops.step_of", step=moment.step, doc=quoted(program.doc))
    else:
        step = say("run.stops.step", step=moment.step)
    if moment == Moment(moment.step):
        return say("run.stops.start", step=step)
    event = replace(EventPattern.of(program.event_at(moment)), phase=None)
    phase = say(f"run.phase.{moment.phase}")
    return say("run.stops.moment", step=step, phase=phase, event=event.describe(program.place_names))
