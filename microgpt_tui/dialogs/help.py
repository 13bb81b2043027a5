"""Help: what the present event is about, and every key."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.keys import IN_LECTURE
from microgpt_tui.drawing import theme
from microgpt_tui.panes import registry
from microgpt_tui.texts.sentences import pane_text, sentences, title_of
from microgpt_tui.widgets.modal import Modal

MANY = {key.id for key in IN_LECTURE if key.id.startswith(("page.digit", "page.pick"))}
MANY_WORDS = (("1-9", "Jump to a page; two digits make one number"), ("a-h", "Predict: pick an option of a question"))
LEADS = ("What", "Why", "How to read")


class HelpScreen(Modal[None]):
    """Shown over the debugger; any of its keys closes it."""

    CSS = "HelpScreen .box { padding: 0 2; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "close")]

    def __init__(self, frame: Frame, pane: str | None) -> None:
        super().__init__()
        self.frame, self.pane = frame, pane

    def compose(self) -> ComposeResult:
        """The text, scrolled if it must be."""
        with VerticalScroll(classes="box") as scroll:
            scroll.border_title = "Help"
            scroll.border_subtitle = "esc closes"
            yield Static(self._text())

    def _text(self) -> Text:
        text = Text()
        text.append(f"\n{title_of(self.frame.stretch)}\n", theme.NEW)
        for lead, sentence in zip(LEADS, sentences(self.frame), strict=True):
            text.append(f"{lead}: ", theme.DIM).append(f"{sentence}\n", theme.TEXT)
        if self.pane and (about := pane_text(self.pane)):
            text.append(f"\n{about.title}\n", theme.NEW)
            for lead, sentence in zip(LEADS, (about.what, about.why, about.read), strict=True):
                text.append(f"{lead}: ", theme.DIM).append(f"{sentence}\n", theme.TEXT)
        text.append(
            "\nBars standing on the ground are positive, hanging ones negative; · is not yet computed.\n", theme.DIM
        )
        for group, keys in groupby(registry.all_keys(), key=lambda key: key.group):
            text.append(f"\n{group}\n", theme.NEW)
            for key in keys:
                text.append(f"  {key.display or key.keys:<5} ", theme.STRONG).append(f"{key.tooltip}\n", theme.TEXT)
        text.append("\nIn a lecture\n", theme.NEW)
        single = [(key.display or key.keys, key.tooltip) for key in IN_LECTURE if key.id not in MANY]
        for words, tooltip in (*single, *MANY_WORDS):
            text.append(f"  {words:<5} ", theme.STRONG).append(f"{tooltip}\n", theme.TEXT)
        text.append(
            "\nThe mouse does all of it: click a cell, a token, a line of the outline; drag the timeline.\n",
            theme.DIM,
        )
        return text
