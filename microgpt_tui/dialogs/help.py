"""`HelpScreen`, and what it shows over the debugger and over the inference screen: how to read them, and every key."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.language.chosen import language
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.keys import IN_LECTURE, Key, bindings
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import MINUS_SIGNS, PLUS_SIGNS
from microgpt_tui.explanations.glossary import terms
from microgpt_tui.explanations.sentences import pane_text, sentences, texts, title_of
from microgpt_tui.inference.keys import IN_INFERENCE
from microgpt_tui.panes import registry
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.modal import Modal

MANY = ("page.digit", "page.pick")  # keys of lectures that have a line together
MANY_WORDS = (
    ("1-9", say("keys.tooltip.page_digit")),
    ("a-h", say("dialogs.help.predict_pick_option_question")),
)
LEADS = (
    say("dialogs.help.lead_here"),
    say("dialogs.help.lead_what"),
    say("dialogs.help.lead_why"),
    say("dialogs.help.lead_read"),
)


class HelpScreen(Modal[None]):
    """A text that scrolls where it is too long; any of its keys closes it."""

    CSS = "HelpScreen .box { padding: 0 2; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings(Key("help.close", "escape,q,question_mark,K,enter", "dismiss"))

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box") as scroll:
            scroll.border_title, scroll.border_subtitle = self._title, say("dialogs.help.esc_closes")
            yield Static(self._text)


def debugger_help(frame: Frame, pane: str | None) -> Text:
    """What the present event is about, what a pane shows, and every key of the debugger and of lectures."""
    text = Text()
    parts = [(title_of(frame), sentences(frame))]
    if pane and (about := pane_text(pane)):
        parts.append((about.title, (about.what, about.why, about.read)))
    for title, answers in parts:
        text.append(f"\n{title}\n", theme.STRONG)
        for lead, sentence in zip(LEADS[-len(answers) :], answers, strict=True):
            text.append(f"{lead}: ", theme.DIM).append(f"{sentence}\n", theme.TEXT)
    text.append(say("dialogs.help.bars_standing_on_ground"), theme.DIM)
    _keys(text, registry.all_keys(), 5)
    text.append(say("dialogs.help.lecture"), theme.STRONG)
    single = [(key.shown, key.tooltip) for key in IN_LECTURE if not key.id.startswith(MANY)]
    for shown, tooltip in (*single, *MANY_WORDS):
        text.append(f"  {shown:<5} ", theme.STRONG).append(f"{tooltip}\n", theme.TEXT)
    text.append(say("dialogs.help.mouse_does_all_click"), theme.DIM)
    signs = say("dialogs.help.signs_of_cells", plus=" ".join(PLUS_SIGNS), minus=" ".join(MINUS_SIGNS))
    return text.append(f"\n{signs}", theme.DIM)


def inference_help() -> Text:
    """What each part of the inference screen shows, and every key."""
    text = Text()
    for about in texts()["inference"].values():
        text.append(f"\n{about.title}\n", theme.STRONG)
        text.append(f"{about.what} {about.why} {about.read}\n", theme.TEXT)
    _keys(text, IN_INFERENCE, 7)
    return text.append(say("dialogs.help.mouse_click_or_drag"), theme.DIM)


def glossary_text() -> Text:
    """Every term of the program and its meaning; in Korean, with the English term."""
    text = Text()
    for term in terms(language()):
        text.append(term.word, theme.STRONG)
        if term.english != term.word:
            text.append(f" · {term.english}", theme.DIM)
        text.append(f": {term.meaning}\n", theme.TEXT)
    return text


def _keys(text: Text, keys: Iterable[Key], width: int) -> None:
    """Append keys by group, each in at least `width` cells."""
    for group, members in groupby(keys, key=lambda key: key.heading):
        text.append(f"\n{group}\n", theme.STRONG)
        for key in members:
            text.append(f"  {key.shown:<{width}} ", theme.STRONG).append(f"{key.tooltip}\n", theme.TEXT)
