"""`ComparedRun`: a copy of the run that this one is compared with, which follows it from moment to moment."""

from __future__ import annotations

from collections.abc import Callable

from engine import NumericFault, Run
from engine.run.capabilities import branching
from engine.timeline.events import Moment
from engine.timeline.view import View
from microgpt_tui.debugger.run_controller import RunController, Start


class ComparedRun:
    """Makes the copy when `at` is first called, and brings it to each moment that `at` names.

    Where that takes long it is done in a thread that `start` begins. `call_later` calls back from there, on the
    screen's thread, and `on_arrival` is called when the copy stands still. `changes` say what is changed in it.
    """

    def __init__(
        self,
        name: str,
        original: Run,
        make: Callable[[], Run],
        start: Start,
        call_later: Callable[..., object],
        on_arrival: Callable[[], None],
        changes: str = "",
    ) -> None:
        self.name, self.changes = name, changes
        self._original, self._make, self._on_arrival = original, make, on_arrival
        self._start, self._call_later = start, call_later
        self._begin()

    def _begin(self) -> None:
        motion = RunController(
            self._original,
            self._start,
            lambda message: self._call_later(self._receive, motion, message),
            samples=False,
        )
        self._motion = motion
        self._aim: Moment | None = None  # where the copy was sent last
        self._fault: tuple[Moment, str] | None = None  # a moment where it cannot be, and why
        self._refused = ""  # why no copy could be made

    def let_go(self) -> None:
        """Stop the thread, and give back the memory of the copy; when `at` is called again, another one is made."""
        if self._aim is not None:
            before = self._motion
            self.halt()
            self._begin()
            if not before.busy:  # else this is done when it arrives
                self._put_away(before)

    def _put_away(self, motion: RunController) -> None:
        """Textual holds what a thread has worked on for some time, so it is not enough to forget it."""
        if motion.session is not self._original:
            branching(motion.session).put_away()

    def at(self, moment: Moment) -> View | str | None:
        """The view of the copy at a moment; why it cannot be there, in words; or None while it is on its way."""
        motion = self._motion
        if motion.busy:
            if moment != self._aim:
                motion.halt()  # when it stands still it is sent on, to the moment that is shown by then
            return None
        if self._aim is None:
            self._aim = moment
            motion.enter(self._make, moment)
            return None
        if motion.session is self._original:
            return self._refused
        if motion.session.moment == moment:
            return motion.session.view()
        if self._fault is not None and self._fault[0] == moment:
            return self._fault[1]
        self._aim = moment
        if not motion.near(moment):
            motion.go(moment)
            return None
        try:
            motion.session.seek(moment)
        except NumericFault as fault:
            self._fault = moment, str(fault)
            return str(fault)
        return motion.session.view()

    def halt(self) -> None:
        """Stop the thread."""
        self._motion.halt()

    def _receive(self, motion: RunController, message: RunController.Moved | RunController.Arrived) -> None:
        if isinstance(message, RunController.Moved):
            motion.drawn()  # nothing of it is shown before it is there
            return
        motion.settle()
        if motion is not self._motion:  # the copy was let go of meanwhile
            self._put_away(motion)
            return
        if message.fault is not None and self._aim is not None:
            self._fault = self._aim, str(message.fault)
        self._refused = message.note.rstrip(".")
        self._on_arrival()
