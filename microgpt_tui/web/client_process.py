"""The process of one client: it has a folder of its own, gets packets, and ends with the connection."""

from __future__ import annotations

import asyncio
import os
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from engine.language.chosen import VARIABLE, language
from microgpt_tui.module_path import COMMAND
from microgpt_tui.storage.paths import CLIENT_FOLDER
from microgpt_tui.web.protocol import HEAD, READY

GRACE = 3.0  # seconds from SIGTERM to SIGKILL
MAX_LINE = 1000  # bytes of a line for the owner
DRIVER = "microgpt_tui.web.driver:ClientDriver"


class ClientProcess:
    """A process that runs `arguments` of microgpt-tui for a browser.

    `show` gets the bytes for a terminal, and raises ConnectionError after the page is closed. `report` gets the lines
    of the error output, for the server's owner.
    """

    def __init__(
        self, arguments: Sequence[str], show: Callable[[bytes], Awaitable[None]], report: Callable[[str], None]
    ) -> None:
        self._arguments, self._show, self._report = arguments, show, report
        self._process: Process | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="microgpt-tui-", ignore_cleanup_errors=True)
        self.ending = False

    async def start(self, width: int, height: int) -> None:
        """Start the process, for a terminal of so many columns and rows."""
        own = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}  # of the server's terminal
        environment = {
            CLIENT_FOLDER: self._folder.name,
            VARIABLE: language(),
            "TEXTUAL_DRIVER": DRIVER,
            "TEXTUAL_COLOR_SYSTEM": "truecolor",
            "COLUMNS": str(width),
            "ROWS": str(height),  # the name that Textual's web driver reads
        }
        self._process = await asyncio.create_subprocess_exec(
            *(*COMMAND, *self._arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=own | environment,
            start_new_session=True,  # ctrl+c reaches the server, which ends its clients
        )

    async def run(self) -> None:
        """Pass on what the process writes, until it has ended."""
        if self._process is not None:
            await asyncio.gather(
                self._pass_output(self._process), self._pass_errors(self._process), self._process.wait()
            )

    async def send(self, packet: bytes) -> None:
        """Send a packet, if the process has not ended."""
        if self._process is not None and self._process.stdin is not None and not self.ending:
            with suppress(ConnectionError):
                self._process.stdin.write(packet)
                await self._process.stdin.drain()

    async def end(self) -> None:
        """Terminate the process, kill it after GRACE, and remove its folder. May be called more than once."""
        self.ending = True
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), GRACE)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        self._folder.cleanup()

    async def _pass_output(self, process: Process) -> None:
        assert process.stdout is not None  # read to its end: a process that waits to write does not handle signals
        with suppress(asyncio.IncompleteReadError):
            await process.stdout.readuntil(READY)
            while True:
                head = await process.stdout.readexactly(HEAD)
                payload = await process.stdout.readexactly(int.from_bytes(head[1:], "big"))
                if head[:1] == b"D" and not self.ending:
                    with suppress(ConnectionError):
                        await self._show(payload)

    async def _pass_errors(self, process: Process) -> None:
        assert process.stderr is not None
        line = b" "
        while line:
            try:
                line = await process.stderr.readline()
            except ValueError:  # a part of a line that is too long even to be cut
                continue
            if line:
                self._report(line[:MAX_LINE].decode(errors="replace").rstrip())
