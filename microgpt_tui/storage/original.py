"""The user's copy of `microgpt.py`: fetched when that is asked for, and kept if it is equal to the engine."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path

from engine.atomic_write import temporary_beside, write_whole
from engine.errors import DataError
from engine.verify import NotComparable, Report, verify
from microgpt_tui.storage.names_download import PATIENCE, PIECE, Progress, reason_of
from microgpt_tui.storage.paths import folder

URL = (
    "https://gist.githubusercontent.com/karpathy/8627fe009c40f57531cb18360106ce95/raw/"
    "14fb038816c7aae0bb9342c2dbf1a51dd134a5ff/microgpt.py"
)
FILE = "microgpt.py"
LARGEST = 2**20  # bytes; the original has some thousands
STEPS = 3  # training steps over which a copy is compared with the engine

Tell = Callable[[str, int, int], None]
"""Called with what is going on, how far it is, and how far it will go, 0 if that is not known."""


def cache() -> Path:
    """The folder of the fetched copy and of what is known of copies. It need not exist yet."""
    return folder("XDG_CACHE_HOME", user_cache_path)


def fetched() -> Path:
    """The path of the copy that `fetch` keeps. It need not exist yet."""
    return cache() / FILE


def fetch(tell: Tell) -> int:
    """Download the original and keep it if it is equal to the engine over its first steps; its size in bytes.

    Raises EngineError with a sentence, after which the copy that was kept before is untouched.
    """
    content, file = _download(tell), fetched()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(file) as unproven:
            unproven.write_bytes(content)
            _check(unproven, tell)
        write_whole(file, content)
    except OSError as error:
        reason = error.strerror or "it cannot be written there"
        raise DataError(f"{FILE} cannot be kept in {file.parent} ({reason}); free it, or {_by_hand()}") from None
    return len(content)


def _by_hand() -> str:
    return f"download {URL} yourself and give it with --source FILE"


def _download(tell: Tell) -> bytes:
    import pooch
    from pooch.downloaders import HTTPDownloader
    from requests import RequestException

    def report(done: int, of: int) -> None:
        if max(done, of) > LARGEST:
            raise DataError(f"what {URL} gives is larger than {LARGEST:,} bytes, and so is no {FILE}; it is not kept")
        tell("fetching", done, of)

    pooch.get_logger().setLevel(logging.WARNING)
    received = io.BytesIO()
    try:
        HTTPDownloader(progressbar=Progress(report), chunk_size=PIECE, timeout=PATIENCE)(URL, received, None)
    except RequestException as error:
        raise DataError(f"{FILE} cannot be fetched ({reason_of(error)}); try again online, or {_by_hand()}") from None
    return received.getvalue()


def _check(unproven: Path, tell: Tell) -> Report:
    """Raise DataError for a file that is no training script, or another one than the engine's."""
    what = f"what {URL} gives"
    try:
        report = verify(unproven, until=STEPS, tell=tell)
    except NotComparable as error:
        raise DataError(f"{str(error).replace(str(unproven), what)}; it is not kept") from None
    if report.difference is not None:
        found = f"its {report.difference.what} differ: {report.difference.detail}"
        raise DataError(f"{what} does not compute what the engine computes, and is not kept; {found}")
    return report
