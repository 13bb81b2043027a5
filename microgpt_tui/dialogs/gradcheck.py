"""One gradient beside a finite difference, or those of a whole matrix; worked out in a thread, on a run of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.markup import escape
from textual.message import Message
from textual.widgets import Static

from engine import EngineError, Session
from engine.run.gradcheck import CheckedGradient, GradientChecker, Summary
from engine.text import quoted
from microgpt_tui.dialogs.gradcheck_text import check_text, family, neighbour, summary_text
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.widgets.modal import Modal

SET = (
    "Numbers are set in this branch. A number that is set keeps the slope of the arithmetic it replaces, so gradients "
    "that flow through it are not the slopes of the loss."
)
PAUSE = 0.05  # seconds between two pictures of a matrix that is being checked


class GradCheckScreen(Modal[int | None]):
    """Returns the scalar that was checked last if the user wants it chosen, else None.

    `session` has to stand still meanwhile.
    """

    CSS = "GradCheckScreen .box { width: 84; }"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,g", "stop", "stop, close", tooltip="Stop the check of a matrix, else close"),
        Binding("q", "dismiss(None)", "close", tooltip="Back to the run"),
        Binding("m", "all", "all of it", tooltip="Check every element of the matrix, or of the tensor"),
        Binding("enter", "take", "choose", tooltip="The one with the largest difference; choose the one that is shown"),
        Binding("plus,equals_sign", "scale(10)", "larger h", tooltip="Ten times the step"),
        Binding("minus", "scale(0.1)", "smaller h", tooltip="A tenth of the step"),
        Binding("0", "default", "default h", tooltip="The default step again"),
        Binding("up", "move(0, -1)", "above"),
        Binding("down", "move(0, 1)", "below"),
        Binding("left", "move(-1, 0)", "left"),
        Binding("right", "move(1, 0)", "right"),
    ]

    class Told(Message):
        """What a job has found: one check, so many of them so far, or why there is none."""

        def __init__(self, job: int, found: CheckedGradient | Summary | EngineError) -> None:
            self.job, self.found = job, found
            super().__init__()

    def __init__(self, session: Session, row: int) -> None:
        super().__init__()
        self._session, self._view, self._row = session, session.view(), row
        self._h: float | None = None
        self.found: CheckedGradient | Summary | EngineError | None = None
        self.at_work = False  # whether many are being checked
        self._of_many = False  # whether many were asked for
        self._job = 0  # the latest; a thread that works on an older one stops
        self._gone = threading.Event()
        self._turn = threading.Lock()  # held while the checker works
        self._checker: GradientChecker | None = None

    def compose(self) -> ComposeResult:
        """The numbers, scrolled if they must be."""
        with VerticalScroll(classes="box", can_focus=False):
            yield Static("computing the step's forward and backward phases …", id="numbers", markup=False)

    def on_mount(self) -> None:
        """Check the scalar that was chosen."""
        self._check()

    def on_unmount(self) -> None:
        """Stop the worker."""
        self._gone.set()
        self._job += 1

    # Work, in threads.

    def _ask(self, work: Callable[[GradientChecker, int], None]) -> None:
        self._job += 1
        self.run_worker(partial(self._do, work, self._job), thread=True, group="gradcheck")

    def _do(self, work: Callable[[GradientChecker, int], None], job: int) -> None:
        with self._turn:
            try:
                if self._checker is None:
                    twin, step = self._session.replay_copy(), self._view.moment.step
                    self._checker = GradientChecker(twin, step, lambda *_: self._gone.is_set())
                if job == self._job:
                    work(self._checker, job)
            except EngineError as error:
                self.post_message(self.Told(job, error))

    def _check(self) -> None:
        row, h = self._row, self._h
        self._of_many = self.at_work = False
        self._ask(lambda checker, job: self._tell(job, checker.check(row, h)))

    def _check_all(self) -> None:
        rows, h = family(self._view, self._row)[1].ravel(), self._h
        self._of_many = self.at_work = True

        def work(checker: GradientChecker, job: int) -> None:
            summary, told = Summary(), 0.0
            for check in (checker.check(int(row), h) for row in rows):
                summary = summary.adding(check)
                if job != self._job:
                    return
                if time.monotonic() - told > PAUSE:
                    self._tell(job, summary)
                    told = time.monotonic()
            self._tell(job, summary)

        self._ask(work)

    def _tell(self, job: int, found: CheckedGradient | Summary) -> None:
        self.post_message(self.Told(job, found))

    # What is shown.

    @on(Told)
    def told(self, message: Told) -> None:
        """Show it, unless something else has been asked for since."""
        if message.job == self._job:
            self.found = message.found
            unfinished = isinstance(self.found, Summary) and self.found.count < family(self._view, self._row)[1].size
            self.at_work = unfinished
            self._show()

    def _show(self) -> None:
        name, rows = family(self._view, self._row)
        program = self._view.program
        title, keys, body = name, "arrows other numbers · 0 default h · esc closes", Text()
        match self.found:
            case CheckedGradient() as check:
                title, keys = check.name, f"m all of {name} · + − h · arrows · esc closes"
                body = check_text(check, self._h is not None)
            case Summary() as summary:
                keys = "esc stops" if self.at_work else "m one · enter the largest · + − h · esc closes"
                body = summary_text(summary, rows.size)
            case error:
                body = Text(printable(f"{error}."), theme.WARNING)
        box = self.query_one(VerticalScroll)
        box.border_title, box.border_subtitle = escape(printable(f"Gradient check: {title}")), escape(keys)
        about = printable(f"loss of {quoted(program.doc)}, step {program.step}, at the parameters before its update")
        if self._view.overridden.size:
            body.append(f"\n\n{SET}", theme.NEW)
        self.query_one("#numbers", Static).update(Text(f"{about}\n\n", theme.DIM).append_text(body))

    # Keys.

    def action_stop(self) -> None:
        """Stop the check of a matrix; if there is none, close."""
        if self.at_work:
            self._job += 1
            self.at_work = False
            self._show()
        else:
            self.dismiss(None)

    def action_all(self) -> None:
        """Check the whole matrix or tensor; from there, back to the one scalar."""
        if self._of_many:
            self._check()
        else:
            self._check_all()

    def action_take(self) -> None:
        """From many checks to the one with the largest difference; from one, to the debugger, where it is chosen."""
        if isinstance(self.found, Summary) and self.found.largest is not None:
            self._row = self.found.largest.row
            self._check()
        elif isinstance(self.found, CheckedGradient):
            self.dismiss(self.found.row)

    def action_scale(self, factor: float) -> None:
        """A larger or a smaller step, for whatever is shown."""
        check = self.found.largest if isinstance(self.found, Summary) else self.found
        h = check.h if self._h is None and isinstance(check, CheckedGradient) else self._h
        if h is not None:
            self._h = min(max(h * factor, 1e-300), 1e300)
            self._again()

    def action_default(self) -> None:
        """The default step."""
        self._h = None
        self._again()

    def action_move(self, dx: int, dy: int) -> None:
        """Check the scalar beside this one."""
        self._row = neighbour(self._view, self._row, dx, dy)
        self._check()

    def _again(self) -> None:
        if self._of_many:
            self._check_all()
        else:
            self._check()
