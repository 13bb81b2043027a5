"""The speaker's notes in a terminal of their own: the page that the audience sees, what to say, and what comes next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.markdown import prose
from microgpt_tui.explanations.sentences import lecture_words
from microgpt_tui.lectures.lecture import minutes
from microgpt_tui.lectures.speaker_notes import Audience, Notes

Lines = Callable[[int], list[Text]]
"""The lines of a text, for a width."""


class TextLines(Widget):
    """Shows the lines that a function makes for the widget's width; as high as there are lines."""

    def __init__(self, lines: Lines, name: str) -> None:
        super().__init__(id=name)
        self._lines = lines

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        del container, viewport
        return len(self._lines(width))

    def render(self) -> Text:
        width, lines = self.content_size.width, []
        for line in self._lines(width):
            line.truncate(width, overflow="ellipsis")
            lines.append(line)
        return Text("\n", no_wrap=True).join(lines)


class NotesScreen(Screen[None]):
    """Shows the notes handed to `show_notes`: None while there is no lecture. The clocks run by themselves."""

    DEFAULT_CSS = """
    NotesScreen { background: $background; color: $foreground; }
    NotesScreen #top { dock: top; height: 1; padding: 0 2; background: $panel; }
    NotesScreen #scrolled { height: 1fr; padding: 1 2 0 2; scrollbar-size-vertical: 1; }
    NotesScreen #notes { height: auto; max-width: 96; }
    NotesScreen #below { dock: bottom; height: auto; padding: 0 2; background: $panel; }
    """

    def __init__(self, language: str, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        super().__init__()
        self.notes: Notes | None = None
        self._words = lecture_words(language)
        self._nothing = self._words["none"]  # shown while there is no lecture
        self._clock, self._now = clock, now
        self._received = 0.0

    def compose(self) -> ComposeResult:
        yield TextLines(self._top, "top")
        with VerticalScroll(id="scrolled"):
            yield TextLines(self._middle, "notes")
        yield TextLines(self._below, "below")

    def on_mount(self) -> None:
        self.set_interval(1.0, self.query_one("#top").refresh)
        self.query_one("#scrolled").focus()

    def show_notes(self, notes: Notes | None) -> None:
        """Show another page, or how a page has come on; None when the lecture has ended."""
        before, self.notes, self._received = self.notes, notes, self._clock()
        if notes is None:
            self._nothing = self._words["ended"]
        else:
            self._words = lecture_words(notes.language)
        if before is None or notes is None or (before.chapter, before.page) != (notes.chapter, notes.page):
            self.query_one("#scrolled").scroll_home(animate=False)
        self.show()

    def show(self) -> None:
        for lines in self.query(TextLines):
            lines.refresh(layout=True)

    def _top(self, width: int) -> list[Text]:
        right = Text(f"{self._now():%H:%M}", theme.STRONG)
        notes = self.notes
        if notes is None:
            return [_spread(Text("microgpt-tui", theme.DIM), right, width)]
        elapsed = minutes(notes.after(self._clock() - self._received).elapsed)
        right = Text.assemble((f"{self._words['elapsed']} ", theme.DIM), (elapsed, theme.STRONG), "   ", right)
        left = Text.assemble((f"{notes.page + 1}/{notes.pages}", theme.STRONG), "  ", (notes.chapter, theme.TEXT))
        if notes.audience is not Audience.PAGE:
            word = self._words["blanked" if notes.audience is Audience.BLANK else "exploring"]
            left = Text.assemble((f" {word} ", theme.NOW), "  ", left)
        return [_spread(left, right, width)]

    def _middle(self, width: int) -> list[Text]:
        notes = self.notes
        if notes is None:
            return prose(self._nothing, width)
        title = [Text(line.plain, theme.STRONG) for line in prose(notes.title, width)]
        return [*title, Text(), *(prose(notes.notes, width) or [Text(self._words["no_notes"], theme.DIM)])]

    def _below(self, width: int) -> list[Text]:
        notes, words = self.notes, self._words
        if notes is None:
            return []
        labels = (words["answer" if notes.asks else "then"], words["press"], words["coming"])
        room = max(map(cell_len, labels)) + 2
        answer = [Text(notes.right, theme.TARGET)] if notes.right else []
        answer += prose(notes.then, width - room)
        if notes.done:  # the audience sees it by now
            answer = [Text(line.plain, theme.DIM) for line in answer]
        texts = (answer, [Text(notes.press, theme.TEXT)], [Text(notes.coming or words["last"], theme.TEXT)])
        below = []
        for label, lines in zip(labels, texts, strict=True):
            for number, line in enumerate(lines):
                lead = Text("" if number else label, theme.DIM)
                lead.truncate(room, pad=True)
                below.append(Text.assemble(lead, line))
        return below


def _spread(left: Text, right: Text, width: int) -> Text:
    """One text at the left, cut if it must be, and one at the right."""
    left.truncate(max(width - right.cell_len - 2, 0), overflow="ellipsis", pad=True)
    return Text.assemble(left, "  ", right)
