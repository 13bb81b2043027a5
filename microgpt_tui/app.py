"""The app: it opens a run, then shows the debugger. Thin; everything else has a room of its own."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import App
from textual.binding import BindingType

from engine import Config, EngineError, Session
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.opening import OpeningScreen


class MicrogptApp(App[EngineError | None]):
    """A debugger for one run. It returns the error if the run could not be opened."""

    TITLE = "microgpt-tui"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, config: Config, docs: list[str], step: int = 0) -> None:
        super().__init__()
        self.config, self.docs, self.step = config, docs, step

    def on_mount(self) -> None:
        """Show that something is happening, at once."""
        self.push_screen(OpeningScreen(self.config, self.docs, self.step))

    @on(OpeningScreen.Ready)
    def ready(self, message: OpeningScreen.Ready) -> None:
        """Show the debugger."""
        self.show(message.session)

    @on(OpeningScreen.Failed)
    def failed(self, message: OpeningScreen.Failed) -> None:
        """Leave with the sentence that says why."""
        self.exit(message.error)

    def show(self, session: Session) -> None:
        """Put the debugger in place of whatever is shown."""
        self.switch_screen(DebuggerScreen(session))


def run_debugger(config: Config, docs: list[str], step: int) -> None:
    """Open the debugger at a training step, and return when the user quits.

    Raises EngineError if the run cannot be opened; the terminal is as it was by then.
    """
    error = MicrogptApp(config, docs, step).run()
    if error is not None:
        raise error
