"""`Navigator`: moves the run to where keys, lines and clicks lead, and has it shown when it stands still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from engine import EngineError, NumericFault, Run, Stops
from engine.run.capabilities import is_scripted
from engine.timeline.events import EventKey, Moment
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.run_controller import PACES, Pace, RunController, why_ended, why_not
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.debugger.stops import StopsController
from microgpt_tui.texts.say import say

if TYPE_CHECKING:  # imported where a line is read
    from microgpt_tui.debugger.goto import Continue

MOST_WAITING = 9  # moves that wait for the one that is under way; a held key would make more without end
ONWARD = ("next_event", "next_scalar", "next_phase", "next_step", "next_ten_steps")
NOWHERE = dict.fromkeys(ONWARD, "end") | {
    "previous_event": "first_event",
    "previous_scalar": "first_scalar",
    "previous_step": "first_step",
    "previous_phase": "first_phase",
    "previous_ten_steps": "first_step",
    "next_position": "last_position",
    "previous_position": "first_position",
    "start_of_block": "first_event",
    "first_event": "first_of_step",
    "last_event": "last_of_step",
}  # which text says, of a way to move, that it leads nowhere


class Display(Protocol):
    """Shows the run while it stands still, or rests for a frame."""

    def show(self) -> None:
        """Show the present moment."""

    def show_soon(self) -> None:
        """Show it when the keys that wait have been handled."""

    def show_progress(self) -> None:
        """Say how far a moving run is. It stands at no moment that is to be shown."""

    def release_run(self) -> None:
        """Read nothing of the run until it is shown again."""


class Navigator:
    """Moves the run at once where that is quick, else in the thread of `motion`.

    A move that is asked for on the way to a known moment waits until the run is there; other moves are halted by it.
    `report` and `arrive` take what `motion` says. `diverted` says whether a halted run is to be sent elsewhere at once,
    so that the user need not hear of the halt.
    """

    def __init__(
        self,
        state: DebuggerState,
        stops: StopsController,
        motion: RunController,
        display: Display,
        notify: Callable[..., None],
    ) -> None:
        self._state, self._stops, self._motion, self._display, self._notify = state, stops, motion, display, notify
        self._told: set[str] = set()  # what was said of a script
        self.waiting: list[str] = []  # moves that follow the one that is under way, as `move` takes them
        self.diverted: Callable[[], bool] = lambda: False
        self._destination: SameEvent | None = None  # where a relative move is going
        self._followed: tuple[Moment, EventKey] | None = None  # where the last one led, and the event that it followed

    @property
    def _session(self) -> Run:
        return self._state.session

    def halt(self) -> bool:
        """Halt the run. Returns whether it was moving; that is all that a key does then."""
        if self._motion.busy:
            self._motion.halt()
        return self._motion.busy

    # To a moment.

    def go(self, to: Moment | SameEvent) -> bool:
        """Stand at another moment, at once or, where that takes long, in a while; a fault on the way is shown.

        Returns whether the run stands still again.
        """
        motion, session = self._motion, self._session
        if motion.busy:
            return False
        self._depart()
        if isinstance(to, SameEvent):
            self._destination = self._meant(to)
            moment, then = Moment(to.step), self._destination.moment
        else:
            self._destination = self._followed = None
            moment, then = to, None
        if not motion.near(moment):
            motion.go(moment, then)
            return False
        try:
            if moment.step != session.step or then is None:
                session.seek(moment, motion.after_step)
            if then is not None:
                session.seek(then(session.program), motion.after_step)
        except NumericFault as fault:
            self._state.meet(fault)
        except EngineError as error:  # a script that ends before that step, for example
            self._tell(why_not(session, error), severity="warning", timeout=6)
        self._state.stand(self._state.where.at(session.moment))
        self._remember_event()
        self._display.show_soon()
        return True

    def move(self, way: str) -> None:
        """Move through time: `way` names a function of `navigation`."""
        if self._motion.aimed:
            if len(self.waiting) < MOST_WAITING:
                self.waiting.append(way)
            return
        if self.halt():
            return
        session = self._session
        step: navigation.Go = getattr(navigation, way)
        target, last = step(session.program, session.moment), session.config.num_steps
        if target is not None and target.step > last:  # beyond the schedule the rate is below 0
            target = replace(target, step=last) if session.step < last else None
        if target is None or (target == session.moment and self._state.fault is None):
            ended = why_ended(session) if way in ONWARD and is_scripted(session) else ""
            self._tell(ended or say(f"debugger.navigator.nowhere.{NOWHERE.get(way, 'nothing')}"), timeout=3)
        else:
            self.go(target)

    def follow(self, frame: Frame) -> None:
        """Go to where the selected value of a frame was made; `come_back` returns."""
        target = navigation.made_at(frame.program, frame.moment, frame.selected)
        if target is None:
            self._notify(say("debugger.navigator.not_computed"), timeout=3)
        elif target != frame.moment:
            self._state.follow_from(frame.selected)
            self.go(target)

    def come_back(self) -> None:
        """Go back to where the last value was followed from."""
        if self._motion.busy or (came_from := self._state.follow_back()) is None:
            return
        self.go(came_from.moment)
        if self._motion.busy or self._session.moment == came_from.moment:  # and not at a fault on the way
            self._state.stand(came_from)

    def enter(self, make: Callable[[], Run], moment: Moment | None = None) -> bool:
        """Stand at a moment of another run, which is made in the thread; without one, at the same as in this run.

        Returns whether it is on its way: not if this run is moving.
        """
        if self._refuses():
            return False
        self._depart()
        self._motion.enter(make, moment or self._state.where.moment)
        return True

    # Training.

    def run(self, flat_out: bool = False) -> None:
        """Train until a breakpoint, a health check or the end of the schedule; a moving run is halted."""
        session, motion = self._session, self._motion
        if self.halt():
            return
        last, here = session.config.num_steps - 1, session.moment
        if here.step > last or (here.step == last and here == navigation.last_moment(session.program)):
            more = "one_more" if here.step <= last else "no_more"
            ended = why_ended(session) if is_scripted(session) else ""
            self._tell(ended or say(f"debugger.navigator.all_done.{more}", steps=last + 1))
            return
        self._destination = self._meant(navigation.same_event(session.program, here, here.step))
        stops = self._stops.all()
        self._depart()
        motion.run(stops, PACES[-1] if flat_out else motion.pace, shown=self._destination)

    def continue_back(self) -> None:
        """Go back to the last breakpoint or health check before this moment; a moving run is halted."""
        if not self.halt():
            self._back(self._stops.all())

    def continue_to(self, command: Continue) -> None:
        """Train on, or go back, to a breakpoint of the moment."""
        if self._refuses():
            return
        stops = self._stops.only(command.breakpoint)
        if command.back:
            self._back(stops)
        else:
            self._depart()
            self._motion.run(stops, PACES[-1], command.breakpoint.describe(self._session.program.place_names))

    def _back(self, stops: Stops) -> None:
        self._depart()
        self._motion.back(stops)

    def play(self, start: Moment, end: Moment, pace: Pace) -> None:
        """Go from a moment that is near to another one at a pace, and show the way."""
        if self._session.moment != start:
            self._session.seek(start)
        self._depart()
        self._motion.play(end, pace)

    def change_pace(self, way: int) -> None:
        """Let training run faster or slower."""
        self._motion.change_pace(way)
        self._notify(say("debugger.navigator.pace", pace=self._motion.pace.name), timeout=2)

    # What the thread says.

    def report(self, message: RunController.Moved) -> None:
        """A moving run rests for a frame; one that was halted since is on its way again, and is not looked at."""
        if not self._motion.resting:
            return
        more, live = len(self.waiting), message.live
        doing = say("debugger.navigator.and_more_moves", doing=live.doing, n=more) if more else live.doing
        self._state.report(replace(live, doing=doing))
        if message.whole:
            self._state.stand(self._state.where.at(self._session.moment))
            self._display.show()
        else:
            self._display.show_progress()
        self._depart()
        self._motion.drawn()

    def arrive(self, message: RunController.Arrived) -> None:
        """A run that was moving stands still: show it, say why, and make the moves that wait."""
        self._motion.settle()
        self._state.meet(message.fault)
        stop, where = message.found, self._state.where.at(self._session.moment)
        self._state.stand(where if stop is None or stop.row is None else replace(where, row=stop.row))
        self._remember_event()
        if stop is None:
            self._mark_told(message.note)
        self._display.show()
        if stop is not None and not self.diverted():
            title, severity = say("debugger.navigator.stopped"), "warning" if stop.check else "information"
            self._notify(f"{stop.sentence}.", title=title, severity=severity, timeout=8, markup=False)
        elif message.note and not (self._motion.halted and self.diverted()):
            self._notify(message.note, timeout=4, markup=False)
        waiting, self.waiting = self.waiting, []
        if self._motion.halted or stop or message.fault or message.note:
            return
        for place, way in enumerate(waiting):
            if self._state.fault is not None:
                return
            if self._motion.busy:  # what follows another far move waits for that
                self.waiting = waiting[place:]
                return
            self.move(way)

    def tell_of_script(self) -> None:
        """Say once what a script's run has to be told: that it is not repeatable, how it ended."""
        session = self._session
        if is_scripted(session):
            for sentence in (session.warning, session.ending):
                if sentence and sentence not in self._told:
                    self._told.add(sentence)
                    self._notify(sentence, severity="warning", timeout=12, markup=False)

    def _tell(self, note: str, timeout: float | None = None, severity: str = "information") -> None:
        """Say why nothing moves."""
        self._mark_told(note)
        self._notify(note, severity=severity, timeout=timeout, markup=False)

    def _mark_told(self, note: str) -> None:
        """Do not say by itself how a script ended, where a note does."""
        ending = self._session.ending if is_scripted(self._session) else None
        if ending is not None and ending in note:
            self._told.add(ending)

    def _depart(self) -> None:
        """The run begins to move."""
        self._state.depart()
        self._display.release_run()

    def _refuses(self) -> bool:
        """Whether the run began to move while a question was open. A notification asks to answer it again."""
        if self._motion.busy:
            self._notify(say("debugger.navigator.moving"), timeout=4)
        return self._motion.busy

    def _meant(self, to: SameEvent) -> SameEvent:
        """The event that is looked for: if the last move could not find its own, that one again, not what it found."""
        if self._followed is not None and self._followed[0] == self._session.moment:
            return replace(to, place=self._followed[1])
        return to

    def _remember_event(self) -> None:
        """The run stands still: if it followed an event, remember which, and say so if this is only the nearest."""
        to, self._destination = self._destination, None
        program = self._session.program
        if to is not None and to.moment(program) == self._session.moment:  # else it was halted, or has found a stop
            self._followed = self._session.moment, to.place
            if remark := to.remark(program):
                self._notify(remark, timeout=4, markup=False)
