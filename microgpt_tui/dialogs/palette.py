"""The command palette. It closes as every other dialog does."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.command import CommandList

from microgpt_tui.widgets.modal import Passing
from microgpt_tui.widgets.textual_fixes import SafeCommandList, SafeCommandPalette


class Palette(SafeCommandPalette, Passing[None]):
    """Finds a command by its name."""

    def compose(self) -> ComposeResult:
        """As the base class has it, but for the list."""
        for widget in super().compose():
            yield SafeCommandList() if isinstance(widget, CommandList) else widget
