"""The debugger's screen: it knows where the user is, moves the run there, and hands every pane the same frame."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer, Static

from engine import NumericFault, Session
from engine.events import Moment, Phase
from microgpt_tui import navigation
from microgpt_tui.frame import Choice, Frame, Where
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.explanation import Explanation
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.place import Place
from microgpt_tui.panes.program import Program
from microgpt_tui.panes.source import Source
from microgpt_tui.panes.stage import Stage
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.panes.tokens import Tokens
from microgpt_tui.screens.help import HelpScreen
from microgpt_tui.screens.keys import KEYS, PaneKeys

SMALLEST = (80, 24)


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
        self.where = Where(session.moment)
        self.fault: NumericFault | None = None

    def compose(self) -> ComposeResult:
        """The panes, top to bottom."""
        yield Static(id="too-small")
        yield Place("place")
        yield Tokens("tokens")
        with Container(id="body"):
            yield Program("program")
            yield Stage("stage")
            yield Inspector("inspector")
            yield Source("source")
        yield Timeline("timeline")
        yield Explanation("explanation")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Show the moment that the run stands at."""
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

    # Where we are.

    @property
    def frame(self) -> Frame:
        """The present moment, seen from where the user is."""
        return Frame(self.session.view(), self.where, str(self.fault) if self.fault else None)

    def show(self) -> None:
        """Hand the present moment to every pane."""
        frame = self.frame
        self.set_class(self.fault is not None, "-fault")
        self._arrange(frame.phase)
        for pane in self.query(Pane):
            pane.show(frame)

    def _arrange(self, phase: Phase) -> None:
        """Lay the panes out for the phase."""
        update = phase is Phase.UPDATE
        if update == self.has_class("-update"):
            return
        self.set_class(update, "-update")
        body, stage, program = (self.query_one(q) for q in ("#body", "#stage", "#program"))
        if update:
            body.move_child(stage, before=program)
        else:
            body.move_child(stage, after=program)

    def go(self, moment: Moment) -> None:
        """Stand at another moment; a numeric fault on the way is shown where it happened."""
        if moment.step != self.session.step and not self.session.loops.compiled:
            self.loading = True
            self._go_far(moment)
            return
        self._move(moment)
        self.show()

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

    def action_pane(self, name: str) -> None:
        """Choose a pane; where it has no place, it comes up over the others."""
        pane = self.query_one(f"#{name}", Pane)
        if self.has_class("-zoomed") or self.has_class("-narrow"):
            shown = pane.has_class("-zoom")
            self._zoom(None if shown or name == "stage" else pane)
        self.set_focus(pane if pane.display else None)

    def action_zoom(self) -> None:
        """Give the focused pane, or the stage, all the room; again to give it back."""
        pane = self.focused if isinstance(self.focused, Pane) else self.query_one("#stage", Pane)
        self._zoom(None if self.has_class("-zoomed") else pane)

    def action_back(self) -> None:
        """Escape: restore a zoomed pane, else leave the focused one. It never quits."""
        if self.has_class("-zoomed"):
            self._zoom(None)
        else:
            self.set_focus(None)

    def action_help(self) -> None:
        """All keys, and the sentences of the present event."""
        self.app.push_screen(HelpScreen(self.frame))

    def _zoom(self, pane: Pane | None) -> None:
        for other in self.query(Pane):
            other.set_class(other is pane, "-zoom")
        self.set_class(pane is not None, "-zoomed")

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
