"""The language that a command line and its environment ask for, read before the commands are imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from engine.language.chosen import LANGUAGES, usual_language

OPTION = "--lang"


def asked_language(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The value of the last `--lang`, if it is a language; else what the environment asks for.

    What comes after `--` are the options of a user's script.
    """
    own = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    values = [after for each, after in pairwise(own) if each == OPTION]
    values += [each.removeprefix(f"{OPTION}=") for each in own if each.startswith(f"{OPTION}=")]
    return next((value for value in reversed(values) if value in LANGUAGES), usual_language(environment))
