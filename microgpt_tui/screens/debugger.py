"""The debugger's screen: it knows where the user is, moves the run there, and hands every pane the same frame."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Static

from engine import NumericFault, Session
from engine.events import Moment, Phase
from microgpt_tui import navigation
from microgpt_tui.frame import Choice, Frame, Where
from microgpt_tui.historian import Historian
from microgpt_tui.panes.adam import Adam
from microgpt_tui.panes.attention import Attention
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.gradients import Gradients
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.place import Place
from microgpt_tui.panes.prediction import Prediction
from microgpt_tui.panes.program import Program
from microgpt_tui.panes.qkv import QKV
from microgpt_tui.panes.residual import Residual
from microgpt_tui.panes.source import Source
from microgpt_tui.panes.stage import Stage
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.panes.tokens import Tokens
from microgpt_tui.panes.training import Training
from microgpt_tui.screens.arrangement import Arrangement
from microgpt_tui.screens.help import HelpScreen
from microgpt_tui.screens.keys import KEYS, PaneKeys
from microgpt_tui.screens.layouts import REST, Body, Split, below, panes_of, plan

SMALLEST = (80, 24)
PANES: dict[str, type[Pane]] = {
    "stage": Stage,
    "program": Program,
    "inspector": Inspector,
    "source": Source,
    "qkv": QKV,
    "attention": Attention,
    "residual": Residual,
    "prediction": Prediction,
    "gradients": Gradients,
    "adam": Adam,
    "training": Training,
}


class DebuggerScreen(Screen[None]):
    """One moment of a run, seen from every side."""

    CSS_PATH = "debugger.tcss"
    AUTO_FOCUS = ""  # no pane is chosen at first, so the arrow keys move through time
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012 - so named by the base
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012 - so named by the base
    COMMANDS: ClassVar = Screen.COMMANDS | {PaneKeys}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            key.keys,
            key.action,
            key.description,
            id=key.id,
            tooltip=key.tooltip,
            show=key.show,
            key_display=key.display,
        )
        for key in KEYS
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.historian = Historian(self, session)
        self.where = Where(session.moment)
        self.fault: NumericFault | None = None
        self.zoomed: str | None = None
        self.arrangement = Arrangement.load()
        self._waiting = False
        self.trail: list[Where] = []  # where values were followed from

    def compose(self) -> ComposeResult:
        """The panes, top to bottom."""
        yield Static(id="too-small")
        yield Place("place")
        yield Tokens("tokens")
        yield Body(*(kind(name) for name, kind in PANES.items()))
        yield Timeline("timeline")
        yield Explanation("explanation")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Show the moment that the run stands at."""
        gc.freeze()  # the recording stays as long as the program; walking it again and again would make keys wait
        self.show()

    def on_resize(self, event: events.Resize) -> None:
        """Say so when there is not enough room to show anything honestly."""
        width, height = event.size
        small = width < SMALLEST[0] or height < SMALLEST[1]
        self.set_class(small, "-too-small")
        self.query_one("#too-small", Static).update(
            f"This terminal is {width}×{height}.\nThe debugger needs {SMALLEST[0]}×{SMALLEST[1]}: "
            "make the window larger.\nq quits."
        )
        self._arrange(self.session.moment.phase)

    # Where we are.

    @property
    def frame(self) -> Frame:
        """The present moment, seen from where the user is."""
        fault = str(self.fault) if self.fault else None
        return Frame(self.session.view(), self.where, fault, self.historian.known)

    def show(self) -> None:
        """Hand the present moment to every pane."""
        self._waiting = False
        frame = self.frame
        self.set_class(self.fault is not None, "-fault")
        self._arrange(frame.phase)
        for pane in self.query(Pane):
            pane.show(frame)

    def show_soon(self) -> None:
        """Show when the keys that are waiting have been seen to: a held key moves at once and never queues pictures."""
        if not self._waiting:
            self._waiting = True
            self.call_later(self.show)

    def _arrange(self, phase: Phase) -> None:
        """Lay the panes out for the phase and the size of the terminal, or give all the room to one."""
        split = below((REST, self.zoomed)) if self.zoomed else self._plan(phase)
        self.set_class(phase is Phase.UPDATE, "-update")
        self.query_one(Body).arrange_as(split)

    def _plan(self, phase: Phase) -> Split:
        """Where panes stand in a phase, as the user has arranged them."""
        return self.arrangement.apply(plan(phase, self.size))

    def go(self, moment: Moment) -> None:
        """Stand at another moment; a numeric fault on the way is shown where it happened."""
        if moment.step != self.session.step and not self.session.loops.compiled:
            self.loading = True
            self._go_far(moment)
            return
        self._move(moment)
        self.show_soon()

    def _move(self, moment: Moment) -> None:
        self.fault = None
        try:
            self.session.seek(moment)
        except NumericFault as fault:
            self.fault = fault
        self.where = self.where.at(self.session.moment)

    @work(thread=True, exclusive=True)
    def _go_far(self, moment: Moment) -> None:
        """Go to another step where that takes long: uncompiled loops."""
        self._move(moment)
        self.app.call_from_thread(self._arrived)

    def _arrived(self) -> None:
        self.loading = False
        self.show()

    @on(Adam.Lacks)
    def lacks(self, message: Adam.Lacks) -> None:
        """A pane shows less of the past than it could: have it replayed."""
        self.historian.ask(message.course)

    @on(Historian.Learned)
    def learned(self) -> None:
        """More of the past is known to the pane that lacked it; if the screen waits to be shown, it comes with that."""
        if not (self.loading or self._waiting):
            self.query_one(Adam).show(self.frame)

    # Keys.

    def action_go(self, way: str) -> None:
        """Move through time: `way` names a function of `navigation`."""
        if self.loading:
            return
        move: navigation.Go = getattr(navigation, way)
        target = move(self.session.program, self.session.moment)
        if target is None or (target == self.session.moment and self.fault is None):
            self.notify(NOWHERE.get(way, "There is nothing further in that direction."), timeout=3)
        else:
            self.go(target)

    def action_select(self, dx: int, dy: int) -> None:
        """Move the cell cursor on the focused pane, or on the stage."""
        pane = self.focused if isinstance(self.focused, Pane) else self.query_one("#stage", Pane)
        row = pane.neighbour(dx, dy)
        if row is not None:
            self.choose(row)

    def action_cursor_or_event(self, dx: int) -> None:
        """← and →: the cell cursor on a focused pane, else the event before or after."""
        if isinstance(self.focused, Pane):
            self.action_select(dx, 0)
        else:
            self.action_go("next_event" if dx > 0 else "previous_event")

    def action_follow(self) -> None:
        """Go to where the selected value was made; backspace comes back."""
        frame = self.frame
        target = navigation.origin(frame.program, frame.moment, frame.selected)
        if target is None:
            self.notify("This number was not computed: it is a constant, or was drawn before training.", timeout=3)
        elif target != frame.moment:
            self.trail.append(replace(self.where, row=frame.selected))
            self.go(target)

    def action_return(self) -> None:
        """Go back to where `enter` was pressed."""
        if self.trail:
            came_from = self.trail.pop()
            self.go(came_from.moment)
            self.where = came_from

    def action_pane(self, name: str) -> None:
        """Choose a pane; one that has no place now comes up over the others, and goes again when it is chosen again."""
        pane = self.query_one(f"#{name}", Pane)
        at_home = name in panes_of(self._plan(self.session.moment.phase))
        if self.zoomed or not at_home:
            self._zoom(None if self.zoomed == name or (at_home and name == "stage") else name)
        self.set_focus(pane if pane.display else None)

    def action_pin(self) -> None:
        """Let the chosen pane stay through all phases, or no longer."""
        pane = self.focused if isinstance(self.focused, Pane) else None
        if pane is None or pane.id is None:
            self.notify("Choose a pane first, with tab or its number; then P pins it.", timeout=3)
            return
        self._rearrange(self.arrangement.pin(pane.id))
        self.notify("Pinned: it stays in every phase." if pane.id in self.arrangement.pinned else "No longer pinned.")

    def action_swap(self, way: int) -> None:
        """Let the chosen pane and the one before or after it trade places."""
        names = list(panes_of(self._plan(self.session.moment.phase)))
        if not isinstance(self.focused, Pane) or self.focused.id not in names or len(names) == 1:
            self.notify("Choose a pane first, with tab or its number; then < and > move it.", timeout=3)
            return
        other = names[(names.index(self.focused.id) + way) % len(names)]
        self._rearrange(self.arrangement.swap(self.focused.id, other))

    def _rearrange(self, arrangement: Arrangement) -> None:
        self.arrangement = arrangement
        self.zoomed = None
        self.show()
        try:
            arrangement.save()
        except OSError as error:
            self.notify(f"The layout is changed, but cannot be remembered: {error.strerror}.", severity="warning")

    def action_zoom(self) -> None:
        """Give the focused pane, or the stage, all the room; again to give it back."""
        pane = self.focused if isinstance(self.focused, Pane) else self.query_one("#stage", Pane)
        self._zoom(None if self.zoomed else pane.id)

    def action_back(self) -> None:
        """Escape: restore a zoomed pane, else leave the focused one. It never quits."""
        if self.zoomed:
            self._zoom(None)
        else:
            self.set_focus(None)

    def action_help(self) -> None:
        """All keys, and the sentences of the present event."""
        self.app.push_screen(HelpScreen(self.frame, self.focused.id if isinstance(self.focused, Pane) else None))

    def _zoom(self, name: str | None) -> None:
        self.zoomed = name
        self._arrange(self.session.moment.phase)

    # The mouse.

    @on(Pane.Chosen)
    def chosen(self, message: Pane.Chosen) -> None:
        """Someone pointed at a moment or at a scalar."""
        if self.loading:
            return
        if isinstance(message.target, Moment):
            self.go(message.target)
        elif isinstance(message.target, int):
            self.choose(message.target)
        elif isinstance(message.target, Choice):
            self.where = self.where.choosing(message.target)
            self.show()

    def choose(self, row: int) -> None:
        """Select a scalar; one of the tensor on the stage stays chosen from event to event."""
        found = (self.frame.stretch.rows.ravel() == row).nonzero()[0]
        cell = int(found[0]) if len(found) else self.where.cell
        self.where = replace(self.where, row=row, cell=cell)
        self.show()


NOWHERE = {
    "previous_event": "This is the first event of all.",
    "previous_scalar": "This is the first scalar of all.",
    "previous_step": "This is the first training step.",
    "previous_phase": "This is the first event of all.",
    "next_position": "No later position here: the update has none, and the last one has been reached.",
    "previous_position": "No earlier position here: the update has none, and the first one has been reached.",
    "start_of_block": "This is the first event of all.",
    "first_event": "This is the first event of the step.",
    "last_event": "This is the last event of the step.",
}
