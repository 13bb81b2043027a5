"""`GradCheckScreen`: a gradient beside a finite difference, or those of a whole matrix, worked out in a thread."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import ClassVar

import numpy as np
from rich.cells import set_cell_size
from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.markup import escape
from textual.message import Message
from textual.widgets import Static

from engine import EngineError, Run
from engine.autograd.tape import Rows
from engine.run.gradcheck import CheckedGradient, GradientChecker, Summary
from engine.text import quoted
from engine.timeline.view import View
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.modal import Modal

SET = say("dialogs.gradcheck.numbers_set_branch_number")
PAUSE = 0.05  # seconds between two pictures of a matrix that is being checked
LABEL = 31  # cells
BAR = 28


class GradCheckScreen(Modal[int | None]):
    """Returns the scalar that was checked last if the user wants it chosen, else None.

    `session` has to stand still meanwhile.
    """

    CSS = "GradCheckScreen .box { width: 84; }"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("gradcheck.stop", "escape,g", "stop"),
        Key("gradcheck.close", "q,space,pagedown", "dismiss", "q"),  # a clicker has no other key to go on in a lecture
        Key("gradcheck.all", "m", "all"),
        Key("gradcheck.choose", "enter", "take"),
        Key("gradcheck.larger", "plus,equals_sign", "scale(10)"),
        Key("gradcheck.smaller", "minus", "scale(0.1)"),
        Key("gradcheck.default", "0", "default"),
        Key("gradcheck.above", "up", "move(0, -1)"),
        Key("gradcheck.below", "down", "move(0, 1)"),
        Key("gradcheck.left", "left", "move(-1, 0)"),
        Key("gradcheck.right", "right", "move(1, 0)"),
    )

    @dataclass
    class Checked(Message):
        """The result of a job: one check, the summary of those so far, or why there is none."""

        job: int
        result: CheckedGradient | Summary | EngineError

    def __init__(self, session: Run, row: int) -> None:
        super().__init__()
        self._session, self._view, self._row = session, session.view(), row
        self._h: float | None = None
        self.result: CheckedGradient | Summary | EngineError | None = None
        self.at_work = False  # whether many are being checked
        self._many = False  # whether the latest job is to check many
        self._job = 0  # the latest; a thread that works on an older one stops
        self._ended = threading.Event()
        self._turn = threading.Lock()  # held while the checker works
        self._checker: GradientChecker | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box", can_focus=False):
            yield Static(say("dialogs.gradcheck.computing_step_s_forward"), id="numbers", markup=False)

    def on_mount(self) -> None:
        self._check(many=False)

    def on_unmount(self) -> None:
        """Stop the worker, and let go of the run that it moves."""
        self._ended.set()
        self._job += 1
        if self._turn.acquire(blocking=False):  # else the worker does
            self._checker = None
            self._turn.release()

    # Work, in threads.

    def _check(self, many: bool) -> None:
        """Check the scalar, or all of its matrix or tensor."""
        self._many = self.at_work = many
        self._job += 1
        rows = matrix_or_tensor(self._view, self._row)[1].ravel() if many else None
        work = partial(self._work, self._job, self._row, rows, self._h)
        self.run_worker(work, thread=True, group="gradcheck")

    def _work(self, job: int, row: int, rows: Rows | None, h: float | None) -> None:
        with self._turn:
            try:
                if self._checker is None:
                    copy, step = self._session.replay_copy(), self._view.moment.step
                    self._checker = GradientChecker(copy, step, lambda *_: self._ended.is_set())
                if job != self._job:
                    return
                if rows is None:
                    self.post_message(self.Checked(job, self._checker.check(row, h)))
                    return
                summary, posted = Summary(), 0.0
                for check in (self._checker.check(int(row), h) for row in rows):
                    summary = summary.adding(check)
                    if job != self._job:
                        return
                    if time.monotonic() - posted > PAUSE:
                        self.post_message(self.Checked(job, summary))
                        posted = time.monotonic()
                self.post_message(self.Checked(job, summary))
            except EngineError as error:
                self.post_message(self.Checked(job, error))
            finally:
                if self._ended.is_set():
                    self._checker = None

    # What is shown.

    @on(Checked)
    def checked(self, message: Checked) -> None:
        """Show the result, unless a later job has begun since."""
        if message.job == self._job:
            self.result = message.result
            size = matrix_or_tensor(self._view, self._row)[1].size
            self.at_work = isinstance(self.result, Summary) and self.result.count < size
            self._show()

    def _show(self) -> None:
        name, rows = matrix_or_tensor(self._view, self._row)
        program = self._view.program
        title, keys, body = name, say("dialogs.gradcheck.arrows_other_numbers_default"), Text()
        match self.result:
            case CheckedGradient() as check:
                title, keys = check.name, say("dialogs.gradcheck.m_all_h_arrows", name=name)
                body = check_text(check, self._h is not None)
            case Summary() as summary:
                keys = (
                    say("dialogs.gradcheck.esc_stops") if self.at_work else say("dialogs.gradcheck.m_one_enter_largest")
                )
                body = summary_text(summary, rows.size)
            case error:
                body = Text(printable(f"{error}."), theme.WARNING)
        box = self.query_one(VerticalScroll)
        box.border_title, box.border_subtitle = (
            escape(printable(say("dialogs.gradcheck.gradient_check", title=title))),
            escape(keys),
        )
        about = printable(say("dialogs.gradcheck.loss_step_at_parameters", doc=quoted(program.doc), step=program.step))
        if self._view.overridden.size:
            body.append(f"\n\n{SET}", theme.STRONG)
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
        """Check the whole matrix or tensor; from there, the one scalar again."""
        self._check(many=not self._many)

    def action_take(self) -> None:
        """From many checks to the one with the largest difference; from one, to the debugger, where it is chosen."""
        if isinstance(self.result, Summary) and self.result.largest is not None:
            self._row = self.result.largest.row
            self._check(many=False)
        elif isinstance(self.result, CheckedGradient):
            self.dismiss(self.result.row)

    def action_scale(self, factor: float) -> None:
        """A larger or a smaller step, for one check or many."""
        check = self.result.largest if isinstance(self.result, Summary) else self.result
        h = check.h if self._h is None and isinstance(check, CheckedGradient) else self._h
        if h is not None:
            self._h = min(max(h * factor, 1e-300), 1e300)
            self._check(self._many)

    def action_default(self) -> None:
        self._h = None
        self._check(self._many)

    def action_move(self, dx: int, dy: int) -> None:
        self._row = neighbour(self._view, self._row, dx, dy)
        self._check(many=False)


def matrix_or_tensor(view: View, row: int) -> tuple[str, Rows]:
    """The matrix, (rows, columns), or the tensor, (n,), that a scalar belongs to or is on the way to, and its name."""
    place = view.program.parameter_of(row)
    if place is not None:
        return place[0], view.program.parameters[place[0]]
    tensor = view.program.event_of(row)
    if tensor is None:  # a constant
        return say("dialogs.gradcheck.constant"), np.array([row], dtype=np.int32)
    if tensor.pos is None:
        return tensor.name, np.atleast_1d(tensor.rows)
    return say("dialogs.gradcheck.at_position", name=tensor.name, pos=tensor.pos), np.atleast_1d(tensor.rows)


def neighbour(view: View, row: int, dx: int, dy: int) -> int:
    """The scalar beside one in its matrix, or before or after it in its tensor or on the tape; itself at an edge."""
    _, rows = matrix_or_tensor(view, row)
    place = np.argwhere(rows == row)
    if not len(place):
        made = view.program.rows
        following = made[view.live(made)]
        at = int(following.searchsorted(row)) + dx + dy
        return int(following[min(max(at, 0), len(following) - 1)])
    moved = place[0] + ([dy, dx] if rows.ndim == 2 else [dx + dy])
    return int(rows[tuple(np.clip(moved, 0, np.array(rows.shape) - 1))])


def check_text(check: CheckedGradient, own_h: bool) -> Text:
    """One check, a number a line. `own_h`: h is not the default any more."""
    text = Text()
    _row(text, say("dialogs.gradcheck.value_x"), f"{check.value!r}")
    _row(text, "h", f"{check.h:.4g}", "" if own_h else "  ∛ε · max(1, |x|), ε = 2⁻⁵²")
    _row(text, "loss(x + h)", f"{check.loss_plus!r}")
    _row(text, "loss(x − h)", f"{check.loss_minus!r}")
    text.append("\n")
    labels = "(loss(x + h) − loss(x − h)) / 2h", say("dialogs.gradcheck.gradient")
    figures = f"{check.finite_difference:+.15e}", f"{check.gradient:+.15e}"
    same = _common(*figures)
    for label, figure in zip(labels, figures, strict=True):
        text.append(set_cell_size(label, LABEL + 2), theme.DIM)
        text.append(figure[:same], theme.STRONG + Style(underline=True)).append(f"{figure[same:]}\n", theme.TEXT)
    _row(text, say("dialogs.gradcheck.difference"), f"{check.difference:+.2e}")
    _row(
        text, say("dialogs.gradcheck.difference_relative"), f"{check.relative:.1e}", say("dialogs.gradcheck.larger_two")
    )
    return text.append(f"\n{gradient_remark(check)}", theme.WARNING if check.kinks or check.unmoved else theme.DIM)


def gradient_remark(check: CheckedGradient) -> str:
    """What there is to know before judging the two numbers."""
    if check.unmoved:
        return say("dialogs.gradcheck.h_so_small_x")
    if check.kinks:
        first, more = check.kinks[0], len(check.kinks) - 1
        others = "_and_more" if more else ""
        return say(f"dialogs.gradcheck.corner{others}", first=first, more=more)
    if check.loss_plus == check.loss_minus:
        return say("dialogs.gradcheck.loss_same_at_both")
    return say("dialogs.gradcheck.larger_h_cuts_off")


def summary_text(summary: Summary, total: int) -> Text:
    """Many checks: how far they are, the largest difference, and how many relative differences of each size."""
    text, done = Text(), summary.count / total
    text.append("━" * round(done * 50), theme.DONE).append("━" * (50 - round(done * 50)), theme.FAINT)
    text.append(say("dialogs.gradcheck.share_of", count=summary.count, of=total), theme.STRONG)
    if summary.largest is not None:
        _row(text, say("dialogs.gradcheck.largest_difference"), f"{summary.largest.difference:+.2e}")
        _row(text, say("dialogs.gradcheck.at"), summary.largest.name)
    _row(text, say("dialogs.gradcheck.with_relu_corner_within"), f"{summary.kinked:,}")
    text.append(say("dialogs.gradcheck.relative_difference_larger_two"), theme.DIM)
    lowest, highest = min(summary.decades, default=0), max(summary.decades, default=-1)
    bins = [
        (say("dialogs.gradcheck.from_to", low=f"1e{n:+d}", high=f"1e{n + 1:+d}"), summary.decades.get(n, 0))
        for n in range(lowest, highest + 1)
    ]
    bins = [
        (say("dialogs.gradcheck.equal_last_bit"), summary.equal),
        *bins,
        (say("dialogs.gradcheck.no_number"), summary.unknown),
    ]
    most = max(count for _, count in bins)
    for label, count in bins:
        if count or label.startswith("1e"):
            text.append(f"  {set_cell_size(label, LABEL - 2)}{count:>7,} ", theme.TEXT)
            text.append(f"{bar(count, most, BAR).rstrip()}\n", theme.PLUS)
    text.rstrip()
    return text


def _row(text: Text, label: str, figure: str, note: str = "") -> None:
    text.append(set_cell_size(label, LABEL + 2), theme.DIM).append(figure, theme.TEXT).append(f"{note}\n", theme.DIM)


def _common(one: str, other: str) -> int:
    """How many characters two figures have in common from the first on; 0 where their powers of ten differ."""
    if not math.isfinite(float(one)) or one.partition("e")[2] != other.partition("e")[2]:
        return 0
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(one, other, strict=True)))
