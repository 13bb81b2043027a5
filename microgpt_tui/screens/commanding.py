"""Going by name: the go-to line, search, and marks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from textual import on

from engine import Address, AddressError
from engine.run.stops import where
from engine.timeline.events import Moment
from microgpt_tui.debugger import goto, search
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.frame import Choice
from microgpt_tui.debugger.goto import Cell, Command, Continue, Spot
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.run_controller import PACES, Motion
from microgpt_tui.debugger.scalar_target import Scalar
from microgpt_tui.debugger.stops import StopsController
from microgpt_tui.dialogs.command_line import LineScreen, Prompt
from microgpt_tui.dialogs.letter import LetterScreen
from microgpt_tui.drawing.numbers import exact
from microgpt_tui.screens.looking import Looking


class Commanding(Looking):
    """The part of the debugger's screen that is told where to go, in words or by a letter."""

    motion: Motion
    stops: StopsController

    def __init__(self) -> None:
        super().__init__()
        self._typed: list[str] = []
        self._searched: list[str] = []
        self._last_found = ""  # the last search that led somewhere
        self._then: tuple[Callable[[], None], Moment] | None = None  # what is to be done at a moment that is gone to

    @abstractmethod
    def _leave(self) -> None:
        """The run begins to move."""

    def _moving(self) -> bool:
        """Whether the run is moving; it is then halted, and that is all that a key does."""
        if self.busy:
            self.motion.halt()
            return True
        return False

    def _moving_meanwhile(self) -> bool:
        """Whether the run began to move while a question was open. The user is told to answer it again."""
        if self.busy:
            self.notify("The run is on its way to another moment; do this again when it has arrived.", timeout=4)
        return self.busy

    # The go-to line.

    def action_command(self) -> None:
        """Ask where to go, and go there."""
        if self._moving():
            return
        frame = self.frame
        docs = self.session.docs

        def read(line: str) -> Command | None:
            command = goto.read(line, frame, docs)
            if remark := goto.remark(line):
                self.notify(remark, timeout=5, markup=False)
            return command

        prompt: Prompt[Command] = Prompt(
            ":",
            goto.HINT,
            read,
            partial(goto.completions, frame=frame),
            self._typed,
            partial(goto.preview, frame=frame, docs=docs),
        )
        self.app.push_screen(LineScreen(prompt), self._carry_out)

    def _carry_out(self, command: Command | None) -> None:
        match command:
            case Moment() | SameEvent():
                self.go(command)
            case Choice():
                self.state.look_at(command)
            case Scalar():
                self._seek(command)
            case Spot():
                self._choose_spot(command)
            case Cell():
                self._at_start_of(command.step or 0, partial(self._to_cell, command))
            case Address():
                self._at_start_of(command.step, partial(self._to_address, command))
            case Continue():
                if self._moving_meanwhile():
                    return
                stops = self.stops.only(command.breakpoint)
                self._leave()
                if command.back:
                    self.motion.back(stops)
                else:
                    self.motion.run(stops, PACES[-1], command.breakpoint.describe())

    def _seek(self, scalar: Scalar) -> None:
        """Go to the next event of a scalar, in this step or in the next one that has it."""
        session, found = self.session, scalar.following(self.session.program, self.session.moment)
        if found is not None:
            moment, row = found
            self.go(moment)
            if session.moment == moment:
                self.state.choose(row)
            return
        step = scalar.next_step(session.step, session.docs, session.config.block_size)
        if step is not None:
            self._at_start_of(step, partial(self._seek, scalar))

    def _to_address(self, address: Address) -> None:
        """Go to what is made in the present step."""
        try:
            self.go(address.moment(self.session.program))
        except AddressError as error:
            self.notify(f"{error}.", severity="warning", timeout=6, markup=False)

    def _to_cell(self, cell: Cell) -> None:
        """Choose a number of the present step."""
        try:
            self._choose_spot(goto.spot(cell, self.frame))
        except LineError as error:
            self.notify(f"{error}.", severity="warning", timeout=6, markup=False)

    def _choose_spot(self, spot: Spot) -> None:
        """Go to the event of a number, and put the cell cursor on it."""
        self.go(spot.moment)
        if self.session.moment != spot.moment:
            return
        if spot.matrix is None:
            self.state.choose(spot.row, spot.cell)
            return
        self.state.choose(spot.row, matrix=spot.matrix)
        value = self.frame.value(spot.row)
        now = "" if value is None else f" = {exact(value)}"
        self.notify(
            f"{spot.name}{now} is chosen. No event of the forward phase makes a matrix; :event {spot.matrix} goes to "
            "its gradient.",
            timeout=5,
            markup=False,
        )

    def _at_start_of(self, step: int, then: Callable[[], None]) -> None:
        """Do something in a step, which is first gone to unless it is the present one."""
        if step == self.session.step:
            then()
            return
        self._then = then, Moment(step)
        self.go(Moment(step))
        if not self.busy:
            self._arrived_there()

    @on(Motion.Arrived)
    def _arrived_there(self) -> None:
        """Go on to what is looked for, if the run has come to where it is; not if it was halted on the way."""
        then, self._then = self._then, None
        if then is not None and self.session.moment == then[1]:
            then[0]()

    # Search.

    def action_search(self) -> None:
        """Ask for words, and go to the next event of the step that fits them; for none, to the next one again."""
        if self._moving():
            return
        program, moment = self.session.program, self.session.moment

        def read(line: str) -> search.Match | None:
            words = line.strip() or self._last_found
            match = search.search(words, program, moment)
            self._last_found = words
            return match

        prompt = Prompt("/", self._search_hint, read, partial(search.completions, program=program), self._searched)
        self.app.push_screen(LineScreen(prompt), self._found)

    @property
    def _search_hint(self) -> str:
        return f"enter: again {self._last_found}" if self._last_found else search.HINT

    def _found(self, match: search.Match | None) -> None:
        if match is not None:
            self.go(match.moment)  # in this step, so at once, unless a fault lies on the way
            if self.session.moment == match.moment:
                self.notify(match.sentence, timeout=3, markup=False)

    # Addresses.

    def action_copy_moment(self) -> None:
        """Send the terminal the address of this moment for its clipboard, as lectures and pictures take it.

        Not every terminal takes it, and none says whether it has.
        """
        if not self._moving():
            address = Address.of(self.session.program, self.session.moment).text
            self.app.copy_to_clipboard(address)
            self.notify(f"Sent to the terminal for its clipboard: {address}", timeout=6, markup=False)

    # Marks.

    def action_mark(self) -> None:
        """Ask for a letter, and set the mark of that name here."""
        if not self._moving():
            self.app.push_screen(LetterScreen("Mark this moment: press a letter, or esc."), self._mark)

    def _mark(self, letter: str | None) -> None:
        if letter is not None:
            self.state.annotate(replace(self.state.kept, marks={**self.state.kept.marks, letter: self.session.moment}))
            self.notify(f"Mark {letter} is set; '{letter} returns here.", timeout=3, markup=False)

    def action_to_mark(self) -> None:
        """Show the marks, ask for a letter, and return to the mark of that name."""
        if self._moving():
            return
        if not self.state.kept.marks:
            self.notify("There is no mark yet; m and a letter sets one.", timeout=3)
            return
        marks = "\n".join(
            f"{letter}  {self._words(moment)}" for letter, moment in sorted(self.state.kept.marks.items())
        )
        self.app.push_screen(
            LetterScreen(f"{marks}\nReturn to a mark: press its letter, or esc.", self.state.kept.marks), self._return
        )

    def _return(self, letter: str | None) -> None:
        if letter is not None:
            self.go(self.state.kept.marks[letter])

    def _words(self, moment: Moment) -> str:
        """A marked moment in words; what happens at one of another step is known only there."""
        if moment.step == self.session.step:
            return where(self.session.program, moment)
        return f"step {moment.step} (counted from 0), {moment.phase} phase, tick {moment.tick:,}"
