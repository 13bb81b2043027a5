"""`DataAnswers`: text that stands in for the data file that a script opens or downloads, without a file of its own."""

from __future__ import annotations

import builtins
import io
import os
import stat
from typing import Any

ENDING = ".txt"
READING = {"r", "rt", "tr", "rb", "br"}


class DataAnswers:
    """Answers for text files that are read, and for anything that is downloaded; nothing is written in its place."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._written: set[str] = set()
        self._downloaded = False
        self._open, self._stat = builtins.open, os.stat

    def install(self) -> None:
        """Answer from now on."""
        import urllib.request

        builtins.open = io.open = self.open
        os.stat = self.stat
        urllib.request.urlopen = self.urlopen
        setattr(urllib.request, "urlretrieve", self.urlretrieve)  # noqa: B010

    def answers(self, path: Any) -> bool:
        """Whether a path is one of the data file: a text file that the script has not written itself."""
        try:
            name = os.fsdecode(path)
        except TypeError:  # a number: a file that is open already
            return False
        return name.lower().endswith(ENDING) and os.path.abspath(name) not in self._written

    def open(self, file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        """What `open` is to the script."""
        if not self.answers(file):
            return self._open(file, mode, *args, **named)
        if mode in READING:
            return self._reader("b" in mode, *args, **named)
        if self._downloaded:  # it keeps what it takes for a download
            return io.BytesIO() if "b" in mode else io.StringIO()
        self._written.add(os.path.abspath(os.fsdecode(file)))
        return self._open(file, mode, *args, **named)

    def _reader(
        self, binary: bool, _buffering: int = -1, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, **_: Any,
    ) -> Any:  # fmt: skip
        data = io.BytesIO(self.data)
        return data if binary else io.TextIOWrapper(data, encoding or "utf-8", errors, newline)

    def stat(self, path: Any, *args: Any, **named: Any) -> Any:
        """What `os.stat` is to the script, and with it `os.path.exists` and `Path.is_file`."""
        if not isinstance(path, int) and self.answers(path):
            now = (os.getuid(), os.getgid()) if hasattr(os, "getuid") else (0, 0)
            return os.stat_result((stat.S_IFREG | 0o444, 0, 0, 1, *now, len(self.data), 0, 0, 0))
        return self._stat(path, *args, **named)

    def urlopen(self, url: Any, *_: Any, **__: Any) -> Any:
        """What `urllib.request.urlopen` is to the script: every download is the data."""
        self._downloaded = True
        found: Any = io.BytesIO(self.data)
        found.status = found.code = 200
        found.url = url if isinstance(url, str) else getattr(url, "full_url", "")
        return found

    def urlretrieve(self, _url: Any, filename: Any = None, *_: Any, **__: Any) -> tuple[Any, dict[str, str]]:
        """What `urllib.request.urlretrieve` is to the script: the file seems to be there."""
        self._downloaded = True
        return filename if filename is not None else f"download{ENDING}", {}
