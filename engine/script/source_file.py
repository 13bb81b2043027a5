"""`ScriptFile`: the text of a script, from a .py file or a notebook, and what its lines are called."""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ScriptError
from engine.script.notebook import code_of_notebook
from engine.text import quoted, wide_encoding

_PLACE = re.compile(r"(?:(?P<cell>\d{1,6}):)?(?P<line>\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A script as it is compiled: `text` under the name of `path`. Its lines are counted from 1."""

    path: Path
    text: str
    """The code, each line ended by a newline alone; of a notebook that of all cells, one after the other."""
    cells: tuple[int, ...] = ()
    """Of a notebook: the line of `text` that each cell begins in."""
    notes: tuple[str, ...] = ()
    """What of a notebook is left out, a sentence each."""

    @classmethod
    def read(cls, path: Path) -> ScriptFile:
        """The script in a file. Raises ScriptError, with a sentence, for one that is no text of Python."""
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
            raise ScriptError(f"{path} {what}; give the path of your script")
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ScriptError(f"{path} cannot be read: {error.strerror}") from None
        try:
            if path.suffix.lower() == ".ipynb":
                return cls(path, *code_of_notebook(_decoded(raw, "utf-8-sig")))
            return cls(path, _decoded(raw, None))
        except _NotPython as why:
            raise ScriptError(f"{path} cannot be read: {why}") from None
        except ValueError as why:
            raise ScriptError(f"{path} cannot be read: it is no Jupyter notebook ({why})") from None

    def place(self, line: int) -> str:
        """What a line is called: "line 12", or "cell 3, line 5" of a notebook."""
        if not self.cells:
            return f"line {line:,}"
        cell, line = self.cell_of(line)
        return f"cell {cell}, line {line:,}"

    def cell_of(self, line: int) -> tuple[int, int]:
        """The cell of a notebook that a line is in, counted from 1, and the line in that cell."""
        cell = max(bisect_right(self.cells, line), 1)
        return cell, line - self.cells[cell - 1] + 1

    def line_at(self, place: str) -> int:
        """The line that a person names: by its number, or in a notebook by those of its cell and line, as in 3:5.

        Raises ScriptError for one that is not there.
        """
        named = _PLACE.fullmatch(place.strip())
        count = len(self.lines())
        if named is not None and bool(named["cell"]) == bool(self.cells):
            if not self.cells and 1 <= int(named["line"]) <= count:
                return int(named["line"])
            if self.cells and 1 <= int(named["cell"]) <= len(self.cells):
                found = self.cells[int(named["cell"]) - 1] + int(named["line"]) - 1
                if 1 <= found <= count and self.cell_of(found) == (int(named["cell"]), int(named["line"])):
                    return found
        there = (
            f"give one of its {len(self.cells):,} cells of code and a line in it, as in 3:5"
            if self.cells
            else f"give the number of one of its {count:,} lines"
        )
        raise ScriptError(f"{self.path.name} has no line {quoted(place)}; {there}")

    def lines(self) -> list[str]:
        """The lines of the text, the first one at index 0, without their ends."""
        return self.text.removesuffix("\n").split("\n")


class _NotPython(Exception):
    """Why a file is no text that Python would read."""


def _decoded(raw: bytes, encoding: str | None) -> str:
    """The text of a file, in this encoding or (None) the one that Python would take; lines end in a newline alone."""
    if wide := wide_encoding(raw):
        raise _NotPython(f"it is {wide} text; save it as UTF-8 and try again")
    encoding = encoding or _declared(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        name = encoding.removesuffix("-sig").upper()
        raise _NotPython(f"line {line:,} is not {name} text; save it as UTF-8 and try again") from None
    except LookupError:
        raise _NotPython(f"it says that its encoding is {encoding}, which is none of text; take that out") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _declared(raw: bytes) -> str:
    """The encoding that the first lines of a script declare (PEP 263), else UTF-8."""
    try:
        return tokenize.detect_encoding(io.BytesIO(raw).readline)[0]
    except SyntaxError as error:
        if "unknown encoding" in str(error) or "encoding problem" in str(error):
            raise _NotPython(f"its first lines declare an encoding that Python cannot use ({error})") from None
        return "utf-8"  # a line of these is not UTF-8, which is told with its number
