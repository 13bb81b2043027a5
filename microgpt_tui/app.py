"""The app: it opens a run, then shows the debugger. Thin; everything else has a room of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import suppress
from functools import partial
from typing import ClassVar

from rich.console import RenderableType
from textual import on
from textual.app import App
from textual.binding import BindingType
from textual.screen import Screen
from textual.theme import Theme

from engine import EngineError
from microgpt_tui import palette
from microgpt_tui.keeper import Keeper
from microgpt_tui.place import in_browser
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.opening import OpeningScreen
from microgpt_tui.screens.saving import SaveScreen
from microgpt_tui.start import Start


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

    def __init__(self, start: Start) -> None:
        super().__init__()
        self.start = start
        self.keeper: Keeper | None = None

    def get_default_screen(self) -> Screen[None]:
        """Show that something is happening, at once."""
        return OpeningScreen(self.start)

    def on_mount(self) -> None:
        """Be ready for being ended from outside."""
        end_on_signals(self)

    @on(OpeningScreen.Ready)
    async def ready(self, message: OpeningScreen.Ready) -> None:
        """Show the debugger, and what was left on its screen."""
        screen = DebuggerScreen(message.session)
        self.keeper = Keeper(screen, self.start)
        await self.push_screen(screen)
        self.keeper.lay_out()
        if self.start.notice:
            self.notify(self.start.notice, severity="warning", timeout=20, markup=False)

    def exit(
        self, result: EngineError | None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        """Leave, for whatever reason; what is on the screen is noted first."""
        if self.keeper is not None:
            self.keeper.screen.motion.halt(wait=True)
            self.keeper.leave()
        super().exit(result, return_code, message)

    @on(OpeningScreen.Failed)
    def failed(self, message: OpeningScreen.Failed) -> None:
        """Leave with the sentence that says why."""
        self.exit(message.error)

    def action_save_run(self) -> None:
        """Ask for a file, and save the run there."""
        if in_browser():
            self.notify("Files cannot be written from the browser; run microgpt-tui on your own computer to save.")
        elif self.keeper is None or self.keeper.screen.busy:
            self.notify("The run is on its way to another moment; save it when it has arrived.", timeout=3)
        else:
            self.push_screen(SaveScreen(self.keeper.screen.session, self.start.path))


GRACE = 5.0  # seconds to end in good order


def end_on_signals(app: MicrogptApp) -> None:
    """Quit in good order when the system ends the program, or its terminal goes away."""
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")):
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not on this system, or not in this thread
                asyncio.get_running_loop().add_signal_handler(number, partial(_end, app, 128 + number))


def _end(app: MicrogptApp, status: int) -> None:
    """Leave; and if that takes too long, for want of a terminal that takes what is written to it, leave anyway."""

    def leave_anyway() -> None:
        with suppress(EngineError):
            if app.keeper is not None:
                app.keeper.finish()
        os._exit(status)

    late = threading.Timer(GRACE, leave_anyway)
    late.daemon = True  # it does not keep a program alive that has ended by then
    late.start()
    app.exit(return_code=status)


def run_debugger(start: Start) -> int:
    """Open the debugger, and return its exit status when it has ended; where the user was is kept by then.

    Raises EngineError if the run cannot be opened or kept; the terminal is as it was by then.
    """
    app = MicrogptApp(start)
    try:
        error = app.run()
    finally:
        if app.keeper is not None:
            app.keeper.finish()
    if error is not None:
        raise error
    return app.return_code or 0
