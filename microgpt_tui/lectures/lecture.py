"""`Lecture`: a lecture that is being given: its course, the clock, and the pages of a chapter as they become ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from engine import Config, Moment, Scope, Session
from engine.model.tokenizer import Tokenizer
from microgpt_tui.debugger.keys import IN_LECTURE, Key
from microgpt_tui.drawing.markdown import literal
from microgpt_tui.lectures.binding import BoundPage, Doing, ScreenNames, bind
from microgpt_tui.lectures.library import config_of, docs_of
from microgpt_tui.lectures.page import Ask, Chapter, Course, LectureError, Run
from microgpt_tui.lectures.progress import Press, Turn
from microgpt_tui.lectures.rendered_page import RenderedPage, leaf_of
from microgpt_tui.texts.sentences import lecture_words


@dataclass
class Lecture:
    """Where a lecture is, and since when it is given; `place` is that of the chapter, `page` that of the page in it."""

    course: Course
    place: int = 0
    page: int = 0
    clock: Callable[[], float] = time.monotonic
    hidden: bool = False
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def chapter(self) -> Chapter:
        """The present chapter."""
        return self.course.chapters[self.place]

    @property
    def words(self) -> dict[str, str]:
        """What the lecture says besides its pages, in the chapter's language."""
        return lecture_words(self.chapter.language)

    def run(self, names: ScreenNames) -> tuple[Config, list[str]]:
        """The hyperparameters and documents of the run that the chapter speaks of.

        Raises EngineError; LectureError for the first mistake in the chapter that can be found without running.
        """
        config, docs = config_of(self.chapter), docs_of(self.chapter)
        self.scenes(Scope(config, Tokenizer(docs)), names)
        return config, docs

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return self.clock() - self.began

    def scenes(self, scope: Scope, names: ScreenNames) -> list[BoundPage]:
        """The pages of the present chapter, for a run of it. Raises LectureError, the first mistake in them."""
        scenes, mistakes = bind(self.chapter, scope, names)
        if mistakes:
            raise mistakes[0]
        return scenes


def minutes(seconds: float) -> str:
    """A stretch of time as minutes and seconds, with hours if there are any."""
    total, second = divmod(int(seconds), 60)
    hour, minute = divmod(total, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def leaves(scenes: list[BoundPage], session: Session) -> Iterator[RenderedPage]:
    """The pages with their numbers, one after the other; `session` is moved for it, and should be a run of its own.

    A page with a mistake that only running shows says so itself.
    """
    here = Moment()
    for scene in scenes:
        try:
            leaf, here = leaf_of(scene, session, here)
        except LectureError as error:
            leaf = RenderedPage(scene.page.title.text, f"This page cannot be shown. {literal(str(error))}", here, here)
        yield leaf


@dataclass(frozen=True, slots=True)
class Standing:
    """What the line below a lecture says: what comes next, the keys, and where the lecture is."""

    hint: str
    keys: tuple[tuple[Key, str], ...]
    count: str
    urgent: bool = False


HINTS = {
    Press.TURN: "next",
    Press.REVEAL: "reveal",
    Press.SKIP: "skip",
    Press.GO_ON: "go_on",
    Press.REMIND: "next",
}


def standing_of(lecture: Lecture, turn: Turn, doing: Doing | None, pages: int, exploring: bool) -> Standing:
    """What the line below says of a page at this point."""
    words, keys = lecture.words, {key.id: key for key in IN_LECTURE}
    count = "" if lecture.hidden else f"{lecture.page + 1}/{pages}  {minutes(lecture.seconds)}"
    if exploring:
        back = words["return"].format(page=lecture.page + 1)
        shown = ((keys["page.chapters"], back), (keys["page.leave"], words["leave"]))
        return Standing(words["exploring"], shown, count, urgent=True)
    press = turn.next
    all_keys = (
        (keys["page.next"], next_press(turn, words)),
        (keys["page.back"], words["back"]),
        (keys["page.explore"], words["explore"]),
        (keys["page.chapters"], words["chapters"]),
        (keys["page.blank"], words["blank"]),
        (keys["page.leave"], words["leave"]),
    )
    hint = ""
    if press in (Press.REMIND, Press.GO_ON) and doing is not None:
        hint = words["waiting" if press is Press.REMIND else "reminded"].format(what=asked_for(doing, words))
    elif press is Press.REVEAL and isinstance(turn.act, Ask) and turn.act.options:
        hint = words["pick"]
    return Standing(hint, all_keys, count, urgent=press is Press.GO_ON)


def next_press(turn: Turn, words: dict[str, str]) -> str:
    """What the next press does, in words."""
    if turn.next is not Press.BEGIN:
        return words[HINTS[turn.next]]
    return words["train"].format(step=turn.act.until.text) if isinstance(turn.act, Run) else words["play"]


def asked_for(doing: Doing, words: dict[str, str]) -> str:
    """What the viewer is to do, in words."""
    if doing.key is not None:
        return words["key"].format(key=doing.key.display or doing.key.keys)
    return words["choose" if doing.what else "make"].format(what=doing.said.text)
