"""Downloads a file over the network, and says in a few words why that failed."""

from __future__ import annotations

from collections.abc import Callable

from microgpt_tui.texts.say import say

PATIENCE = 20.0  # seconds without a byte until the connection counts as lost
PIECE = 16 * 1024  # bytes from one report of progress to the next

Report = Callable[[int, int], None]
"""Called with the number of bytes received, and the total or 0; what it raises ends the download."""


class DownloadError(Exception):
    """Why a download failed, as a clause."""


def download(url: str, report: Report) -> bytes:
    """What is found at an address, whole. Raises DownloadError; no connection is left open."""
    import requests

    received = bytearray()
    try:
        with (
            requests.Session() as session,
            session.get(url, stream=True, timeout=PATIENCE, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if not response.ok:
                raise DownloadError(
                    say("storage.download.server_says", status_code=response.status_code, reason=response.reason)
                )
            total = int(response.headers.get("content-length", 0))
            for piece in response.iter_content(PIECE):
                received += piece
                report(len(received), total)
    except requests.Timeout:
        raise DownloadError(say("storage.download.no_answer_s", patience=PATIENCE)) from None
    except requests.RequestException:
        raise DownloadError(say("storage.download.no_connection_or_broke")) from None
    return bytes(received)
