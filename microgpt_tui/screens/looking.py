"""Looking around at one moment: panes are chosen, zoomed, pinned, swapped; the cell cursor moves and follows values."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from textual import on
from textual.screen import Screen

from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.frame import Choice, Frame
from microgpt_tui.debugger.keys import Key
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.layouts import REST, Body, Split, below, panes_of, plan

if TYPE_CHECKING:
    from engine import Session


class Looking(Screen[None]):
    """The half of the debugger's screen that leaves time alone."""

    session: Session
    state: DebuggerState
    arrangement: Arrangement

    def __init__(self) -> None:
        super().__init__()
        self.zoomed: str | None = None
        self.raised = False  # whether that pane has all the room for want of a place, not because of `z`

    # What the other half does.

    @property
    @abstractmethod
    def frame(self) -> Frame:
        """The present moment, seen from where the user is."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether a thread is moving the run."""

    @abstractmethod
    def show(self) -> None:
        """Hand the present moment to every pane."""

    @abstractmethod
    def go(self, to: Moment | SameEvent) -> bool:
        """Stand at another moment."""

    # Where panes stand.

    def place_panes(self, phase: Phase) -> None:
        """Lay the panes out for the phase and the size of the terminal, or give all the room to one."""
        split = below((REST, self.zoomed)) if self.zoomed else self._plan(phase)
        self.set_class(phase is Phase.UPDATE, "-update")
        self.query_one(Body).arrange_as(split)

    def _plan(self, phase: Phase) -> Split:
        """Where panes stand in a phase, as the user has arranged them."""
        return self.arrangement.apply(
            plan(phase, self.size, bool(self.state.kept.watches), self.state.live is not None)
        )

    def _zoom(self, name: str | None, raised: bool = False) -> None:
        self.zoomed, self.raised = name, raised and name is not None
        self.place_panes(self.state.where.moment.phase)

    def action_pane(self, name: str) -> None:
        """Choose a pane; one that has no place now comes up over the others, and goes again when it is chosen again."""
        pane = self.query_one(f"#{name}", Pane)
        at_home = name in panes_of(self._plan(self.state.where.moment.phase))
        if self.zoomed or not at_home:
            raised = self.raised or not self.zoomed
            self._zoom(None if self.zoomed == name or (at_home and name == "stage") else name, raised)
        self.set_focus(pane if pane.display else None)

    def action_next_pane(self, way: int) -> None:
        """Choose the pane after or before the chosen one; where one has all the room, the next one gets it."""
        names = [str(pane.id) for pane in self.query_one(Body).query(Pane)]
        shown = [name for name in names if self.query_one(f"#{name}").display]
        if len(shown) == 1:
            self.action_pane(names[(names.index(shown[0]) + way) % len(names)])
        elif way > 0:
            self.focus_next()
        else:
            self.focus_previous()

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
        names = list(panes_of(self._plan(self.state.where.moment.phase)))
        if not isinstance(self.focused, Pane) or self.focused.id not in names or len(names) == 1:
            self.notify("Choose a pane first, with tab or its number; then < and > move it.", timeout=3)
            return
        other = names[(names.index(self.focused.id) + way) % len(names)]
        self._rearrange(self.arrangement.swap(self.focused.id, other))

    def _rearrange(self, arrangement: Arrangement) -> None:
        self.arrangement = arrangement
        self.zoomed = None
        self.place_panes(self.state.where.moment.phase)
        try:
            arrangement.save()
        except OSError as error:
            self.notify(f"The layout is changed, but cannot be remembered: {error.strerror}.", severity="warning")

    def action_zoom(self) -> None:
        """Give the focused pane, or the stage, all the room; again to give it back."""
        pane = self.focused if isinstance(self.focused, Pane) else self.query_one("#stage", Pane)
        if self.zoomed and self.raised:
            self.raised = False
            self.notify("This pane has all the room already; z again gives it back.", timeout=3)
        else:
            self._zoom(None if self.zoomed else pane.id)

    def action_back(self) -> None:
        """Escape: restore a zoomed pane, else leave the focused one. It never quits."""
        if self.zoomed:
            self._zoom(None)
        else:
            self.set_focus(None)

    # What is chosen.

    def action_select(self, dx: int, dy: int) -> None:
        """Move the cell cursor on the focused pane, or on the stage."""
        pane = self.focused if isinstance(self.focused, Pane) else self.query_one("#stage", Pane)
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
        target = navigation.origin(frame.program, frame.moment, frame.selected)
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

    def choose(self, row: int) -> None:
        """Select a scalar; one of the tensor on the stage stays chosen from event to event."""
        found = (self.frame.stretch.rows.ravel() == row).nonzero()[0]
        self.state.choose(row, int(found[0]) if len(found) else None)
