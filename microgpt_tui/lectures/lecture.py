"""`Lecture`: a lecture that is being given: its course, its place in it, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from engine import Config, Scope
from engine.model.tokenizer import Tokenizer
from microgpt_tui.explanations.sentences import lecture_words
from microgpt_tui.lectures.binding import BoundPage, ScreenNames, bind
from microgpt_tui.lectures.file_map import FileMap, file_map
from microgpt_tui.lectures.library import run_of
from microgpt_tui.lectures.outline import CodeFinder
from microgpt_tui.lectures.page import Chapter, Course


@dataclass
class Lecture:
    """Where a lecture is, and since when it is given; `place` is that of the chapter, `page` that of the page in it.

    `code` finds the statements that its pages are about. With `big`, the text of a page and its picture take
    turns, each as large as the window.
    """

    course: Course
    place: int = 0
    page: int = 0
    clock: Callable[[], float] = time.monotonic
    code: CodeFinder = field(default_factory=CodeFinder)
    hidden: bool = False
    big: bool = False
    began: float | None = field(default=None, init=False)

    def begin(self) -> None:
        """Let the clock run, if it does not yet."""
        if self.began is None:
            self.began = self.clock()

    @property
    def chapter(self) -> Chapter:
        return self.course.chapters[self.place]

    @property
    def words(self) -> dict[str, str]:
        """The texts of a lecture besides its pages, in the chapter's language."""
        return lecture_words(self.chapter.language)

    @property
    def seconds(self) -> float | None:
        """Since it began; None before."""
        return None if self.began is None else self.clock() - self.began

    def run(self, names: ScreenNames) -> tuple[Config, list[str]]:
        """The hyperparameters and documents of the chapter's run.

        Raises EngineError; LectureError for the first mistake in the chapter that can be found without running.
        """
        config, docs = run_of(self.chapter)
        self.bound_pages(Scope(config, Tokenizer(docs)), names)
        return config, docs

    @property
    def map(self) -> FileMap:
        """The map of `microgpt.py` in the course."""
        return file_map(self.course, self.code)

    def bound_pages(self, scope: Scope, names: ScreenNames) -> list[BoundPage]:
        """The pages of the present chapter, for a run of it. Raises LectureError, the first mistake in them."""
        pages, mistakes = bind(self.chapter, scope, names, self.code)
        if mistakes:
            raise mistakes[0]
        return pages


def minutes(seconds: float | None) -> str:
    """A time as minutes and seconds, with hours if there are any; None is that of what has not begun."""
    total, second = divmod(int(seconds or 0), 60)
    hour, minute = divmod(total, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
