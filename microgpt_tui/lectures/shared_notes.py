"""Speaker notes in files: each lecture writes its present notes to a small file, and `follow` reads the newest.

A file is written whole, and only its user can read it. A lecture that ends removes its file; the file of a process
that died is ignored, and removed by the next lecture.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from engine.atomic_write import read_whole, write_whole
from microgpt_tui.lectures.page import LectureError
from microgpt_tui.lectures.speaker_notes import A_WEEK, Notes

FILES = "lecture-*.json"
INTERVAL = 0.2  # seconds after which the files are read again
LARGEST = 2**20  # bytes of a file
SAME = 60.0  # seconds; a process whose start differs by more is another one that was given the same number


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
        if self._file is None or (self._shared and replace(notes, elapsed=self._shared.elapsed) == self._shared):
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


@dataclass(frozen=True, slots=True)
class StoredNotes:
    """The notes in a file, when they were written, and when their lecture began."""

    began: float
    written: float
    notes: Notes

    def at(self, now: float) -> Notes:
        """The notes with the time that has passed since they were written."""
        passed = now - self.written
        return replace(self.notes, elapsed=self.notes.elapsed + (passed if 0 <= passed < A_WEEK else 0.0))


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
