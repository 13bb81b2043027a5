"""Folders for settings and state, those of the user or a temporary one for a client process; and paths as typed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from microgpt_tui.texts.say import say

CLIENT_FOLDER = "MICROGPT_TUI_CLIENT_FOLDER"
"""The variable that `serve` sets for each client process: its temporary folder."""

NAME = "microgpt-tui"
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def in_browser() -> bool:
    """Whether this is a client process of `serve`, which must not reach the files of the server's owner."""
    return CLIENT_FOLDER in os.environ


def state_folder() -> Path:
    """The folder of saved sessions and shared notes. It need not exist yet."""
    from platformdirs import user_state_path  # here, so that --help is quick

    return Path(os.environ[CLIENT_FOLDER]) if in_browser() else folder("XDG_STATE_HOME", user_state_path)


def settings_folder() -> Path:
    """The folder of settings. It need not exist yet."""
    from platformdirs import user_config_path

    return Path(os.environ[CLIENT_FOLDER]) if in_browser() else folder("XDG_CONFIG_HOME", user_config_path)


def cache_folder() -> Path:
    """The folder of what can be made or fetched again. It need not exist yet."""
    from platformdirs import user_cache_path

    return folder("XDG_CACHE_HOME", user_cache_path)


def compiled_mark() -> Path:
    """The file that says which compiled loops are kept; see `engine.run.compilation`."""
    return cache_folder() / "compiled-loops"


def folder(variable: str, usual: Callable[..., Path]) -> Path:
    """The folder that an XDG variable names, on every system, else `usual`, a function of platformdirs."""
    base = Path(os.environ.get(variable, ""))
    return base / NAME if base.is_absolute() else usual(NAME, appauthor=False)


class PathError(ValueError):
    """A text that is no path. The message is the rest of a sentence about it, with what to do."""


def typed_path(text: str) -> Path:
    """The path, with ~ at its beginning expanded. Raises PathError for an address or an empty text."""
    if not text.strip():
        raise PathError(say("storage.paths.empty_give_path_file"))
    if ADDRESS.match(text):
        raise PathError(say("storage.paths.address_on_internet_not", text=shlex.quote(text)))
    return Path(os.path.expanduser(text))
