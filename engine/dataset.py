"""Documents in. A document is one line of a UTF-8 text file, stripped, read just as `microgpt.py` reads it."""

from __future__ import annotations

from pathlib import Path

from engine.errors import DataError

_HERE = Path(__file__).resolve().parent
# A wheel carries the file inside the package; a checkout (and an editable install) beside it.
_BUNDLED = (_HERE / "_data" / "names.txt", _HERE.parent / "data" / "names.txt")


def bundled_path() -> Path:
    """Where the bundled names are."""
    for path in _BUNDLED:
        if path.is_file():
            return path
    raise DataError("the bundled names are missing from this installation; reinstall it, or give --data FILE")


def load_docs(path: str | Path | None = None) -> list[str]:
    """The documents of the file at `path`, one a line, in the file's order; the bundled names without a path.

    Raises DataError, with a sentence, for a file that is missing, unreadable, not text, or without a usable line.
    """
    source = bundled_path() if path is None else Path(path)
    try:
        raw = source.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"there is no file {source}; check the path, or leave it out to use the bundled names"
        ) from None
    except IsADirectoryError:
        raise DataError(f"{source} is a folder; give a text file with one document a line") from None
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error.strerror}); give a text file that you may read") from None
    if b"\0" in raw:
        raise DataError(f"{source} is a binary file; give a UTF-8 text file with one document a line")
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
