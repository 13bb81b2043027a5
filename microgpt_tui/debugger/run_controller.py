"""Moving the run where that takes long: training that is let run, going far, looking for a stop; in a thread.

The thread and the screen take turns: the thread rests between two steps, or at an event, while a frame is drawn.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from weakref import WeakKeyDictionary

from textual.message import Message

from engine import EngineError, NumericFault, Run, Stop, Stops, continue_to, reverse_continue
from engine.errors import ScriptError
from engine.immutable import immutable
from engine.run.capabilities import ScriptedRun, can_be_slowed, is_scripted, sampling
from engine.timeline.events import Event, Moment, StepProgram
from microgpt_tui.debugger.navigation import SameEvent, counterpart, last_moment, next_event, same_event
from microgpt_tui.texts.say import say

FRAME = 0.1  # seconds between frames where the run goes as fast as it can
AGAIN = 3.0  # seconds; a script that has run no longer is run again to see its last step
PATIENCE = 2.0  # seconds that a thread which is halted is waited for
NEAR = 0.03  # seconds that a move may take without a thread
SAMPLES = 5  # names that are sampled every tenth of the run


Start = Callable[[Callable[[], None]], object]
"""Calls a function in a thread, and returns at once."""


@immutable
class Pace:
    """So many events or training steps a second; 0 is as many as it can."""

    name: str
    a_second: float
    events: bool = False


PACES = (
    *(Pace(say("debugger.run_controller.pace.events", n=n), n, events=True) for n in (1, 4, 15)),
    *(Pace(say("debugger.run_controller.pace.steps", n=n), n) for n in (1, 5)),
    Pace(say("debugger.run_controller.pace.flat_out"), 0),
)


@immutable
class Live:
    """How a moving run is doing: at which step, on the way to which, and how many it has done a second.

    `pace` is what it keeps to, where it keeps to one. `slowed` says by what it is slower than usual, if by anything.
    """

    doing: str
    step: int
    until: int
    a_second: float
    pace: Pace | None = None
    slowed: str = ""


def why_ended(session: ScriptedRun) -> str:
    """How a script has come to its end, after the last of its steps."""
    return session.ending or say("debugger.run_controller.script_ended", steps=session.config.num_steps)


def why_not(session: Run, error: EngineError) -> str:
    """Why a moment was not reached: how the script ended, where that is the error."""
    ended = session.ending if isinstance(error, ScriptError) and is_scripted(session) else None
    return ended or f"{error}."


class RunController:
    """Moves a session; while it is `busy`, other threads may read it only while it is `resting`, for `Moved`.

    It is so until its owner has answered `Arrived` with `settle`: keys that come before it find the run on its way.
    `start` begins the thread, and `post` hands `Moved` and `Arrived` from there to the owner's thread.
    """

    class Moved(Message):
        """The run rests for a frame; it goes on when `drawn` is called. `whole`: it stands where it is to be shown."""

        def __init__(self, live: Live, whole: bool) -> None:
            self.live, self.whole = live, whole
            super().__init__()

    class Arrived(Message):
        """The run stands still: at a stop, at a fault, where it was to go, or where it was halted, said in `note`."""

        def __init__(self, found: Stop | None = None, fault: NumericFault | None = None, note: str = "") -> None:
            self.found, self.fault, self.note = found, fault, note
            super().__init__()

    def __init__(
        self, session: Run, start: Start, post: Callable[[Moved | Arrived], object], samples: bool = True
    ) -> None:
        """`samples`: whether it draws names on the way, as a run does that is shown by itself."""
        self.busy, self._samples = False, samples
        self._aimed = False  # whether the run goes to a moment that is known
        self.pace = self._running = PACES[-1]  # the one that was chosen, and the one of the run that is going on
        self._names: WeakKeyDictionary[Run, dict[int, list[str]]] = WeakKeyDictionary()
        self._session, self._start, self._post = session, start, post
        self._halt, self._drawn, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._drawn.set()
        self._idle.set()

    # What the screen asks for.

    def near(self, moment: Moment) -> bool:
        """Whether a moment can be reached at once."""
        session = self._session
        if moment.step == session.step:
            return True
        steps = moment.step - self._start_towards(moment.step) + 1
        return steps * session.seconds_a_step() < NEAR

    def _start_towards(self, step: int) -> int:
        """The step from whose start the run goes to another: its own, or an earlier one that it goes back to."""
        start, here = self._session.start_towards(step), self._session.step
        return max(start, here) if here <= step else start

    def go(self, moment: Moment, then: Callable[[StepProgram], Moment] | None = None) -> None:
        """Go to a moment that is far; `then` finds the one that is meant in the program of its step."""
        self._begin(partial(self._go, moment, then), aimed=True)

    @property
    def session(self) -> Run:
        """The run that it moves."""
        return self._session

    @property
    def names(self) -> dict[int, list[str]]:
        """What was sampled in the run that it moves, by the step before which it was."""
        return self._names.setdefault(self._session, {})

    def enter(self, make: Callable[[], Run], moment: Moment) -> None:
        """From now on move the run that is made, in the thread, and bring it to a moment."""
        self._begin(partial(self._enter, make, moment))

    def run(self, stops: Stops, pace: Pace, sought: str = "", shown: SameEvent | None = None) -> None:
        """Train on until a stop, the end of the schedule, or `halt`; `sought` is what the user looks for, in words.

        `shown` is the event that is shown in every step, in place of the present one.
        """
        self._running = pace
        here = self._session.moment
        shown = shown or same_event(self._session.program, here, here.step)
        self._begin(partial(self._run, stops, shown, sought))

    def play(self, end: Moment, pace: Pace) -> None:
        """Go on to a moment at a pace, event by event or training step by training step, and show the way."""
        self._running = pace
        self._begin(partial(self._play, end, self._session.program.event_at(self._session.moment)))

    def back(self, stops: Stops) -> None:
        """Go back to the last stop before this moment."""
        self._begin(partial(self._back, stops))

    def halt(self, wait: bool = False) -> None:
        """Stand still as soon as the step that is going on is done; `Arrived` tells when. Or wait for it, shortly."""
        self._halt.set()
        self._drawn.set()
        if wait and self._idle.wait(PATIENCE):
            self.settle()

    @property
    def halted(self) -> bool:
        """Whether the run that goes on, or was the last to go on, was halted."""
        return self._halt.is_set()

    @property
    def aimed(self) -> bool:
        """Whether the run is on its way to a moment that is known, and was not halted."""
        return self.busy and self._aimed and not self.halted

    def settle(self) -> None:
        """The run stands still, and its owner knows: from now on others may touch it."""
        self.busy = False

    def change_pace(self, way: int) -> None:
        """Faster or slower, also while training runs."""
        place = PACES.index(self._running if self.busy else self.pace) + way
        self.pace = self._running = PACES[min(max(place, 0), len(PACES) - 1)]

    @property
    def resting(self) -> bool:
        """Whether the thread waits for `drawn`, so that the run may be looked at; no longer, once it was halted."""
        return not self._drawn.is_set()

    def drawn(self) -> None:
        """The frame for which `Moved` made room is drawn: the run goes on."""
        self._drawn.set()

    def after_step(self, step: int, loss: float) -> bool:
        """A step is finished: now and then names are sampled, from a generator of their own."""
        del loss
        config = self._session.config
        wanted = self._samples and (step + 1) % max(1, config.num_steps // 10) == 0
        if wanted and step + 1 not in self.names:
            generator = random.Random(f"{config.seed} {step + 1}")
            with suppress(EngineError):  # nothing can be drawn, of nan for instance: then no names are shown
                self.names[step + 1] = sampling(self._session).sample(SAMPLES, generator=generator)
        return False

    # What the thread does.

    def _begin(self, work: Callable[[], RunController.Arrived], aimed: bool = False) -> None:
        self.busy, self._aimed = True, aimed
        self._idle.clear()
        self._halt.clear()
        self._since = time.monotonic(), self._session.step
        self._start(partial(self._work, work))

    def _work(self, work: Callable[[], RunController.Arrived]) -> None:
        try:
            arrived = work()
        except NumericFault as fault:
            arrived = self.Arrived(fault=fault)
        except EngineError as error:
            arrived = self.Arrived(note=why_not(self._session, error))
        finally:
            self._idle.set()
        self._post(arrived)

    def _go(self, moment: Moment, then: Callable[[StepProgram], Moment] | None = None) -> RunController.Arrived:
        session, doing = self._session, say("debugger.run_controller.doing.go", step=moment.step)
        back = session.first_step == session.start_towards(moment.step) < moment.step < session.step
        if back and is_scripted(session):
            doing = say("debugger.run_controller.doing.script_again", step=moment.step)
        self._since = time.monotonic(), self._start_towards(moment.step)
        session.seek(moment, partial(self._passing, doing, moment.step))
        if then is not None:
            self._session.seek(then(self._session.program))
        return self.Arrived()

    def _enter(self, make: Callable[[], Run], moment: Moment) -> RunController.Arrived:
        session = make()
        self._session = session
        self._since = time.monotonic(), session.step
        return self._go(moment)

    def _back(self, stops: Stops) -> RunController.Arrived:
        until = self._session.step
        doing = say("debugger.run_controller.doing.look_back")
        stop = reverse_continue(self._session, stops, partial(self._passing, doing, until))
        return self.Arrived(stop, note="" if stop else say("debugger.run_controller.no_stop_before"))

    def _passing(self, doing: str, until: int, step: int, loss: float) -> bool:
        """On a long way: say how far it is; whether to stop."""
        self.after_step(step, loss)
        if time.monotonic() - self._since[0] > FRAME and not self._halt.is_set():
            self._rest(self._live(doing, step + 1, until), whole=False)
            self._since = time.monotonic(), step + 1
        return self._halt.is_set()

    def _run(self, stops: Stops, shown: SameEvent, sought: str) -> RunController.Arrived:
        session, steps = self._session, self._session.config.num_steps
        if is_scripted(session) and not (stops.armed or self._running.events or self._running.a_second):
            return self._run_unseen(session, steps - 1, shown)
        training = say("debugger.run_controller.doing.train")
        while not self._halt.is_set():
            stop = self._run_to_next_frame(stops, shown, Moment(steps - 1))
            if stop is None and session.step >= steps - 1 and not self._running.events:  # no step comes after it
                stop = continue_to(session, stops, last_moment(session.program))
            if stop is not None or (session.moment == last_moment(session.program) and session.step >= steps - 1):
                what = "missed" if sought else "plain"
                note = say(f"debugger.run_controller.all_done.{what}", steps=steps, sought=sought)
                return self.Arrived(stop, note="" if stop else note)
            self._rest(self._live(training, session.step, steps, self._running), whole=True)
            self._halt.wait(1 / self._running.a_second if self._running.a_second else 0)
        return self.Arrived()

    def _run_unseen(self, session: ScriptedRun, last: int, shown: SameEvent) -> RunController.Arrived:
        """Let a script run on at its own speed, and look at it where it halts.

        Where it ends before it is halted, its last step has not been recorded: it is run again if that takes a moment,
        else the run is shown where it was.
        """
        here, began = session.moment, time.monotonic()
        try:
            session.run(last, partial(self._passing, say("debugger.run_controller.doing.script"), last + 1))
        except EngineError:
            done = session.config.num_steps
            why = why_ended(session)
            if time.monotonic() - began < AGAIN:
                session.seek(Moment(done - 1))
                session.seek(last_moment(session.program))
                return self.Arrived(note=say("debugger.run_controller.script_end_shown", why=why))
            session.seek(here)
            return self.Arrived(note=say("debugger.run_controller.script_end_not_shown", why=why, step=done - 1))
        if session.step == last:
            session.seek(last_moment(session.program))
            return self.Arrived(note=why_ended(session))
        session.seek(shown.moment(session.program))
        return self.Arrived()

    def _run_to_next_frame(self, stops: Stops, shown: SameEvent, end: Moment) -> Stop | None:
        """Train up to the next frame: an event on, a step on, or as far as time allows and then to what was shown."""
        session, pace = self._session, self._running
        if pace.events:
            return continue_to(session, stops, next_event(session.program, session.moment) or end, self.after_step)
        deadline = 0.0 if pace.a_second else time.monotonic() + FRAME

        here = session.moment
        stop = continue_to(session, stops, end, partial(self._shown_by, deadline))
        if stop is None:
            between = session.moment not in (here, end)
            stop = continue_to(session, stops, shown.moment(session.program), here_too=between)
        return stop

    def _shown_by(self, deadline: float, step: int, loss: float) -> bool:
        """A step is finished: whether it is time for a frame."""
        self.after_step(step, loss)
        return time.monotonic() > deadline or self._halt.is_set()

    def _play(self, end: Moment, shown: Event) -> RunController.Arrived:
        session, pace = self._session, self._running
        at_once = max(1, round(pace.a_second * FRAME)) if not pace.events else 1  # steps from frame to frame
        playing = say("debugger.run_controller.doing.play")
        while not self._halt.is_set():
            began = time.monotonic()
            if pace.events:
                to = next_event(session.program, session.moment) or end
            else:
                until = min(session.step + at_once, end.step) if pace.a_second else end.step
                session.run(until, partial(self._shown_by, math.inf if pace.a_second else began + FRAME))
                to = counterpart(session.program, shown)
            session.seek(min(to, end, key=lambda moment: moment.key))
            if session.moment.key >= end.key:
                break
            self._rest(self._live(playing, session.step, end.step), whole=True)
            left = at_once / pace.a_second - (time.monotonic() - began) if pace.a_second else 0.0
            self._halt.wait(max(left, 0.0))
        return self.Arrived()

    def _live(self, doing: str, step: int, until: int, pace: Pace | None = None) -> Live:
        session = self._session
        then, before = self._since
        a_second = (step - before) / max(time.monotonic() - then, 1e-9)
        return Live(doing, step, until, a_second, pace, session.slowed if can_be_slowed(session) else "")

    def _rest(self, live: Live, whole: bool) -> None:
        """Let a frame be drawn."""
        if self._halt.is_set():
            return
        self._drawn.clear()
        if self._halt.is_set():  # halted between the two lines above: `drawn` may never be called
            self._drawn.set()
            return
        self._post(self.Moved(live, whole))
        self._drawn.wait()
