"""`ChaptersScreen`: the chapters of a course, to choose one from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from microgpt_tui.dialogs.list_dialog import ListDialog, option
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line
from microgpt_tui.lectures.library import other
from microgpt_tui.lectures.page import Course, LectureError
from microgpt_tui.texts.say import say

LINE = 56  # cells


class ChaptersScreen(ListDialog[tuple[Course, int] | None]):
    """Returns the course, which may be in another language by now, and the place of the chosen chapter; or None."""

    TITLE_ABOVE, WIDEST = say("dialogs.chapters.title"), 64
    CSS = f"ChaptersScreen .box {{ width: {WIDEST}; }}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "dismiss(None)", say("dialogs.keys.close"), tooltip=say("dialogs.chapters.back")),
        Binding(
            "tab,k",
            "translate",
            say("dialogs.chapters.language"),
            tooltip=say("dialogs.chapters.same_course_its_other"),
            priority=True,
        ),
        Binding(
            "space,right,pagedown",
            "choose",
            say("dialogs.chapters.choose"),
            tooltip=say("dialogs.chapters.begin_chapter"),
            priority=True,
        ),
    ]

    def __init__(self, course: Course, place: int) -> None:
        super().__init__()
        self._course, self._place = course, place

    def keys_below(self) -> str:
        return say(
            "dialogs.chapters.footer" if self._course.folder is None else "dialogs.chapters.footer_with_languages"
        )

    def on_mount(self) -> None:
        self.fill(self._place)

    def options(self) -> Iterator[Option]:
        for number, chapter in enumerate(self._course.chapters, 1):
            pages = f"{len(chapter.pages)} pages"
            yield option(Line().fit(f"{number:2d}  {chapter.title}", LINE - len(pages)).add(pages, theme.DIM))

    def action_translate(self) -> None:
        try:
            translated = other(self._course)
        except LectureError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if translated is not None:
            self._course = translated
            self.fill()

    @on(OptionList.OptionSelected)
    def action_choose(self) -> None:
        place = self.query_one(OptionList).highlighted
        self.dismiss(None if place is None else (self._course, place))
