"""The languages that the program speaks, beginning with the one that it falls back on, and which the user reads."""

from __future__ import annotations

import os

LANGUAGES = ("en", "ko")


def usual_language() -> str:
    """The language of the user's terminal, if it is one of them; else English."""
    settings = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    setting = next(filter(None, settings), "")
    return next((language for language in LANGUAGES if setting.startswith(language)), LANGUAGES[0])
