"""`Question`: what the audience is asked on a page, as its viewers are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.immutable import immutable
from microgpt_tui.drawing.markdown import plain_words
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.lectures.page import Ask
from microgpt_tui.lectures.player import LecturePlayer


@immutable
class Question:
    """A question with options. `right` is the place of the right one, which nobody is told before it is `revealed`.

    Where results are `hidden`, nobody sees before that how many have chosen which.
    """

    chapter: str
    page: int
    text: str
    options: tuple[str, ...]
    hidden: bool
    right: int | None
    revealed: bool

    @property
    def id(self) -> str:
        """What the server calls it."""
        return f"{self.chapter}/{self.page}"

    def for_viewers(self, counts: Sequence[int]) -> dict[str, Any]:
        """What viewers are told; `counts` is how many have chosen each option."""
        return {
            "id": self.id,
            "text": self.text,
            "options": list(self.options),
            "open": not self.revealed,
            "hidden": self.hidden,
            "right": self.right if self.revealed else None,
            "counts": list(counts) if self.revealed or not self.hidden else None,
        }


def question_of(player: LecturePlayer) -> Question | None:
    """The question of the present page; None if it has none, or one without options."""
    act, page = player.bound.page.act, player.told
    if not isinstance(act, Ask) or page is None or not page.options:
        return None
    return Question(
        player.lecture.chapter.name,
        player.lecture.page + 1,
        plain_words(page.question),
        tuple(map(printable, page.options)),
        act.hidden,
        page.right,
        page.done,
    )
