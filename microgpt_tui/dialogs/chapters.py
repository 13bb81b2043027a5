"""The chapters of a lecture, to choose one from."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line
from microgpt_tui.lectures.library import other
from microgpt_tui.lectures.page import Course, LectureError
from microgpt_tui.widgets.modal import Modal
from microgpt_tui.widgets.textual_fixes import SafeOptionList

WIDTH = 56  # cells of a line


class ChaptersScreen(Modal[tuple[Course, int] | None]):
    """Returns the course, which may be in another language by now, and the place of the chosen chapter; or None."""

    CSS = "ChaptersScreen .box { width: 64; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "dismiss(None)", "close", tooltip="Back"),
        Binding("tab,k", "translate", "language", tooltip="The same course in its other language", priority=True),
        Binding("space,right,pagedown", "choose", "choose", tooltip="Begin this chapter", priority=True),
    ]

    def __init__(self, course: Course, place: int) -> None:
        super().__init__()
        self._course, self._place = course, place

    def compose(self) -> ComposeResult:
        """One line a chapter."""
        with Vertical(classes="box") as box:
            box.border_title = "Lectures"
            hint = "enter begins · esc closes"
            box.border_subtitle = hint if self._course.folder is None else f"{hint} · tab English, 한국어"
            yield SafeOptionList(markup=False)

    def on_mount(self) -> None:
        """Begin at the present one."""
        self._fill(self._place)

    def _fill(self, place: int) -> None:
        lines = self.query_one(OptionList)
        lines.clear_options()
        for number, chapter in enumerate(self._course.chapters, 1):
            pages = f"{len(chapter.pages)} pages"
            line = Line().fit(f"{number:2d}  {chapter.title}", WIDTH - len(pages)).add(pages, theme.DIM)
            lines.add_option(Option(Text.assemble(*((part.text, part.style or "") for part in line.segments))))
        lines.highlighted = min(place, lines.option_count - 1)

    def action_translate(self) -> None:
        """Show the course in its other language."""
        try:
            found = other(self._course)
        except LectureError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if found is not None:
            self._course = found
            self._fill(self.query_one(OptionList).highlighted or 0)

    def action_choose(self) -> None:
        """Begin the chapter under the cursor."""
        self._begin(self.query_one(OptionList).highlighted)

    @on(OptionList.OptionSelected)
    def chosen(self, message: OptionList.OptionSelected) -> None:
        """A chapter was clicked, or entered."""
        self._begin(message.option_index)

    def _begin(self, place: int | None) -> None:
        self.dismiss(None if place is None else (self._course, place))
