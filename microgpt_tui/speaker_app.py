"""The app of the speaker notes: it follows a lecture that another process shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType
from textual.screen import Screen
from textual.theme import Theme

from microgpt_tui.app import ThemedApp, end_on_signals
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.lectures.speaker_notes import follow
from microgpt_tui.screens.speaker_notes import NotesScreen
from microgpt_tui.storage.paths import state_folder
from microgpt_tui.storage.threads import check_threads
from microgpt_tui.texts.say import say


class NotesApp(ThemedApp):
    """Shows the notes of the newest lecture whose file is in `folder`, and whatever lecture comes after it."""

    TITLE = say("program.speaker_app.microgpt_tui_notes")
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("notes.quit", "q", "quit"),
        Key("app.theme", "ctrl+t", "next_theme"),
    )

    def __init__(
        self,
        folder: Path,
        language: str = "en",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
        theme_name: str = "microgpt-dark",
    ) -> None:
        super().__init__(theme_name)
        self._folder = folder
        self.shown = NotesScreen(language, clock, now)

    def get_default_screen(self) -> Screen[None]:
        """The notes."""
        return self.shown

    def on_mount(self) -> None:
        """Start to follow."""
        end_on_signals(self)
        self.run_worker(self._follow())

    async def _follow(self) -> None:
        async for notes in follow(self._folder):
            self.shown.show_notes(notes)

    def _recolour(self, theme: Theme) -> None:
        super()._recolour(theme)
        self.shown.show()


def show_notes(language: str, theme: str) -> int:
    """Follow lectures until the user leaves, and return the exit status. Raises EngineError without threads for it."""
    check_threads()
    app = NotesApp(state_folder(), language, theme_name=f"microgpt-{theme}")
    app.run()
    return app.return_code or 0
