"""Folders that tests use instead of the user's: home, settings, saved work and caches.

Every process of tests has its own, so that no test meets what another process writes. They share one cache: where
compiled loops cannot be cached beside the source, they are compiled once for all processes.
"""

from __future__ import annotations

import os
import shutil
import site
import tempfile
from pathlib import Path

OWN = (
    *("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
    *("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_DOWNLOAD_DIR", "XDG_RUNTIME_DIR"),
)
SHARED = ("XDG_CACHE_HOME",)
# Without NUMBA_CACHE_DIR, numba caches beside the source. The last is for `serve`.
REMOVED = ("NUMBA_CACHE_DIR", "PIP_CACHE_DIR", "MICROGPT_TUI_CLIENT_FOLDER")
NAMES = (*OWN, *SHARED, *REMOVED)
"""All variables that name a folder of the user."""

_SESSION = "MICROGPT_TUI_TESTS"  # tells the processes of tests which folder the first of them has made


def replace_users() -> None:
    """Let no variable of the environment name a folder of the user, here and in all processes that tests start."""
    os.environ.setdefault("PYTHONUSERBASE", site.getuserbase())  # packages installed there are found without HOME
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[_SESSION] = tempfile.mkdtemp(prefix="microgpt-tui-tests-")
    session = Path(os.environ[_SESSION])
    for names, part in ((OWN, os.environ.get("PYTEST_XDIST_WORKER", "main")), (SHARED, "shared")):
        for name in names:
            folder = session / part / name
            folder.mkdir(0o700, parents=True, exist_ok=True)
            os.environ[name] = str(folder)
    for name in REMOVED:
        os.environ.pop(name, None)


def remove() -> None:
    """Remove the folders, once no process of tests is left that uses them."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ[_SESSION], ignore_errors=True)
