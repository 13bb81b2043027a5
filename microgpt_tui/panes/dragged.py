"""`Dragged`: a pane whose moments can be dragged through with the mouse."""

from __future__ import annotations

from textual import events

from engine.timeline.events import Moment
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane


class Dragged(Pane):
    """While a button is held on a moment, the moment follows the mouse along that line."""

    _held: Line | None = None  # what the mouse took hold of, as it was then

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold."""
        offset = event.get_content_offset(self)
        if offset is not None and isinstance(self.target_at(event), Moment | SameEvent):
            self._held = self.picture.lines[offset.y + self.top]
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go."""
        del event
        self._held = None
        self.release_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag. (What is below the mouse is named by the base class.)"""
        if self._held is None or self.app.mouse_captured is not self:
            return
        x = min(max(event.get_content_offset_capture(self).x, 0), self.content_size.width - 1)
        target = Picture([self._held]).at(x, 0)
        if isinstance(target, Moment | SameEvent) and self._leads_on(target):
            self.post_message(self.Chosen(self, target))

    def _leads_on(self, target: Moment | SameEvent) -> bool:
        """Whether a target is not where the pane already is."""
        here = None if self.frame is None else self.frame.moment
        return here is None or (target.step != here.step if isinstance(target, SameEvent) else target != here)
