"""The way from a moment of training to inference with its parameters."""

from __future__ import annotations

from engine import EngineError
from microgpt_tui.screens.commanding import Commanding
from microgpt_tui.screens.inference import InferenceScreen


class Inferring(Commanding):
    """The part of the debugger's screen that opens inference. The run stays where it is."""

    def action_infer(self) -> None:
        """Show how the parameters, as they are now, make up a document."""
        if self._moving():
            return
        try:
            screen = InferenceScreen(self.session)
        except EngineError as error:
            self.notify(f"{error}.", severity="warning", timeout=8, markup=False)
        else:
            self.app.push_screen(screen)
