"""`printable`: any text as signs that a terminal shows, each of a width that terminals agree on.

Documents, file names and what people type may hold anything. What a terminal would obey, hide, join to its neighbour
or measure in a way of its own is written as Python writes it (`\\x1b`, `\\u200b`); an accent on nothing gets a circle.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import unicodedata
from pathlib import Path

CIRCLE = "◌"  # on which books set accents that stand alone
ALONE = re.compile(r"(?<!\S)\0")  # an accent on nothing
MARK = "\0"  # stands before an accent while a text is worked on, in which there is no such character by then
UNFIT = (  # of what Python counts as printable: what fonts draw as nothing, or as a part of a neighbour
    (0x034F, 0x034F), (0x115F, 0x11FF), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800), (0x3164, 0x3164),
    (0xA960, 0xA97C), (0xD7B0, 0xD7FB), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF),
    (0xE0100, 0xE01EF),
    # and what is one cell wide in some terminals and two in others
    (0x2630, 0x2637), (0x268A, 0x268F), (0x3248, 0x324F), (0x1D300, 0x1D376),
)  # fmt: skip


class _Signs(dict[int, str]):
    """What stands for each character, found when it is first needed."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if not character.isprintable() or kind == "Mc" or any(first <= code <= last for first, last in UNFIT):
            sign = character.encode("unicode_escape").decode()
        else:
            sign = MARK + character if kind in ("Mn", "Me") else character
        self[code] = sign
        return sign


_SIGNS = _Signs()


def printable(text: str) -> str:
    """The text with everything replaced by a visible sign that a terminal would not show as itself. Idempotent."""
    if text.isascii() and text.isprintable():
        return text
    shown = text.translate(_SIGNS)
    return ALONE.sub(CIRCLE, shown).replace(MARK, "") if MARK in shown else shown


def lines(text: str) -> str:
    """A printable text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def shell_word(path: str | Path) -> str:
    """The name of a file as a word of a command that can be pasted into a shell, and is no option there.

    What a terminal would not show is written as bytes in $'...', which bash, zsh and ksh read.
    """
    name = str(path)
    if name.startswith("-"):
        name = f"./{name}"
    if os.name == "nt":
        return subprocess.list2cmdline([name])
    if printable(name) == name:
        return shlex.quote(name)
    return "$'" + "".join(map(_escaped, name)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    return character if printable(character) == character else "".join(f"\\x{b:02x}" for b in os.fsencode(character))
