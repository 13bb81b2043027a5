"""The chapters of a lecture, to choose one from."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from microgpt_tui.lectures.pages import Course
from microgpt_tui.widgets.picture import printable


class ChaptersScreen(ModalScreen[int | None]):
    """Returns the place of the chosen chapter; None if none was chosen."""

    CSS = """
    ChaptersScreen { align: center middle; background: $background 60%; }
    ChaptersScreen Vertical { width: 64; max-width: 96%; height: auto; max-height: 92%; border: round $accent;
        background: $panel; padding: 0 1; border-title-color: $accent; border-subtitle-color: $foreground; }
    ChaptersScreen OptionList { height: auto; max-height: 100%; border: none; background: $panel; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "dismiss(None)", "close", tooltip="Back"),
        Binding("space,right,pagedown", "choose", "choose", tooltip="Begin this chapter", priority=True),
    ]

    def __init__(self, course: Course, place: int) -> None:
        super().__init__()
        self._course, self._place = course, place

    def compose(self) -> ComposeResult:
        """One line a chapter."""
        with Vertical() as box:
            box.border_title = "Lectures"
            box.border_subtitle = "enter begins · esc closes"
            yield OptionList(
                *(
                    Option(f"{number:2d}  {printable(chapter.title)}  ({len(chapter.pages)} pages)")
                    for number, chapter in enumerate(self._course.chapters, 1)
                ),
                markup=False,
            )

    def on_mount(self) -> None:
        """Begin at the present one."""
        self.query_one(OptionList).highlighted = self._place

    def action_choose(self) -> None:
        """Begin the chapter under the cursor."""
        self.dismiss(self.query_one(OptionList).highlighted)

    @on(OptionList.OptionSelected)
    def chosen(self, message: OptionList.OptionSelected) -> None:
        """A chapter was clicked, or entered."""
        self.dismiss(message.option_index)
