"""Gradients of the debugger's screen are checked against finite differences."""

from __future__ import annotations

from microgpt_tui.dialogs.gradcheck import GradCheckScreen
from microgpt_tui.screens.looking import Looking


class Checking(Looking):
    """The part of the debugger's screen that doubts a gradient."""

    def action_check_gradient(self) -> None:
        """Check the selected scalar; one that was found there is chosen."""
        if self.busy:
            self.notify("The run is on its way to another moment; check a gradient when it has arrived.", timeout=3)
        else:
            self.app.push_screen(GradCheckScreen(self.session, self.frame.selected), self._checked)

    def _checked(self, row: int | None) -> None:
        if row is not None:
            self.choose(row)
