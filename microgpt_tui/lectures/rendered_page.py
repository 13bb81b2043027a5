"""`RenderedPage`: a page with its numbers in place, as a viewer sees it, and the lines that it makes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.text import Text

from engine import Moment, Session
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.markdown import literal, prose
from microgpt_tui.lectures.binding import BoundPage
from microgpt_tui.lectures.quotes import Template

LETTERS = "abcdefghijklmnopqrstuvwxyz"
RIGHT, WRONG = "✓", "✗"


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """What a page says. `start` and `end` are the moments at which it begins, and where what it does ends.

    `title`, `body`, `question`, `then` and `notes` are Markdown, with what is quoted as `literal` writes it.
    `right` is the place of the right option. `done` says that the page has done what it does, so that `then` and the
    right option are shown; `chosen` is the option that the viewer has picked.
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
    done: bool = False
    chosen: int | None = None

    def revealed(self) -> RenderedPage:
        """The page when it has done what it does."""
        return replace(self, done=True)


def leaf_of(scene: BoundPage, session: Session, before: Moment) -> tuple[RenderedPage, Moment]:
    """A page with its numbers, asked of a run that is moved for it; and where the page ends.

    `before` is where the page before ends. Raises LectureError.
    """
    start = scene.start(session, before)

    def said(text: Template | None, moment: Moment) -> str:
        return text.fill(session, moment, literal) if text is not None else ""

    title, body, question, notes = (
        said(text, start) for text in (scene.title, scene.body, scene.question, scene.notes)
    )
    figure = scene.figure.fill(session, start) if scene.figure is not None else ""
    options = tuple(option.fill(session, start) for option in scene.options)
    session.seek(start)
    end = scene.ending(session, start)
    right = scene.right(session, list(options))
    then = said(scene.then, end)
    return RenderedPage(title, body, start, end, figure, question, options, right, then, notes), end


def lines_of(leaf: RenderedPage, width: int) -> list[Text]:
    """The text of a page, line by line, each at most `width` cells. The title and the figure are not in it."""
    blocks = [prose(leaf.body, width), _question(leaf, width)]
    if leaf.done and leaf.then:
        blocks.append([Text.assemble(("▸ " if i == 0 else "  ", theme.NEW), line)
                       for i, line in enumerate(prose(leaf.then, width - 2))])  # fmt: skip
    lines: list[Text] = []
    for block in blocks:
        if block and lines:
            lines.append(Text())
        lines += block
    return lines


def _question(leaf: RenderedPage, width: int) -> list[Text]:
    """The question, and its options as many on a line as fit."""
    lines = prose(f"**{leaf.question}**", width) if leaf.question else []
    line = Text()
    for place, words in enumerate(leaf.options):
        option = _option(leaf, place, words)
        if line.cell_len and line.cell_len + 3 + option.cell_len > width:
            lines.append(line)
            line = Text()
        line.append("   " if line.cell_len else "").append_text(option)
    return [*lines, line] if line.cell_len else lines


def _option(leaf: RenderedPage, place: int, words: str) -> Text:
    mark, style = f"{LETTERS[place]})", theme.TEXT
    if leaf.done and place == leaf.right:
        mark, style = f"{RIGHT} {mark}", theme.TARGET
    elif leaf.done and place == leaf.chosen:
        mark, style = f"{WRONG} {mark}", theme.WARNING
    elif place == leaf.chosen:
        mark, style = f"▸ {mark}", theme.NEW
    return Text.assemble((f"{mark} ", theme.DIM if style is theme.TEXT else style), (words, style))
