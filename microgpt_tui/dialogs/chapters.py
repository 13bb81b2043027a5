"""`ChaptersScreen`: the chapters of a course, or the map of the file that it explains, to choose a page from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.binding import BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.dialogs.list_dialog import ListDialog, option
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.markdown import plain_words
from microgpt_tui.drawing.picture import Line
from microgpt_tui.lectures.file_map import file_map
from microgpt_tui.lectures.library import other
from microgpt_tui.lectures.outline import CodeFinder
from microgpt_tui.lectures.page import Course, LectureError
from microgpt_tui.texts.say import say

RANGE, LINES = 12, 7  # cells of a chapter's lines, and of a page's


class ChaptersScreen(ListDialog[tuple[Course, int, int] | None]):
    """Returns the course, which may be in another language by now, and the places of chapter and page; or None."""

    TITLE_ABOVE, WIDEST = say("dialogs.chapters.title"), 100
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("chapters.close", "escape,q,l", "dismiss"),
        Key("chapters.language", "tab,k", "translate", priority=True),
        Key("chapters.file", "f", "file"),
        Key("chapters.choose", "space,right,pagedown", "choose", priority=True),
    )

    def __init__(self, course: Course, place: int, page: int, code: CodeFinder) -> None:
        """`place` and `page` are where the lecture is; `code` finds the statements that pages are about."""
        super().__init__()
        self._course, self._place, self._page, self._code = course, place, page, code
        self._by_file = False
        self._map = file_map(course, code)

    def keys_below(self) -> str:
        keys = [say("dialogs.chapters.begins")]
        if self._map.regions:
            keys.append(say("dialogs.chapters.to_chapters" if self._by_file else "dialogs.chapters.to_file"))
        if self._course.folder is not None:
            keys.append(say("dialogs.chapters.tab_languages"))
        return " · ".join([*keys, say("dialogs.chapters.closes")])

    def on_mount(self) -> None:
        self.fill(self._place)

    def options(self) -> Iterator[Option]:
        return self._regions() if self._by_file else self._chapters()

    def _chapters(self) -> Iterator[Option]:
        lines = {chapter.place: chapter.lines for chapter in self._map.chapters} if self._map.has_lines else {}
        for place, chapter in enumerate(self._course.chapters):
            pages = say("dialogs.chapters.pages", n=len(chapter.pages))
            line = Line().fit(f"{place + 1:2d}  {chapter.title}", self.room - RANGE - cell_len(pages))
            line.fit(lines.get(place, ""), RANGE, theme.NEW).add(pages, theme.DIM)
            yield option(line, f"{place} 0")

    def _regions(self) -> Iterator[Option]:
        shown = self._map
        longest = 1 + max(cell_len(region.label) for region in shown.regions)
        for i, region in enumerate(shown.regions):
            owner, (first, last) = region.owner, region.lines
            line = Line()
            if shown.has_lines:
                line.fit(f"{first}-{last}" if last > first else f"{first}", LINES, theme.NEW, right=True).add(" ")
            line.fit(region.label, min(longest, self.room // 2 - line.width))
            line.add(f" {owner.place + 1:>2}.{owner.page + 1:<3}", theme.STRONG)
            title = plain_words(self._course.chapters[owner.place].pages[owner.page].title.text)
            yield option(line.most(title, self.room - line.width, theme.DIM), f"{owner.place} {owner.page} {i}")

    def action_file(self) -> None:
        if not self._map.regions:
            return
        self._by_file = not self._by_file
        here = self._place, self._page
        places = [(region.owner.place, region.owner.page) for region in self._map.regions]
        at = max((i for i, each in enumerate(places) if each <= here), key=lambda i: places[i], default=0)
        self.query_one(".box").border_subtitle = self.keys_below()
        self.fill(at if self._by_file else self._place)

    def action_translate(self) -> None:
        try:
            translated = other(self._course)
        except LectureError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if translated is not None:
            self._course, self._map = translated, file_map(translated, self._code)
            self.fill()

    @on(OptionList.OptionSelected)
    def action_choose(self) -> None:
        place, page, *_ = map(int, (self.chosen or "0 0").split())
        self.dismiss((self._course, place, page))
