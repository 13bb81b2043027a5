"""Help of the screen of inference: how to read it, and every key."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from microgpt_tui.drawing import theme
from microgpt_tui.inference.keys import IN_INFERENCE
from microgpt_tui.texts.sentences import texts
from microgpt_tui.widgets.modal import Modal


class InferenceHelp(Modal[None]):
    """Shown over inference; any of its keys closes it."""

    CSS = "InferenceHelp .box { padding: 0 2; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        """The text, scrolled if it must be."""
        with VerticalScroll(classes="box") as scroll:
            scroll.border_title = "Inference"
            scroll.border_subtitle = "esc closes"
            yield Static(_text())


def _text() -> Text:
    text = Text()
    for about in texts()["inference"].values():
        text.append(f"\n{about.title}\n", theme.NEW)
        text.append(f"{about.what} {about.why} {about.read}\n", theme.TEXT)
    for group, keys in groupby(IN_INFERENCE, key=lambda key: key.group):
        text.append(f"\n{group}\n", theme.NEW)
        for key in keys:
            text.append(f"  {key.display or key.keys:<8}", theme.STRONG).append(f"{key.tooltip}\n", theme.TEXT)
    text.append("\nThe mouse: click or drag the slider, click a token, scroll a list.\n", theme.DIM)
    return text
