"""Speaker notes: each lecture writes its present notes to a small file, and `follow` reads the newest.

A file is written whole, and only its user can read it. A lecture that ends removes its file; the file of a process
that died is ignored, and removed by the next lecture. What is read from a file is checked.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import asdict, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from engine.atomic_write import read_whole, write_whole
from engine.immutable import immutable
from engine.text import shortened_repr
from microgpt_tui.drawing.markdown import LITERAL
from microgpt_tui.drawing.terminal_text import lines, printable
from microgpt_tui.lectures.page import LectureError
from microgpt_tui.texts.say import say

FILES = "lecture-*.json"
INTERVAL = 0.2  # seconds after which the files are read again
LARGEST = 2**20  # bytes of a file
SAME = 60.0  # seconds; a process whose start differs by more is another one that was given the same number
A_WEEK = 7 * 24 * 3600


class Audience(StrEnum):
    """What the audience sees just now."""

    PAGE = "page"
    BLANK = "blank"
    EXPLORING = "exploring"


@immutable
class Notes:
    """A page as its speaker sees it. `page` counts from 0; `elapsed` is in seconds since the lecture began, if it has.

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
    elapsed: float | None

    def after(self, seconds: float) -> Notes:
        """The same so much later."""
        return self if self.elapsed is None else replace(self, elapsed=self.elapsed + seconds)

    def differs(self, other: Notes) -> bool:
        """Whether more than time has passed between them."""
        began = (self.elapsed is None) == (other.elapsed is None)
        return not began or replace(self, elapsed=other.elapsed) != other

    @classmethod
    def read(cls, values: Any) -> Notes:
        """Notes from what `asdict` made of them, with visible signs for control characters.

        Raises LectureError for anything else.
        """
        try:
            return cls(**{field.name: _READERS[str(field.type)](values[field.name]) for field in fields(cls)})
        except (ValueError, KeyError, TypeError, OverflowError):
            shown = printable(shortened_repr(values))
            raise LectureError(say("lectures.speaker_notes.no_notes", shown=shown)) from None


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
    "float | None": lambda value: None if value is None else _number(value),
    "bool": bool,
    "Audience": Audience,
}


class SharedNotes:
    """Shares the notes of one lecture through a file in `folder`. Where it cannot be written, nothing is shared."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock  # a monotonic clock is the same in all processes
        self._file: Path | None = None
        self._began = 0.0
        self._shared: Notes | None = None

    def open(self) -> None:
        """Begin a lecture, if none is on; nothing is written before the first notes."""
        if self._file is None:
            self._file, self._began = self._folder / FILES.replace("*", uuid.uuid4().hex), self._clock()
            for file in self._folder.glob(FILES):
                with suppress(OSError, *UNFIT):
                    if not _of_process(json.loads(read_whole(file, LARGEST))):
                        file.unlink()

    def share(self, notes: Notes) -> None:
        """Write notes, unless only time has passed since the last ones."""
        if self._file is None or (self._shared and not notes.differs(self._shared)):
            return
        about = {"pid": os.getpid(), "started": psutil.Process().create_time(), "began": self._began}
        content = json.dumps(about | {"written": self._clock(), "notes": asdict(notes)}).encode()
        with suppress(OSError):  # also on Windows, while it is being read: the next second tries again
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, content, mode=0o600, durable=False)
            self._shared = notes

    def close(self) -> None:
        """End the lecture."""
        file, self._file, self._shared = self._file, None, None
        if file is not None:
            with suppress(OSError):
                file.unlink()


@immutable
class StoredNotes:
    """The notes in a file, when they were written, and when their lecture began."""

    began: float
    written: float
    notes: Notes

    def at(self, now: float) -> Notes:
        """The notes with the time that has passed since they were written."""
        passed = now - self.written
        return self.notes.after(passed if 0 <= passed < A_WEEK else 0.0)


def newest(folder: Path) -> StoredNotes | None:
    """The present notes of the lecture that began last, of those that are on; None if there is none."""
    stored = [notes for file in folder.glob(FILES) if (notes := _read(file)) is not None]
    return max(stored, key=lambda notes: (notes.began, notes.written), default=None)


async def follow(folder: Path, clock: Callable[[], float] = time.monotonic) -> AsyncGenerator[Notes | None, None]:
    """The notes of the newest lecture, at every change, without end; None whenever the last lecture has ended."""
    before: StoredNotes | None = None
    while True:
        stored = newest(folder)
        if stored != before:
            yield None if stored is None else stored.at(clock())
        before = stored
        await asyncio.sleep(INTERVAL)


UNFIT = (ValueError, KeyError, TypeError, OverflowError, RecursionError, LectureError)
"""What is raised by a file that holds something else."""


def _read(file: Path) -> StoredNotes | None:
    """The notes in a file; None if its process is gone, or if it holds something else."""
    for _ in range(3):
        try:
            content = json.loads(read_whole(file, LARGEST))
            if not _of_process(content):
                return None
            return StoredNotes(float(content["began"]), float(content["written"]), Notes.read(content["notes"]))
        except PermissionError:  # on Windows, while it is being replaced
            continue
        except (OSError, *UNFIT):
            break
    return None


def _of_process(content: dict[str, float]) -> bool:
    """Whether the process that wrote a file is still running."""
    pid, started = int(content["pid"]), float(content["started"])
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < SAME and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
