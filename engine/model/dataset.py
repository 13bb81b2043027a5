"""Documents in, and how saved work finds them again.

A document is one line of a UTF-8 text file, stripped, read just as `microgpt.py` reads it.
"""

from __future__ import annotations

import hashlib
import os
import random
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.errors import DataError, Stopped
from engine.text import shortened, wide_encoding

_HERE = Path(__file__).resolve().parent.parent  # the package `engine`
# A wheel carries the file inside the package; a checkout (and an editable install) beside it.
_BUNDLED = (_HERE / "_data" / "names.txt", _HERE.parent / "data" / "names.txt")
A_BYTE, A_DOCUMENT = 4, 90  # bytes of memory that a file takes while it is read and shuffled, by its size and lines
OFTEN = 2**16  # documents from one report of progress to the next
LONGEST = 400  # characters of a path that are told


def bundled_path() -> Path:
    """Where the bundled names are."""
    for path in _BUNDLED:
        if path.is_file():
            return path
    raise DataError("the bundled names are missing from this installation; reinstall it, or give --data FILE")


def load_docs(path: str | Path | None = None) -> list[str]:
    """The documents of the file at `path`, one a line, in the file's order; the bundled names without a path.

    Raises DataError, with a sentence, for a file that is missing, unreadable, no file, not text, too large for the
    memory that is free, or without a usable line.
    """
    source = bundled_path() if path is None else Path(path)
    raw = _read(source)
    wide = wide_encoding(raw)
    if wide:
        raise DataError(f"{source} is {wide} text; save it as UTF-8 and try again")
    if b"\0" in raw:
        raise DataError(f"{source} is a binary file; give a UTF-8 text file with one document a line")
    _check_memory(source, len(raw), raw.count(b"\n"))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{source} is not UTF-8 text (line {line}); save it as UTF-8 and try again") from None
    # Only newlines end a line, as when Python iterates over an open file; str.splitlines knows more of them.
    docs = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
    if not docs:
        raise DataError(f"{source} has no usable line; give a text file with one document a line")
    return docs


def _read(source: Path) -> bytes:
    """The bytes of a file; a pipe or a device, which may never end, is refused."""
    try:
        about = source.stat()
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise DataError(f"{source} is a pipe or a device; put what it gives into a file, and give that")
        _check_memory(source, about.st_size, 0)
        return source.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"there is no file {source}; check the path, or leave it out to use the bundled names"
        ) from None
    except IsADirectoryError:
        raise DataError(f"{source} is a folder; give a text file with one document a line") from None
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error.strerror}); give a text file that you may read") from None
    except ValueError:
        raise DataError(f"{str(source)!r} is no path of a file; give another") from None


def _check_memory(source: Path, size: int, lines: int) -> None:
    free, needed = psutil.virtual_memory().available, A_BYTE * size + A_DOCUMENT * lines
    if needed > free:
        raise DataError(
            f"{source} has {size / 1e6:,.0f} MB and would take {needed / 1e9:,.1f} GB of memory, of which "
            f"{free / 1e9:,.1f} GB are free; give a part of it"
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
            raise Stopped("opening was stopped")


def checksum(docs: Iterable[str]) -> str:
    """SHA-256, in hex, over the documents in their order: that of a file with one of them a line."""
    return hashlib.sha256("\n".join((*docs, "")).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Origin:
    """Which documents saved work is about: their `checksum`, and the file they were read from.

    Without a path they are the bundled names, or were never in a file.
    """

    sha256: str
    path: str | None = None

    def find(self, given: str | Path | None = None) -> tuple[list[str], Origin]:
        """The documents, and where they are now: in the file `given`, else where they were, else in the bundled names.

        Raises DataError if they are in none of these.
        """
        if given is not None:
            docs = load_docs(given)
            if checksum(docs) != self.sha256:
                raise DataError(f"{given} holds other documents than the run was trained on; give those with --data")
            return docs, Origin(self.sha256, str(Path(given).absolute()))
        if self.path is not None and os.path.isfile(self.path):
            docs = load_docs(self.path)
            if checksum(docs) == self.sha256:
                return docs, self
        docs = load_docs()
        if checksum(docs) == self.sha256:
            return docs, Origin(self.sha256)
        if self.path is None:
            raise DataError("the run was trained on other documents than the bundled names; give those with --data")
        change = "holds other documents now" if os.path.isfile(self.path) else "is not there any more"
        path = shortened(self.path, LONGEST)
        raise DataError(f"the run was trained on {path}, which {change}; give the documents with --data")
