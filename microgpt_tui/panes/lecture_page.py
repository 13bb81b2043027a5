"""The page of a lecture: its title, its text, a figure in large digits; and the line below the screen."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.renderables.digits import Digits

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.markdown import prose
from microgpt_tui.drawing.picture import Line, Picture, measured
from microgpt_tui.lectures.file_map import FileMap
from microgpt_tui.lectures.player import LectureStatus
from microgpt_tui.lectures.rendered_page import LEAST_CODE, RenderedPage, page_lines
from microgpt_tui.panes.source import lit_lines
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.picture_view import PictureView

FIGURE, DIGITS_NEED = 2, 5  # lines for a figure in letters, and the least for one in large digits
LEAST_LABEL = 8  # cells from which a label of the map says something
MAP_WIDE = 60  # cells from which a line of the map has room for the chapter
BOLD = Style(bold=True)
ROWS = 4  # of the screen that a line of code may take


class LecturePage(PictureView):
    """What the lecture says. It is handed a `rendered`; None while its numbers are worked out."""

    rendered: RenderedPage | None = None
    chapter = ""
    spread = False
    """Whether the text is all that is to be read, from afar: in bold, with room between its lines."""
    no_lines = ""
    """What stands below the map of the file where its lines are not known."""
    waiting = ""
    """What stands there while there is no rendered."""

    def picture_for(self, width: int, height: int) -> Picture:
        picture = Picture()
        if self.rendered is None:
            picture.line(self.waiting, theme.DIM)
            return picture
        page = self.rendered
        if page.unfolded and self.lines_needed(width) > height:  # the reasons alone
            page = replace(page, body="", question="", options=(), poll=None, then="", figure="", code=(), map=None)
        picture.lines += _title(self.chapter, page.title, width)
        picture.line()
        figure = FIGURE if page.figure else 0
        rest, least = height - picture.height - figure, min(LEAST_CODE, sum(len(block.lines) for block in page.code))
        if page.poll is not None and rest - len(page_lines(page, width)) < least:
            page = replace(page, poll=replace(page.poll, bars=False))
        lines, room = page_lines(page, width), rest - len(page_lines(page.revealed(), width))
        code = code_lines(page, width, room)
        picture.lines += code
        if code and len(code) < room:
            picture.line()
        if page.map is not None:
            picture.lines += self._map(page.map, width, room)
        if page.figure:
            self._figure(picture, page.figure, width, height - picture.height - len(lines))
        apart = self.spread and 2 * len(lines) + picture.height <= height
        for text in lines:
            line = _line(text)
            if self.spread:
                line.segments = [Segment(s.text, (s.style or theme.TEXT) + BOLD) for s in line.segments]
            picture.lines.append(line)
            if apart and text.plain:
                picture.line()
        return picture

    def _figure(self, picture: Picture, words: str, width: int, room: int) -> None:
        """In large digits where there is room for them, else in letters."""
        if room < DIGITS_NEED:
            picture.line(words, theme.STRONG)
            if room >= FIGURE:
                picture.line()
            return
        console = Console(width=width, color_system=None)
        for segments in console.render_lines(Digits(words, theme.STRONG), pad=False):
            line = picture.line()
            for segment in segments:
                line.add(segment.text, segment.style)
        picture.line()

    def _map(self, shown: FileMap, width: int, room: int) -> list[Line]:
        hint = [] if shown.has_lines else [_line(text, theme.DIM) for text in prose(self.no_lines, width)]
        return [*file_map_lines(shown, width, room - len(hint) - 1), *hint, Line()]

    def lines_needed(self, width: int) -> int:
        """How many lines the page has in a width, once it has done what it does, with a figure in letters."""
        if self.rendered is None:
            return 2
        title, figure = _title(self.chapter, self.rendered.title, width), FIGURE if self.rendered.figure else 0
        code = len(_code(self.rendered, width, whole=True))
        code += code > 0
        if self.rendered.map is not None:
            code += len(self._map(self.rendered.map, width, 0))
        return len(title) + 1 + figure + code + len(page_lines(self.rendered.revealed(), width))


def code_lines(page: RenderedPage, width: int, room: int) -> list[Line]:
    """The statements that a page is about, lit, in this many lines where they fit: with the files, whole.

    Else each takes one; of those that have no room, some are shown all the same, and how many there are more.
    """
    lines = _code(page, width, whole=True)
    if len(lines) > room:
        lines = _code(page, width, whole=False)
    room = max(room, LEAST_CODE)
    if len(lines) <= room:
        return lines
    left = len(lines) - room + 1
    return [*lines[: room - 1], Line().most(say("panes.lecture_page.more", count=left), width, theme.DIM)]


def _code(page: RenderedPage, width: int, whole: bool) -> list[Line]:
    lines: list[Line] = []
    for block in page.code:
        rows = lit_lines(block.code, block.lines, width, ROWS if whole else 1)
        if rows[0].width + measured(block.label)[1] < width:
            rows[0].to(width - measured(block.label)[1]).add(block.label, theme.DIM)
        elif whole and not block.in_copy:
            lines.append(Line().most(block.label, width, theme.DIM))
        lines += rows
    return lines


def file_map_lines(shown: FileMap, width: int, room: int) -> list[Line]:
    """Which chapter each part of the file belongs to: a line for each, or two where it is narrow and there is room.

    In a narrow line the title comes first, and of the code as much as there is room for.
    """
    lines: list[Line] = []
    ranges = max((len(chapter.lines) for chapter in shown.chapters), default=0) if shown.has_lines else 0
    in_two = width < MAP_WIDE and 2 * len(shown.chapters) <= room
    for chapter in shown.chapters:
        line, number = Line(), f"{chapter.place + 1:>2} "
        if shown.has_lines:
            line.add(f"{chapter.lines:>{ranges}} ", theme.FAINT)
        if in_two:
            lines.append(line.most(chapter.largest.label, width - line.width, theme.NEW))
            line = Line().to(ranges + 1)
        elif width >= MAP_WIDE:
            line.fit(chapter.largest.label, (width - ranges) // 2, theme.NEW).add(" ")
        line.add(number, theme.STRONG).most(chapter.title, width - line.width, theme.TEXT)
        if width < MAP_WIDE and not in_two and width - line.width > LEAST_LABEL:
            line.add(" ").most(chapter.largest.label, width - line.width, theme.NEW)
        lines.append(line)
    return lines


def _title(chapter: str, title: str, width: int) -> list[Line]:
    """The page's title, with the chapter's to the right if there is room, else above."""
    lines = [_line(text, theme.STRONG) for text in prose(title, width) or [Text(title)]]  # Markdown may say nothing
    last, size = lines[-1], measured(chapter)[1]
    if len(lines) == 1 and last.width + 3 + size <= width:
        last.to(width - size).add(chapter, theme.DIM)
        return lines
    return [Line().most(chapter, width, theme.DIM), *lines]


def _line(text: Text, style: Style | None = None) -> Line:
    """A styled text as a line of a picture, or all of it in one style."""
    line = Line()
    for segment in text.render(Console(width=max(text.cell_len, 1), color_system=None), end=""):
        line.add(segment.text, style or segment.style)
    return line


class Footing(PictureView):
    """The line below a lecture."""

    status: LectureStatus | None = None

    def show_status(self, status: LectureStatus) -> None:
        if status != self.status:
            self.status = status
            self.redraw()

    def picture_for(self, width: int, height: int) -> Picture:
        del height
        picture, status = Picture(), self.status
        line = picture.line()
        if status is None:
            return picture
        count = cell_len(status.count)
        room = width - count - 2
        line.most(f" {status.hint} ", room, theme.NOW if status.urgent else theme.STRONG)
        for key, words in status.keys:
            more = Line().add(f"  {key.shown} ", theme.STRONG, key).add(words, theme.TEXT, key)
            if line.width + more.width <= room:
                line.extend(more)
        line.to(width - count - 1).add(status.count, theme.DIM)
        return picture
