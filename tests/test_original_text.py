"""The program contains nothing of the text of microgpt.py: who wants it fetches it.

Lines of it are known by their checksums alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHOWN = {".py", ".md", ".toml", ".txt", ".tcss", ".json", ".svg", ".ipynb", ".cfg", ""}
DIGESTS = {
    "0beed291b10305acba815c94",
    "b697a9da77813edec0214a7e",
    "2f385d4a5d377bb60757ca39",
    "f818d317feca753fc9e2cb08",
    "103af9edd7e3fc8dea995d71",
    "2f44e21cd62cf7c7d4ddb1c7",
    "bc343ffb296f375765cd16b5",
    "4d8f5d747c4235d718a60673",
    "7176d9fca09b22c52f7e36b4",
    "315faf4a882237e93b5d629e",
    "0f96739d26366cddf7fb5610",
    "342b814f044afddfaaa298e6",
    "a4ea7dd2ddbad78e132c9d91",
    "96777ad693af062cac3b20c4",
}
"""Some lines of the original that nobody else would write so, without their blanks."""


def digest(line: str) -> str:
    return hashlib.sha256("".join(line.partition("#")[0].split()).encode()).hexdigest()[:24]


def lines() -> Iterator[tuple[str, str]]:
    """The lines of all files that are handed on, each with its place."""
    for part in ("engine", "microgpt_tui", "docs", "data", "."):
        for file in sorted((ROOT / part).glob("*" if part == "." else "**/*")):
            if file.is_file() and file.suffix in SHOWN and "__pycache__" not in file.parts:
                for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                    yield f"{file.relative_to(ROOT)}:{number}", line


def test_no_line_of_the_original_is_handed_on() -> None:
    assert [place for place, line in lines() if digest(line) in DIGESTS] == []


def test_a_line_would_be_found_by_its_digest() -> None:
    own = digest("class SourceTable :  # however it is spaced, and whatever is said of it")
    found = [place.partition(":")[0] for place, line in lines() if digest(line) == own]
    assert found == ["engine/script/source_table.py"]


def test_no_copy_is_handed_on() -> None:
    assert list(ROOT.glob("engine/**/microgpt.py")) + list(ROOT.glob("microgpt_tui/**/microgpt.py")) == []
