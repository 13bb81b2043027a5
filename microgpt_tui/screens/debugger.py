"""`DebuggerScreen`: composes the panes, binds the keys, and hands every pane the same frame."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial, wraps
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec

from textual import events, on
from textual._path import CSSPathType
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from engine import Address, DataError, EngineError, Run
from engine.explain.gradient_paths import Edge
from engine.expressions.breakpoint import Breakpoint
from engine.expressions.watch import Watch, watch_text
from engine.model.dataset import BUNDLED
from engine.run.capabilities import branching, is_scripted, on_tape
from engine.run.step_copy import StepCopy, step_copy_of
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.change import ChangePlayer
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.frame import Choice, Context, Folding, Frame, PathStep, WatchLine
from microgpt_tui.debugger.keys import Key, KeyCommands, bindings
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.navigator import Navigator
from microgpt_tui.debugger.run_controller import RunController
from microgpt_tui.debugger.series_loader import SeriesLoader
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.debugger.stops import StopsController
from microgpt_tui.debugger.what_if import WhatIfController, in_words
from microgpt_tui.drawing.numbers import exact
from microgpt_tui.panes import registry
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.grid import PaneGrid
from microgpt_tui.panes.hint_line import HintLine
from microgpt_tui.panes.key_bar import KeyBar
from microgpt_tui.panes.layouts import Split, plan
from microgpt_tui.panes.legend_line import LegendLine
from microgpt_tui.panes.path_line import PathLine
from microgpt_tui.panes.stage import Stage
from microgpt_tui.panes.status_line import StatusLine
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.panes.tokens import Tokens
from microgpt_tui.storage.paths import in_browser
from microgpt_tui.storage.startup import Start, from_seed
from microgpt_tui.texts.say import say

if TYPE_CHECKING:  # imported where it is first needed: the first frame needs none
    from engine.script.source_table import OwnLines
    from microgpt_tui.debugger.goto import Command, OtherData
    from microgpt_tui.debugger.goto_controller import GoTo
    from microgpt_tui.dialogs.branches import Wish
    from microgpt_tui.screens.inference import InferenceScreen

STYLES = Path(__file__).with_name("debugger.tcss")
SMALLEST = (80, 24)
OTHER_CHANGES = "learning_rate = 0.02, layer0.mlp = mean:20, wte[2] = 0, residual = off"  # examples, as they are typed
NOT_AT_FIRST = (
    *(
        f"microgpt_tui.operations.{name}"
        for name in ("attention", "generic", "linear", "loss", "probabilities", "update")
    ),
    "microgpt_tui.debugger.goto_controller",
    "microgpt_tui.panes.why_tables",
    "microgpt_tui.panes.comparison_view",
)
"""What is imported once the first frame is on the screen."""
MAX_COMPARED_STEPS = 3  # earlier steps offered again as columns in the names view
P = ParamSpec("P")
Action = Callable[Concatenate["DebuggerScreen", P], None]


def at_rest(action: Action[P]) -> Action[P]:
    """An action that does nothing while the run moves."""

    @wraps(action)
    def guarded(screen: DebuggerScreen, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if not screen.busy:
            action(screen, *args, **kwargs)

    return guarded


def halting(action: Action[P]) -> Action[P]:
    """An action that only halts the run while it moves."""

    @wraps(action)
    def guarded(screen: DebuggerScreen, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if not screen.navigator.halt():
            action(screen, *args, **kwargs)

    return guarded


class DebuggerScreen(Screen[None]):
    """Shows one moment of a run in panes, and moves the run by keys.

    A subclass may override `layout_for` and `check_action`, and set `after_show` and the `diverted` of the navigator.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = STYLES
    AUTO_FOCUS = ""  # no pane is chosen at first, so the arrow keys move through time
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - so named by the base
        (0, "-narrow"),
        (100, "-normal"),
        (120, "-broad"),
        (160, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall"), (56, "-high")]  # noqa: RUF012 - so named by the base
    KEYS_IN_BORDERS: ClassVar[bool] = True  # whether the keys that choose panes stand there
    COMMANDS: ClassVar = Screen.COMMANDS | {KeyCommands}
    BINDINGS: ClassVar[list[BindingType]] = bindings(*registry.all_keys())

    @dataclass
    class Replaced(Message):
        """Another run is to be opened in place of this one."""

        start: Start

    def __init__(
        self, session: Run, annotations: Annotations | None = None, arrangement: Arrangement | None = None
    ) -> None:
        """Panes stand in the given arrangement; without one, as the user left them, which is read from a file."""
        super().__init__()
        self.state = DebuggerState(session, annotations, self.show)
        self.stops = StopsController(self.state, self.notify)
        start = partial(self.run_worker, thread=True, group="motion")
        self.motion = RunController(session, start, self.post_message)
        self.navigator = Navigator(self.state, self.stops, self.motion, self, self.notify)
        self.what_if = WhatIfController(self.state, self.navigator.enter, self.notify, start, self.call_later)
        arrangement = Arrangement.load() if arrangement is None else arrangement
        kinds = {spec.id: spec.kind for spec in registry.PANES}
        keys = {spec.id: spec.display or spec.key or "" for spec in registry.PANES} if self.KEYS_IN_BORDERS else {}
        self.grid = PaneGrid(kinds, arrangement, lambda: self.layout_for(self.state.where.moment.phase), keys)
        self.grid.lacking = registry.lacking(session.view())
        self.series_loader = SeriesLoader(self, session)
        self.after_show: Callable[[], None] = lambda: None
        self._copy: StepCopy | None = None
        self._copy_of = session
        self._early = True  # until the first frame is drawn
        self.lines: OwnLines | None = None  # of the user's copy of microgpt.py
        self.lines_known = False  # whether they were looked for
        self.lines_hint = ""  # how to get them; said at the moment that the debugger was opened at
        self.opened_at = self.state.where.moment
        self.change = ChangePlayer(self.state, self._show_stage, self.set_timer, self._plays, time.monotonic)
        self._shown: Moment | None = None  # the moment that was shown last, unless the run went there of its own accord
        self._waiting = False
        self.head_at_work = False  # at the moment that is shown
        self._inference: InferenceScreen | None = None  # the one over a run whose numbers are put away
        self._inferred_steps: list[int] = []  # training steps whose parameters inference was opened with, latest first

    def compose(self) -> ComposeResult:
        """The panes, top to bottom."""
        yield Static(id="too-small")
        yield StatusLine("place")
        yield Tokens("tokens")
        yield PathLine("path")
        yield self.grid
        yield Timeline("timeline")
        yield Explanation("explanation")
        yield LegendLine("legend")
        yield HintLine("hint")
        yield KeyBar("shortcuts")

    def on_mount(self) -> None:
        """Show the moment that the run stands at at once, and then again, with what its whole step tells."""
        self.show()
        self.call_after_refresh(self._show_whole)

    def _show_whole(self) -> None:
        self._early, self._copy = False, step_copy_of(self._copy_of)
        self.show()
        self.call_after_refresh(self._import_rest, list(NOT_AT_FIRST))

    def _import_rest(self, modules: list[str]) -> None:
        """Import the next of what the first frame does not need, but a key may; keys come between two of them."""
        if modules and self.whole:
            import_module(modules.pop(0))
            self.call_later(self._import_rest, modules)

    def on_unmount(self) -> None:
        """Stop the threads, and give back the memory of all runs of the screen: Textual lets go of it later."""
        self.what_if.let_go_of_compared()
        self.motion.halt(wait=True)
        self._copy = None
        if not self.busy:
            self.what_if.branches.put_away()

    def on_resize(self, event: events.Resize) -> None:
        """Place the panes; say so where there is too little room for them."""
        width, height = event.size
        small = width < SMALLEST[0] or height < SMALLEST[1]
        self.set_class(small, "-too-small")
        where, (columns, lines) = "page" if in_browser() else "terminal", SMALLEST
        self.query_one("#too-small", Static).update(
            say(f"screens.debugger.too_small.{where}", width=width, height=height, columns=columns, lines=lines)
        )
        self.grid.place()

    def layout_for(self, phase: Phase) -> Split:
        """Where panes stand in a phase, as the user has arranged them. Lectures override it."""
        state, lacking = self.state, frozenset(self.grid.lacking)
        return self.grid.arrangement.without(lacking).apply(
            plan(phase, self.size, bool(state.annotations.watches), state.live is not None, self.head_at_work, lacking)
        )

    # Where we are.

    @cached_property
    def panes(self) -> tuple[Pane, ...]:
        """Every pane of the screen; they are made with it, and stay."""
        return tuple(self.query(Pane))

    @cached_property
    def go_to(self) -> GoTo:
        """Goes to what is typed, searched or marked; made when that is first needed."""
        from microgpt_tui.debugger.goto_controller import GoTo

        return GoTo(self.state, self.navigator.go, lambda: self.frame, self.notify)

    @property
    def whole(self) -> bool:
        """Whether everything is on the screen: nothing is yet when it has just come up, nor while it is taken apart."""
        return self.grid.is_attached

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys do something: none before there is something to be seen."""
        return super().check_action(action, parameters) if self.whole else False

    @property
    def keys(self) -> tuple[Key, ...]:
        """What the command palette offers."""
        return registry.all_keys()

    @property
    def session(self) -> Run:
        """The run that is shown."""
        return self.state.session

    @property
    def busy(self) -> bool:
        """Whether a thread is moving the run; the screen must not read it then."""
        return self.motion.busy

    @property
    def covered(self) -> bool:
        """Whether the run's numbers are put away while inference is shown; the screen should not read it then."""
        return self._inference is not None

    @property
    def frame(self) -> Frame:
        """The present moment, seen from where the user is."""
        fault = str(self.state.fault) if self.state.fault else None
        session = self.session
        split = (len(session.docs), len(session.val_docs)) if session.val_docs else None
        state, what_if, past, names = self.state, self.what_if, self.series_loader.known, self.motion.names
        if session is not self._copy_of:
            self._copy, self._copy_of = step_copy_of(session), session
        chosen = self.grid.zoomed or (self.grid.chosen.id if self.grid.chosen else None)
        around = Context(
            fault, past, names, state.annotations, state.live, split, what_if.branch, what_if.beside, state.path,
            state.watch, self._copy, in_words(what_if.changes), chosen, self.grid.zoomed, self.lines,
            self.lines_hint if state.where.moment == self.opened_at else "", early=self._early,
        )  # fmt: skip
        return Frame(session.view(), state.where, around)

    def show(self) -> None:
        """Hand the present moment to every pane."""
        self._waiting = self.covered
        if self.covered:  # it is shown when inference is left
            return
        if self.whole and (not self.busy or self.state.live is not None):  # else what the run arrives at will be shown
            self._play_change()
            frame = self.frame
            if (row := frame.to_keep) is not None:
                self.state.keep(row)
                frame = self.frame
            self._show_frame(frame)
        self.after_show()

    def _show_frame(self, frame: Frame) -> None:
        self.set_class(self.state.fault is not None, "-fault")
        self.set_class(self.state.live is not None, "-live")
        self.set_class(frame.phase is Phase.UPDATE, "-update")
        self.head_at_work = frame.operation.head is not None
        self.grid.lacking = registry.lacking(frame.view)
        self.navigator.tell_of_script()
        self.grid.place()
        self._let_go_of_hidden()
        for pane in self.panes:
            pane.show(self._staged(frame) if isinstance(pane, Stage) else frame)

    def _let_go_of_hidden(self) -> None:
        """The run that is compared takes as much memory as the one that is shown: keep it only while it is shown."""
        if not self.grid.shows("comparison"):
            self.what_if.let_go_of_compared()

    def _play_change(self) -> None:
        """Play what was made since something was last shown; on the way back only the frame of what was made last."""
        before, here = self._shown, self.state.where.moment
        self._shown = here if self.state.live is None else None
        if before is None or self._shown is None or here.key == before.key:
            self.change.cut()
        elif here.key < before.key:
            self.change.begin(fills=False)
        else:
            event = self.session.program.event_at(here)
            same_phase = (before.step, before.phase) == (here.step, here.phase)
            self.change.begin(same_phase and event.first <= before.tick and here.tick == event.last)

    def _staged(self, frame: Frame) -> Frame:
        """What the stage shows of a frame while a change is played."""
        state = self.state
        if not state.framed and state.filled >= 1:
            return frame
        return Frame(frame.view, frame.where, replace(frame.around, filled=state.filled, framed=state.framed))

    def _show_stage(self) -> None:
        """Show how far a change has been played."""
        if self.whole and not (self.busy or self.covered or self._waiting):
            frame = self._staged(self.frame)
            for pane in self.panes:
                if isinstance(pane, Stage):
                    pane.show(frame)

    def _plays(self) -> bool:
        """Whether changes are played: not without animations, in pictures, in a moving run, nor over a slow link."""
        slow = in_browser() or "SSH_CONNECTION" in os.environ
        return self.app.animation_level != "none" and not (self.app.is_headless or slow or self.busy)

    def on_key(self, event: events.Key) -> None:
        """Show all of what fills up, whatever else the key does."""
        del event
        self.change.finish()

    def on_mouse_down(self) -> None:
        """Show all of what fills up, whatever else the click does."""
        self.change.finish()

    def show_soon(self) -> None:
        """Show when the keys that are waiting have been seen to: a held key moves at once and never queues pictures."""
        if not self._waiting:
            self._waiting = True
            self.call_later(self._show_waiting)

    def _show_waiting(self) -> None:
        if self._waiting:  # nothing has shown the moment since
            self.show()

    def show_progress(self) -> None:
        """Say how far a run is that moves to where it is to be shown."""
        if self.state.live is not None:
            self.query_one(Explanation).show_live(self.state.live)

    def release_run(self) -> None:
        """Let panes keep their pictures, and let go of the numbers of a run that begins to move."""
        for pane in self.panes:
            pane.let_go()

    # Moving.

    @on(RunController.Moved)
    def moved(self, message: RunController.Moved) -> None:
        """Show a moving run, which rests for a frame."""
        self.navigator.report(message)

    @on(RunController.Arrived)
    def arrived(self, message: RunController.Arrived) -> None:
        """Show where a run that was moving stands still."""
        if not self.motion.aimed:
            self._shown = None
        if self.what_if.entered(self.motion.session):
            self.series_loader = SeriesLoader(self, self.session)
        self.navigator.arrive(message)
        self.go_to.arrived()

    @on(Pane.SeriesMissing)
    def series_missing(self, message: Pane.SeriesMissing) -> None:
        """Have the past replayed that a pane does not show yet, unless there will be more past in a moment."""
        wanted = [series for series in message.series if series.ahead or not self.busy]
        if wanted:
            self.series_loader.ask(wanted, message.pane.id)

    @on(SeriesLoader.Learned)
    def learned(self) -> None:
        """Show more of the past in the panes that lacked it; if the screen waits to be shown, they get it with that."""
        if not (self.busy or self.covered or self._waiting):
            frame = self.frame
            for pane in self.panes:
                if pane.shows_series():
                    pane.show(frame)

    # Time.

    def action_go(self, way: str) -> None:
        """Move through time: `way` names a function of `navigation`."""
        self.navigator.move(way)

    def action_digits(self) -> None:
        """Show the numbers in the cells of pictures, or their colours alone."""
        self.state.show_digits(not self.state.where.digits)

    def action_cursor_or_event(self, dx: int) -> None:
        """← and →: the cell cursor on a focused pane, else the event before or after."""
        if self.grid.chosen:
            self.action_select(dx, 0)
        else:
            self.navigator.move("next_event" if dx > 0 else "previous_event")

    def action_run(self, flat_out: bool = False) -> None:
        """Let training run until a breakpoint, a health check or the end of the schedule; or halt it."""
        self.navigator.run(flat_out)

    def action_continue_back(self) -> None:
        """Go back to the last breakpoint or health check before this moment."""
        self.navigator.continue_back()

    def action_pace(self, way: int) -> None:
        """Let training run faster or slower."""
        self.navigator.change_pace(way)

    @at_rest
    def action_follow(self) -> None:
        """Go to where the selected value was made; backspace comes back."""
        self.navigator.follow(self.frame)

    def action_return(self) -> None:
        """Go back to where `enter` was pressed."""
        self.navigator.come_back()

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

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    @on(PaneGrid.Changed)
    def show_hints(self) -> None:
        """Say what the keys do in the chosen pane, after another one is chosen, or none."""
        self._let_go_of_hidden()
        if self.whole and not (self.busy or self.covered):
            frame = self.frame
            self.query_one(HintLine).show(frame)
            self.query_one(LegendLine).show(frame)

    # Selection.

    def choose(self, row: int) -> None:
        """Select a scalar; one of the tensor on the stage stays chosen from event to event."""
        self.state.choose(row, self.frame.cell_of(row))

    def action_select(self, dx: int, dy: int) -> None:
        """Move the cell cursor on the chosen pane, or on the stage; on the map, go where an edge of it leads."""
        pane = self.grid.chosen_or_stage
        if pane.frame is None and not self.busy:
            self.show()  # of keys that come at once, this one goes on from where the others have led
        target = pane.neighbour(dx, dy)
        if isinstance(target, Moment):
            self.navigator.go(target)
        elif target is not None and not self.busy:
            self.choose(target)

    @on(Pane.Chosen)
    async def chosen(self, message: Pane.Chosen) -> None:
        """Do what was pointed at: press a key, go to a moment, select a scalar or a choice."""
        match message.target:
            case Key(action=action):
                await self.run_action(action)
            case _ if self.busy:
                pass
            case Moment() | SameEvent() as moment:
                self.navigator.go(moment)
            case int(row):
                self.choose(row)
            case Choice() as choice:
                self.state.look_at(choice)
            case PathStep() as step:
                self.state.choose_path(step)
            case Edge(row=row):  # backspace returns to the scalar that it was followed from
                self.state.follow_from(self.frame.selected)
                self.choose(row)
            case WatchLine(number=line):
                self.state.choose_watch(line)
            case Folding(folding=folding):
                self.state.fold(folding)

    def ask(self, dialog: Screen[Any], then: Callable[[Any], None]) -> None:
        """Open a dialog; `then` takes what it returns, unless the user gives up."""
        self.app.push_screen(dialog, lambda answer: None if answer is None else then(answer))

    # Going by name.

    @halting
    def action_command(self) -> None:
        """Ask where to go, and go there."""
        from microgpt_tui.debugger import goto
        from microgpt_tui.debugger.examples import Examples
        from microgpt_tui.dialogs.text_input import LineScreen

        frame = self.frame
        line: LineScreen[Command | Start] = LineScreen(
            ":", Examples.of(frame.scope).goto_hint, partial(self.read_line, frame),
            partial(goto.completions, frame=frame), self.go_to.typed,
            partial(goto.preview, frame=frame, docs=self.session.docs),
        )  # fmt: skip
        self.ask(line, self._carry_out)

    def read_line(self, frame: Frame, line: str) -> Command | Start | None:
        """What a typed line asks for; None if it is empty. Raises LineError."""
        from microgpt_tui.debugger.goto import OtherData

        command = self.go_to.read(frame, line)
        return self.start_on(command) if isinstance(command, OtherData) else command

    def start_on(self, data: OtherData) -> Start:
        """A run with the hyperparameters of this one, from its beginning, on other documents. Raises LineError."""
        if is_scripted(self.session):
            raise LineError(say("screens.debugger.script_reads_its_own"))
        if in_browser() and not data.bundled:
            raise LineError(say("screens.debugger.no_files_in_browser", words=", ".join(BUNDLED)))
        try:
            return from_seed(self.session.config, 0, data.path, data.split)
        except DataError as error:
            raise LineError(str(error)) from None

    def _carry_out(self, command: Command | Start) -> None:
        from microgpt_tui.debugger.goto import Continue

        if isinstance(command, Start):
            self.post_message(self.Replaced(command))
        elif isinstance(command, Continue):
            self.navigator.continue_to(command)
        else:
            self.go_to.carry_out(command)

    @halting
    def action_search(self) -> None:
        """Ask for words, and go to the next event of the step that fits them; for none, to the next one again."""
        from microgpt_tui.debugger import search
        from microgpt_tui.dialogs.text_input import LineScreen

        go_to, program = self.go_to, self.session.program
        read = partial(go_to.search, program, self.session.moment)
        complete = partial(search.search_completions, program=program)
        self.ask(LineScreen("/", go_to.search_hint(program), read, complete, go_to.searched), go_to.to_match)

    @halting
    def action_copy_moment(self) -> None:
        """Send the terminal the address of this moment for its clipboard, as lectures and pictures take it.

        Not every terminal takes it, and none says whether it has.
        """
        program = self.session.program
        address = Address.of(program, self.session.moment).written(program.place_names)
        self.app.copy_to_clipboard(address)
        self.notify(say("screens.debugger.copied", address=address), timeout=6, markup=False)

    @halting
    def action_mark(self) -> None:
        """Ask for a letter, and set the mark of that name here."""
        from microgpt_tui.dialogs.text_input import LetterScreen

        self.ask(LetterScreen(say("screens.debugger.mark.set")), self.go_to.mark)

    @halting
    def action_to_mark(self) -> None:
        """Show the marks, ask for a letter, and return to the mark of that name."""
        from microgpt_tui.dialogs.text_input import LetterScreen

        if not self.state.annotations.marks:
            self.notify(say("screens.debugger.mark.none"), timeout=3)
            return
        question = "\n".join((*self.go_to.marks(), say("screens.debugger.mark.return")))
        self.ask(LetterScreen(question, self.state.annotations.marks), self.go_to.to_mark)

    # Breakpoints and watches.

    @at_rest
    def action_break_here(self) -> None:
        """Set a breakpoint on the event on the stage, or remove it."""
        self.stops.toggle(self.frame.stage_event)

    @at_rest
    def action_breakpoints(self) -> None:
        """List breakpoints and health checks."""
        from microgpt_tui.dialogs.breakpoints import BreakpointsScreen

        stops = self.stops
        self.ask(BreakpointsScreen(self.state.annotations, stops.scope, stops.hits, stops.keep), self._go_to_breakpoint)

    @at_rest
    def _go_to_breakpoint(self, chosen: Breakpoint) -> None:
        if moment := self.stops.next_moment(chosen):
            self.navigator.go(moment)
        else:
            self.notify(say("screens.debugger.no_such_event"), timeout=4)

    @at_rest
    def action_watch(self) -> None:
        """Watch the selected scalar."""
        frame = self.frame
        text = watch_text(frame.view, frame.selected)
        if text is None:
            name = frame.explain.name(frame.selected)
            self.notify(say("screens.debugger.watch.no_name", name=name), timeout=5, markup=False)
        else:
            self.stops.watch(text)

    @at_rest
    def action_watch_typed(self) -> None:
        """Watch any expression."""
        from microgpt_tui.dialogs.text_input import AskScreen

        title, hint = say("screens.debugger.watch.title"), say("screens.debugger.watch.hint")
        dialog = AskScreen(title, hint, lambda text: Watch(text, self.stops.scope).text)
        self.ask(dialog, self.stops.watch)

    @at_rest
    def action_watch_line(self, way: int) -> None:
        """Choose the watch below or above, and select its scalar."""
        if self.state.choose_watch(self.state.watch + way):
            frame = self.frame
            row = frame.watches[self.state.watch].row(frame.view)
            if row is not None:
                self.choose(row)

    @at_rest
    def action_unwatch(self) -> None:
        """Remove the chosen watch; without one, compare, which the same key does elsewhere."""
        watches = self.state.annotations.watches
        if watches:
            text = watches[self.state.watch]
            self.stops.unwatch(text)
            self.notify(say("screens.debugger.watch.removed", text=text), timeout=3, markup=False)
        else:
            self.action_compare()

    # What if.

    def _can(self, capability: Callable[[Run], object]) -> bool:
        """Whether the run has a capability; otherwise the user is told what it lacks."""
        try:
            capability(self.session)
        except EngineError as error:
            self.notify(f"{error}.", severity="warning", timeout=6, markup=False)
            return False
        return True

    @halting
    def action_edit(self) -> None:
        """Ask which value the selected scalar should take, or for any other change."""
        from microgpt_tui.dialogs.text_input import AskScreen

        if not self._can(branching):
            return
        frame, what_if = self.frame, self.what_if
        row, target = frame.selected, what_if.target(frame)
        if target is None:
            self.notify(say("screens.debugger.what_if.constant"), timeout=4)
            return
        step, value = what_if.step_of(row), frame.value(row)
        known, now = ("unknown", "") if value is None else ("known", exact(value))
        title = say("screens.debugger.what_if.title", step=step)
        hint = say(f"screens.debugger.what_if.hint.{known}", number=target, now=now, others=OTHER_CHANGES)
        self.ask(AskScreen(title, hint, partial(what_if.read, target, step)), what_if.add)

    @halting
    def action_ablate(self) -> None:
        """Switch the head, the MLP or the position in question off, or on again; ask if none is."""
        from microgpt_tui.dialogs.ablations import part_of_event

        if not self._can(branching):
            return
        part = part_of_event(self.frame)
        if part is None:
            self.action_parts()
        else:
            self.what_if.toggle(replace(part, step=self.session.step))

    @halting
    def action_parts(self) -> None:
        """List everything that can be switched off."""
        from microgpt_tui.dialogs.ablations import PartsScreen

        if self._can(branching):
            self.ask(PartsScreen(self.frame, self.what_if.changes), self.what_if.toggle)

    def action_compare(self) -> None:
        """Show this moment here and in the run that it is compared with, or no longer."""
        self.grid.choose("comparison")

    @halting
    def action_branches(self) -> None:
        """List the branches."""
        from microgpt_tui.dialogs.branches import BranchesScreen

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
        from microgpt_tui.dialogs.gradcheck import GradCheckScreen

        if self.busy:
            self.notify(say("screens.debugger.moving"), timeout=3)
        elif self._can(on_tape):
            self.ask(GradCheckScreen(self.session, self.frame.selected), self.choose)

    @halting
    def action_infer(self) -> None:
        """Open inference with the present parameters; the run stays where it is."""
        from microgpt_tui.screens.inference import InferenceScreen

        earlier = [step for step in self._inferred_steps if step != self.session.step]
        put_away = self._put_away()  # before inference takes memory of its own
        try:
            screen = InferenceScreen(self.session, earlier, self.what_if.branch)
        except EngineError as error:
            self.notify(f"{error}.", severity="warning", timeout=8, markup=False)
            if put_away:
                self.show()
        else:
            self._inference = screen if put_away else None
            self._inferred_steps = list(dict.fromkeys([self.session.step, *earlier]))[: MAX_COMPARED_STEPS + 1]
            self.app.push_screen(screen)

    def _put_away(self) -> bool:
        """Let the run give back its memory, if it is large, and read nothing of it; whether that is so."""
        if not self.what_if.put_away():
            return False
        self.release_run()
        if self._copy is not None:
            self._copy, self._copy_of = step_copy_of(self.session), self.session
        return True

    def on_screen_resume(self) -> None:
        """Show the run again, if inference has covered it and it was put away meanwhile.

        Panes have kept their pictures: unless these are to change, the run is computed again once they are painted.
        """
        if self._inference is not None and self.app.screen is self:
            self._inference.let_go()  # first, so that the run need not copy the graph that inference has patched
            self._inference = None
            if self._waiting:
                self.show()
            else:
                self._waiting = True
                self.call_after_refresh(self._show_waiting)

    @at_rest
    def action_help(self) -> None:
        """Show all keys, and the sentences of the present event."""
        from microgpt_tui.dialogs.help import HelpScreen, debugger_help

        pane = self.grid.chosen.id if self.grid.chosen else None
        self.app.push_screen(HelpScreen(say("screens.debugger.help"), debugger_help(self.frame, pane)))

    @at_rest
    def action_glossary(self) -> None:
        """Show what each term means."""
        from microgpt_tui.dialogs.help import HelpScreen, glossary_text

        self.app.push_screen(HelpScreen(say("screens.debugger.glossary"), glossary_text()))
