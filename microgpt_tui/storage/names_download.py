"""The file of names that `microgpt.py` downloads: fetched once, checked, and stored in the user's cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.atomic_write import write_whole
from engine.errors import DataError, system_says
from microgpt_tui.storage.download import DownloadError, Report, download
from microgpt_tui.storage.paths import cache_folder
from microgpt_tui.texts.say import say

URL = "https://raw.githubusercontent.com/karpathy/makemore/988aa59/names.txt"
SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
FILE = "names.txt"


def cached() -> Path:
    """The path of the file in the cache. It need not exist yet."""
    return cache_folder() / FILE


def fetch_names(report: Report) -> Path:
    """The file, downloaded unless the cache has it. Raises DataError; a damaged download is not kept."""
    file, by_hand = cached(), say("storage.names_download.or_download_yourself_give", url=URL)
    try:
        if file.is_file() and _is_right(file.read_bytes()):
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        content = download(URL, report)
        if not _is_right(content):
            raise DataError(say("storage.names_download.what_gives_not_file", url=URL))
        write_whole(file, content)
    except DownloadError as error:
        raise DataError(say("storage.names_download.names_cannot_be_fetched", error=error, by_hand=by_hand)) from None
    except OSError as error:
        reason = system_says(error) or say("storage.names_download.cannot_be_written_there")
        raise DataError(
            say("storage.names_download.names_cannot_be_kept", parent=file.parent, reason=reason, by_hand=by_hand)
        ) from None
    return file


def _is_right(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256
