"""`RenderedPage`: a page with its numbers in place, as a viewer sees it, and the lines that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from rich.cells import cell_len
from rich.text import Text

from engine import Moment, Run
from engine.immutable import immutable
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.markdown import literal, prose
from microgpt_tui.drawing.wrapped_text import wrapped
from microgpt_tui.lectures.binding import BoundPage
from microgpt_tui.lectures.file_map import FileMap
from microgpt_tui.lectures.outline import CodeLines
from microgpt_tui.lectures.page import LectureError
from microgpt_tui.lectures.quotes import Template
from microgpt_tui.texts.say import say

LETTERS = "abcdefghijklmnopqrstuvwxyz"
RIGHT, WRONG = "✓", "✗"
LEAST_BAR, LONE_BAR = 8, 3  # columns for a bar beside an option, and before one below it
LEAST_CODE = 3  # lines of code that a page shows at any size, if it has as many


@immutable
class Poll:
    """How many of an audience have chosen each option, and a sentence about how many that are.

    `hidden` counts are not shown before the page is done. Without `bars` they stand beside the options as numbers.
    """

    counts: tuple[int, ...]
    answered: str
    hidden: bool = False
    bars: bool = True


@immutable
class RenderedPage:
    """The texts of a page. `start` and `end` are the moments at which it begins, and where its act ends.

    `title`, `body`, `question`, `then`, `why` and `notes` are Markdown, with what is quoted as `literal` writes it.
    `code` are the lines of the statements that it names, `map` is that of the file where the page shows it.
    `right` is the place of the right option. `done` says that the act is over, so that `then` and the right option are
    shown; `unfolded`, that `why` is; `chosen` is the option that the viewer has picked; `poll`, what an audience has.
    """

    title: str
    body: str
    start: Moment
    end: Moment
    figure: str = ""
    question: str = ""
    options: tuple[str, ...] = ()
    right: int | None = None
    then: str = ""
    notes: str = ""
    why: str = ""
    code: tuple[CodeLines, ...] = ()
    map: FileMap | None = None
    unfolded: bool = False
    done: bool = False
    chosen: int | None = None
    poll: Poll | None = None

    def revealed(self) -> RenderedPage:
        """The page when its act is over."""
        return replace(self, done=True)

    @property
    def right_option(self) -> str:
        """The right option with its letter; empty if there is none."""
        return "" if self.right is None else f"{LETTERS[self.right]}) {self.options[self.right]}"


def render_page(bound: BoundPage, session: Run, before: Moment) -> RenderedPage:
    """A page with its numbers, evaluated on a run that is moved for it. `before` is where the page before ends.

    Raises LectureError.
    """

    def filled(text: Template | None, moment: Moment) -> str:
        return text.fill(session, moment, literal) if text is not None else ""

    session = bound.run(session)
    start = bound.start(session, before)
    at_start = partial(filled, moment=start)
    texts = bound.title, bound.body, bound.question, bound.notes, bound.why
    title, body, question, notes, why = map(at_start, texts)
    figure = bound.figure.fill(session, start) if bound.figure is not None else ""
    options = tuple(option.fill(session, start) for option in bound.options)
    session.seek(start)
    bound.walk(session)  # whether there is such a sample
    end = bound.ending(session, start)
    bound.walk(session, done=True)
    right = bound.right(session, list(options))
    then = filled(bound.then, end)
    return RenderedPage(title, body, start, end, figure, question, options, right, then, notes, why, bound.code)


def render_pages(
    pages: list[BoundPage], session: Run, wanted: Callable[[], int] = lambda: 0
) -> Iterator[tuple[int, RenderedPage]]:
    """The place of each page, and the page with its numbers. `session` is moved for it, and should be a run of its own.

    The page that is `wanted` at the time comes first, then those after it, then those before it. A page that begins
    where the one before ends comes after that one. A page with a mistake that only running shows says so itself.
    """
    found: dict[int, RenderedPage] = {}
    while len(found) < len(pages):
        first = wanted()
        place = next(i for i in (*range(first, len(pages)), *range(first)) if i not in found)
        while place and pages[place].at is None and place - 1 not in found:
            place -= 1
        before = found[place - 1].end if place - 1 in found else Moment()
        try:
            found[place] = render_page(pages[place], session, before)
        except LectureError as error:
            reason = say("lectures.rendered_page.cannot_be_shown", reason=literal(str(error)))
            found[place] = RenderedPage(pages[place].page.title.text, reason, before, before)
        yield place, found[place]


def title_lines(chapter: str, title: str, width: int) -> int:
    """How many lines the title of a page takes, with that of the chapter: to the right if there is room, else above."""
    lines = prose(title, width)
    beside = len(lines) <= 1 and sum(line.cell_len for line in lines) + 3 + cell_len(chapter) <= width
    return 1 if beside else 1 + max(len(lines), 1)


def page_lines(page: RenderedPage, width: int) -> list[Text]:
    """The text of a page, line by line, each at most `width` cells. The title and the figure are not in it."""
    blocks = [prose(page.body, width), _question(page, width)]
    if page.done and page.then:
        blocks.append(_marked("▸", page.then, width))
    if page.unfolded and page.why:
        blocks.append(_marked("?", page.why, width))
    lines: list[Text] = []
    for block in blocks:
        if block and lines:
            lines.append(Text())
        lines += block
    return lines


def _marked(mark: str, text: str, width: int) -> list[Text]:
    """A Markdown text with a mark before its first line."""
    lines = prose(text, width - 2)
    return [Text.assemble((f"{' ' if i else mark} ", theme.STRONG), line) for i, line in enumerate(lines)]


def _question(page: RenderedPage, width: int) -> list[Text]:
    """The question, and its options as many on a line as fit; with bars, each on a line of its own."""
    lines = prose(f"**{page.question}**", width) if page.question else []
    poll = page.poll
    counted = poll is not None and (page.done or not poll.hidden)
    counts = [f" {count}" for count in poll.counts] if poll is not None and counted and not poll.bars else []
    options = [_option(page, place, width, *counts[place : place + 1]) for place in range(len(page.options))]
    if poll is not None and lines and lines[-1].cell_len + 3 + cell_len(poll.answered) <= width:
        lines[-1] = Text.assemble(lines[-1], "   ", (poll.answered, theme.DIM))
    elif poll is not None:
        lines.append(Text(poll.answered, theme.DIM))
    if poll is not None and poll.bars and counted:
        return [*lines, *_bars(page, options, poll.counts, width)]
    line = Text()
    for first, *others in options:
        if line.cell_len and line.cell_len + 3 + first.cell_len > width:
            lines.append(line)
            line = Text()
        line.append("   " if line.cell_len else "").append_text(first)
        if others:
            lines += [line, *others]
            line = Text()
    return [*lines, line] if line.cell_len else lines


def _bars(page: RenderedPage, options: list[list[Text]], counts: tuple[int, ...], width: int) -> Iterator[Text]:
    """Each option with a bar for how many have chosen it; below it where it is long."""
    total, most = sum(counts), max(counts)
    numbers = [f" {count} · {count / max(total, 1):.0%}" for count in counts]
    room = max(map(cell_len, numbers))
    longest = max(line.cell_len for option in options for line in option)
    beside = longest + 2 + LEAST_BAR + room <= width and all(len(option) == 1 for option in options)
    lead = longest + 2 if beside else LONE_BAR
    for place, (option, count, number) in enumerate(zip(options, counts, numbers, strict=True)):
        style = theme.TEXT if not page.done else theme.TARGET if place == page.right else theme.DIM
        drawn = Text.assemble((bar(count, most, max(width - lead - room, 1)), style), (number, theme.STRONG))
        if beside:
            yield Text.assemble(*option, " " * (lead - option[0].cell_len), drawn)
        else:
            yield from option
            yield Text.assemble(" " * lead, drawn)


def _option(page: RenderedPage, place: int, width: int, count: str = "") -> list[Text]:
    """An option with its letter, and how many have chosen it; on as many lines as it needs."""
    mark, style = f"{LETTERS[place]})", theme.TEXT
    if page.done and place == page.right:
        mark, style = f"{RIGHT} {mark}", theme.TARGET
    elif page.done and place == page.chosen:
        mark, style = f"{WRONG} {mark}", theme.WARNING
    elif place == page.chosen:
        mark, style = f"▸ {mark}", theme.NEW
    lead, words = cell_len(mark) + 1, page.options[place]
    room = max(width - lead - len(count), 1)
    parts = wrapped(words, room) if cell_len(words) > room else (words,)
    lines = [Text.assemble(" " * lead, (part, style)) for part in parts]
    lines[0] = Text.assemble((f"{mark} ", theme.DIM if style is theme.TEXT else style), (parts[0], style))
    lines[-1].append(count, theme.STRONG)
    return lines
