"""Folders for settings and state: those of the user, or a temporary one for a client of `serve`.

The one place that says where settings and saved work belong. A visitor's belong in a folder that goes away with them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

VISITOR = "MICROGPT_TUI_VISITOR"
"""The variable that `serve` sets for each visitor's process: the folder that is the visitor's own."""

NAME = "microgpt-tui"


def in_browser() -> bool:
    """Whether a visitor drives this process, who is not to reach the files of the one who started the server."""
    return VISITOR in os.environ


def state_folder() -> Path:
    """Where work that was left is kept. It need not exist yet."""
    from platformdirs import user_state_path  # here, since no help needs it

    return Path(os.environ[VISITOR]) if in_browser() else folder("XDG_STATE_HOME", user_state_path)


def settings_folder() -> Path:
    """Where settings are kept. It need not exist yet."""
    from platformdirs import user_config_path

    return Path(os.environ[VISITOR]) if in_browser() else folder("XDG_CONFIG_HOME", user_config_path)


def folder(variable: str, usual: Callable[..., Path]) -> Path:
    """Where a variable of the XDG base directories says, on every system; else the system's own place."""
    said = Path(os.environ.get(variable, ""))
    return said / NAME if said.is_absolute() else usual(NAME, appauthor=False)
