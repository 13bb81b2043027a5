"""`--data names`: the original's names, with progress while they are fetched."""

from __future__ import annotations

from pathlib import Path

from microgpt_tui.cli._exit import Failure, say
from microgpt_tui.cli._progress import Waiting


def original_names() -> Path:
    """The file, fetched if this is the first time."""
    from engine.errors import DataError
    from microgpt_tui.storage import names_download

    if not names_download.cached().is_file():
        say(f"Fetching the names that microgpt.py uses, this once, from {names_download.URL}")
    try:
        with Waiting("Fetching names") as waiting:
            return names_download.fetch(lambda done, of: waiting.update(done, f"{done / 1000:.0f} kB", of or None))
    except DataError as error:
        raise Failure(str(error)) from error
