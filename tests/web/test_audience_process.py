"""The process that serves an audience: what it reads and writes, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import zlib
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from microgpt_tui.web.audience import MOST_REPORTS, Outbox, messages_of
from tests.support.audience_process import NETWORK, START, audience_process, begun
from tests.support.commands import environment
from tests.support.wait import PATIENCE

QUESTION = {"id": "1/1", "text": "Which?", "options": ["a", "b"], "open": True, "hidden": False, "right": None,
            "counts": [0, 0]}  # fmt: skip


async def until(stream: ClientWebSocketResponse, key: str, value: Any) -> None:
    """Wait until a key has this value."""
    async with asyncio.timeout(PATIENCE):
        while json.loads(zlib.decompress(await stream.receive_bytes()))["changes"].get(key) != value:
            pass


async def test_changes_go_to_the_viewers_and_counts_to_the_lecturer() -> None:
    async with audience_process() as audience, ClientSession(headers={"Origin": audience.address}) as session:
        await audience.send(row_0=[["Grüße, 안녕", ""]], question=QUESTION)
        async with session.ws_connect(f"{audience.address}/stream") as stream:
            await audience.say("viewers", 1)
            await until(stream, "row/0", [["Grüße, 안녕", ""]])
            for line in ("", "nonsense", "[]", "7", '{"changes": 7}', '{"nothing": {}}', '{"changes": '):
                await audience.write(line)  # what is no message changes nothing
            await audience.send(size=[80, 24])
            await until(stream, "size", [80, 24])
        await audience.say("viewers", 0)
        headers = {"Cookie": ""}
        async with session.get(f"{audience.address}/answer") as answer:
            headers = {"Cookie": "; ".join(f"{name}={c.value}" for name, c in answer.cookies.items())}
        for option in (0, 1):
            body = {"question": "1/1", "option": option}
            async with session.post(f"{audience.address}/answer", json=body, headers=headers) as answer:
                assert answer.status == 200
        await audience.say("counts", {"question": "1/1", "counts": [0, 1]})
        assert await audience.end() == 0


def test_of_many_messages_of_a_kind_the_newest_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the lecturer's program gets few lines, however many answers and odd requests there are."""
    monkeypatch.setattr("microgpt_tui.web.audience.REST", 0.2)
    source, sink = os.pipe()
    outbox = Outbox(sink)
    for n in range(1000):
        outbox.tell({"viewers": n})
        outbox.report(f"line {n}")
    outbox.tell({"counts": "last"})
    said: list[dict[str, Any]] = []
    messages = messages_of(source)
    while {"counts": "last"} not in said or {"report": "line 999"} not in said:
        said.append(next(messages))
    assert [message["viewers"] for message in said if "viewers" in message][-1] == 999
    assert len(said) < 5 * (MOST_REPORTS + 2)
    os.close(source)


async def test_when_the_input_ends_the_viewers_are_told_that_the_lecture_has_ended() -> None:
    async with audience_process() as audience, ClientSession(headers={"Origin": audience.address}) as session:
        await audience.send(row_0=[])
        async with session.ws_connect(f"{audience.address}/stream") as stream:
            await until(stream, "row/0", [])
            ended = asyncio.create_task(audience.end())
            await until(stream, "ended", True)
            assert (await stream.receive(PATIENCE)).type is WSMsgType.CLOSE
            assert await ended == 0


async def test_a_process_that_died_is_started_again_on_the_same_port_and_lets_its_viewers_in() -> None:
    async with audience_process(**NETWORK) as audience, ClientSession() as session:
        async with session.get(f"{audience.address}/?code=abc-234") as answer:
            cookie = answer.cookies[f"microgpt-tui-{audience.port}"].value
        headers = {"Origin": audience.address, "Cookie": f"microgpt-tui-{audience.port}={cookie}"}
        async with session.ws_connect(f"{audience.address}/stream", headers=headers) as stream:
            await audience.say("viewers", 1)
            await audience.kill()
            assert (await stream.receive(PATIENCE)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        async with audience_process(**NETWORK, port=audience.port) as again:
            assert again.port == audience.port
            async with session.ws_connect(f"{again.address}/stream", headers=headers):
                await again.say("viewers", 1)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"public_url": "example.org"}, "'example.org' is no address of a page; write one like https://example.org/"),
        ({"host": "no such host"}, "port 0 of no such host cannot be listened on"),
        ({"language": "ko", "host": "no such host"}, "no such host의 포트 0을 쓸 수 없습니다"),
    ],
)
async def test_what_it_cannot_do_it_says_in_a_sentence(how: dict[str, Any], sentence: str) -> None:
    audience = await begun(**how)
    assert (await audience.say("failed")).startswith(sentence)
    assert await audience.process.wait() == 0


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        audience = await begun(port=port)
        assert f"port {port} of 127.0.0.1 cannot be listened on" in await audience.say("failed")
        await audience.process.wait()


def test_too_few_open_files_are_told() -> None:
    pytest.importorskip("resource", reason="this system has no such limit")
    command = ["sh", "-c", 'ulimit -n 400; exec "$@"', "sh", sys.executable, "-m", "microgpt_tui.web.audience"]
    start = json.dumps({"start": {**START, "viewers": 1000}}) + "\n"
    done = subprocess.run(command, input=start, env=environment(), capture_output=True, text=True, check=False)
    assert "1000 viewers need 1216 open files, and the system allows 400 (ulimit -n)" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


async def test_it_ends_without_a_start() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "microgpt_tui.web.audience", stdin=subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    assert await process.communicate() == (b"", None)
    assert process.returncode == 0
