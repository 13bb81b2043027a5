"""`GoTo`: goes to what is typed, searched or marked, also where the run has to be brought to another step first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from engine import Address, AddressError
from engine.run.stops import describe_moment
from engine.timeline.events import Moment, StepProgram
from microgpt_tui.debugger import goto
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.examples import Examples
from microgpt_tui.debugger.frame import Choice, Frame
from microgpt_tui.debugger.goto import Cell, CellTarget, Command, Continue, OtherData
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.scalar_target import Scalar
from microgpt_tui.debugger.search import Match, search
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.drawing.numbers import exact
from microgpt_tui.texts.say import say


class GoTo:
    """Typed and searched lines, marks, and a jump that goes on once the run has arrived in its step.

    `go` moves the run and returns whether it stands still; `frame` makes the frame of the present moment.
    """

    def __init__(
        self,
        state: DebuggerState,
        go: Callable[[Moment | SameEvent], bool],
        frame: Callable[[], Frame],
        notify: Callable[..., None],
    ) -> None:
        self._state, self._go, self._frame, self._notify = state, go, frame, notify
        self.typed: list[str] = []
        self.searched: list[str] = []
        self._last_search = ""  # the last one that found something
        self._pending: tuple[Callable[[], None], Moment] | None = None  # what to do at a moment that is gone to

    # Typed lines.

    def read(self, frame: Frame, line: str) -> Command | None:
        """What a line asks for; None if it is empty. Raises LineError."""
        command = goto.read_line(line, frame, self._state.session.docs)
        if remark := goto.line_remark(line):
            self._notify(remark, timeout=5, markup=False)
        return command

    def carry_out(self, command: Command) -> None:
        """Go to where a command leads. The screen carries out the others itself: training until a stop, another run."""
        match command:
            case Moment() | SameEvent():
                self._go(command)
            case Choice():
                self._state.look_at(command)
            case Scalar():
                self._next_event(command)
            case CellTarget():
                self._choose_spot(command)
            case Cell():
                self._in_step(command.step or 0, partial(self._choose_cell, command))
            case Address():
                self._in_step(command.step, partial(self._to_address, command))
            case Continue() | OtherData():
                raise AssertionError(command)

    def _next_event(self, scalar: Scalar) -> None:
        """Go to the next event of a scalar, in this step or in the next one that has it."""
        session = self._state.session
        found = scalar.following(session.program, session.moment)
        if found is not None:
            moment, row = found
            if self._go(moment) and session.moment == moment:
                self._state.choose(row)
            return
        step = scalar.next_step(session.step, session.docs, session.config.block_size)
        if step is not None:
            self._in_step(step, partial(self._next_event, scalar))

    def _to_address(self, address: Address) -> None:
        try:
            self._go(address.moment(self._state.session.program))
        except AddressError as error:
            self._notify(f"{error}.", severity="warning", timeout=6, markup=False)

    def _choose_cell(self, cell: Cell) -> None:
        try:
            self._choose_spot(goto.spot(cell, self._frame()))
        except LineError as error:
            self._notify(f"{error}.", severity="warning", timeout=6, markup=False)

    def _choose_spot(self, spot: CellTarget) -> None:
        """Go to the event of a number, and put the cell cursor on it."""
        if not self._go(spot.moment) or self._state.session.moment != spot.moment:
            return
        if spot.matrix is None:
            self._state.choose(spot.row, spot.cell)
            return
        self._state.choose(spot.row, matrix=spot.matrix)
        value = self._frame().value(spot.row)
        now = "" if value is None else f" = {exact(value)}"
        self._notify(
            say("debugger.goto_controller.chosen_no_event_forward", number=spot.name + now, matrix=spot.matrix),
            timeout=5,
            markup=False,
        )

    def _in_step(self, step: int, then: Callable[[], None]) -> None:
        """Do something in a step, which is first gone to unless it is the present one."""
        if step == self._state.session.step:
            then()
            return
        self._pending = then, Moment(step)
        if self._go(Moment(step)):
            self.arrived()

    def arrived(self) -> None:
        """The run stands still: finish the pending jump, unless the run was halted or met a fault before its step."""
        pending, self._pending = self._pending, None
        if pending is not None and self._state.session.moment == pending[1]:
            pending[0]()

    # Search.

    def search_hint(self, program: StepProgram) -> str:
        """What the search line says while it is empty."""
        if self._last_search:
            return say("debugger.goto_controller.enter_again", last_search=self._last_search)
        return Examples.of_program(program).search_hint

    def search(self, program: StepProgram, moment: Moment, line: str) -> Match | None:
        """The next event of the step that fits the words; for none, those of the last search. Raises LineError."""
        words = line.strip() or self._last_search
        match = search(words, program, moment)
        self._last_search = words
        return match

    def to_match(self, match: Match) -> None:
        """Go to what a search has found; that is in this step, so at once, unless a fault lies on the way."""
        if self._go(match.moment) and self._state.session.moment == match.moment:
            self._notify(match.sentence, timeout=3, markup=False)

    # Marks.

    def mark(self, letter: str) -> None:
        """Set the mark of this name at the present moment."""
        annotations = self._state.annotations
        self._state.annotate(replace(annotations, marks={**annotations.marks, letter: self._state.session.moment}))
        self._notify(say("debugger.goto_controller.mark_set_returns_here", letter=letter), timeout=3, markup=False)

    def marks(self) -> list[str]:
        """The marks, a line each."""
        return [f"{letter}  {self._words(moment)}" for letter, moment in sorted(self._state.annotations.marks.items())]

    def to_mark(self, letter: str) -> None:
        """Go to the mark of this name."""
        self._go(self._state.annotations.marks[letter])

    def _words(self, moment: Moment) -> str:
        """A marked moment in words; what happens at one of another step is known only there."""
        session = self._state.session
        if moment.step == session.step:
            return describe_moment(session.program, moment)
        return say(
            "debugger.goto_controller.step_counted_from_phase", step=moment.step, phase=moment.phase, tick=moment.tick
        )
