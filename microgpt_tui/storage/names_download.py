"""The file of names that `microgpt.py` downloads: fetched once, checked, and stored in the user's cache."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from engine.errors import DataError
from microgpt_tui.storage.paths import cache_folder

URL = "https://raw.githubusercontent.com/karpathy/makemore/988aa59/names.txt"
SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
FILE = "names.txt"
PATIENCE = 20.0  # seconds without a byte until the connection counts as lost
PIECE = 16 * 1024  # bytes from one report of progress to the next

Report = Callable[[int, int], None]
"""Called with the number of bytes received, and the total or 0."""


def cached() -> Path:
    """The path of the file in the cache. It need not exist yet."""
    return cache_folder() / FILE


def fetch_names(report: Report) -> Path:
    """The file, downloaded unless the cache has it. Raises DataError; a damaged download is removed."""
    import pooch
    from pooch.downloaders import HTTPDownloader
    from requests import RequestException

    pooch.get_logger().setLevel(logging.WARNING)
    file, by_hand = cached(), f"or download {URL} yourself and give it with --data FILE"
    downloader = HTTPDownloader(progressbar=Progress(report), chunk_size=PIECE, timeout=PATIENCE)
    try:
        pooch.retrieve(URL, f"sha256:{SHA256}", file.name, file.parent, downloader=downloader)
    except RequestException as error:
        raise DataError(f"the names cannot be fetched ({reason_of(error)}); try again online, {by_hand}") from None
    except ValueError:
        raise DataError(
            f"what {URL} gives is not the file of names, as its checksum says, and is not kept; try again later, "
            "or give another file with --data FILE"
        ) from None
    except OSError as error:
        reason = error.strerror or "it cannot be written there"
        raise DataError(f"the names cannot be kept in {file.parent} ({reason}); free it, {by_hand}") from None
    return file


def reason_of(error: Exception) -> str:
    """Why a download failed, in a few words."""
    from requests import HTTPError, Timeout

    if isinstance(error, HTTPError) and error.response is not None:
        return f"the server says {error.response.status_code} {error.response.reason}"
    return f"no answer for {PATIENCE:g} s" if isinstance(error, Timeout) else "no connection, or it broke off"


class Progress:
    """The interface of a progress bar that pooch's downloader needs; what `report` raises ends the download."""

    def __init__(self, report: Report) -> None:
        self._report, self.total, self._done = report, 0, 0

    def update(self, n: int) -> None:
        self._done += n
        self._report(min(self._done, self.total) if self.total else self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass
