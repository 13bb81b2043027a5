"""`Results`: how many of an audience have chosen each option of each question, in a file; nothing of who they were."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.atomic_write import read_whole, write_whole
from engine.errors import EngineError, system_says
from engine.text import shortened_repr
from microgpt_tui.audience.question import Question
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.texts.say import say

LARGEST = 10_000_000  # bytes of a file
FORMAT = 1


class ResultsError(EngineError):
    """A file that holds no results, or cannot be written."""


@dataclass(slots=True)
class AskedQuestion:
    """A question of a page of a chapter, which is called by its file; and its votes, the earliest first."""

    chapter: str
    page: int
    text: str
    options: tuple[str, ...]
    right: int | None
    votes: list[tuple[int, ...]] = field(default_factory=list)

    @classmethod
    def read(cls, values: Any) -> AskedQuestion:
        """Raises ValueError, TypeError or KeyError for anything else than what `written` makes."""
        options = tuple(_text(option) for option in _list(values["options"]))
        right = values["right"]
        votes = [tuple(_count(count) for count in _list(vote)) for vote in _list(values["votes"])]
        if any(len(vote) != len(options) for vote in votes) or (right is not None and right not in range(len(options))):
            raise ValueError
        return cls(_text(values["chapter"]), _count(values["page"]), _text(values["text"]), options, right, votes)

    def written(self) -> dict[str, Any]:
        """As values for JSON."""
        return {
            "chapter": self.chapter,
            "page": self.page,
            "text": self.text,
            "options": list(self.options),
            "right": self.right,
            "votes": [list(vote) for vote in self.votes],
        }


class Results:
    """The results of one or several lectures."""

    def __init__(self, questions: Sequence[AskedQuestion] = ()) -> None:
        self._asked = {(each.chapter, each.page): each for each in questions}

    @classmethod
    def read(cls, path: Path) -> Results:
        """Those in a file. Raises ResultsError with a sentence, FileNotFoundError if there is no such file."""
        try:
            content = json.loads(read_whole(path, LARGEST))
            if content["format"] != FORMAT:
                raise ValueError
            return cls([AskedQuestion.read(each) for each in content["questions"]])
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ResultsError(say("program.results.unreadable", path=path, why=system_says(error))) from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ResultsError(say("program.results.none", path=path)) from None

    def write(self, path: Path, durable: bool = True) -> None:
        """Write them to a file, whole or not at all. Raises ResultsError."""
        content = {"format": FORMAT, "questions": [each.written() for each in self._asked.values()]}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(content, ensure_ascii=False, indent=1).encode(), durable=durable)
        except OSError as error:
            raise ResultsError(say("program.results.unwritable", path=path, why=system_says(error))) from None

    def of(self, chapter: str, page: int) -> AskedQuestion | None:
        """The question of a page, counted from 1, if it was asked."""
        return self._asked.get((chapter, page))

    def has(self, chapter: str) -> bool:
        """Whether a question of a chapter was asked."""
        return any(name == chapter for name, _ in self._asked)

    def record(self, question: Question, counts: Sequence[int], again: bool) -> None:
        """Keep the counts of a vote, in place of those of the same vote if it is counted `again`."""
        asked = self.of(question.chapter, question.page)
        if asked is None or asked.options != question.options:  # those of another lecture of that name
            asked = AskedQuestion(question.chapter, question.page, question.text, question.options, question.right)
            self._asked[question.chapter, question.page] = asked
        if again and asked.votes:
            asked.votes.pop()
        asked.votes.append(tuple(counts))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(shortened_repr(value))
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(shortened_repr(value))
    return printable(value)


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(shortened_repr(value))
    return value
