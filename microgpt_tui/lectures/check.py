"""Whether a lecture can be shown: every moment exists, and every number that is quoted is known where it is quoted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from engine import Config, Moment, Run, Scope
from engine.model.tokenizer import Tokenizer
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.drawing.markdown import bare_marks, not_shown, prose
from microgpt_tui.lectures.binding import BoundPage, ScreenNames, bind
from microgpt_tui.lectures.library import run_of
from microgpt_tui.lectures.outline import CodeFinder
from microgpt_tui.lectures.page import Ask, Chapter, LectureError, Page
from microgpt_tui.lectures.parser import LONGEST, read_all
from microgpt_tui.lectures.rendered_page import LEAST_CODE, page_lines, render_page, title_lines
from microgpt_tui.texts.say import say

T = TypeVar("T")
Open = Callable[[Config, list[str]], Run]
"""A run of a configuration on documents; it may have been opened before."""

WIDTH, MOST_LINES = 76, 10  # of the text of a page in a window of 80x24
MOST_WITH_ALL = 11  # of the text, the figure, a title's second line and the code that is shown at any size


def check_lecture(
    path: Path, language: str, open_session: Open, names: ScreenNames, code: CodeFinder | None = None
) -> tuple[Chapter | None, list[LectureError]]:
    """The chapter in a file, and all that is wrong with it, in the order of the lines; else what reads badly."""
    chapter, mistakes = read_all(path, language)
    if chapter is None:
        return None, mistakes
    try:
        config, docs = run_of(chapter)
    except LectureError as error:
        mistakes.append(error)
        return chapter, sorted(mistakes, key=lambda mistake: mistake.line)
    pages, wrong = bind(chapter, Scope(config, Tokenizer(docs)), names, code)
    mistakes += wrong
    if not mistakes:
        session = open_session(config, docs)
        mistakes += _run_through(pages, session) or _hard_to_read(chapter.title, pages, session)
    mistakes += (mistake for page in chapter.pages for mistake in _not_shown(page))
    return chapter, sorted(mistakes, key=lambda mistake: mistake.line)


def _not_shown(page: Page) -> Iterator[LectureError]:
    """What stands in the texts of a page and cannot be shown in a terminal."""
    question = page.act.question if isinstance(page.act, Ask) else None
    for source in (page.title, page.body, page.notes, page.why, question, page.then):
        if source is not None and len(source.text) <= LONGEST:  # a longer one is a mistake already
            for line, what in dict.fromkeys(not_shown(source.text)):  # a tag that opens and closes is told once
                reason = say("lectures.check.not_shown", what=what)
                yield LectureError(reason, source.file, source.line + line)


def _run_through(pages: list[BoundPage], session: Run) -> list[LectureError]:
    """Every mistake in the pages that only running shows; the run is moved as for a viewer."""
    mistakes: list[LectureError] = []

    def attempt(do: Callable[..., T], *args: Any) -> T | None:
        try:
            return do(*args)
        except LectureError as error:
            mistakes.append(error)
            return None

    end = Moment()
    for page in pages:
        run = attempt(page.run, session)
        start = attempt(page.start, run, end) if run is not None else None
        if run is None or start is None:
            continue
        for focus in page.focus:
            attempt(focus.on, Focus(start), run)
        for text in page.texts:
            for quote in text.quotes:
                attempt(quote.answer, run, start)
        run.seek(start)
        attempt(page.walk, run)
        end = attempt(page.ending, run, start) or start
        if page.sample_revealed is not None:
            attempt(page.walk, run, True)
        if page.then is not None:
            for quote in page.then.quotes:
                attempt(quote.answer, run, end)
        attempt(_answer, page, run, start, end)
    return mistakes


def _answer(page: BoundPage, session: Run, start: Moment, end: Moment) -> None:
    options = [option.fill(session, start) for option in page.options]
    session.seek(end)
    page.right(session, options)


def _hard_to_read(chapter: str, pages: list[BoundPage], session: Run) -> Iterator[LectureError]:
    """Pages whose text is too long for a window of 80x24, or shows bare Markdown."""
    end = Moment()
    for page in pages:
        rendered = render_page(page, session, end)
        end = rendered.end
        lines = page_lines(rendered.revealed(), WIDTH)
        code = min(sum(len(block.lines) for block in rendered.code), LEAST_CODE)
        figure, more = len(rendered.figure) > 0, title_lines(chapter, rendered.title, WIDTH) - 1
        most = min(MOST_LINES, MOST_WITH_ALL - code - figure - more)
        if len(lines) > most:
            counts = {"code": code, "figure": int(figure), "title": more}
            beside = [say(f"lectures.check.beside.{what}", count=count) for what, count in counts.items() if count]
            others, kind = say("lectures.check.beside.and").join(beside), "beside" if beside else "alone"
            yield page.page.head.fault(
                say(f"lectures.check.long_page.{kind}", lines=len(lines), most=most, others=others)
            )
        if page.page.why is not None and (length := len(prose(rendered.why, WIDTH))) > MOST_LINES:
            yield page.page.why.fault(say("lectures.check.long_why", lines=length, most=MOST_LINES))
        if any(map(bare_marks, (rendered.title, rendered.body, rendered.question, rendered.then, rendered.why))):
            yield page.page.head.fault(say("lectures.check.bare_mark"))
