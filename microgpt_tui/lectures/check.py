"""Whether a lecture can be shown: every moment exists, and every number that is quoted is known where it is quoted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from engine import Config, EngineError, Moment, Scope, Session
from engine.model.tokenizer import Tokenizer
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.drawing.markdown import bare_marks, not_shown
from microgpt_tui.lectures.binding import BoundPage, ScreenNames, bind
from microgpt_tui.lectures.library import config_of, docs_of
from microgpt_tui.lectures.page import Ask, Chapter, LectureError, Page, Said
from microgpt_tui.lectures.parser import LONGEST, read_all
from microgpt_tui.lectures.rendered_page import leaf_of, lines_of

Asked = TypeVar("Asked")
Open = Callable[[Config, list[str]], Session]
"""A run of a configuration on documents; it may have been opened before."""


WIDTH, MOST_LINES = 76, 10  # of the text of a page in a window of 80x24


def check_lecture(
    path: Path, language: str, open_session: Open, names: ScreenNames
) -> tuple[Chapter | None, list[LectureError]]:
    """The chapter in a file, and all that is wrong with it, in the order of the lines; else what reads badly."""
    chapter, mistakes = read_all(path, language)
    if chapter is None:
        return None, mistakes
    try:
        config, docs = config_of(chapter), docs_of(chapter)
    except EngineError as error:
        mistakes.append(error if isinstance(error, LectureError) else LectureError(str(error), str(path), 1))
        return chapter, mistakes
    scenes, unbound = bind(chapter, Scope(config, Tokenizer(docs)), names)
    mistakes += unbound
    if not mistakes:
        session = open_session(config, docs)
        mistakes += _run_through(scenes, session) or reads_badly(scenes, session)
    mistakes += (mistake for page in chapter.pages for mistake in _not_shown(page))
    return chapter, sorted(mistakes, key=lambda mistake: mistake.line)


def _not_shown(page: Page) -> Iterator[LectureError]:
    """What stands in the texts of a page and cannot be shown in a terminal."""
    question = page.act.question if isinstance(page.act, Ask) else None
    for said in (page.title, page.body, page.notes, question, page.then):
        if said is not None and len(said.text) <= LONGEST:  # of a longer one it is told that it is not read
            for line, what in not_shown(said.text):
                at = Said("", said.file, said.line + line)
                yield at.fault(f"a page cannot show {what}; write it as text, or as a code block between lines of ```")


def _run_through(scenes: list[BoundPage], session: Session) -> list[LectureError]:
    """Go through all pages as a viewer would; what went wrong on the way."""
    mistakes: list[LectureError] = []

    def asked(ask: Callable[..., Asked], *args: Any) -> Asked | None:
        try:
            return ask(*args)
        except LectureError as error:
            mistakes.append(error)
            return None

    here = Moment()
    for scene in scenes:
        start = asked(scene.start, session, here)
        if start is None:
            continue
        for focus in scene.focus:
            asked(focus.on, Focus(start), session)
        for text in scene.texts:
            for quote in text.quotes:
                asked(text.one, quote, session, start)
        session.seek(start)
        here = asked(scene.ending, session, start) or start
        if scene.then is not None:
            for quote in scene.then.quotes:
                asked(scene.then.one, quote, session, here)
        asked(_answer, scene, session, start, here)
    return mistakes


def reads_badly(scenes: list[BoundPage], session: Session) -> list[LectureError]:
    """Pages of a lecture without mistakes whose text is too long for a window of 80x24, or shows bare Markdown."""
    found: list[LectureError] = []
    here = Moment()
    for scene in scenes:
        leaf, here = leaf_of(scene, session, here)
        lines = lines_of(leaf.revealed(), WIDTH)
        if len(lines) > MOST_LINES:
            room = f"{MOST_LINES} leave room for the picture"
            found.append(scene.page.head.fault(f"this page has {len(lines)} lines in a window of 80 columns; {room}"))
        if any(bare_marks(text) for text in (leaf.title, leaf.body, leaf.question, leaf.then)):
            found.append(
                scene.page.head.fault("a mark (** or `) stands in this page as it is; no letter may touch its outside")
            )
    return found


def _answer(scene: BoundPage, session: Session, start: Moment, end: Moment) -> None:
    options = [option.fill(session, start) for option in scene.options]
    session.seek(end)
    scene.right(session, options)
