"""Asks for one letter: the name of a mark, to set it or to return to it."""

from __future__ import annotations

from collections.abc import Collection

from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from microgpt_tui.drawing.terminal_text import lines
from microgpt_tui.widgets.modal import Modal


class LetterScreen(Modal[str | None]):
    """Takes one letter, of `among` if given, and returns it; None if it was left with escape."""

    CSS = """
    LetterScreen { background: transparent; }
    LetterScreen Static { dock: bottom; width: 100%; height: auto; padding: 0 1; background: $panel; }
    """

    def __init__(self, question: str, among: Collection[str] | None = None) -> None:
        super().__init__()
        self.question, self.among = question, among

    def compose(self) -> ComposeResult:
        """The question."""
        yield Static(lines(self.question), markup=False)

    def on_key(self, event: events.Key) -> None:
        """Take the key, or say what would be one."""
        event.stop()
        event.prevent_default()
        letter = event.character or ""
        if event.key == "escape":
            self.dismiss(None)
        elif not letter.isalpha():
            self._say("A mark is a letter; press one, or esc.")
        elif self.among is not None and letter not in self.among:
            self._say(f"There is no mark {letter}; press one of {' '.join(sorted(self.among))}, or esc.")
        else:
            self.dismiss(letter)

    def _say(self, sentence: str) -> None:
        self.query_one(Static).update(lines(f"{self.question}\n{sentence}"))
