"""One visitor's process: started with a folder of its own, fed with packets, ended when the visitor leaves."""

from __future__ import annotations

import asyncio
import os
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from microgpt_tui.module_path import COMMAND
from microgpt_tui.storage.paths import VISITOR
from microgpt_tui.web.protocol import HEAD, READY

GRACE = 3.0  # seconds that a process has to end by itself
LONGEST_LINE = 1000  # bytes of a line that the owner reads
DRIVER = "microgpt_tui.web.driver:VisitorDriver"

Show = Callable[[bytes], Awaitable[None]]
Tell = Callable[[str], None]


class Visitor:
    """A process that runs `arguments` of microgpt-tui for somebody at a browser.

    `show` gets what a terminal would, and raises ConnectionError once nobody looks. `tell` gets the lines that the
    process writes on its error output; they are the server's owner's to read.
    """

    def __init__(self, arguments: Sequence[str], show: Show, tell: Tell) -> None:
        self._arguments, self._show, self._tell = arguments, show, tell
        self._process: Process | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="microgpt-tui-", ignore_cleanup_errors=True)
        self.leaving = False

    async def start(self, width: int, height: int) -> None:
        """Start the process, for a terminal of so many columns and rows."""
        self._process = await asyncio.create_subprocess_exec(
            *(*COMMAND, *self._arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._environment(width, height),
            start_new_session=True,  # ctrl+c is the server's to hear; it ends its visitors in good order
        )

    async def run(self) -> None:
        """Carry what the process writes, until it has ended."""
        if self._process is not None:
            await asyncio.gather(self._carry(self._process), self._complain(self._process), self._process.wait())

    async def send(self, packet: bytes) -> None:
        """Give the process a packet; one that has ended takes none."""
        if self._process is not None and self._process.stdin is not None and not self.leaving:
            with suppress(ConnectionError):
                self._process.stdin.write(packet)
                await self._process.stdin.drain()

    async def end(self) -> None:
        """End the process, gently and then not, and remove its folder. May be called more than once."""
        self.leaving = True
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

    async def _carry(self, process: Process) -> None:
        """Read all that there is even when nobody looks: a process whose output is full hears no signal."""
        assert process.stdout is not None
        with suppress(asyncio.IncompleteReadError):
            await process.stdout.readuntil(READY)
            while True:
                head = await process.stdout.readexactly(HEAD)
                payload = await process.stdout.readexactly(int.from_bytes(head[1:], "big"))
                if head[:1] == b"D" and not self.leaving:
                    with suppress(ConnectionError):
                        await self._show(payload)

    async def _complain(self, process: Process) -> None:
        assert process.stderr is not None
        line = b" "
        while line:
            try:
                line = await process.stderr.readline()
            except ValueError:  # a part of a line that is too long even to be cut
                continue
            if line:
                self._tell(line[:LONGEST_LINE].decode(errors="replace").rstrip())

    def _environment(self, width: int, height: int) -> dict[str, str]:
        return {
            **os.environ,
            VISITOR: self._folder.name,
            "TEXTUAL_DRIVER": DRIVER,
            "TEXTUAL_COLOR_SYSTEM": "truecolor",
            "COLUMNS": str(width),
            "ROWS": str(height),  # the name that Textual's web driver reads
        }
