"""Each client has its own process, their number is bounded, and no process outlives its connection."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from engine import Config, Session
from engine.checkpoint import checkpoint
from microgpt_tui.web import client_process
from microgpt_tui.web.protocol import packet
from tests.support.wait import met
from tests.support.web_clients import PLAIN, STUBBORN, serving, shown, stand_in


async def pid_of(socket: ClientWebSocketResponse) -> int:
    found = re.search(r"pid (\d+) ", await shown(socket, "pid "))
    assert found
    return int(found[1])


async def test_each_client_has_a_process_that_receives_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with serving() as there, await there.come() as one, await there.come() as other:
        pids = await pid_of(one), await pid_of(other)
        assert pids[0] != pids[1]
        await one.send_str('["stdin", "for one"]')
        await other.send_str("nonsense")
        await other.send_str('["stdin", "for the other"]')
        assert await shown(one, "one") == "for one"
        assert await shown(other, "other") == "for the other"
        await one.close()
        await met(lambda: not psutil.pid_exists(pids[0]) and len(there.reports) == 3)
        assert psutil.pid_exists(pids[1])
    assert not psutil.pid_exists(pids[1])  # the server has ended
    assert [line.split(" (")[1] for line in there.reports] == [
        *("1 of 2 here)", "2 of 2 here)", "1 of 2 here)", "0 of 2 here)")
    ]


async def test_one_client_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with serving(places=1) as there:
        socket = await there.come()
        pid = await pid_of(socket)
        with pytest.raises(WSServerHandshakeError) as refused:
            await there.come()
        assert refused.value.status == 503
        async with there.session.get(there.address) as answer:
            assert answer.status == 503
            assert "The one place is taken; try again when somebody has left." in await answer.text()
        await socket.close()
        await met(lambda: not psutil.pid_exists(pid))
        async with await there.come() as socket:
            await pid_of(socket)


async def test_the_connection_closes_when_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    async with serving() as there, await there.come() as socket:
        await pid_of(socket)
        await socket.send_str('["stdin", "q"]')
        assert (await socket.receive()).type is WSMsgType.CLOSE
        await met(lambda: there.reports[-1] == "visitor 1 left (0 of 2 here)")


@pytest.mark.parametrize(
    "error", [BlockingIOError(11, "Resource temporarily unavailable"), RuntimeError("can't start new thread")]
)
async def test_a_process_that_cannot_be_started_is_reported(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("asyncio.create_subprocess_exec", refuse)
    async with serving() as there, await there.come() as socket:
        assert (await socket.receive()).type is WSMsgType.CLOSE
        await met(lambda: there.reports[-1] == "visitor 1 left (0 of 2 here)")
        assert there.reports[1].startswith("visitor 1: the system starts no more processes; ")


async def test_a_process_that_ignores_signals_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, STUBBORN)
    monkeypatch.setattr(client_process, "GRACE", 0.05)
    async with serving() as there:
        socket = await there.come()
        pid = await pid_of(socket)
        await socket.close()
        await met(lambda: not psutil.pid_exists(pid))
        pid = await pid_of(await there.come())
    assert not psutil.pid_exists(pid)


async def test_the_error_output_of_a_process_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "import sys; print('x' * 10**6, file=sys.stderr); sys.exit('it is not to be')")
    async with serving() as there, await there.come() as socket:
        assert (await socket.receive()).type is WSMsgType.CLOSE
        await met(lambda: "visitor 1: it is not to be" in there.reports)
        assert max(map(len, there.reports)) < 1100


@pytest.mark.parametrize("size", ["width=x&height=3", "width=80&height=1e3"])
async def test_a_terminal_of_no_size_is_refused(size: str) -> None:
    async with serving() as there:
        with pytest.raises(WSServerHandshakeError) as refused:
            await there.session.ws_connect(f"{there.address}/ws?{size}", headers={"Origin": there.address})
        assert refused.value.status == 400


@pytest.fixture
def run(tmp_path: Path) -> str:
    """A small run to open."""
    data, file = tmp_path / "names.txt", tmp_path / "run.safetensors"
    data.write_text("anna\nben\n")
    session = Session(Config(n_embd=4, n_head=2, block_size=4, num_steps=9), ["anna", "ben"])
    checkpoint.save(session, file, str(data))
    return str(file)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
async def test_a_client_process_ends_when_its_input_ends(run: str, tmp_path: Path) -> None:
    """A killed server cannot end its client processes."""
    shows: list[bytes] = []

    async def show(piece: bytes) -> None:
        shows.append(piece)

    alone = client_process.ClientProcess(("open", run), show, pytest.fail)
    await alone.start(80, 24)
    running = client_process.asyncio.create_task(alone.run())
    await met(lambda: b"event 1/" in b"".join(shows))
    assert alone._process is not None
    assert alone._process.stdin is not None
    alone._process.stdin.close()
    await running
    assert alone._process.returncode == 0
    await alone.end()


async def test_a_paste_without_an_end_is_cut_off() -> None:
    """Otherwise it would take ever more memory, and keys typed after it would be a part of it."""
    drawn = bytearray()

    async def show(piece: bytes) -> None:
        drawn.extend(piece)

    alone = client_process.ClientProcess(("--n-embd", "4", "--n-head", "2", "--block-size", "4"), show, pytest.fail)
    await alone.start(80, 24)
    running = client_process.asyncio.create_task(alone.run())
    await met(lambda: b"event 1/" in drawn)
    await alone.send(packet(b"D", b"\x1b[200~"))
    for _ in range(30):
        await alone.send(packet(b"D", b"n" * 50_000))
    await met(lambda: b"Only the first 10,000" in drawn)
    await alone.send(packet(b"D", b"\x1b[201~n"))
    await met(lambda: b"event 2/" in drawn)
    await alone.end()
    await running


async def test_the_colours_do_not_depend_on_the_servers_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser has all colours, wherever the server was started."""
    monkeypatch.setenv("NO_COLOR", "1")
    stand_in(
        monkeypatch,
        PLAIN.replace('pid %d " % os.getpid()', "%s \" % (b'grey' if 'NO_COLOR' in os.environ else b'all')"),
    )
    async with serving() as there, await there.come() as socket:
        assert await shown(socket, " ") == "all "
