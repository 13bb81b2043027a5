"""Following the lectures that other processes on this computer give: one stream of notes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

from microgpt_tui.lectures.calling import HOST, Call, read
from microgpt_tui.lectures.notes import LONGEST, Notes
from microgpt_tui.lectures.pages import LectureError

LOOK = 0.5  # seconds between two looks at the file


async def following(file: Path) -> AsyncGenerator[Notes | None, None]:
    """The notes of the lecture that began last, at every change, without end; None whenever a lecture has ended.

    A call is looked for in `file`. What answers but sends something else than notes is treated like nothing at all.
    """
    while True:
        call, heard = read(file), False
        if call is not None:
            async with aclosing(_listen(call, file)) as lines:
                with suppress(LectureError):
                    async for line in lines:
                        yield Notes.read(line)
                        heard = True
        if read(file) in (call, None):
            if heard:
                yield None
            await asyncio.sleep(LOOK)


async def _listen(call: Call, file: Path) -> AsyncGenerator[bytes, None]:
    """What is sent, line by line, until there is no more or a newer lecture calls."""
    try:
        reader, writer = await asyncio.open_connection(HOST, call.port, limit=LONGEST)
    except OSError:
        return
    try:
        writer.write(call.token.encode() + b"\n")
        while line := await _line(reader, call, file):
            yield line
            writer.write(b"\n")
    except (OSError, ValueError):
        return
    finally:
        writer.close()


async def _line(reader: asyncio.StreamReader, call: Call, file: Path) -> bytes:
    """The next line; nothing if there is none, or if another lecture has called in the meantime."""
    coming = asyncio.ensure_future(reader.readline())
    try:
        while not (await asyncio.wait({coming}, timeout=LOOK))[0]:
            newer = read(file)
            if newer is not None and newer != call:
                return b""
        return coming.result()
    finally:
        coming.cancel()
