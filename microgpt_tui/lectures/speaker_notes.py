"""`Notes`: what a speaker is told of a page. Notes that come from a file are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from engine.text import told
from microgpt_tui.drawing.markdown import LITERAL, without_literals
from microgpt_tui.drawing.terminal_text import lines, printable
from microgpt_tui.lectures.binding import BoundPage
from microgpt_tui.lectures.lecture import Lecture, next_press
from microgpt_tui.lectures.page import Ask, LectureError
from microgpt_tui.lectures.progress import Turn
from microgpt_tui.lectures.rendered_page import LETTERS, RenderedPage

A_WEEK = 7 * 24 * 3600


class Seen(StrEnum):
    """What the audience sees just now."""

    PAGE = "page"
    BLANK = "blank"
    EXPLORING = "exploring"


@dataclass(frozen=True, slots=True)
class Notes:
    """A page as its speaker sees it. `page` counts from 0; `elapsed` is in seconds since the lecture began.

    `right` is the right option with its letter, `then` what the page says once it is `done`, the answer if it `asks`;
    both are there before, and empty where there is nothing to say. `press` is what the next press does, `coming` the
    title of the page after.
    """

    language: str
    chapter: str
    title: str
    page: int
    pages: int
    notes: str
    right: str
    then: str
    asks: bool
    done: bool
    press: str
    coming: str
    seen: Seen
    elapsed: float

    @classmethod
    def read(cls, said: Any) -> Notes:
        """Notes from what `asdict` made of them, with visible signs for control characters.

        Raises LectureError for anything else.
        """
        try:
            return cls(**{field.name: _KINDS[str(field.type)](said[field.name]) for field in fields(cls)})
        except (ValueError, KeyError, TypeError, OverflowError):
            raise LectureError(f"these are no notes of a page: {printable(told(said))}") from None


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise TypeError
    return "".join(part if LITERAL.fullmatch(part) else lines(part) for part in LITERAL.split(said))


def _number(said: Any) -> float:
    if not (isinstance(said, int | float) and 0 <= said < A_WEEK):
        raise ValueError
    return said


_KINDS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "int": lambda said: int(_number(said)),
    "float": _number,
    "bool": bool,
    "Seen": Seen,
}


def notes_of(
    lecture: Lecture, scenes: Sequence[BoundPage], leaves: Sequence[RenderedPage], turn: Turn, seen: Seen
) -> Notes:
    """What there is to say of the present page of a lecture; `leaves` are the first pages, whose numbers are known."""
    page = scenes[lecture.page].page
    leaf = leaves[lecture.page] if lecture.page < len(leaves) else None
    right = leaf.right if leaf else None
    unfilled = page.notes.text if page.notes else ""
    return Notes(
        language=lecture.chapter.language,
        chapter=lecture.chapter.title,
        title=leaf.title if leaf else page.title.text,
        page=lecture.page,
        pages=len(scenes),
        notes=leaf.notes if leaf else unfilled,
        right=f"{LETTERS[right]}) {leaf.options[right]}" if leaf and right is not None else "",
        then=leaf.then if leaf else "",
        asks=isinstance(page.act, Ask),
        done=turn.done,
        press=_press(lecture, turn, seen),
        coming=_coming(lecture, scenes, leaves),
        seen=seen,
        elapsed=lecture.seconds,
    )


def _press(lecture: Lecture, turn: Turn, seen: Seen) -> str:
    words = lecture.words
    if seen is Seen.BLANK:
        return words["unblank"]
    return "l: " + words["return"].format(page=lecture.page + 1) if seen is Seen.EXPLORING else next_press(turn, words)


def _coming(lecture: Lecture, scenes: Sequence[BoundPage], leaves: Sequence[RenderedPage]) -> str:
    """The title of the page after the present one; after the last, that of the next chapter."""
    after = lecture.page + 1
    if after < len(scenes):
        return without_literals(leaves[after].title) if after < len(leaves) else scenes[after].page.title.text
    chapters = lecture.course.chapters[lecture.place + 1 :]
    return chapters[0].title if chapters else ""
