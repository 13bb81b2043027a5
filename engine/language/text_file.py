"""Reading a file of texts: tables of strings, as TOML writes them.

Many texts are read before the first frame, and Python's reader, which knows all of TOML, takes several times as long.
"""

from __future__ import annotations

import re
from typing import Any

_NAME = r'(?:[\w-]+|"[^"\\\n]*")'
_KEY = rf"({_NAME}(?:\.{_NAME})*)"
_STRING = r'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"'
_LINES = r'"""\n?((?:[^"\\]+|\\.|"(?!""))*)"""'
_COMMENT = r"\ *(?:\#.*)?"
_STATEMENT = re.compile(
    rf"(?:{_COMMENT}\n)*(?:\[{_KEY}\]|{_KEY}\ =\ (?:{_LINES}|{_STRING}|\{{\ (.*)\ \}})){_COMMENT}(?:\n|\Z)"
)
_ENTRY = re.compile(rf"{_KEY}\ =\ {_STRING}")
_END = re.compile(rf"(?:{_COMMENT}\n)*{_COMMENT}\Z")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANING = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def read_texts(written: str) -> dict[str, Any]:
    """The tables of a file of texts. Raises ValueError for the rest of TOML, and for a key that is there twice."""
    texts: dict[str, Any] = {}
    table, at = texts, 0
    while found := _STATEMENT.match(written, at):
        name, key, lines, line, entries = found.groups()
        if name is not None:
            table = _inner(texts, _names(name))
        elif entries is None:
            _add(table, key, line if lines is None else lines)
        else:
            pairs = _ENTRY.findall(entries)
            if ", ".join(f'{inner} = "{text}"' for inner, text in pairs) != entries:
                break
            for inner, text in pairs:
                _add(table, f"{key}.{inner}", text)
        at = found.end()
    if not _END.match(written, at):
        raise ValueError(written[at:].strip().partition("\n")[0])
    return texts


def _names(key: str) -> list[str]:
    return [name.strip('"') for name in re.findall(_NAME, key)] if '"' in key else key.split(".")


def _inner(table: dict[str, Any], names: list[str]) -> dict[str, Any]:
    for name in names:
        table = table.setdefault(name, {})
    return table


def _add(table: dict[str, Any], key: str, text: str) -> None:
    *outer, last = _names(key)
    table = _inner(table, outer)
    if last in table:
        raise ValueError(key)
    table[last] = _ESCAPE.sub(lambda sign: _MEANING[sign[1]], text) if "\\" in text else text
