"""`Original`: the user's copy of `microgpt.py`, running in a process of its own, message by message.

It says when a copy cannot be run or watched; `compare` judges the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.errors import ScriptError
from engine.language.say import say
from engine.script.process import ScriptProcess
from engine.script.time_limit import TimeLimit
from engine.text import shortened

TAIL = 4000  # characters of the errors that a copy prints, the last ones, from which its last line is told
LONGEST = 300  # characters of that line
MOST_LATE = 100  # messages that are read after the end for it
SINCE = {"": "start", "begin": "begin", "step": "step"}  # the last message; of any other: the last sample
PROBE = Path(__file__).with_name("probe.py")


class NotComparable(ScriptError):
    """A file that is no copy of `microgpt.py`, or a copy that differs in more than numbers."""


class Original:
    """Runs `script` with `arguments`, and with `data` for its data file, up to step `until` (None: all of them), by
    the interpreter `python` (None: this one).

    A context manager: leaving it ends the copy, however far it is. Raises NotComparable if there is no such file, or
    if it is no text.
    """

    def __init__(
        self, script: Path, data: bytes, until: int | None, arguments: Sequence[str] = (), python: str | None = None
    ) -> None:
        self.script = script
        self._printed = ""
        try:
            options = {"until": until or 0, "no_network": say("verify.probe.no_network")}
            self._process = ScriptProcess(script, arguments, data, python, probe=(PROBE, options))
        except ScriptError as error:
            raise NotComparable(str(error)) from None

    def __enter__(self) -> Original:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.close()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the copy does, see `probe`: begin, step, step, ..., sample, ..., then end, exit or crash.

        Raises NotComparable for what cannot be watched, if the process dies, and if no message comes for long.
        """
        last = ""
        while last not in ("end", "exit", "crash"):
            message = self._next(say(f"verify.reference_process.since.{SINCE.get(last, 'sample')}"))
            last = message["kind"]
            if last == "died":
                raise self.cannot(
                    say("verify.reference_process.died", status=message["status"], said=self.said(self.printed()))
                )
            if last == "cannot":
                raise self.cannot(_why(message["why"], message["what"]) if "what" in message else message["why"])
            if last == "crash":
                lines = [line for file, line, *_ in message["traceback"] if file == 0]
                message["place"] = self._process.script.place(lines[-1]) if lines else ""
                message["error"] += say("verify.reference_process.no_input") * message["error"].startswith("EOFError")
            yield message

    def printed(self) -> str:
        """The last line that the copy, which has ended, has printed to the standard error; empty if there is none."""
        for _ in range(MOST_LATE):  # the last of it may come after the end
            found = self._process.take()
            if found is None:
                break
            self._keep_printed(found[0])
        lines = [line.strip() for line in self._printed.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @staticmethod
    def said(text: str) -> str:
        """What the copy said before it ended, as the end of a sentence."""
        return (
            say("verify.reference_process.said", text=shortened(" ".join(text.split()), LONGEST))
            if text.strip()
            else ""
        )

    def _keep_printed(self, message: dict[str, Any]) -> None:
        if message["kind"] == "printed" and message["error"]:
            self._printed = (self._printed + message["text"])[-TAIL:]

    def _next(self, since: str) -> dict[str, Any]:
        """The next message but for what is printed. Raises NotComparable if the copy waits or computes too long."""
        self.limit.begin()
        while True:
            message, arrays = self._process.next_message()
            self._keep_printed(message)
            if message["kind"] not in ("printed", "busy"):
                return message | arrays
            found = self.limit.judge(message) if message["kind"] == "busy" else None
            if found is not None:
                what, advice = found
                raise self.cannot(say("verify.reference_process.took_long", what=what, since=since, advice=advice))

    @property
    def limit(self) -> TimeLimit:
        """How long the copy may take from one message to the next."""
        return self._process.limit

    def cannot(self, why: str) -> NotComparable:
        """The error for a copy that cannot be compared."""
        return NotComparable(say("verify.reference_process.cannot", script=self.script, why=why))


def _why(key: str, what: dict[str, Any]) -> str:
    """Why the probe cannot watch a copy, as the end of a sentence: it sends a key, and what the text speaks of."""
    if key != "lacking":
        return say(f"verify.probe.why.{key}", **what)
    missing = [say(f"verify.probe.missing.{kind}", names=_listed(names, "or")) for kind, names in what["missing"]]
    return say("verify.probe.lacking", missing=_listed(missing, "and"))


def _listed(words: list[str], last: str) -> str:
    return say(f"verify.probe.before_last.{last}").join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
