"""Answers for the data file of a script: what it opens to read, looks for, or would download, has the bytes given.

It is the first file that the script opens whose name ends as those of texts do. Until it is open, other such files that
are missing seem to be there, so that the script does not download them.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import io
import os
import stat
import sys
from typing import Any

ENDINGS = ("", ".txt", ".text", ".csv", ".tsv", ".dat", ".data", ".jsonl")
READING = set("rbtU")  # what the mode of a file that is read consists of
SYSTEM = ("/dev", "/etc", "/proc", "/sys")


class DataBytes(io.BytesIO):
    """A file that is open, or the answer of a server."""

    name, mode, url = "", "rb", ""
    status = code = 200
    reason = msg = "OK"

    def getcode(self) -> int:
        """The status of the answer."""
        return self.status

    def geturl(self) -> str:
        """Where it would have come from."""
        return self.url

    def info(self) -> dict[str, str]:
        """What is said besides the answer: nothing."""
        return {}

    headers = property(info)


class DataResponse:
    """An answer as `requests.get` returns it."""

    status_code, ok, reason, encoding = 200, True, "OK", "utf-8"

    def __init__(self, content: bytes) -> None:
        self.content = content

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8")

    def raise_for_status(self) -> None:
        """There is no error."""

    def iter_content(self, *_: Any, **__: Any) -> Any:
        """The content, whole."""
        return iter([self.content])

    def iter_lines(self, *_: Any, **__: Any) -> Any:
        """The lines of the content."""
        return iter(self.content.splitlines())

    def __enter__(self) -> DataResponse:
        return self

    def __exit__(self, *_: Any) -> None:
        """There is nothing to close."""


class DataFile:
    """The data of a script in `folder`, whatever it is called there."""

    def __init__(self, content: bytes, folder: str) -> None:
        self.content, self.folder = content, folder
        self.path: str | None = None
        """The path that the script has opened."""
        self._open, self._stat = builtins.open, os.stat
        self._looked_for: set[str] = set()
        self._written: set[str] = set()
        self._downloading = False

    def install(self) -> None:
        """Answer from now on."""
        builtins.open = io.open = self.open
        os.stat = self.stat
        sys.meta_path.insert(0, _Downloads(self))

    def open(self, file: Any, mode: str = "r", buffering: int = -1, *how: Any, **named: Any) -> Any:
        """In the place of `open`."""
        path = self._path(file)
        if path is None or not isinstance(mode, str):
            return self._open(file, mode, buffering, *how, **named)
        if not set(mode) <= READING:
            if path != self.path and not (self._downloading and self.path is None and _ending(path) in ENDINGS):
                self._written.add(path)
                return self._open(file, mode, buffering, *how, **named)
            self._looked_for.add(path)  # it keeps what it has downloaded
        elif not self._is_answered(path):
            return self._open(file, mode, buffering, *how, **named)
        else:
            self.path = path
        raw = DataBytes(self.content if set(mode) <= READING else b"")
        raw.name = file
        if "b" in mode:
            return raw
        encoding, errors, newline = (*how, *(None,) * 3)[:3]
        encoding = named.get("encoding", encoding) or "utf-8"
        text = io.TextIOWrapper(raw, encoding, named.get("errors", errors), named.get("newline", newline))
        text.mode = mode  # type: ignore[misc]
        return text

    def stat(self, path: Any, *how: Any, **named: Any) -> Any:
        """In the place of `os.stat`, which tells whether there is a file."""
        try:
            return self._stat(path, *how, **named)
        except FileNotFoundError:
            found = self._path(path)
            if found is None or not (found == self.path or (self.path is None and _ending(found) in ENDINGS[1:])):
                raise
            self._looked_for.add(found)
            return os.stat_result((stat.S_IFREG | 0o444, 0, 0, 1, 0, 0, len(self.content), 0, 0, 0))

    def download(self, path: Any = None) -> bytes:
        """What the script downloads, perhaps to a path."""
        self._downloading = True
        if path is not None:
            self._looked_for.add(self._path(path) or "")
        return self.content

    def _path(self, file: Any) -> str | None:
        try:
            return os.path.abspath(os.fsdecode(file))
        except (TypeError, ValueError):  # such as the number of an open file
            return None

    def _is_answered(self, path: str) -> bool:
        """Whether this is the data file, for one who reads it."""
        if self.path is not None:
            return path == self.path
        if path in self._looked_for:
            return True
        return path not in self._written and _ending(path) in ENDINGS and not self._belongs_to_python(path)

    def _belongs_to_python(self, path: str) -> bool:
        """Whether a file is one of Python, of a library or of the system, which a script reads without knowing it."""
        folders = [sys.prefix, sys.base_prefix, *SYSTEM, *(each for each in sys.path if each != self.folder)]
        inside = path.startswith(os.path.join(self.folder, ""))
        return not inside and any(each and path.startswith(os.path.join(each, "")) for each in folders)


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


class _Downloads:
    """Finds the modules that scripts download with, and changes them when they are imported."""

    def __init__(self, data: DataFile) -> None:
        self.data = data
        self.changes = {"urllib.request": self._change_urllib, "requests": self._change_requests}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        change = self.changes.get(name)
        spec = None if change is None else importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
            return None
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            change(module)  # type: ignore[misc]

        loader.exec_module = exec_module
        return spec

    def _change_urllib(self, module: Any) -> None:
        data = self.data

        def urlretrieve(url: Any, filename: Any = None, *_: Any, **__: Any) -> tuple[Any, dict[str, str]]:
            path = filename or os.path.basename(str(url))
            data.download(path)
            return path, {}

        def urlopen(url: Any, *_: Any, **__: Any) -> DataBytes:
            response = DataBytes(data.download())
            response.url = getattr(url, "full_url", url)
            return response

        module.urlretrieve, module.urlopen = urlretrieve, urlopen

    def _change_requests(self, module: Any) -> None:
        module.get = lambda *_, **__: DataResponse(self.data.download())
