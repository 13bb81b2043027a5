"""Fixes of Textual, each for the version named with it. When Textual changes, look here first.

What the fixes are for was seen with Textual 8.2.8.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Literal, Self, TypeVar

from rich.align import Align
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style as RichStyle
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.await_complete import AwaitComplete
from textual.color import Color
from textual.command import CommandList, CommandPalette
from textual.errors import NoWidget
from textual.filter import LineFilter
from textual.message_pump import _MessagePumpMeta
from textual.notifications import Notification
from textual.screen import Screen
from textual.strip import Strip
from textual.style import Style
from textual.visual import VisualType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

SHORTEST = 0.01  # seconds that a notification is shown at least
UNPRINTABLE = "\ufffd"  # stands for what a terminal would obey instead of printing it
T = TypeVar("T")


class AbstractMeta(_MessagePumpMeta, ABCMeta):
    """The metaclass of widgets with abstract methods: widgets have one of their own, without ABCMeta."""


def call_later(app: App[Any], called: Callable[..., None], *given: object) -> bool:
    """In a thread: have something called in the app's own, without waiting. False if the app has ended.

    Textual's `call_from_thread` and `post_message` leave a coroutine behind that nobody awaits, if the app ends just
    then.
    """
    loop = app._loop
    if loop is None or not app.is_running:
        return False
    try:
        loop.call_soon_threadsafe(app.call_later, partial(called, *given))
    except RuntimeError:  # the loop has been closed in the meantime
        return False
    return True


class PrintableFilter(LineFilter):
    """Replaces what cannot be printed by a sign in as many cells; the line keeps its width.

    Textual's own widgets, such as a line to type in, print what they are given, control characters too. Every painted
    line goes through here. What the project draws has gone through `printable` before.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line, without anything that is not printable."""
        del background
        return [
            segment if segment.control else Segment(_printable(segment.text), segment.style, None)
            for segment in segments
        ]


@lru_cache(4096)
def _printable(text: str) -> str:
    if printable(text) == text:
        return text
    return "".join(c if printable(c) == c else UNPRINTABLE * cell_len(c) for c in text)


class LastingNotification(Notification):
    """A notification that always has some time left.

    Textual asks whether it has expired and, a little later, for how long to show it. If that is less than no time, its
    timer spins for ever and nothing else is done any more.
    """

    @property
    def time_left(self) -> float:
        """Seconds until it goes, SHORTEST at least."""
        return max(super().time_left, SHORTEST)

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return super().time_left <= 0


class SafeScreen(Screen[T]):
    """A screen that `dismiss` closes once, and no other.

    Textual's own `dismiss` closes whichever screen is on top: keys typed on would close those below, too.
    """

    _late: tuple[T | None] | None = None  # what is returned as soon as the screen is ready and nothing lies above it

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Close and return something; if another screen lies above, when that is closed. A second time, do nothing.

        One that is not mounted yet closes when it is: its own handlers look for widgets that would be gone already.
        """
        if self.is_active and self.is_mounted:
            return super().dismiss(result)
        if self in self.app.screen_stack:
            self._late = (result,)
        return AwaitComplete()

    def on_screen_resume(self) -> None:
        """Close, if it was dismissed while another screen lay above or this one was being mounted."""
        if self._late is not None:
            self.dismiss(*self._late)


class SafeOptionList(OptionList):
    """An option list that bears keys before it is laid out, and clicks on options that have just gone.

    Textual looks up the line of every option that is painted or wanted, and fails where there is none.
    """

    def _on_click(self, event: events.Click) -> None:  # type: ignore[override]  # the base class's own comes after it
        option = event.style.meta.get("option")
        if option is not None and option >= self.option_count:
            event.prevent_default()

    def _move_page(self, direction: Literal[-1, 1]) -> None:
        if (self.highlighted or 0) in self._index_to_line:
            super()._move_page(direction)

    def _get_option_render(self, option: Option, style: Style) -> list[Strip]:
        """The lines of an option; those of the highlighted one in one colour, that can be read on its background."""
        strips = super()._get_option_render(option, style)
        if option is not self.highlighted_option:
            return strips
        readable = RichStyle(color=style.rich_style.color)
        return [Strip(Segment.apply_style(strip, post_style=readable), strip.cell_length) for strip in strips]


class SafeCommandList(CommandList, SafeOptionList):
    """The list of the command palette, as safe as other lists, and in the program's language."""

    def add_option(self, option: Option | VisualType | None = None) -> Self:
        """Add an option, or the one that says that nothing was found, which Textual has in English alone."""
        if isinstance(option, Option) and option.id == CommandPalette._NO_MATCHES:
            words = Align.center(Text(say("widgets.textual_fixes.no_matches"), style="not bold"))
            option = Option(words, disabled=True, id=option.id)
        return super().add_option(option)


class SafeCommandPalette(CommandPalette, SafeScreen[None]):
    """A command palette that bears being closed or clicked at any time, and closes as other dialogs do."""

    def compose(self) -> ComposeResult:
        for widget in super().compose():
            yield SafeCommandList() if isinstance(widget, CommandList) else widget

    def _gather_commands(self, search_value: str) -> None:  # type: ignore[override]  # its worker is not used
        """Search, but not after the palette was closed: its list may be gone."""
        if self.is_active:
            super()._gather_commands(search_value)

    def _on_click(self, event: events.Click) -> None:  # type: ignore[override]  # the base class's is called after it
        """Ignore a click at a place for which the window has just become too small."""
        try:
            self.get_widget_at(event.screen_x, event.screen_y)
        except NoWidget:
            event.prevent_default()
