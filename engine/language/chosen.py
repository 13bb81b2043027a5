"""The languages that the program speaks, and the one that is chosen.

It is chosen once, before other modules are imported: some keep texts, such as the descriptions of their keys.
"""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "ko")  # the first is what the program falls back on
VARIABLE = "MICROGPT_TUI_LANG"
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set says what a terminal speaks

_chosen = [LANGUAGES[0]]


def language() -> str:
    """The language that is chosen: English unless something else was."""
    return _chosen[0]


def use_language(name: str) -> None:
    """Choose the language of everything that is said from now on; one that is not known is left out."""
    if name in LANGUAGES:
        _chosen[0] = name


def usual_language(environment: Mapping[str, str]) -> str:
    """What these environment variables ask for: the program's own variable, else the locale; else English."""
    if (wanted := environment.get(VARIABLE)) in LANGUAGES:
        return str(wanted)
    locale = next(filter(None, map(environment.get, _LOCALE)), "")
    spoken = locale.partition(".")[0].partition("_")[0].lower()  # of ko_KR.UTF-8: ko
    return spoken if spoken in LANGUAGES else LANGUAGES[0]
