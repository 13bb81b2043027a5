"""The texts of a package by key: a folder for each language, in it a TOML file for each part of the program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.language.chosen import LANGUAGES, language
from engine.language.particles import ParticleFormatter
from engine.language.text_file import read_texts

_WITH_PARTICLE = re.compile(r"\{\w+(?:![rsa])?:[가-힣]+/")
_FORMATTER = ParticleFormatter()


@cache
def read_part(package: str, name: str, part: str) -> dict[str, Any]:
    """The texts of one part in one language as its file has them; none where there is no such file."""
    file = Path(import_module(package).__path__[0], name, f"{part}.toml")
    return read_texts(file.read_text(encoding="utf-8")) if file.is_file() else {}


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A template of str.format with its values, where a format may be a pair of Korean particles.

    Raises KeyError if a value is missing.
    """
    if _WITH_PARTICLE.search(template):
        return _FORMATTER.vformat(template, (), values)
    return template.format_map(values)


class Catalog:
    """What a package says. Called with a key and what the text speaks of, it gives the text in the chosen language.

    A key is "part.name" or longer: the file, then the tables in it. A text is a template, see `fill`; or a table with
    `one` and `other`, of which the value `n` chooses: one step, two steps. A file is read when the first of its texts
    is asked for. What a language lacks is said in English.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self._known: dict[tuple[str, str], str | dict[str, str]] = {}

    def __call__(self, key: str, /, **values: Any) -> str:
        """The text of a key, filled in; as it is where nothing is given.

        Raises KeyError if there is no such text, or if it speaks of a value that is missing.
        """
        found = self._known.get((language(), key))
        if found is None:
            found = self._known[language(), key] = self._find(key)
        template = found if isinstance(found, str) else found["one" if values["n"] == 1 and "one" in found else "other"]
        return fill(template, values) if values else template

    def _find(self, key: str) -> str | dict[str, str]:
        part, *names = key.split(".")
        for each in (language(), LANGUAGES[0]):
            found: Any = read_part(self.package, each, part)
            for name in names:
                found = found.get(name) if isinstance(found, dict) else None
            if isinstance(found, str) or (isinstance(found, dict) and "other" in found):
                return found
        raise KeyError(key)
