"""The code of a Jupyter notebook as one text: what is not Python in its cells is turned into comments.

Cells are counted as a kernel counts them that runs all: code cells from 1, without the blank ones.
"""

from __future__ import annotations

import ast
import json
import re
import tokenize
import warnings
from typing import Any

from engine.language.say import say
from engine.text import shortened

PYTHON_CELLS = ("time", "timeit", "capture", "prun")  # cell magics that run the rest of their cell as it is
_TIMED = re.compile(r"%time\s+(?=\S)")
_NOT_PYTHON = re.compile(
    r"[!%?]"  # a shell line, a magic, help
    r"|[\w\s,.*\[\]]+=\s*(?:!|%\w)"  # what these give, kept under a name
    r"|[\w.]+\?{1,2}\s*$"
    r"|(?:pip|conda)\s+install\b"
)


def code_of_notebook(text: str) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
    """Of the text of an .ipynb file: its code, the line that each cell begins in, and what is left out, told.

    Raises ValueError, with the reason, for a text that is no notebook of Python code.
    """
    lines: list[str] = []
    cells, notes = [], []
    for number, source in enumerate(_code_cells(text), 1):
        code, left_out = _python_of(source.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n"))
        cells.append(len(lines) + 1)
        lines += code
        for line, what in left_out:
            place = {"cell": number, "line": line, "what": what}
            notes.append(say("script.notebook.cell_line" if line else "script.notebook.cell", **place))
    return "".join(f"{line}\n" for line in lines), tuple(cells), tuple(notes)


def _code_cells(text: str) -> list[str]:
    """The sources of the code cells, in order."""
    try:
        notebook = json.loads(text)
    except RecursionError:
        raise ValueError(say("script.notebook.too_deep")) from None
    except ValueError as error:
        raise ValueError(say("script.notebook.not_json", error=error)) from None
    cells = _get(notebook, "cells")
    if not isinstance(cells, list):  # as the third version of the format has them
        sheets = _get(notebook, "worksheets")
        cells = [cell for sheet in sheets for cell in _list(_get(sheet, "cells"))] if isinstance(sheets, list) else None
    if cells is None:
        raise ValueError(say("script.notebook.no_cells"))
    metadata = _get(notebook, "metadata")
    language = _get(_get(metadata, "kernelspec"), "language") or _get(_get(metadata, "language_info"), "name")
    if isinstance(language, str) and "python" not in language.lower():
        raise ValueError(say("script.notebook.other_language", language=shortened(language)))
    sources = []
    for cell in cells:
        if _get(cell, "cell_type") != "code":
            continue
        source = _get(cell, "source") or _get(cell, "input") or ""
        parts = source if isinstance(source, list) else [source]
        if not all(isinstance(part, str) for part in parts):
            raise ValueError(say("script.notebook.no_text"))
        sources.append("".join(parts))
    sources = [source for source in sources if source.strip()]
    if not sources:
        raise ValueError(say("script.notebook.no_code"))
    return sources


def _get(thing: Any, key: str) -> Any:
    return thing.get(key) if isinstance(thing, dict) else None


def _list(thing: Any) -> list[Any]:
    return thing if isinstance(thing, list) else []


def _python_of(lines: list[str]) -> tuple[list[str], list[tuple[int, str]]]:
    """The lines of a cell with all that is not Python as comments, and what that is: its line (0: all) and a text."""
    first = next(i for i, line in enumerate(lines) if line.strip())
    if lines[first].startswith("%%"):
        magic = lines[first].strip()
        name = re.match(r"%%\w*", magic)
        left_out = say("script.notebook.left_out", text=shortened(magic))
        if name and name[0][2:] not in PYTHON_CELLS:
            return [f"# {line}" for line in lines], [(0, left_out)]
        rest, others = _python_of(["", *lines[first + 1 :]]) if any(map(str.strip, lines[first + 1 :])) else ([""], [])
        code = [*lines[:first], f"# {lines[first]}", *rest[1:]]
        return code, [(first + 1, left_out), *((line + first, what) for line, what in others)]
    if _is_python("\n".join(lines)):
        return lines, []
    return _without_magics(lines)


def _is_python(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _without_magics(lines: list[str]) -> tuple[list[str], list[tuple[int, str]]]:
    """The same for a cell that does not compile as it is: a magic is looked for where a statement may begin."""
    code, left_out = [], []
    begun = ""  # the statement that is not yet whole
    in_magic = False  # it goes on after a backslash
    for number, line in enumerate(lines, 1):
        text = line.strip()
        indent = line[: len(line) - len(line.lstrip())]
        if in_magic:
            code.append(f"{indent}# {text}")
        elif not begun and (timed := _TIMED.match(text)):
            line = indent + text[timed.end() :]  # noqa: PLW2901
            code.append(line)
            left_out.append((number, say("script.notebook.time_left_out")))
        elif not begun and _NOT_PYTHON.match(text):
            in_magic = True
            code.append(f"{indent}pass  # {text}" if indent else f"# {text}")
            left_out.append((number, say("script.notebook.left_out", text=shortened(text))))
        else:
            code.append(line)
        if in_magic:
            in_magic = text.endswith("\\")
            continue
        begun += f"{line}\n"
        if _is_whole(begun):
            begun = ""
    return code, left_out


def _is_whole(text: str) -> bool:
    """Whether no bracket, text or backslash is open at the end of these lines."""
    lines = iter(text.splitlines(keepends=True))
    try:
        for _ in tokenize.generate_tokens(lambda: next(lines, "")):
            pass
    except tokenize.TokenError as error:
        return not re.search("EOF|triple-quoted", str(error))  # the words of Python 3.11, and of later ones
    except SyntaxError:
        return True
    return True
