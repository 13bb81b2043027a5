"""`Navigator`: moves the run to where keys, lines and clicks lead, and has it shown when it stands still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from engine import EngineError, NumericFault, Run, Stops
from engine.run.capabilities import is_scripted
from engine.timeline.events import EventKey, Moment
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.goto import Continue
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.run_controller import PACES, Pace, RunController, why_ended
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.debugger.stops import StopsController

MOST_WAITING = 9  # moves that wait for the one that is under way; a held key would make more without end
NOWHERE = dict.fromkeys(
    ("next_event", "next_scalar", "next_phase", "next_step", "next_ten_steps"),
    "The schedule ends here; the flag --num-steps makes it longer.",
) | {
    "previous_event": "This is the first event of all.",
    "previous_scalar": "This is the first scalar of all.",
    "previous_step": "This is the first training step.",
    "previous_phase": "This is the first phase of all.",
    "previous_ten_steps": "This is the first training step.",
    "next_position": "No further position here: the update has none, and this is the last one on the way.",
    "previous_position": "No earlier position here: the update has none, and the first one has been reached.",
    "start_of_block": "This is the first event of all.",
    "first_event": "This is the first event of the step.",
    "last_event": "This is the last event of the step.",
}


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
            self._notify(f"{error}.", severity="warning", timeout=6, markup=False)
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
            self._notify(NOWHERE.get(way, "There is nothing further in that direction."), timeout=3)
        else:
            self.go(target)

    def follow(self, frame: Frame) -> None:
        """Go to where the selected value of a frame was made; `come_back` returns."""
        target = navigation.made_at(frame.program, frame.moment, frame.selected)
        if target is None:
            self._notify("This number was not computed: it is a constant, or was drawn before training.", timeout=3)
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
            way = "; ] shows what has been learnt on one more document" if here.step <= last else ""
            ended = why_ended(session) if is_scripted(session) else ""
            self._notify(ended or f"All {last + 1:,} steps of the schedule are done{way}.")
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
        self._notify(f"Pace: {self._motion.pace.name}. Space runs and pauses.", timeout=2)

    # What the thread says.

    def report(self, message: RunController.Moved) -> None:
        """A moving run rests for a frame; one that was halted since is on its way again, and is not looked at."""
        if not self._motion.resting:
            return
        more, live = len(self.waiting), message.live
        then = f", then {more} more move{'s' if more > 1 else ''}" if more else ""
        self._state.report(replace(live, doing=live.doing + then))
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
        self._display.show()
        if stop is not None and not self.diverted():
            self._notify(f"{stop.sentence}.", title="Stopped", severity="warning" if stop.check else "information",
                         timeout=8, markup=False)  # fmt: skip
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

    def _depart(self) -> None:
        """The run begins to move."""
        self._state.depart()
        self._display.release_run()

    def _refuses(self) -> bool:
        """Whether the run began to move while a question was open. A notification asks to answer it again."""
        if self._motion.busy:
            self._notify("The run is on its way to another moment; do this again when it has arrived.", timeout=4)
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
