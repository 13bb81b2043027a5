"""Following the links of a chain of derivatives on the debugger's screen."""

from __future__ import annotations

from dataclasses import replace

from textual import on

from microgpt_tui.panes.why import Why
from microgpt_tui.screens.looking import Looking


class Following(Looking):
    """The part of the debugger's screen that goes from a scalar to the one that handed gradient to it."""

    @on(Why.Followed)
    def followed(self, message: Why.Followed) -> None:
        """Select a link's scalar; backspace returns to the one that it was followed from."""
        if not self.busy:
            self.trail.append(replace(self.where, row=self.frame.selected))
            self.choose(message.row)
