"""The app: it opens a run, then shows the debugger. Thin; everything else has a room of its own."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import App
from textual.binding import BindingType
from textual.screen import Screen
from textual.theme import Theme

from engine import Config, EngineError, Session
from microgpt_tui import palette
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.opening import OpeningScreen


class ThemedApp(App[EngineError | None]):
    """An app that draws in one of the project's themes; pictures follow when it is changed."""

    def __init__(self) -> None:
        super().__init__()
        for theme in palette.textual_themes():
            self.register_theme(theme)
        self.theme = "microgpt-dark"
        palette.use(self.theme)

    def on_mount(self) -> None:
        """Hear of changes. (Textual calls this beside the one of a subclass.)"""
        self.theme_changed_signal.subscribe(self, self._recolour)

    def action_next_theme(self) -> None:
        """Dark, light, high contrast, and round again."""
        names = list(palette.THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]

    def _recolour(self, theme: Theme) -> None:
        palette.use(theme.name if theme.name in palette.THEMES else "microgpt-dark" if theme.dark else "microgpt-light")
        for screen in self.screen_stack:
            if isinstance(screen, DebuggerScreen):
                screen.show()


class MicrogptApp(ThemedApp):
    """A debugger for one run. It returns the error if the run could not be opened."""

    TITLE = "microgpt-tui"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, config: Config, docs: list[str], step: int = 0) -> None:
        super().__init__()
        self.config, self.docs, self.step = config, docs, step

    def get_default_screen(self) -> Screen[None]:
        """Show that something is happening, at once."""
        return OpeningScreen(self.config, self.docs, self.step)

    @on(OpeningScreen.Ready)
    def ready(self, message: OpeningScreen.Ready) -> None:
        """Show the debugger."""
        self.show(message.session)

    @on(OpeningScreen.Failed)
    def failed(self, message: OpeningScreen.Failed) -> None:
        """Leave with the sentence that says why."""
        self.exit(message.error)

    def show(self, session: Session) -> None:
        """Put the debugger over whatever is shown."""
        self.push_screen(DebuggerScreen(session))


def run_debugger(config: Config, docs: list[str], step: int) -> None:
    """Open the debugger at a training step, and return when the user quits.

    Raises EngineError if the run cannot be opened; the terminal is as it was by then.
    """
    error = MicrogptApp(config, docs, step).run()
    if error is not None:
        raise error
