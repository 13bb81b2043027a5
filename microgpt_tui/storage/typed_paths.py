"""Paths of files as people type them: on the command line, or in the header of a lecture."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class PathError(ValueError):
    """A text that is no path. The message is the rest of a sentence about it, with what to do."""


def typed_path(text: str) -> Path:
    """The path, with ~ at its beginning expanded. Raises PathError for an address or an empty text."""
    if not text.strip():
        raise PathError("is empty; give the path of a file")
    if ADDRESS.match(text):
        raise PathError(
            f"is an address on the internet, not a file; download it (curl -LO {shlex.quote(text)}) "
            "and give the path of the file"
        )
    return Path(os.path.expanduser(text))
