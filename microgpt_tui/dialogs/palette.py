"""The command palette, which closes as every other screen does, and whose list can be hurried."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.command import CommandList, CommandPalette
from textual.errors import NoWidget
from textual.events import Click

from microgpt_tui.widgets.modal import Passing
from microgpt_tui.widgets.options import Options


class Found(CommandList, Options):
    """The commands that fit what is typed."""


class Palette(CommandPalette, Passing[None]):
    """Finds a command by its name."""

    def _gather_commands(self, search_value: str) -> None:  # type: ignore[override]  # nobody looks at its worker
        """Search, but not for what was typed just before it was closed: its list may be gone."""
        if self.is_active:
            super()._gather_commands(search_value)

    def _on_click(self, event: Click) -> None:  # type: ignore[override]  # the base class's is called after it
        """Nothing was clicked where the window has just become too small for that place."""
        try:
            self.get_widget_at(event.screen_x, event.screen_y)
        except NoWidget:
            event.prevent_default()

    def compose(self) -> ComposeResult:
        """As the base class has it, but for the list."""
        for widget in super().compose():
            yield Found() if isinstance(widget, CommandList) else widget
