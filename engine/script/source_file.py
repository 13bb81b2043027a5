"""`ScriptFile`: the text of a script, from a .py file or a notebook, and what its lines are called."""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_right
from pathlib import Path

from engine.errors import ScriptError, system_says
from engine.immutable import immutable
from engine.language.say import say
from engine.script.notebook import code_of_notebook
from engine.text import quoted, wide_encoding

_PLACE = re.compile(r"(?:(?P<cell>\d{1,6}):)?(?P<line>\d{1,9})", re.ASCII)


@immutable
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
            what = "folder" if path.is_dir() else "no_file" if path.exists() else "missing"
            raise ScriptError(say(f"script.source_file.no_script.{what}", path=path))
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ScriptError(say("script.source_file.unreadable", path=path, why=system_says(error))) from None
        try:
            if path.suffix.lower() == ".ipynb":
                return cls(path, *code_of_notebook(_decoded(raw, "utf-8-sig")))
            return cls(path, _decoded(raw, None))
        except _NotPython as why:
            raise ScriptError(say("script.source_file.unreadable", path=path, why=why)) from None
        except ValueError as why:
            raise ScriptError(say("script.source_file.no_notebook", path=path, why=why)) from None

    def place(self, line: int) -> str:
        """What a line is called: "line 12", or "cell 3, line 5" of a notebook."""
        if not self.cells:
            return say("script.source_file.line", line=line)
        cell, line = self.cell_of(line)
        return say("script.source_file.cell_line", cell=cell, line=line)

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
        told = {"name": self.path.name, "place": quoted(place)}
        if self.cells:
            raise ScriptError(say("script.source_file.no_line_in_cells", **told, count=len(self.cells)))
        raise ScriptError(say("script.source_file.no_line", **told, count=count))

    def lines(self) -> list[str]:
        """The lines of the text, the first one at index 0, without their ends."""
        return self.text.removesuffix("\n").split("\n")


class _NotPython(Exception):
    """Why a file is no text that Python would read."""


def _decoded(raw: bytes, encoding: str | None) -> str:
    """The text of a file, in this encoding or (None) the one that Python would take; lines end in a newline alone."""
    if wide := wide_encoding(raw):
        raise _NotPython(say("script.source_file.wide", wide=wide))
    encoding = encoding or _declared(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        name = encoding.removesuffix("-sig").upper()
        raise _NotPython(say("script.source_file.not_in_encoding", line=line, name=name)) from None
    except LookupError:
        raise _NotPython(say("script.source_file.no_encoding", encoding=encoding)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _declared(raw: bytes) -> str:
    """The encoding that the first lines of a script declare (PEP 263), else UTF-8."""
    try:
        return tokenize.detect_encoding(io.BytesIO(raw).readline)[0]
    except SyntaxError as error:
        if "unknown encoding" in str(error) or "encoding problem" in str(error):
            raise _NotPython(say("script.source_file.unknown_encoding", error=error)) from None
        return "utf-8"  # a line of these is not UTF-8, which is told with its number
