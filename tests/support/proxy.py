"""A proxy before the server, as nginx or caddy: with https, and the debugger under a path."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from shutil import which

import pytest

needs_openssl = pytest.mark.skipif(which("openssl") is None, reason="openssl is not installed")


def certificate(folder: Path) -> ssl.SSLContext:
    """A new certificate of localhost, signed by nobody."""
    asked = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=localhost", "-days", "2"]
    files = ("-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    subprocess.run([*asked, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@asynccontextmanager
async def proxy(context: ssl.SSLContext | None, path: str, strips: bool) -> AsyncIterator[Proxy]:
    """A proxy on a free port of 127.0.0.1; `strips`: it leaves out the path when it hands a request on."""
    proxying = Proxy(path, strips)
    server = await asyncio.start_server(proxying.serve, "127.0.0.1", 0, ssl=context)
    proxying.port = server.sockets[0].getsockname()[1]
    try:
        yield proxying
    finally:
        server.close()
        for task in proxying.tasks:
            task.cancel()
        await asyncio.gather(*proxying.tasks, return_exceptions=True)


class Proxy:
    """Hands on one request a connection to `target`, and then whatever comes from either side, while `passing` is set.

    While it is not, every connection stays open and nothing comes through, as where a radio network has gone.
    """

    def __init__(self, path: str, strips: bool) -> None:
        self.path, self.strips = path, strips
        self.port = self.target = 0
        self.passing = asyncio.Event()
        self.passing.set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        behind: asyncio.StreamWriter | None = None
        try:
            await self.passing.wait()
            first, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
            method, path, version = first.decode().split(" ")
            if not path.startswith(self.path):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            path = path[len(self.path) - 1 :] if self.strips else path
            if b"upgrade: websocket" not in rest.lower():
                lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith(b"connection:")]
                rest = b"Connection: close\r\n" + b"\r\n".join(lines)
            answers, behind = await asyncio.open_connection("127.0.0.1", self.target)
            behind.write(f"{method} {path} {version}\r\n".encode() + rest)
            await asyncio.gather(self._carry(reader, behind), self._carry(answers, writer))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.tasks.discard(task)
            for end in (behind, writer):
                if end is not None:
                    end.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while piece := await source.read(2**16):
                await self.passing.wait()
                sink.write(piece)
                await sink.drain()
        sink.close()
