"""What an audience costs, beside its budgets. Run by hand: python tests/benchmarks/audience.py [VIEWERS]

The server gets frames of a real debugger, twenty a second, as the lecturer's program sends them. The viewers are in a
process of their own; beside them one in ten takes its frames slowly, and one in ten takes none at all.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import zlib
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

import psutil

from engine import Config, Session, load_docs
from microgpt_tui.export.headless import screenshots
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.web.connections import max_connections
from tests.support.frames import differences

VIEWERS = 500
FRAMES, RATE = 200, 20.0  # frames, and how many a second
SLOW = 4096  # bytes a second of a slow viewer
BUDGETS = "p95 at most 300 ms, memory at most 1 MB a viewer"
HELLO = (
    "GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


# The process of the viewers.


async def connect(port: int, limit: int = 2**16) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    writer.write(HELLO.format(port=port).encode())
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def view(port: int, arrived: list[float], sent: dict[bytes, float | None]) -> None:
    """A viewer; it notes how long each frame was on its way. The same bytes are looked into once for all viewers."""
    reader, _writer = await connect(port)
    while True:
        head = await reader.readexactly(2)
        length = head[1] & 127
        if length > 125:
            length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
        payload = await reader.readexactly(length)
        now = time.monotonic()
        if head[0] != 0x82:  # a ping
            continue
        if payload not in sent:
            sent[payload] = json.loads(zlib.decompress(payload))["changes"].get("sent")
        if (when := sent[payload]) is not None:
            arrived.append(now - when)


async def take_slowly(port: int, a_second: int) -> None:
    reader, _writer = await connect(port, 1024)
    while True:
        if a_second and not await reader.read(a_second // 10):
            return
        await asyncio.sleep(0.1)


async def viewers(port: int, count: int) -> None:
    """Views until the input ends; then the times are printed, in seconds."""
    max_connections(0, count * 2)
    arrived: list[float] = []
    sent: dict[bytes, float | None] = {}
    views = [asyncio.create_task(view(port, arrived, sent)) for _ in range(count)]
    others = [asyncio.create_task(take_slowly(port, speed)) for speed in (SLOW, 0) for _ in range(slow_ones(count))]
    await asyncio.to_thread(sys.stdin.readline)
    broken = sum(task.done() for task in views)
    for task in (*views, *others):
        task.cancel()
    print(json.dumps({"times": arrived, "broken": broken}))


def slow_ones(count: int) -> int:
    """How many take frames slowly, and how many none, beside so many viewers."""
    return count // 10


# The process of the lecturer.


async def recorded(count: int) -> list[dict[str, Any]]:
    """The frames of a debugger that goes from event to event."""
    run = Session(Config(), load_docs())

    async def pages(screen: DebuggerScreen) -> AsyncIterator[str]:
        for _ in range(count):
            screen.navigator.move("next_event")
            yield ""

    shots = await screenshots(lambda: DebuggerScreen(run, arrangement=Arrangement()), pages, (120, 36), "microgpt-dark")
    return list(differences(shots))


async def send(process: Process, message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    await process.stdin.drain()


async def heard(process: Process, kind: str) -> Any:
    assert process.stdout is not None
    while True:
        message = json.loads(await process.stdout.readline())
        if kind in message:
            return message[kind]


async def measured(frames: list[dict[str, Any]], count: int) -> tuple[list[float], float, float]:
    """The times of all frames at all viewers, the memory of a viewer in MB, and the share of a processor in use."""
    command = (sys.executable, "-m", "microgpt_tui.web.audience")
    server = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    start = {"host": "127.0.0.1", "port": 0, "code": "", "viewers": 2 * count, "visitors": 1, "public_url": None}
    await send(server, {"start": {**start, "language": "en"}})
    port = (await heard(server, "ready"))["port"]
    process = psutil.Process(server.pid)
    await send(server, {"changes": frames[0]})
    empty = process.memory_info().rss
    audience = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "view", str(port), str(count)), stdin=PIPE, stdout=PIPE
    )
    expected = count + 2 * slow_ones(count)
    while await heard(server, "viewers") < expected:
        pass
    spent, began = process.cpu_times(), time.monotonic()
    most = 0
    for n in range(FRAMES):
        await asyncio.sleep(max(0.0, began + n / RATE - time.monotonic()))
        await send(server, {"changes": {**frames[n % len(frames)], "sent": time.monotonic()}})
        if n % 20 == 0:
            most = max(most, process.memory_info().rss)
    await asyncio.sleep(0.5)
    used = process.cpu_times()
    share = (used.user + used.system - spent.user - spent.system) / (time.monotonic() - began)
    assert audience.stdin is not None
    audience.stdin.write(b"\n")
    told, _ = await audience.communicate()
    assert server.stdin is not None
    server.stdin.close()
    await server.wait()
    result = json.loads(told)
    assert result["broken"] == 0
    assert len(result["times"]) > 0.5 * FRAMES * count, "most frames were skipped"
    return result["times"], (most - empty) / expected / 2**20, share


def line(label: str, times: list[float]) -> str:
    p50, p95 = (1000 * statistics.quantiles(times, n=20)[place] for place in (9, 18))
    return f"{label:44} p50 {p50:5.0f} ms   p95 {p95:5.0f} ms   max {1000 * max(times):5.0f} ms"


async def main(count: int) -> None:
    frames = await recorded(40)
    alone, _, _ = await measured(frames, 1)
    print(line("frame in to frame at the only viewer", alone))
    times, memory, share = await measured(frames, count)
    print(line(f"frame in to frame at one of {count} viewers", times))
    print(f"{'memory of a viewer':44} {memory:.3f} MB")
    print(f"{'processor of the server':44} {share:.0%} of one, at {RATE:.0f} frames a second")
    print(f"budgets: {BUDGETS}")
    if statistics.quantiles(times, n=20)[18] > 0.3 or memory > 1:
        sys.exit("over the budget")


if __name__ == "__main__":
    if sys.argv[1:2] == ["view"]:
        asyncio.run(viewers(int(sys.argv[2]), int(sys.argv[3])))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else VIEWERS))
