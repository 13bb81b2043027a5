"""The process that serves an audience: `python -m microgpt_tui.web.audience`, started by the lecturer's program.

It reads lines of JSON: first {"start": {...}}, then {"changes": {...}}. It writes lines: {"ready": {"port": n}} or
{"failed": "a sentence"}, then {"viewers": n}, {"counts": {...}} and {"report": "a line"}. It ends when its input ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from microgpt_tui.module_path import leave_out_current_folder

PIECE = 2**16  # bytes that are read at once
REST = 0.1  # seconds between two lines of one kind
LAST = 2.0  # seconds for the viewers to get the last frame
MOST_REPORTS = 20  # lines that wait for the lecturer


class Outbox:
    """Writes lines to the lecturer's program, in a thread of its own: of each kind the newest, at most one in REST."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._waiting: dict[str, Any] = {}
        self._reports: list[str] = []
        self._news = threading.Condition()
        threading.Thread(target=self._write, daemon=True).start()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write a message; it takes the place of one of its kind that waits."""
        with self._news:
            self._waiting.update(message)
            self._news.notify()

    def report(self, line: str) -> None:
        """Write a line for the lecturer."""
        with self._news:
            self._reports = [*self._reports, line][-MOST_REPORTS:]
            self._news.notify()

    def _write(self) -> None:
        with suppress(OSError):
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._waiting or self._reports)
                    messages = [{kind: value} for kind, value in self._waiting.items()]
                    messages += [{"report": line} for line in self._reports]
                    self._waiting.clear()
                    self._reports.clear()
                write_lines(self._output, messages)
                threading.Event().wait(REST)


def write_lines(output: int, messages: list[dict[str, Any]]) -> None:
    """Write messages, each a line."""
    rest = "".join(json.dumps(message) + "\n" for message in messages).encode()
    while rest:
        rest = rest[os.write(output, rest) :]


def messages_of(source: int) -> Iterator[dict[str, Any]]:
    """The messages of a pipe, until it ends. What is no message is left out."""
    rest = bytearray()
    while piece := os.read(source, PIECE):  # without a buffer, whose lock would hold up the end of the process
        rest += piece
        *whole, last = rest.split(b"\n") if b"\n" in piece else [rest]
        rest = last
        for line in whole:
            with suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    yield message


def main() -> None:
    """Serve until the input ends."""
    leave_out_current_folder()
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c is for the lecturer's program
    messages = messages_of(0)
    start = next(messages, {}).get("start")
    if start is None:
        return
    from engine.language.chosen import use_language  # nothing of the program is imported before the folder is left out

    use_language(start.get("language", ""))  # before the modules that keep texts are imported, in `serve_audience`
    try:
        asyncio.run(serve_audience(start, messages, Outbox(1)))
    except ValueError as error:
        write_lines(1, [{"failed": str(error)}])


async def serve_audience(start: Mapping[str, Any], messages: Iterator[dict[str, Any]], outbox: Outbox) -> None:
    """Serve as the lecturer's program asks, until there are no more messages. Raises ValueError with a sentence."""
    from microgpt_tui.web.access import AccessControl, Public, only_here
    from microgpt_tui.web.audience_server import AudienceServer
    from microgpt_tui.web.connections import Connections, max_connections
    from microgpt_tui.web.listener import listen
    from microgpt_tui.web.pages import cell_widths
    from microgpt_tui.web.reports import Reports, logged_to
    from microgpt_tui.web.secret import ShortCode
    from microgpt_tui.web.site import opened
    from microgpt_tui.web.visits import Visits

    cell_widths()  # which takes a while
    public = None if start.get("public_url") is None else Public.parse(start["public_url"])
    most = max_connections(start["visitors"], start["viewers"])
    with listen(start["host"], start["port"]) as listening:
        address, port = listening.getsockname()[:2]
        code = None if only_here(address, public) else start["code"]  # without one, only loopback names are answered
        access = AccessControl(ShortCode(code) if code else None, port, public)
        visits = Visits(start["visitors"], outbox.report)
        server = AudienceServer(start["viewers"], visits, access, outbox.tell, port, public)
        connections = Connections(Reports(outbox.report), most)
        with logged_to(connections.reports):
            async with opened(server, listening, connections):
                outbox.tell({"ready": {"port": port}})
                beating = asyncio.create_task(server.beat())
                await _pass_on(messages, server.update)
                server.update({"ended": True})
                await server.last_seen(LAST)
                beating.cancel()


async def _pass_on(messages: Iterator[dict[str, Any]], update: Callable[[Mapping[str, Any]], None]) -> None:
    """Pass on the changes of the messages, which another thread reads, until they end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended
            for message in messages:
                if isinstance(changes := message.get("changes"), dict):
                    loop.call_soon_threadsafe(update, changes)
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    main()
