"""`Typing`: a modal with one line to type in. What is typed before the line is there goes into it."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual import events
from textual.widgets import Input

from microgpt_tui.widgets.modal import Modal

LONGEST = 500  # characters of a line; whole numbers longer than this are none that Python reads
T = TypeVar("T")


class Typing(Modal[T], Generic[T]):
    """People type on, and paste, without waiting for a screen to come up; keys that lead to one have priority."""

    def __init__(self) -> None:
        super().__init__()
        self._early, self._entered = "", False

    def on_key(self, event: events.Key) -> None:
        """Keep what comes before the line."""
        if isinstance(self.focused, Input) or self._entered:
            return
        if event.key == "enter":
            self._entered = True
        elif event.character and event.is_printable:
            self._early += event.character
        else:
            return
        event.stop()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The line is there."""
        if isinstance(event.widget, Input) and (self._early or self._entered):
            event.widget.insert_text_at_cursor(self._early)
            if self._entered:
                self.call_after_refresh(event.widget.action_submit)
            self._early, self._entered = "", False
