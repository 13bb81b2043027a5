"""`DebuggerScreen`: composes the panes, binds the keys, moves the run, and hands every pane the same frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

from textual import events, on
from textual._path import CSSPathType
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from engine import Address, EngineError, NumericFault, Session
from engine.expressions.breakpoint import Breakpoint
from engine.expressions.watch import Watch, watch_text
from engine.interventions.syntax import Ablation, Change
from engine.timeline.events import EventKey as Placed
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger import goto, navigation, search
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.frame import Choice, Context, Frame
from microgpt_tui.debugger.goto import Command, Continue
from microgpt_tui.debugger.goto_controller import GoTo
from microgpt_tui.debugger.keys import Key, KeyCommands
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.run_controller import PACES, RunController
from microgpt_tui.debugger.series_loader import SeriesLoader
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.debugger.stops import StopsController
from microgpt_tui.debugger.what_if import WhatIfController
from microgpt_tui.dialogs.ablations import PartsScreen, in_question
from microgpt_tui.dialogs.branches import BranchesScreen, Wish
from microgpt_tui.dialogs.breakpoints import BreakpointsScreen
from microgpt_tui.dialogs.command_line import LineScreen, Prompt
from microgpt_tui.dialogs.gradcheck import GradCheckScreen
from microgpt_tui.dialogs.help import HelpScreen
from microgpt_tui.dialogs.letter import LetterScreen
from microgpt_tui.dialogs.prompt import AskScreen
from microgpt_tui.drawing.numbers import exact
from microgpt_tui.panes import registry
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.grid import PaneGrid
from microgpt_tui.panes.key_bar import KeyBar
from microgpt_tui.panes.layouts import Split, plan
from microgpt_tui.panes.status_line import StatusLine
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.panes.tokens import Tokens
from microgpt_tui.panes.watches import Watches
from microgpt_tui.screens.inference import InferenceScreen
from microgpt_tui.storage.paths import in_browser

SMALLEST = (80, 24)
OTHER_CHANGES = "or another change, as in learning_rate = 0.02, layer0.mlp = mean:20, wte[2] = 0"
MAX_COMPARED_STEPS = 3  # earlier steps offered again as columns in the names view
MOST_PRESSED = 9  # moves that wait for the one that is under way; a held key would make more without end


class DebuggerScreen(Screen[None]):
    """One moment of a run, seen from every side."""

    CSS_PATH: ClassVar[CSSPathType | None] = "debugger.tcss"
    AUTO_FOCUS = ""  # no pane is chosen at first, so the arrow keys move through time
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012 - so named by the base
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012 - so named by the base
    COMMANDS: ClassVar = Screen.COMMANDS | {KeyCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            key.keys,
            key.action,
            key.description,
            id=key.id,
            tooltip=key.tooltip,
            show=key.show,
            key_display=key.display,
            priority=key.priority,
        )
        for key in registry.all_keys()
    ]

    def __init__(
        self, session: Session, kept: Annotations | None = None, arrangement: Arrangement | None = None
    ) -> None:
        """Panes stand in the given arrangement; without one, as the user left them, which is read from a file."""
        super().__init__()
        self.state = DebuggerState(session, kept, self.show)
        self.stops = StopsController(self.state, self.notify)
        self.go_to = GoTo(self.state, self.go, lambda: self.frame, self.notify)
        self.what_if = WhatIfController(self.state, self.enter, self.notify)
        arrangement = Arrangement.load() if arrangement is None else arrangement
        kinds = {spec.id: spec.kind for spec in registry.PANES}
        self.grid = PaneGrid(kinds, arrangement, lambda: self.layout_for(self.state.where.moment.phase))
        self.historian = SeriesLoader(self, session)
        self.motion = RunController(self, session)
        self._waiting = False
        self._pressed: list[str] = []  # moves that are to follow the one that is under way, as `action_go` takes them
        self._destination: SameEvent | None = None  # where a relative move is going
        self._followed: tuple[Moment, Placed] | None = None  # where the last one led, and the event that it followed
        self._inferred_steps: list[int] = []  # training steps whose parameters inference was opened with, latest first

    def compose(self) -> ComposeResult:
        """The panes, top to bottom."""
        yield Static(id="too-small")
        yield StatusLine("place")
        yield Tokens("tokens")
        yield self.grid
        yield Timeline("timeline")
        yield Explanation("explanation")
        yield KeyBar("shortcuts")

    def on_mount(self) -> None:
        """Show the moment that the run stands at."""
        self.show()

    def on_unmount(self) -> None:
        """Stop the worker."""
        self.motion.halt(wait=True)

    def on_resize(self, event: events.Resize) -> None:
        """Say so when there is not enough room to show anything honestly."""
        width, height = event.size
        small = width < SMALLEST[0] or height < SMALLEST[1]
        self.set_class(small, "-too-small")
        where, remedy = (
            ("page", "zoom out (ctrl and -), or make the window larger")
            if in_browser()
            else ("terminal", "make the window larger")
        )
        self.query_one("#too-small", Static).update(
            f"This {where} is {width}×{height}.\nThe debugger needs {SMALLEST[0]}×{SMALLEST[1]}: {remedy}.\nq quits."
        )
        self.grid.place()

    def layout_for(self, phase: Phase) -> Split:
        """Where panes stand in a phase, as the user has arranged them. Lectures override it."""
        state = self.state
        return self.grid.arrangement.apply(plan(phase, self.size, bool(state.kept.watches), state.live is not None))

    # Where we are.

    @property
    def whole(self) -> bool:
        """Whether everything is on the screen: nothing is yet when it has just come up, nor while it is taken apart."""
        return bool(self.query(PaneGrid))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key does anything before there is something to be seen."""
        return super().check_action(action, parameters) if self.whole else False

    @property
    def keys(self) -> tuple[Key, ...]:
        """What the command palette offers."""
        return registry.all_keys()

    @property
    def session(self) -> Session:
        """The run that is shown."""
        return self.state.session

    @property
    def busy(self) -> bool:
        """Whether a thread is moving the run; nobody else may look at it then."""
        return self.motion.busy

    @property
    def frame(self) -> Frame:
        """The present moment, seen from where the user is."""
        fault = str(self.state.fault) if self.state.fault else None
        session = self.session
        split = (len(session.docs), len(session.val_docs)) if session.val_docs else None
        past, names, what_if = self.historian.known, self.motion.names, self.what_if
        kept, live = self.state.kept, self.state.live
        around = Context(fault, past, names, kept, live, split, what_if.branch, what_if.beside)
        return Frame(self.session.view(), self.state.where, around)

    def show(self) -> None:
        """Hand the present moment to every pane."""
        self._waiting = False
        if not self.whole:
            return
        if self.busy and self.state.live is None:
            return  # the run is on its way; what it arrives at will be shown
        frame = self.frame
        self.set_class(self.state.fault is not None, "-fault")
        self.set_class(self.state.live is not None, "-live")
        self.set_class(frame.phase is Phase.UPDATE, "-update")
        self.grid.place()
        for pane in self.query(Pane):
            pane.show(frame)

    def show_soon(self) -> None:
        """Show when the keys that are waiting have been seen to: a held key moves at once and never queues pictures."""
        if not self._waiting:
            self._waiting = True
            self.call_later(self._show_waiting)

    def _show_waiting(self) -> None:
        if self._waiting:  # nothing has shown the moment since
            self.show()

    # Moving.

    def go(self, to: Moment | SameEvent) -> bool:
        """Stand at another moment, at once or, where that takes long, in a while; a fault on the way is shown.

        Returns whether the run stands still again.
        """
        if self.busy:
            return False
        self._leave()
        if isinstance(to, SameEvent):
            self._destination = self._meant(to)
            moment, then = Moment(to.step), self._destination.moment
        else:
            self._destination = self._followed = None
            moment, then = to, None
        if not self.motion.near(moment):
            self.motion.go(moment, then)
            return False
        try:
            if moment.step != self.session.step or then is None:
                self.session.seek(moment, self.motion.told)
            if then is not None:
                self.session.seek(then(self.session.program), self.motion.told)
        except NumericFault as fault:
            self.state.meet(fault)
        self.state.stand(self.state.where.at(self.session.moment))
        self._reached()
        self.show_soon()
        return True

    def _meant(self, to: SameEvent) -> SameEvent:
        """The event that is looked for: if the last move could not find its own, that one again, not what it found."""
        if self._followed is not None and self._followed[0] == self.session.moment:
            return replace(to, place=self._followed[1])
        return to

    def _reached(self) -> None:
        """The run stands still: if it kept an event on its way, remember it, and say so if this is only the nearest."""
        to, self._destination = self._destination, None
        program = self.session.program
        if to is not None and to.moment(program) == self.session.moment:  # else it was halted, or has found a stop
            self._followed = self.session.moment, to.place
            if remark := to.remark(program):
                self.notify(remark, timeout=4, markup=False)

    def enter(self, make: Callable[[], Session], moment: Moment | None = None) -> bool:
        """Stand at a moment of another run, which is made in the thread; without one, at the same as in this run.

        Returns whether it is on its way: not if this run is moving.
        """
        if self._moving_meanwhile():
            return False
        self._leave()
        self.motion.enter(make, moment or self.state.where.moment)
        return True

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

    def _leave(self) -> None:
        """The run begins to move: panes keep their pictures, and let go of its numbers."""
        self.state.depart()
        for pane in self.query(Pane):
            pane.let_go()

    @on(RunController.Moved)
    def moved(self, message: RunController.Moved) -> None:
        """A moving run rests for a frame; one that was halted since is on its way again, and is not looked at."""
        if not self.motion.resting:
            return
        more = len(self._pressed)
        then = f", then {more} more move{'s' if more > 1 else ''}" if more else ""
        self.state.report(replace(message.live, doing=message.live.doing + then))
        if message.whole:
            self.state.stand(self.state.where.at(self.session.moment))
            self.show()
        else:
            self.query_one(Explanation).show(self.frame)
        self._leave()
        self.motion.drawn()

    @on(RunController.Arrived)
    def arrived(self, message: RunController.Arrived) -> None:
        """A run that was moving stands still."""
        self.motion.settle()
        if self.what_if.entered(self.motion.session):
            self.historian = SeriesLoader(self, self.session)
        self.state.meet(message.fault)
        stop, where = message.found, self.state.where.at(self.session.moment)
        self.state.stand(where if stop is None or stop.row is None else replace(where, row=stop.row))
        self._reached()
        self.show()
        if stop is not None:
            self.notify(f"{stop.sentence}.", title="Stopped", severity="warning" if stop.check else "information",
                        timeout=8, markup=False)  # fmt: skip
        elif message.note and not self._goes_on():
            self.notify(message.note, timeout=4, markup=False)
        pressed, self._pressed = self._pressed, []
        if not (self.motion.halted or stop or message.fault or message.note):
            self._go_on(pressed)
        self.go_to.arrived()

    def _goes_on(self) -> bool:
        """Whether the run was halted only to be sent elsewhere, so that nothing need be said of it."""
        return False

    def _go_on(self, pressed: list[str]) -> None:
        """Move as was asked for while the run was under way; what follows another far move waits for that."""
        for place, way in enumerate(pressed):
            if self.state.fault is not None:
                return
            if self.busy:
                self._pressed = pressed[place:]
                return
            self.action_go(way)

    @on(Pane.SeriesMissing)
    def series_missing(self, message: Pane.SeriesMissing) -> None:
        """A pane shows less of the past than it could: have it replayed, unless there will be more past in a moment."""
        wanted = [series for series in message.series if series.ahead or not self.busy]
        if wanted:
            self.historian.ask(wanted, message.pane.id)

    @on(SeriesLoader.Learned)
    def learned(self) -> None:
        """More of the past is known; if the screen waits to be shown, the panes that lacked it get it with that."""
        if not (self.busy or self._waiting):
            frame = self.frame
            for pane in self.query(Pane):
                if pane.shows_series():
                    pane.show(frame)

    # Keys.

    def action_go(self, way: str) -> None:
        """Move through time: `way` names a function of `navigation`.

        If the run is on its way to a moment, it moves on from there. If it moves on without one, it is halted.
        """
        if self.motion.aimed:
            if len(self._pressed) < MOST_PRESSED:
                self._pressed.append(way)
            return
        if self.busy:
            self.motion.halt()
            return
        move: navigation.Go = getattr(navigation, way)
        target, last = move(self.session.program, self.session.moment), self.session.config.num_steps
        if target is not None and target.step > last:  # beyond the schedule the rate is below 0
            target = replace(target, step=last) if self.session.step < last else None
        if target is None or (target == self.session.moment and self.state.fault is None):
            self.notify(NOWHERE.get(way, "There is nothing further in that direction."), timeout=3)
        else:
            self.go(target)

    def action_cursor_or_event(self, dx: int) -> None:
        """← and →: the cell cursor on a focused pane, else the event before or after."""
        if self.grid.chosen:
            self.action_select(dx, 0)
        else:
            self.action_go("next_event" if dx > 0 else "previous_event")

    def action_run(self, flat_out: bool = False) -> None:
        """Let training run until a breakpoint, a health check or the end of the schedule; or halt it."""
        if self.busy:
            self.motion.halt()
        elif self._over():
            steps = self.session.config.num_steps
            way = "; ] shows what has been learnt on one more document" if self.session.step < steps else ""
            self.notify(f"All {steps:,} steps of the schedule are done{way}.")
        else:
            stops, here = self.stops.all(), self.session.moment
            self._destination = self._meant(navigation.same_event(self.session.program, here, here.step))
            self._leave()
            self.motion.run(stops, PACES[-1] if flat_out else self.motion.pace, shown=self._destination)

    def action_continue_back(self) -> None:
        """Go back to the last breakpoint or health check before this moment."""
        if self.busy:
            self.motion.halt()
        else:
            stops = self.stops.all()
            self._leave()
            self.motion.back(stops)

    def action_pace(self, way: int) -> None:
        """Let training run faster or slower."""
        self.motion.change_pace(way)
        self.notify(f"Pace: {self.motion.pace.name}. Space runs and pauses.", timeout=2)

    def _over(self) -> bool:
        """Whether the schedule's last step is done."""
        last, here = self.session.config.num_steps - 1, self.session.moment
        return here.step > last or (here.step == last and here == navigation.last_moment(self.session.program))

    # Panes.

    def action_pane(self, name: str) -> None:
        """Choose a pane; one that has no place now comes up over the others, and goes again when it is chosen again."""
        self.grid.choose(name)

    def action_next_pane(self, way: int) -> None:
        """Choose the pane after or before the chosen one."""
        self.grid.choose_next(way)

    def action_pin(self) -> None:
        """Let the chosen pane stay through all phases, or no longer."""
        self.grid.pin()

    def action_swap(self, way: int) -> None:
        """Let the chosen pane and the one before or after it trade places."""
        self.grid.swap(way)

    def action_zoom(self) -> None:
        """Give the chosen pane, or the stage, all the room; again to give it back."""
        self.grid.zoom()

    def action_back(self) -> None:
        """Escape: restore a zoomed pane, else leave the chosen one. It never quits."""
        self.grid.back()

    # Selection.

    def choose(self, row: int) -> None:
        """Select a scalar; one of the tensor on the stage stays chosen from event to event."""
        found = (self.frame.stretch.rows.ravel() == row).nonzero()[0]
        self.state.choose(row, int(found[0]) if len(found) else None)

    def action_select(self, dx: int, dy: int) -> None:
        """Move the cell cursor on the chosen pane, or on the stage."""
        pane = self.grid.chosen_or_stage
        if pane.frame is None and not self.busy:
            self.show()  # of keys that come at once, this one goes on from where the others have led
        row = pane.neighbour(dx, dy)
        if row is not None and not self.busy:
            self.choose(row)

    def action_follow(self) -> None:
        """Go to where the selected value was made; backspace comes back."""
        if self.busy:
            return
        frame = self.frame
        target = navigation.made_at(frame.program, frame.moment, frame.selected)
        if target is None:
            self.notify("This number was not computed: it is a constant, or was drawn before training.", timeout=3)
        elif target != frame.moment:
            self.state.follow_from(frame.selected)
            self.go(target)

    def action_return(self) -> None:
        """Go back to where `enter` was pressed."""
        if self.busy or (came_from := self.state.follow_back()) is None:
            return
        self.go(came_from.moment)
        if self.busy or self.session.moment == came_from.moment:  # and not at a fault on the way
            self.state.stand(came_from)

    @on(Pane.Chosen)
    async def chosen(self, message: Pane.Chosen) -> None:
        """Someone pointed at a key, a moment or a scalar."""
        if isinstance(message.target, Key):
            await self.run_action(message.target.action)
        elif self.busy:
            return
        elif isinstance(message.target, Moment | SameEvent):
            self.go(message.target)
        elif isinstance(message.target, int):
            self.choose(message.target)
        elif isinstance(message.target, Choice):
            self.state.look_at(message.target)

    # Going by name.

    def action_command(self) -> None:
        """Ask where to go, and go there."""
        if self._moving():
            return
        frame = self.frame
        prompt: Prompt[Command] = Prompt(
            ":",
            goto.HINT,
            partial(self.go_to.read, frame),
            partial(goto.completions, frame=frame),
            self.go_to.typed,
            partial(goto.preview, frame=frame, docs=self.session.docs),
        )
        self.app.push_screen(LineScreen(prompt), self._carry_out)

    def _carry_out(self, command: Command | None) -> None:
        if isinstance(command, Continue):
            self._continue_to(command)
        elif command is not None:
            self.go_to.carry_out(command)

    def _continue_to(self, command: Continue) -> None:
        if self._moving_meanwhile():
            return
        stops = self.stops.only(command.breakpoint)
        self._leave()
        if command.back:
            self.motion.back(stops)
        else:
            self.motion.run(stops, PACES[-1], command.breakpoint.describe())

    def action_search(self) -> None:
        """Ask for words, and go to the next event of the step that fits them; for none, to the next one again."""
        if self._moving():
            return
        go_to, program = self.go_to, self.session.program
        read = partial(go_to.search, program, self.session.moment)
        prompt = Prompt(
            "/", go_to.search_hint, read, partial(search.search_completions, program=program), go_to.searched
        )
        self.app.push_screen(LineScreen(prompt), self._found)

    def _found(self, match: search.Match | None) -> None:
        if match is not None:
            self.go_to.to_match(match)

    def action_copy_moment(self) -> None:
        """Send the terminal the address of this moment for its clipboard, as lectures and pictures take it.

        Not every terminal takes it, and none says whether it has.
        """
        if not self._moving():
            address = Address.of(self.session.program, self.session.moment).text
            self.app.copy_to_clipboard(address)
            self.notify(f"Sent to the terminal for its clipboard: {address}", timeout=6, markup=False)

    def action_mark(self) -> None:
        """Ask for a letter, and set the mark of that name here."""
        if not self._moving():
            self.app.push_screen(LetterScreen("Mark this moment: press a letter, or esc."), self._mark)

    def _mark(self, letter: str | None) -> None:
        if letter is not None:
            self.go_to.mark(letter)

    def action_to_mark(self) -> None:
        """Show the marks, ask for a letter, and return to the mark of that name."""
        if self._moving():
            return
        if not self.state.kept.marks:
            self.notify("There is no mark yet; m and a letter sets one.", timeout=3)
            return
        asked = "\n".join((*self.go_to.marks(), "Return to a mark: press its letter, or esc."))
        self.app.push_screen(LetterScreen(asked, self.state.kept.marks), self._to_mark)

    def _to_mark(self, letter: str | None) -> None:
        if letter is not None:
            self.go_to.to_mark(letter)

    # Breakpoints and watches.

    def action_break_here(self) -> None:
        """Set a breakpoint on the event on the stage, or remove it."""
        if not self.busy:
            self.stops.toggle(self.frame.stretch)

    def action_breakpoints(self) -> None:
        """List breakpoints and health checks."""
        if not self.busy:
            kept, stops = self.state.kept, self.stops
            self.app.push_screen(BreakpointsScreen(kept, stops.scope, stops.hits, stops.keep), self._go_to_breakpoint)

    def _go_to_breakpoint(self, chosen: Breakpoint | None) -> None:
        if chosen is None or self.busy:
            return
        if moment := self.stops.next_moment(chosen):
            self.go(moment)
        else:
            self.notify("This step has no such event; c continues to the next step that has.", timeout=4)

    def action_watch(self) -> None:
        """Watch the selected scalar."""
        if self.busy:
            return
        frame = self.frame
        text = watch_text(frame.view, frame.selected)
        if text is None:
            name = frame.explain.name(frame.selected)
            self.notify(
                f"{name} has no name of its own that could be watched; choose an element of a tensor or a parameter, "
                "or type an expression with W.", timeout=5, markup=False,
            )  # fmt: skip
        else:
            self.stops.watch(text)

    def action_watch_typed(self) -> None:
        """Watch any expression."""
        if not self.busy:
            hint = "As in loss, wte[5, 3], grad(wte[5, 3]) or q[0, 3]@pos=2; without @pos it follows the position."
            asked = AskScreen("Watch an expression", hint, lambda text: Watch(text, self.stops.scope).text)
            self.app.push_screen(asked, self._watch_typed)

    def _watch_typed(self, text: str | None) -> None:
        if text is not None:
            self.stops.watch(text)

    @on(Watches.Dropped)
    def dropped(self, message: Watches.Dropped) -> None:
        """A watch is removed."""
        if not self.busy:
            self.stops.unwatch(message.text)

    # What if.

    def action_edit(self) -> None:
        """Ask which value the selected scalar should take, or for any other change."""
        if self._moving():
            return
        frame, what_if = self.frame, self.what_if
        row, target = frame.selected, what_if.target(frame)
        if target is None:
            self.notify("This number is a constant of the model's graph; choose one that is computed.", timeout=4)
            return
        step, value = what_if.step_of(row), frame.value(row)
        hint = f"A number for {target}{'' if value is None else f' ({exact(value)} now)'}, {OTHER_CHANGES}."
        asked = AskScreen(f"What if, at step {step}", hint, partial(what_if.read, target, step))
        self.app.push_screen(asked, self._add_change)

    def _add_change(self, change: Change | None) -> None:
        if change is not None:
            self.what_if.add(change)

    def action_ablate(self) -> None:
        """Switch the head, the MLP or the position in question off, or on again; ask if none is."""
        if self._moving():
            return
        part = in_question(self.frame)
        if part is None:
            self.action_parts()
        else:
            self.what_if.toggle(replace(part, step=self.session.step))

    def action_parts(self) -> None:
        """List everything that can be switched off."""
        if self._moving():
            return
        if self.session.config.n_layer:
            self.app.push_screen(PartsScreen(self.frame, self.session.changes), self._toggle_part)
        else:
            self.app.notify("This model has no layers, and so no parts that can be switched off.")

    def _toggle_part(self, part: Ablation | None) -> None:
        if part is not None:
            self.what_if.toggle(part)

    def action_compare(self) -> None:
        """Show this moment here and in the run that it is compared with, or no longer."""
        self.grid.choose("comparison")

    def action_branches(self) -> None:
        """List the branches."""
        if not self._moving():
            self.app.push_screen(BranchesScreen(self.what_if.branches, self.what_if.branch), self._wished)

    def _wished(self, wish: Wish | None) -> None:
        match wish:
            case None:
                self.show()  # names may have changed
            case ("enter", name):
                self.what_if.enter(name, self.what_if.branches.left_at(name))
            case ("here", name):
                self.what_if.enter(name)
            case ("beside", name):
                self.what_if.partner = name
                if self.grid.zoomed != "comparison":
                    self.action_compare()
                self.show()
            case ("remove", str(name)):
                self.what_if.remove(name)
            case ("undo", str(name)):
                self.what_if.undo(name)

    # Gradients and inference.

    @on(Pane.Followed)
    def followed(self, message: Pane.Followed) -> None:
        """Select a scalar of a pane; backspace returns to the one that it was followed from."""
        if not self.busy:
            self.state.follow_from(self.frame.selected)
            self.choose(message.row)

    def action_check_gradient(self) -> None:
        """Check the selected scalar against finite differences; one that was found there is chosen."""
        if self.busy:
            self.notify("The run is on its way to another moment; check a gradient when it has arrived.", timeout=3)
        else:
            self.app.push_screen(GradCheckScreen(self.session, self.frame.selected), self._checked)

    def _checked(self, row: int | None) -> None:
        if row is not None:
            self.choose(row)

    def action_infer(self) -> None:
        """Open inference with the present parameters; the run stays where it is."""
        if self._moving():
            return
        earlier = [step for step in self._inferred_steps if step != self.session.step]
        try:
            screen = InferenceScreen(self.session, earlier, self.frame.around.branch)
        except EngineError as error:
            self.notify(f"{error}.", severity="warning", timeout=8, markup=False)
        else:
            self._inferred_steps = list(dict.fromkeys([self.session.step, *earlier]))[: MAX_COMPARED_STEPS + 1]
            self.app.push_screen(screen)

    def action_help(self) -> None:
        """All keys, and the sentences of the present event."""
        if not self.busy:
            self.app.push_screen(HelpScreen(self.frame, self.grid.chosen.id if self.grid.chosen else None))


NOWHERE = dict.fromkeys(
    ("next_event", "next_scalar", "next_phase", "next_step", "next_ten_steps"),
    "The schedule ends here; the flag --num-steps makes it longer.",
) | {
    "previous_event": "This is the first event of all.",
    "previous_scalar": "This is the first scalar of all.",
    "previous_step": "This is the first training step.",
    "previous_phase": "This is the first phase of all.",
    "previous_ten_steps": "This is the first training step.",
    "next_position": "No later position here: the update has none, and the last one has been reached.",
    "previous_position": "No earlier position here: the update has none, and the first one has been reached.",
    "start_of_block": "This is the first event of all.",
    "first_event": "This is the first event of the step.",
    "last_event": "This is the last event of the step.",
}
