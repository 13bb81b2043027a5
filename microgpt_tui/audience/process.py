"""`AudienceProcess`: the web server of an audience, in a process of its own; lines of JSON go to it and come from it.

Neither side can slow the other down: what is to be sent is a table in which the newest value of a key counts, and what
comes is read by a thread, bounded in length and in rate. A server that dies is started again.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import IO, Any

from engine.errors import EngineError
from engine.immutable import immutable
from engine.language.chosen import VARIABLE
from microgpt_tui.module_path import module_command
from microgpt_tui.texts.say import say

COMMAND = module_command("microgpt_tui.web.audience")
LONGEST = 65_536  # bytes of a line from the server
PAUSE = 0.005  # seconds between two lines of it that are read
PATIENCE = 20.0  # seconds until it answers at the start
GRACE = 3.0  # seconds until it has ended, when it is told to and when it is made to
LONGEST_REST = 30.0  # seconds at most until a server that died again is started again
Message = dict[str, Any]


class AudienceError(EngineError):
    """The server of the audience cannot be started."""


@immutable
class ServerOptions:
    """What the server is started with. Without a `code` it asks for none."""

    host: str
    port: int
    code: str | None
    viewers: int
    visitors: int
    public_url: str | None
    language: str


class AudienceProcess:
    """The process of the server, which is started again when it dies.

    In threads, `heard` is called with each message from it, `lost` when it died, `back` when it is there again.
    """

    def __init__(
        self,
        options: ServerOptions,
        heard: Callable[[Message], None],
        lost: Callable[[], None],
        back: Callable[[], None],
        command: Sequence[str] | None = None,
    ) -> None:
        self._options, self._command = options, command or COMMAND
        self._heard, self._lost, self._back = heard, lost, back
        self._table: Message = {}  # everything that the server was told
        self._unsent: Message = {}
        self._writable = threading.Condition()
        self._writing = False
        self._answered = threading.Event()  # whether the server has said that it is ready, or that it is not
        self._closing = threading.Event()
        self._failure = ""
        self._is_lost = False
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._attend, daemon=True)
        self._writer = threading.Thread(target=self._write, daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._options.port

    def start(self) -> None:
        """Start it, and wait until it is ready. Raises AudienceError with a sentence."""
        try:
            self._process = self._begin()
            self._reader.start()
            self._writer.start()
        except (OSError, RuntimeError) as error:
            self.close()
            raise AudienceError(say("program.audience.not_started", why=error)) from None
        self._answered.wait(PATIENCE)
        if self._failure or not self._answered.is_set():
            self.close()
            raise AudienceError(self._failure or say("program.audience.no_answer"))

    def send(self, changes: Message) -> None:
        """Let the server know values by key, None for a key that is gone; those it knows already are left out."""
        with self._writable:
            for key, value in changes.items():
                if self._table.get(key) != value:
                    self._unsent[key] = value
                    if value is None:
                        self._table.pop(key)
                    else:
                        self._table[key] = value
            self._writable.notify_all()

    def close(self) -> None:
        """Tell the viewers that the lecture is over, and end the process. May be called more than once."""
        if self._closing.is_set():
            return
        self.send({"ended": True})
        with self._writable:
            self._writable.wait_for(lambda: not (self._writer.is_alive() and (self._unsent or self._writing)), GRACE)
        self._closing.set()
        with self._writable:
            self._writable.notify_all()
            process = self._process
        if process is not None:
            _end(process)
        for thread in (self._reader, self._writer):
            if thread.ident is not None:
                thread.join(GRACE)

    def _begin(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a pipe that is full must not keep it from being closed
            env={**os.environ, VARIABLE: self._options.language},
            start_new_session=True,  # ctrl+c is a key of the lecture
        )
        with suppress(OSError):  # it has died already, which its output tells
            _put(process.stdin, _line({"start": asdict(self._options)}))
        return process

    # In the thread that reads.

    def _attend(self) -> None:
        """Read what the server says; when it dies, start it again, the later the more often it did."""
        rest = 0.0
        while True:
            process, began = self._process, time.monotonic()
            assert process is not None
            self._read(process)
            _end(process)
            if self._closing.is_set():
                return
            if not self._answered.is_set():
                self._fail(say("program.audience.died"))
                return
            if not self._is_lost:
                self._is_lost = True
                self._lost()
            rest = 0.0 if time.monotonic() - began > LONGEST_REST else min(2 * rest + PAUSE, LONGEST_REST)
            if self._closing.wait(rest) or not self._again():
                return

    def _again(self) -> bool:
        """Start it again. Returns False if this is closed meanwhile."""
        while True:
            try:
                process = self._begin()
                break
            except OSError:
                if self._closing.wait(LONGEST_REST):
                    return False
        with self._writable:
            if self._closing.is_set():
                _end(process)
                return False
            self._process, self._unsent = process, dict(self._table)
            self._writable.notify_all()
        return True

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert isinstance(process.stdout, io.RawIOBase)
        whole = True  # whether the next piece begins a line
        with suppress(OSError, ValueError), io.BufferedReader(process.stdout) as output:
            while piece := output.readline(LONGEST):
                begins, whole = whole, piece.endswith(b"\n")
                if begins and whole:
                    self._take(piece)
                if self._closing.wait(PAUSE):
                    return

    def _take(self, piece: bytes) -> None:
        try:
            message = json.loads(piece)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        failed, ready = message.get("failed"), message.get("ready")
        if isinstance(failed, str) and not self._answered.is_set():
            self._fail(failed)
        elif isinstance(ready, dict) and isinstance(port := ready.get("port"), int):
            self._options = replace(self._options, port=port)
            self._answered.set()
            if self._is_lost:
                self._is_lost = False
                self._back()
        else:
            self._heard(message)

    def _fail(self, sentence: str) -> None:
        self._failure = sentence
        self._answered.set()

    # In the thread that writes.

    def _write(self) -> None:
        while True:
            with self._writable:
                self._writing = False
                self._writable.notify_all()
                self._writable.wait_for(lambda: self._unsent or self._closing.is_set())
                if self._closing.is_set():
                    return
                changes, self._unsent, self._writing = self._unsent, {}, True
                process = self._process
            assert process is not None
            with suppress(OSError, ValueError):  # it has died; the next one is told all
                _put(process.stdin, _line({"changes": changes}))


def _line(message: Message) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _put(pipe: IO[bytes] | None, line: bytes) -> None:
    assert pipe is not None
    left = memoryview(line)
    while left:
        left = left[pipe.write(left) :]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process: its input ends, then it is asked to, then it is made to."""
    with suppress(OSError, ValueError):
        if process.stdin is not None:
            process.stdin.close()
    for make in (process.terminate, process.kill):
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            break
        make()
    process.wait()
