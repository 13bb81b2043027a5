"""This moment in two runs: the tensor on the stage in both and how it differs, losses, probabilities that moved."""

from __future__ import annotations

from textual import on

from engine import NumericFault
from engine.timeline.events import Moment
from engine.timeline.view import View
from microgpt_tui.debugger.frame import ComparedRun, Frame
from microgpt_tui.debugger.run_controller import RunController
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.comparison_view import compare
from microgpt_tui.panes.gradients import says

NOTHING = (
    "There is nothing to compare with yet: e sets the selected number, x switches a head, the MLP or a position off. "
    "Each makes a branch of this run; the run itself stays as it is."
)


class Comparison(Pane):
    """Moves a copy of the other run to every moment that is shown, in a thread where that takes long."""

    TITLE = "What if"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._beside: ComparedRun | None = None
        self._motion: RunController | None = None
        self._aim = Moment(0)  # where it was sent last
        self._fault: tuple[Moment, str] | None = None  # where the other run cannot be, and why
        self._refused = ""  # why there is no copy of it, if there is none

    def heading(self, frame: Frame) -> str:
        beside = frame.around.beside
        return f"What if ─ {frame.around.branch or 'original'} beside {beside.name}" if beside else self.TITLE

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        beside = frame.around.beside
        if beside is None:
            return says(Picture(), NOTHING, width, height)
        view = self._view(frame.moment, beside)
        if view is not None:
            return compare(frame, view, beside.name, width, height)
        if self._fault is not None and self._fault[0] == frame.moment:
            return says(Picture(), f"{beside.name} does not come here: {self._fault[1]}.", width, height)
        return says(Picture(), f"{beside.name} is on its way to this moment …", width, height)

    def _view(self, moment: Moment, beside: ComparedRun) -> View | None:
        """The other run at the moment; None while it is on its way, or where it cannot be."""
        motion = self._motion
        if motion is not None and motion.busy:
            motion.halt()  # it goes on when it stands still, to the moment that is shown by then
        elif motion is None or self._beside != beside:
            self._beside, self._fault = beside, None
            self._motion = RunController(self, beside.branches.original)  # until the copy is made
            self._aim = moment
            self._motion.enter(beside.copy, moment)
        elif motion.session is beside.branches.original:
            self._fault = moment, self._refused  # no copy could be made
        elif motion.session.moment == moment:
            return motion.session.view()
        elif self._fault is None or self._fault[0] != moment:
            return self._follow(motion, moment)
        return None

    def _follow(self, motion: RunController, moment: Moment) -> View | None:
        if not motion.near(moment):
            self._aim = moment
            motion.go(moment)
            return None
        try:
            motion.session.seek(moment)
        except NumericFault as fault:
            self._fault = moment, str(fault)
            return None
        return motion.session.view()

    @on(RunController.Moved)
    def _moved(self, message: RunController.Moved) -> None:
        """The copy is under way; nothing of it is shown before it is there."""
        message.stop()
        if self._motion is not None:
            self._motion.drawn()

    @on(RunController.Arrived)
    def _arrived(self, message: RunController.Arrived) -> None:
        """The copy stands still: at the moment, at a fault before it, or where another moment was wanted."""
        message.stop()
        if self._motion is not None:
            self._motion.settle()
        if message.fault is not None:
            self._fault = self._aim, str(message.fault)
        self._refused = message.note.rstrip(".")
        self.redraw()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        if self._motion is not None:
            self._motion.halt()
