"""A stand-in for the web server of an audience: a test says what it says, and reads what the app has told it.

Run as a program, it passes on lines between the app and the test, and dies when the test wants it to.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

Message = dict[str, Any]


class StandIn:
    """The test's side: each process of the app that has come, and what it was told."""

    def __init__(self, answer: Message | None) -> None:
        """`answer` is what a process says when it has come."""
        self.answer = answer
        self.starts: list[Message] = []
        """What each process was started with."""
        self.table: Message = {}
        """What the last process knows."""
        self.changes: list[Message] = []
        """What it was told, one after the other."""
        self.ended = 0
        """How many processes have ended."""
        self._links: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def command(self) -> list[str]:
        """The command that the app starts as its server."""
        return [sys.executable, __file__, str(self._listening.getsockname()[1])]

    def say(self, message: Message | bytes) -> None:
        """Let the present process say something."""
        line = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self._links[-1].sendall(line)

    def die(self) -> None:
        """Let the present process die."""
        self._links[-1].shutdown(socket.SHUT_RDWR)

    def rows(self) -> str:
        """The screen as its viewers see it; empty before they have seen it."""
        table = self.table  # another one takes its place meanwhile
        lines = range(table["size"][1]) if "size" in table else ()
        return "\n".join("".join(text for text, _ in table[f"row/{y}"]) for y in lines)

    def close(self) -> None:
        """End every process."""
        self._listening.close()
        for link in self._links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._listening.accept()
                self._links.append(link)
                threading.Thread(target=self._read, args=(link,), daemon=True).start()

    def _read(self, link: socket.socket) -> None:
        with suppress(OSError), link, link.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "start" in message:
                    self.starts.append(message["start"])
                    self.table = {}
                    if self.answer is not None:
                        self.say(self.answer)
                else:
                    self.changes.append(message["changes"])
                    table = self.table | message["changes"]
                    self.table = {key: value for key, value in table.items() if value is not None}
        self.ended += 1


@contextmanager
def stand_in(answer: Message | None = None) -> Iterator[StandIn]:
    """A stand-in whose processes are ready at port 8123, or say something else."""
    made = StandIn(answer or {"ready": {"port": 8123}})
    try:
        yield made
    finally:
        made.close()


def main() -> None:
    link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))

    def pass_on() -> None:
        with suppress(OSError):
            for line in link.makefile("rb"):
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
        os._exit(1)

    threading.Thread(target=pass_on, daemon=True).start()
    for line in sys.stdin.buffer:
        link.sendall(line)
    link.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
