"""What the standard streams are to a script: its output is told to the debugger, and it has no input."""

from __future__ import annotations

import sys
from typing import Any, Callable

from .channel import Channel
from .recorder import Unrecordable


class ScriptOutput:
    """The standard output or error of a script: what it prints goes to the debugger.

    `note` is told of each piece, and gives its number.
    """

    encoding, errors, newlines = "utf-8", "strict", None
    closed = False

    def __init__(self, channel: Channel, error: bool, note: Callable[[], int]) -> None:
        self._channel, self._error, self._note = channel, error, note
        self.buffer = _Bytes(self)

    def write(self, text: str) -> int:
        """Tell a piece of text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._channel.send("printed", text=text, error=self._error, serial=self._note())
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Tell several pieces of text."""
        for each in lines:
            self.write(each)

    def flush(self) -> None:
        """Everything is sent at once."""

    def isatty(self) -> bool:
        """It is no terminal."""
        return False

    def writable(self) -> bool:
        """It can be written."""
        return True

    readable = seekable = isatty

    def fileno(self) -> int:
        """The file behind it, for programs that the script starts."""
        return 2 if self._error else 1

    def reconfigure(self, **_: Any) -> None:
        """The encoding is UTF-8 whatever the script asks for."""


class _Bytes:
    def __init__(self, text: ScriptOutput) -> None:
        self._text = text

    def write(self, data: bytes) -> int:
        self._text.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        """Everything is sent at once."""


class NoInput:
    """The standard input of a script: reading it ends the script with a sentence."""

    encoding, errors = "utf-8", "strict"
    closed = False

    def __init__(self, line_of: Callable[[Any], int]) -> None:
        self._line_of = line_of
        self.buffer = self

    def read(self, *_: Any) -> str:
        """Refuse."""
        line = self._line_of(sys._getframe(1))
        raise Unrecordable("no_input_in", line=line) if line else Unrecordable("no_input")

    readline = readlines = readinto = __iter__ = __next__ = read

    def isatty(self) -> bool:
        """It is no terminal."""
        return False

    def fileno(self) -> int:
        """The file behind it, which is empty."""
        return 0
