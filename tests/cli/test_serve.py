"""`serve`: refusals, access, the number of clients, and that every client process ends with its connection."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import signal
import socket
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientWebSocketResponse, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer

from microgpt_tui.web.access import AccessControl
from microgpt_tui.web.server import DebuggerServer
from tests.support.chromium import browser, needs_chromium
from tests.support.commands import COMMAND, SMALL, environment, error_of, invoke
from tests.support.wait import PATIENCE, met


@asynccontextmanager
async def served(*arguments: str, places: int = 2) -> AsyncIterator[tuple[TestClient[Any, Any], list[str]]]:
    """A server in this process, and the lines that it prints."""
    reports: list[str] = []
    server = TestServer(DebuggerServer(arguments, places, AccessControl(None, 1), reports.append).app())
    async with TestClient(server) as client:
        yield client, reports


def clients() -> list[psutil.Process]:
    """The client processes of this process."""
    return [child for child in psutil.Process().children() if "microgpt_tui" in " ".join(child.cmdline())]


async def visit(client: TestClient[Any, Any]) -> ClientWebSocketResponse:
    own_page = {"Origin": f"http://{client.host}:{client.port}"}
    return await client.ws_connect("/ws?width=100&height=30", headers=own_page)


async def shown(page: ClientWebSocketResponse, text: str) -> None:
    """Wait until the process has drawn something with this text, in whatever colours and strokes."""
    seen = ""
    async with asyncio.timeout(PATIENCE):
        while text not in re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", seen):
            seen += (await page.receive_bytes()).decode(errors="replace")


# Refusals.


def test_other_commands_are_not_served() -> None:
    assert "'train' cannot be served; write nothing, lecture or open after serve" in error_of(invoke("serve", "train"))
    assert "no such option" in error_of(invoke("serve", "lecture", "--nosuch")).lower()
    assert "there is no file nosuch" in error_of(invoke("serve", "open", "nosuch.safetensors"))


def test_a_lecture_with_mistakes_is_not_served() -> None:
    assert "nosuch.md: cannot be read" in error_of(invoke("serve", "lecture", "nosuch.md"))
    assert "--notes is not for visitors" in error_of(invoke("serve", "lecture", "--notes"))
    assert "--audience is not for visitors" in error_of(invoke("serve", "lecture", "--audience"))


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 cannot be listened on" in error_of(invoke("serve", "--port", port))


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microgpt_tui.cli.serve.find_spec", lambda name: None)
    assert "pip install 'microgpt-tui[serve]'" in error_of(invoke("serve"))
    assert importlib.util.find_spec("textual_serve") is not None


def test_bad_public_addresses_are_refused() -> None:
    said = error_of(invoke("serve", "--public-url", "example.org:8000"))
    assert "--public-url: 'example.org:8000' is no address of a page; write one like https://example.org/" in said


@pytest.mark.skipif(os.name != "posix", reason="this system has no such limit")
def test_too_few_open_files_are_reported() -> None:
    command = ["sh", "-c", 'ulimit -n 250; exec "$@"', "sh", *COMMAND, "serve", "--port", "0", "--visitors", "30"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "30 visitors need 552 open files, and the system allows 250 (ulimit -n)" in done.stderr
    assert done.stderr.count("\n") == 1


# Output.


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize(
    ("options", "address", "token", "clear"),
    [
        ((), "http://127.0.0.1:PORT/", False, False),
        (("--host", "0.0.0.0"), None, True, True),
        (("--public-url", "https://example.org/a"), "https://example.org/a/", True, False),
        (("--public-url", "http://localhost:9000/"), "http://localhost:9000/", False, False),
    ],
)
async def test_the_address_the_token_and_odd_requests_are_printed(
    options: tuple[str, ...], address: str | None, token: bool, clear: bool
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "serve", "--port", "0", *options), stdout=PIPE, stderr=PIPE, env=environment()
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            begun = (await process.stdout.readuntil(b"ctrl+c stops it.\n")).decode()
            (port, *_) = re.findall(r"http://[\d.]+:(\d+)/", begun)
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
            writer.write(b"GET \x00 nonsense\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()
            process.terminate()
            rest, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    place = begun.splitlines()[0].removeprefix("The debugger is at ")
    assert address is None or place == address.replace("PORT", port)
    assert ("It listens at http://127.0.0.1:" in begun) == ("--public-url" in options)
    assert (f"{place}?token=" in begun, "Whoever sees this address can come in." in begun) == (token, token)
    assert ("travel unencrypted (http)" in begun) == clear
    assert rest.decode().splitlines() == ["127.0.0.1 sent what is no request for a page; it is refused", "stopped"]
    assert (errors, process.returncode) == (b"", 0)


# The page.


async def test_the_page_loads_nothing_from_other_servers() -> None:
    async with served() as (client, _):
        page = await client.get("/")
        text = await page.text()
        for address in re.findall(r'(?:src|href)="([^"]+)"', text):
            assert re.match(r"data:|(static|page)/", address)  # relative to the page, which a proxy may put anywhere
            if not address.startswith("data:"):
                assert (await client.get(f"/{address}")).status == 200
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]


# Clients.


async def test_each_client_has_a_process_and_their_number_is_bounded() -> None:
    async with served(*SMALL, places=1) as (client, reports):
        page = await visit(client)
        await shown(page, "FORWARD")
        (process,) = clients()
        full = await client.get("/")
        assert full.status == 503
        assert "The one place is taken; try again when somebody has left." in await full.text()
        with pytest.raises(WSServerHandshakeError):
            await visit(client)
        await page.close()
        await met(lambda: not process.is_running())
        await met(lambda: any("left (0 of 1 here)" in line for line in reports))
        assert (await client.get("/")).status == 200


async def test_a_client_writes_no_files_of_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    async with served(*SMALL) as (client, _):
        page = await visit(client)
        await shown(page, "FORWARD")
        await page.send_str('["stdin", "nP\\u0013"]')
        await shown(page, "Files cannot be written")
        await page.send_str('["stdin", "q"]')
        async with asyncio.timeout(PATIENCE):
            async for _message in page:
                pass  # until the process has ended, and the connection with it
        await met(lambda: clients() == [])
    assert list(tmp_path.rglob("*")) == []


async def test_client_processes_end_with_the_server() -> None:
    async with served(*SMALL) as (client, _):
        await shown(await visit(client), "FORWARD")
        await shown(await visit(client), "FORWARD")
        processes = clients()
        assert len(processes) == 2
    await met(lambda: not any(process.is_running() for process in processes))


@needs_chromium
async def test_in_a_browser_the_page_opens_a_key_steps_and_the_text_changes(tmp_path: Path) -> None:
    lecture = tmp_path / "mine.md"
    lecture.write_text("---\nmoment: step 0\n---\n# Read me\n---\n---\n# And me\n", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "serve", "--port", "0", "lecture", str(lecture), stdout=asyncio.subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    try:
        said = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", said)
        async with browser(tmp_path / "profile") as page:
            await page.go(address)
            before = await page.wait("Read me", "embed ─ two rows")
            await page.press("n")
            after = await page.wait("embed_norm ─ rmsnorm")
            assert "embed_norm ─ rmsnorm" not in before
            assert "Read me" in after
            await page.press(" ")
            await page.wait("And me")
            assert all(asked.startswith((address, address.replace("http", "ws"), "data:")) for asked in page.addresses)
            children = psutil.Process(process.pid).children(recursive=True)
            assert children
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), PATIENCE)
            await met(lambda: not any(child.is_running() for child in children))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
