"""The file of names that `microgpt.py` downloads: fetched once, checked, and stored in the user's cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.atomic_write import write_whole
from engine.errors import DataError
from microgpt_tui.storage.download import DownloadError, Report, download
from microgpt_tui.storage.paths import cache_folder

URL = "https://raw.githubusercontent.com/karpathy/makemore/988aa59/names.txt"
SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
FILE = "names.txt"


def cached() -> Path:
    """The path of the file in the cache. It need not exist yet."""
    return cache_folder() / FILE


def fetch_names(report: Report) -> Path:
    """The file, downloaded unless the cache has it. Raises DataError; a damaged download is not kept."""
    file, by_hand = cached(), f"or download {URL} yourself and give it with --data FILE"
    try:
        if file.is_file() and _is_right(file.read_bytes()):
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        content = download(URL, report)
        if not _is_right(content):
            raise DataError(
                f"what {URL} gives is not the file of names, as its checksum says, and is not kept; try again later, "
                "or give another file with --data FILE"
            )
        write_whole(file, content)
    except DownloadError as error:
        raise DataError(f"the names cannot be fetched ({error}); try again online, {by_hand}") from None
    except OSError as error:
        reason = error.strerror or "it cannot be written there"
        raise DataError(f"the names cannot be kept in {file.parent} ({reason}); free it, {by_hand}") from None
    return file


def _is_right(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256
