"""`Notes`: what the speaker sees of a page. Notes that come from a file are checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from engine.text import told
from microgpt_tui.drawing.markdown import LITERAL
from microgpt_tui.drawing.terminal_text import lines, printable
from microgpt_tui.lectures.page import LectureError

A_WEEK = 7 * 24 * 3600


class Audience(StrEnum):
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
    audience: Audience
    elapsed: float

    @classmethod
    def read(cls, values: Any) -> Notes:
        """Notes from what `asdict` made of them, with visible signs for control characters.

        Raises LectureError for anything else.
        """
        try:
            return cls(**{field.name: _READERS[str(field.type)](values[field.name]) for field in fields(cls)})
        except (ValueError, KeyError, TypeError, OverflowError):
            raise LectureError(f"these are no notes of a page: {printable(told(values))}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return "".join(part if LITERAL.fullmatch(part) else lines(part) for part in LITERAL.split(value))


def _number(value: Any) -> float:
    if not (isinstance(value, int | float) and 0 <= value < A_WEEK):
        raise ValueError
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "int": lambda value: int(_number(value)),
    "float": _number,
    "bool": bool,
    "Audience": Audience,
}
