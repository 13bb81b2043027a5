"""The process that serves an audience, driven as the lecturer's program drives it: by lines of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.commands import environment
from tests.support.wait import PATIENCE

START = {"host": "127.0.0.1", "port": 0, "code": "ABC234", "viewers": 20, "visitors": 2, "public_url": None,
         "language": "en"}  # fmt: skip
NETWORK = {"host": "0.0.0.0"}  # where a code is asked for


class AudienceProcess:
    """The process, and all that it has said."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.port = 0
        self.said: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        """Where it is on this computer."""
        return f"http://127.0.0.1:{self.port}"

    async def write(self, line: str) -> None:
        """Write a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def send(self, **changes: Any) -> None:
        """Send changes; the keys of rows may be written row_0."""
        changes = {key.replace("row_", "row/"): value for key, value in changes.items()}
        await self.write(json.dumps({"changes": changes}, ensure_ascii=False))

    async def say(self, kind: str, value: Any = None) -> Any:
        """Wait until it says something of a kind, or this value of it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                line = await self.process.stdout.readline()
                assert line, f"it has ended, and said {self.said}"
                self.said.append(json.loads(line))
                if kind in self.said[-1] and value in (None, self.said[-1][kind]):
                    return self.said[-1][kind]

    async def kill(self) -> None:
        """Let it die."""
        self.process.kill()
        await self.process.wait()

    async def end(self) -> int:
        """End its input, and wait for its end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


async def begun(**how: Any) -> AudienceProcess:
    """A process that has been told to start."""
    command = (sys.executable, "-m", "microgpt_tui.web.audience")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment())
    audience = AudienceProcess(process)
    await audience.write(json.dumps({"start": {**START, **how}}))
    return audience


@asynccontextmanager
async def audience_process(**how: Any) -> AsyncIterator[AudienceProcess]:
    """A process that is ready."""
    audience = await begun(**how)
    try:
        audience.port = (await audience.say("ready"))["port"]
        yield audience
    finally:
        if audience.process.returncode is None:
            await audience.kill()
