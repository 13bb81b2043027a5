"""A server on loopback, in place of the one that something is fetched from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from microgpt_tui.storage import download

Answer = Callable[[BaseHTTPRequestHandler], None]
"""Answers one request."""


def send(asked: BaseHTTPRequestHandler, content: bytes, promised: int | None = None) -> None:
    """Send a whole answer, or as much of what was promised as there is."""
    asked.send_response(200)
    asked.send_header("Content-Length", str(promised or len(content)))
    asked.end_headers()
    asked.wfile.write(content)
    asked.wfile.flush()


def missing(asked: BaseHTTPRequestHandler) -> None:
    """The answer of a server that has no such file."""
    asked.send_error(404)


def fetch_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let downloads ask this computer without a proxy, and give up soon."""
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def serving(answer: Answer, name: str = "names.txt") -> Iterator[tuple[str, list[str]]]:
    """A server with this answer: its address, and the paths of its requests."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.leaving = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{name}", asked
    finally:
        server.leaving.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()
