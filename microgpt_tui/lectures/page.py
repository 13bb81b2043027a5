"""What a lecture is made of, as it is written: `Course`, `Chapter`, `Page` and what a page does. Nothing is evaluated.

Every text that can hold a mistake knows its file and line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine import EngineError
from engine.hangul import SYLLABLES
from engine.immutable import immutable

THE_FILE = "file"


class LectureError(EngineError):
    """A lecture that cannot be read or shown. The text begins with the file and the line where there is one."""

    def __init__(self, reason: str, file: str = "", line: int = 0) -> None:
        self.reason, self.file, self.line = reason, file, line
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}" if file else reason)


@immutable
class SourceText:
    """A text of a page, and the line of the file at which it begins, counted from 1."""

    text: str
    file: str
    line: int

    def fault(self, reason: str, skip: int = 0) -> LectureError:
        """What is wrong with it, `skip` characters into it."""
        return LectureError(reason, self.file, self.line + self.text.count("\n", 0, skip))


@immutable
class Ask:
    """A question; the audience predicts. The `answer` is an expression: the right option's text, or its index from 0.

    On revealing it, the run goes on to `reveal` if that is given, or the sample that is shown gets these settings.
    `hidden` says whether an audience's answers are counted unseen until then.
    """

    question: SourceText
    options: tuple[SourceText, ...]
    answer: SourceText | None
    reveal: SourceText | None
    hidden: bool = False


@immutable
class Wait:
    """Wait until the viewer does something: presses a key, chooses a head, brings the run where a condition is true."""

    until: SourceText


@immutable
class Play:
    """Play event by event up to a moment of the same training step."""

    until: SourceText


@immutable
class Train:
    """Train on to a step, with every pane showing the same event of each."""

    until: SourceText


PageAction = Ask | Wait | Play | Train


@immutable
class Page:
    """One page. `speed` is in events a second for `Play`, in training steps a second for `Train`; 0 is flat out.

    Without a `moment` it begins where the page before it ends. `code` names statements of `microgpt.py` that belong to
    this page, `see` such as are shown again; a `code` that is `THE_FILE` shows the map of the whole file. `inference`
    are settings of a position of a sample, which is shown in place of the panes; `what_if`, changes of the run that the
    page is about.
    """

    head: SourceText
    title: SourceText
    body: SourceText
    moment: SourceText | None = None
    focus: tuple[SourceText, ...] = ()
    spotlight: tuple[SourceText, ...] = ()
    speed: float | None = None
    figure: SourceText | None = None
    act: PageAction | None = None
    then: SourceText | None = None
    notes: SourceText | None = None
    code: tuple[SourceText, ...] = ()
    see: tuple[SourceText, ...] = ()
    why: SourceText | None = None
    inference: tuple[SourceText, ...] = ()
    what_if: tuple[SourceText, ...] = ()


@immutable
class Chapter:
    """One file. `options` are hyperparameters of the run that it speaks of, `data` its documents (None: the usual),
    which are `split` into syllables or letters.

    `sources` are where these are written: those of the options in their order, then that of the documents.
    """

    name: str
    title: str
    pages: tuple[Page, ...]
    language: str
    file: str
    options: tuple[tuple[str, str], ...] = ()
    data: Path | None = None
    split: str = SYLLABLES
    sources: tuple[SourceText, ...] = ()


@immutable
class Course:
    """Chapters in order. `folder` is where its languages are, if it has several."""

    title: str
    chapters: Sequence[Chapter]
    folder: Path | None = None
