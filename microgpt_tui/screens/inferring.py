"""The way from a moment of training to inference with its parameters."""

from __future__ import annotations

from engine import EngineError
from microgpt_tui.screens.commanding import Commanding
from microgpt_tui.screens.inference import InferenceScreen

MOST_VISITED = 3  # training steps of which names are compared once more


class Inferring(Commanding):
    """The part of the debugger's screen that opens inference. The run stays where it is."""

    def __init__(self) -> None:
        super().__init__()
        self._visited: list[int] = []  # the training steps whose parameters were looked at so, the latest first

    def action_infer(self) -> None:
        """Show how the parameters, as they are now, make up a document."""
        if self._moving():
            return
        visited = [step for step in self._visited if step != self.session.step]
        try:
            screen = InferenceScreen(self.session, visited, self.frame.around.branch)
        except EngineError as error:
            self.notify(f"{error}.", severity="warning", timeout=8, markup=False)
        else:
            self._visited = list(dict.fromkeys([self.session.step, *self._visited]))[: MOST_VISITED + 1]
            self.app.push_screen(screen)
