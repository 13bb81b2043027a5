"""Documents in, and how saved work finds them again.

A document is one line of a UTF-8 text file, stripped, read just as `microgpt.py` reads it. Where a run is to be of
letters, its Korean syllables are then split into them.
"""

from __future__ import annotations

import hashlib
import os
import random
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from engine.errors import DataError, Stopped, system_says
from engine.hangul import JAMO, SYLLABLES, letters
from engine.immutable import immutable
from engine.language.say import say
from engine.text import shortened, wide_encoding

_HERE = Path(__file__).resolve().parent.parent  # the package `engine`
# A wheel carries the files inside the package; a checkout (and an editable install) beside it.
_FOLDERS = (_HERE / "_data", _HERE.parent / "data")
BUNDLED = {"en": "names.txt", "ko": "ko.txt"}  # the files that come with the program; without a path it is the first
A_BYTE, A_DOCUMENT = 4, 90  # bytes of memory that a file takes while it is read and shuffled, by its size and lines
OFTEN = 2**16  # documents from one report of progress to the next
LONGEST = 400  # characters of a path that are told


def bundled_path(name: str = "en") -> Path:
    """Where a bundled file of names is."""
    for folder in _FOLDERS:
        path = folder / BUNDLED[name]
        if path.is_file():
            return path
    raise DataError(say("model.dataset.bundled_names_missing_from"))


def bundled_name(path: str | Path) -> str | None:
    """The name of a bundled file of names, wherever that is; None for another file."""
    return next(
        (name for name, file in BUNDLED.items() if any(Path(path) == folder / file for folder in _FOLDERS)), None
    )


def kept_path(path: str | Path | None) -> str | None:
    """What saved work says of the file that documents come from; None for a bundled one, wherever that is."""
    return None if path is None or bundled_name(path) is not None else str(Path(path).absolute())


def load_docs(path: str | Path | None = None, split: str = SYLLABLES) -> list[str]:
    """The documents of the file at `path`, one a line, in the file's order; the bundled names without a path.

    With the split JAMO they are made of letters. Raises DataError, with a sentence, for a file that is missing,
    unreadable, no file, not text, too large for the memory that is free, or without a usable line.
    """
    source = bundled_path() if path is None else Path(path)
    raw = _read(source)
    wide = wide_encoding(raw)
    if wide:
        raise DataError(say("model.dataset.text_save_as_utf", source=source, wide=wide))
    if b"\0" in raw:
        raise DataError(say("model.dataset.binary_file_give_utf", source=source))
    _check_memory(source, len(raw), raw.count(b"\n"))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(say("model.dataset.not_utf_text_line", source=source, line=line)) from None
    # Only newlines end a line, as when Python iterates over an open file; str.splitlines knows more of them.
    docs = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
    if not docs:
        raise DataError(say("model.dataset.has_no_usable_line", source=source))
    return [letters(doc) for doc in docs] if split == JAMO else docs


def _read(source: Path) -> bytes:
    """The bytes of a file; a pipe or a device, which may never end, is refused."""
    try:
        about = source.stat()
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise DataError(say("model.dataset.pipe_or_device_put", source=source))
        _check_memory(source, about.st_size, 0)
        return source.read_bytes()
    except FileNotFoundError:
        raise DataError(say("model.dataset.there_no_file_check", source=source)) from None
    except IsADirectoryError:
        raise DataError(say("model.dataset.folder_give_text_file", source=source)) from None
    except OSError as error:
        raise DataError(say("model.dataset.cannot_be_read_give", source=source, strerror=system_says(error))) from None
    except ValueError:
        raise DataError(say("model.dataset.no_path_file_give", source=str(source))) from None


def _check_memory(source: Path, size: int, lines: int) -> None:
    free, needed = psutil.virtual_memory().available, A_BYTE * size + A_DOCUMENT * lines
    if needed > free:
        raise DataError(
            say(
                "model.dataset.too_large",
                source=source,
                size=size / 1000000.0,
                need=needed / 1000000000.0,
                free=free / 1000000000.0,
            )
        )


def shuffle(docs: list[str], generator: random.Random, progress: Callable[[float], bool | None] | None = None) -> None:
    """Shuffle in place as `generator.shuffle` does, draw for draw: Fisher and Yates, from the last place down.

    Raises Stopped if `progress` (told the share that is done) returns True.
    """
    bits = generator.getrandbits
    for n in range(len(docs), 1, -1):
        size = n.bit_length()
        while (i := bits(size)) >= n:
            pass
        docs[n - 1], docs[i] = docs[i], docs[n - 1]
        if n % OFTEN == 0 and progress and progress((len(docs) - n) / len(docs)):
            raise Stopped(say("model.dataset.opening_was_stopped"))


def checksum(docs: Iterable[str]) -> str:
    """SHA-256, in hex, over the documents in their order: that of a file with one of them a line."""
    return hashlib.sha256("\n".join((*docs, "")).encode("utf-8", "surrogatepass")).hexdigest()


@immutable
class Origin:
    """Which documents saved work is about: their `checksum`, the file they were read from, and how they were split.

    Without a path they are bundled names, or were never in a file.
    """

    sha256: str
    path: str | None = None
    split: str = SYLLABLES

    def find(self, given: str | Path | None = None) -> tuple[list[str], Origin]:
        """The documents, and where they are now: in the file `given`, else where they were, else in the bundled files.

        Raises DataError if they are in none of these.
        """
        if given is not None:
            docs = load_docs(given, self.split)
            if checksum(docs) != self.sha256:
                raise DataError(say("model.dataset.holds_other_documents_than", given=given))
            return docs, Origin(self.sha256, kept_path(given), self.split)
        if self.path is not None and os.path.isfile(self.path):
            docs = load_docs(self.path, self.split)
            if checksum(docs) == self.sha256:
                return docs, self
        for name in BUNDLED:
            docs = load_docs(bundled_path(name), self.split)
            if checksum(docs) == self.sha256:
                return docs, Origin(self.sha256, split=self.split)
        if self.path is None:
            raise DataError(say("model.dataset.trained_on_others"))
        change = (
            say("model.dataset.holds_other_documents_now")
            if os.path.isfile(self.path)
            else say("model.dataset.not_there_any_more")
        )
        path = shortened(self.path, LONGEST)
        raise DataError(say("model.dataset.other_documents_now", path=path, change=change))
