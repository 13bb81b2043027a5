"""`ScriptProcess`: a user's script, running in a process of its own, paused between training steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ScriptError
from engine.language.say import say
from engine.script.source_file import ScriptFile
from engine.script.tape import ScriptTape, SourcePosition
from engine.script.time_limit import TimeLimit
from engine.text import shortened

CHILD = Path(__file__).with_name("child")
LOOK = 0.1  # seconds between two checks for ctrl+c while waiting for a message
REST = 1.0  # seconds at most to wait for what is still printed after the end
KEPT = 1_000_000  # characters of what it prints that are kept, the last ones
LARGEST = 3_000_000  # scalars that a step may make, unless more are allowed
VALUE, VALUES = 60, 6  # characters of a value in a sentence, and how many values it has at most
AHEAD = 64  # messages that are read before they are asked for


ITS_DATA = say("script.process.its_data")
ITS_PACKAGES = say("script.process.another_python")
HINTS = {
    "FileNotFoundError": ITS_DATA,
    "URLError": ITS_DATA,
    "HTTPError": ITS_DATA,
    "ConnectionError": ITS_DATA,
    "ModuleNotFoundError": ITS_PACKAGES,
}
"""By the names of exceptions."""


class ScriptEnded(ScriptError):
    """A script that has ended before the step that was asked for."""


@dataclass(frozen=True)
class ScriptClass:
    """The scalar class of a script."""

    name: str
    file: int | None
    line: int


@dataclass(frozen=True)
class ScriptEnd:
    """How a script has ended: `kind` is end, exit, crash, still (it updates nothing any more) or cannot."""

    kind: str
    steps: int
    status: int = 0
    said: str = ""
    traceback: tuple[tuple[int, int, str, str], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    """The paths of the files that the traceback names by their numbers."""

    @property
    def hint(self) -> str:
        """What may help against an exception before the first step, as a clause; empty for others."""
        return HINTS.get(self.said.partition(":")[0].rpartition(".")[2], "") if not self.steps else ""

    @classmethod
    def of(cls, message: dict[str, Any]) -> ScriptEnd:
        """What a message of the process tells."""
        kind, crashed = message["kind"], message["kind"] == "crash"
        return cls(
            kind, message["steps"], 1 if crashed else message.get("status", 0),
            message["error"] if crashed else message.get("said", ""),
            tuple((a, b, c, d) for a, b, c, d in message.get("traceback", ())),
            tuple(message.get("values", {}).items()), tuple(message.get("files", ())),
        )  # fmt: skip

    def place(self, script: ScriptFile) -> str:
        """The line where it ended; empty where that is not known."""
        if not self.traceback:
            return ""
        file, line, *_ = self.traceback[-1]
        if file == 0:
            return script.place(line)
        return say("script.process.line_of", file=Path(self.files[file]).name, line=line)

    @property
    def positions(self) -> tuple[SourcePosition, ...]:
        """Where it ended: the calls, outermost first."""
        return tuple(SourcePosition(file, line, -1, line, -1, function) for file, line, function, _ in self.traceback)

    @property
    def told_values(self) -> str:
        """The values of the names in that line, as a clause in brackets; empty where there are none."""
        told = [
            f"{name} = {value if len(value) <= VALUE else f'{value[:VALUE]}…'}"
            for name, value in self.values
            if value[:8] != "<module "
        ]
        return say("script.process.values", values=", ".join(told[:VALUES])) if told else ""


class ScriptProcess:
    """Runs a script with its arguments, as `python SCRIPT ARGS` would, and records the training steps asked for.

    A context manager: leaving it ends the script. `data` answers for the data file that the script opens; `python` is
    the interpreter, this one by default; `step_at` is a line of the script, as `ScriptFile.line_at` reads it, where a
    training step ends each time it is reached. `large` allows for more than three million scalars in a step.
    `on_printed` is called with what the script prints. `probe` is a file of Python, whose class `Probe` watches the
    script in the place of the recorder, and its options; its messages are what `take` returns.

    Raises ScriptError if there is no such file, one that is no Python or notebook, or no such interpreter.
    """

    def __init__(
        self,
        script: ScriptFile | Path | str,
        args: Sequence[str] = (),
        data: Path | bytes | None = None,
        python: str | None = None,
        step_at: int | str | None = None,
        large: bool = False,
        on_printed: Callable[[str], None] | None = None,
        probe: tuple[Path, dict[str, Any]] | None = None,
    ) -> None:
        self.script = script if isinstance(script, ScriptFile) else ScriptFile.read(Path(script))
        """The text that runs, and what its lines are called."""
        self.path = self.script.path
        end_of_step = None if step_at is None else self.script.line_at(str(step_at))
        self.losses: list[float] = []
        """The loss of each training step that is done."""
        self.printed: list[str] = []
        """What the script has printed, piece by piece."""
        self.pieces: list[int] = []
        """The number of each piece; that of the one before where another program has printed it."""
        self.scalar_class: ScriptClass | None = None
        self.end: ScriptEnd | None = None
        """How the script has ended; None while it has not."""
        self.position = 0
        """Training steps that are done."""
        self.limit = TimeLimit()
        self.made = 0
        """Scalars of the step that is recorded at present."""
        self._closed = False
        self._kept = 0
        self._on_printed = on_printed
        self._tape: ScriptTape | None = None
        try:
            raw = data.read_bytes() if isinstance(data, Path) else data
            content = None if raw is None else b64encode(raw).decode()
        except OSError as error:
            why = {"path": error.filename, "why": error.strerror}
            raise ScriptError(say("script.process.unreadable_data", **why)) from None
        try:
            self._process = subprocess.Popen(
                [python or sys.executable, str(CHILD)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True, env={"PYTHONHASHSEED": "0", **os.environ},
            )  # fmt: skip
        except OSError as error:
            raise ScriptError(say("script.process.no_python", python=python, why=error.strerror)) from None
        self._messages: Queue[tuple[dict[str, Any], dict[str, NDArray[Any]]] | None] = Queue(AHEAD)
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._read_messages, self._read_errors)
        ]
        try:
            for each in self._threads:
                each.start()
        except RuntimeError:
            self.close()
            raise
        self._send(
            do="start", path=str(self.path.resolve()), args=list(args), data=content, step_at=end_of_step,
            most=None if large else LARGEST, source=self.script.text, cells=list(self.script.cells),
            probe=probe and [str(probe[0]), probe[1]],
            shown={
                "several": say("script.child.several", kind="{kind}", count="{count}"),
                "unshown": say("script.child.unshown", kind="{kind}", error="{error}"),
            },
        )  # fmt: skip

    def __enter__(self) -> ScriptProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def record(
        self,
        step: int,
        on_step: Callable[[int], None] | None = None,
        on_made: Callable[[int], None] | None = None,
        most_calls: int | None = None,
    ) -> ScriptTape:
        """Run on to a training step and record it.

        `on_step` is called with the count of the steps that are done, `on_made` now and then with that of the scalars
        that the step has made; what they raise is raised here, and then the script can only be closed.

        After a crash in this step, the tape has what was recorded until then, and `complete` is False. With
        `most_calls` it is the same after so many calls of backward, or at the end of the script, if nothing has moved.
        Raises ScriptEnded if the script ends before the step, ScriptError for one that cannot be recorded.
        """
        if step < self.position:
            raise ScriptError(say("script.process.step_over", step=step, position=self.position))
        self._tape = None
        self._send(do="record", step=step, most_calls=most_calls)
        waits = most_calls is None  # for how the script ended, after a step that is not complete
        self._follow(lambda kind: kind == "step" and (self._is_complete or not waits), on_step, on_made)
        if self._tape is None:
            raise self.ended(step)
        return self._tape

    @property
    def _is_complete(self) -> bool:
        return self._tape is not None and self._tape.complete

    def run_to(self, step: int, on_step: Callable[[int], None] | None = None) -> None:
        """Run on, unrecorded, to the start of a training step. Raises as `record` does."""
        if step <= self.position:
            return
        self._send(do="run", until=step)
        self._follow(lambda kind: kind == "paused", on_step)
        if self.position < step:
            raise self.ended(step)

    def run_out(self, on_step: Callable[[int], None] | None = None) -> ScriptEnd:
        """Run on, unrecorded, to the end of the script; how it ended. Raises ScriptError as `record` does."""
        self._send(do="run", until=None)
        self._follow(lambda _: False, on_step)
        assert self.end is not None
        return self.end

    def take(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        """The next message and its arrays, None if there is none soon; of kind "died" where none will come."""
        began = time.monotonic()
        try:
            found = self._messages.get(timeout=LOOK)
        except Empty:
            return None
        finally:
            self.limit.waited(time.monotonic() - began)
        return ({"kind": "died", "status": self._end()}, {}) if found is None else found

    def next_message(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The next message and its arrays, waited for. Raises ScriptError if none comes, not even a sign of life."""
        until = time.monotonic() + self.limit.silence
        while (found := self.take()) is None:
            if time.monotonic() > until:
                raise ScriptError(say("script.process.no_sign", path=self.path, silence=self.limit.silence))
        return found

    def evaluate(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """What operations of the script give when they are called again, after a recorded step; see the child.

        Raises ScriptError as `record` does.
        """
        answers: list[dict[str, Any]] = []
        self._send(do="evaluate", calls=list(calls))
        self._follow(lambda kind: kind == "evaluated", None, None, answers)
        return answers

    def close(self) -> None:
        """End the script, however far it is. What waits for it in another thread raises ScriptError."""
        self._closed = True
        self._kill_group()
        self._end()
        until = time.monotonic() + REST  # somebody else may still hold the other end of a pipe
        for each in self._threads:
            while each.is_alive() and time.monotonic() < until:
                with suppress(Empty):
                    self._messages.get_nowait()
                each.join(LOOK)
        with suppress(Full):  # then there is enough to wake who waits
            self._messages.put_nowait(None)
        read = zip(self._threads, (self._process.stdout, self._process.stderr), strict=True)
        for stream in (self._process.stdin, *(stream for thread, stream in read if not thread.is_alive())):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _end(self) -> int:
        """Wait for the end of the process, and end what it has started; its status."""
        if self._process.returncode is None and hasattr(os, "waitid"):
            until = time.monotonic() + REST  # what says nothing any more, but goes on, is no Python
            with suppress(OSError):
                while time.monotonic() < until:
                    if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                        break
                    threading.Event().wait(LOOK / 10)
            self._kill_group()
        return self._process.wait()

    def _kill_group(self) -> None:
        """Kill the process and what it has started, unless its end is known: then its number may be another's."""
        if self._process.returncode is None:
            if hasattr(os, "killpg"):
                with suppress(OSError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def ended(self, step: int) -> ScriptEnded:
        """The error that a step is not there, since the script has ended before."""
        assert self.end is not None
        told = {"path": self.path, "done": say("script.process.done", n=self.end.steps)}
        if self.end.kind == "still":
            return ScriptEnded(say("script.process.still", **told))
        place, said = self.end.place(self.script), self.end.said
        if place:
            told["place"] = place
        if self.end.kind == "crash":
            told["said"] = said + self.end.told_values
            how = say("script.process.stopped_in" if place else "script.process.stopped", **told)
            hint = self.end.hint
            return ScriptEnded(say("script.process.with_hint", how=how, hint=hint) if hint else how)
        if said:
            told["said"] = said
            return ScriptEnded(
                say("script.process.ended_saying_in" if place else "script.process.ended_saying", **told)
            )
        if not self.end.steps:
            return ScriptEnded(say("script.process.moved_nothing", **told))
        return ScriptEnded(say("script.process.ended", **told, step=step))

    def _send(self, **command: Any) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # what it said before it ended is read all the same
            self._process.stdin.write((json.dumps(command) + "\n").encode())
            self._process.stdin.flush()

    def _follow(
        self,
        is_last: Callable[[str], bool],
        on_step: Callable[[int], None] | None,
        on_made: Callable[[int], None] | None = None,
        answers: list[dict[str, Any]] | None = None,
    ) -> None:
        """Take in messages until one of a kind has come, or the script has ended."""
        self.limit.begin()
        self.made = 0
        while self.end is None:
            message, arrays = self._next()
            kind = message["kind"]
            if kind == "busy":
                self._judge(message)
                if message["made"] != self.made:
                    self.made = message["made"]
                    if on_made is not None:
                        on_made(self.made)
            else:
                self.limit.came_on()
            if kind == "loss":
                self.losses.append(float.fromhex(message["value"]))
                self.position = message["step"] + 1
                if on_step is not None:
                    on_step(self.position)
            elif kind == "printed":
                self._take_printed(message)
            elif kind == "class":
                self.scalar_class = ScriptClass(message["name"], message["file"], message["line"])
            elif kind == "step":
                self._tape = ScriptTape.from_message(message, arrays)
            elif kind == "evaluated" and answers is not None:
                answers += message["answers"]
            elif kind in ("end", "exit", "still", "crash"):
                self.end = ScriptEnd.of(message)
            elif kind == "cannot":
                why = self.words_of(message)
                self.end = ScriptEnd("cannot", self.position, 1, why)
                raise ScriptError(say("script.process.cannot", path=self.path, why=why))
            if self.end is not None:
                self._take_rest()
            if is_last(kind):
                return

    def _take_rest(self) -> None:
        """Take in what was printed by programs that the script has started, and that is told by now."""
        until = time.monotonic() + REST
        while time.monotonic() < until:
            alive = any(each.is_alive() for each in self._threads)
            with suppress(Empty):
                while found := self._messages.get(timeout=LOOK / 10 if alive else 0):
                    if found[0]["kind"] == "printed":
                        self._take_printed(found[0])
            if not alive and self._messages.empty():
                return

    def words_of(self, message: dict[str, Any]) -> str:
        """Why the process cannot record, as a clause: it has no texts, and sends a key and what the text speaks of."""
        what = dict(message["what"])
        if "line" in what:
            what["place"] = self.script.place(what["line"])
        return say(f"script.child.why.{message['why']}", **what)

    def _judge(self, sign: dict[str, Any]) -> None:
        """Raise ScriptError for a script that only waits, or computes for very long without a step or a scalar."""
        found = self.limit.judge(sign)
        if found is not None:
            what, advice = found
            told = {"path": self.path, "what": what, "advice": advice}
            if sign["line"]:
                raise ScriptError(say("script.process.no_step_in", **told, place=self.script.place(sign["line"])))
            raise ScriptError(say("script.process.no_step", **told))

    def _take_printed(self, message: dict[str, Any]) -> None:
        text = message["text"]
        self.pieces.append(message.get("serial", self.pieces[-1] if self.pieces else 0))
        self.printed.append(text)
        self._kept += len(text)
        while self._kept > KEPT and len(self.printed) > 1:
            self._kept -= len(self.printed.pop(0))
            self.pieces.pop(0)
        if self._on_printed is not None:
            self._on_printed(text)

    def _next(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The next message. Raises ScriptError if none comes for long, or the process has died."""
        message, arrays = self.next_message()
        if message["kind"] == "died":
            if self._closed:
                raise ScriptError(say("script.process.was_ended", path=self.path))
            died = say("script.process.died", status=message["status"])
            self.end = ScriptEnd("cannot", self.position, message["status"], died)
            self._take_rest()
            lines = [line.strip() for line in "".join(self.printed).splitlines() if line.strip()]
            why = say("script.process.died_saying", died=died, said=shortened(lines[-1])) if lines else died
            raise ScriptError(say("script.process.cannot", path=self.path, why=why))
        return message, arrays

    def _read_messages(self) -> None:
        """In a thread: messages and their arrays, and None at the end."""
        stream = self._process.stdout
        assert stream is not None
        try:
            for line in stream:
                message = json.loads(line)
                arrays = {}
                for name, code, count in message.get("arrays", ()):
                    raw = bytearray(np.dtype(code).itemsize * count)
                    if stream.readinto(raw) != len(raw):  # type: ignore[attr-defined]
                        return
                    arrays[name] = np.frombuffer(raw, np.dtype(code).newbyteorder("<"))
                self._messages.put((message, arrays))
        except (ValueError, OSError):  # closed, or cut off
            return
        finally:
            self._messages.put(None)

    def _read_errors(self) -> None:
        """In a thread: what programs that the script started have printed."""
        stream = self._process.stderr
        assert stream is not None
        with suppress(ValueError, OSError):
            while piece := os.read(stream.fileno(), 1 << 16):
                self._messages.put(({"kind": "printed", "text": piece.decode(errors="replace"), "error": True}, {}))
