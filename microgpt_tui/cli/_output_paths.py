"""Files that a command is to write are refused, with a sentence, before any time is spent on what goes into them."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from pathlib import Path

from microgpt_tui.cli._exit import Failure


def check_targets(
    read: Mapping[str, Path | None], written: Mapping[str, Path | None], replaced: Container[str]
) -> None:
    """Raise Failure for files that cannot be written, or that are one and the same. Files go by their flags.

    Those that are `replaced` have to be files; the others may be a pipe or a device.
    """
    seen = {Path(os.path.realpath(path)): flag for flag, path in read.items() if path}
    for flag, path in written.items():
        if path is None:
            continue
        target = Path(os.path.realpath(path))  # also of a link to itself
        if target in seen:
            raise Failure(f"{flag} and {seen[target]} are the same file, {path}; give two")
        seen[target] = flag
        if target.is_dir():
            raise Failure(f"{flag}: {path} is a folder; give the name of a file in it")
        if not target.parent.is_dir():
            raise Failure(f"{flag}: there is no folder {path.parent}; make it first, or give another place")
        if target.exists() and flag in replaced and not target.is_file():
            raise Failure(f"{flag}: {path} is not a file that can be replaced; give the name of a file")
        if not os.access(target if target.exists() else target.parent, os.W_OK):
            raise Failure(f"{flag}: you may not write {path}; give another place")
