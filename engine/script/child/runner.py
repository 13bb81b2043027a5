"""Runs the script that the first command names, as `python SCRIPT ARGS` would, and reports how it ends."""

from __future__ import annotations

import builtins
import importlib.machinery
import os
import sys
import traceback
import types
from typing import Any

from .channel import Channel
from .hooks import FLAG, HOOK, Sources
from .recorder import Recorder, Unrecordable

SPARE = 60  # levels of recursion that running under this program takes


class ScriptOutput:
    """The standard output or error of the script: what it prints goes to the debugger."""

    encoding, errors, newlines = "utf-8", "strict", None

    def __init__(self, channel: Channel, error: bool) -> None:
        self._channel, self._error = channel, error
        self.buffer = _PrintedBytes(self)

    def write(self, text: str) -> int:
        if text:
            self._channel.send("printed", text=text, error=self._error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for each in lines:
            self.write(each)

    def flush(self) -> None:
        """Everything is sent at once."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 2 if self._error else 1

    def reconfigure(self, **_: Any) -> None:
        """The encoding is UTF-8 whatever the script asks for."""

    def writable(self) -> bool:
        return True

    readable = seekable = isatty
    closed = False


class _PrintedBytes:
    def __init__(self, text: ScriptOutput) -> None:
        self._text = text

    def write(self, data: bytes) -> int:
        self._text.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        """Everything is sent at once."""


class NoInput:
    """The standard input of the script: reading it ends the script with a sentence."""

    encoding, errors = "utf-8", "strict"
    closed = False

    def read(self, *_: Any) -> str:
        frame: Any = sys._getframe(1)
        where = f"line {frame.f_lineno}"
        raise Unrecordable(
            f"it reads the standard input in {where}, and gets none here; give it arguments or a file instead"
        )

    readline = readlines = __iter__ = __next__ = read

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 0


class UserLoader(importlib.machinery.SourceFileLoader):
    """Loads a module that belongs to the script, with hooks in it."""

    sources: Sources
    names: set[str]

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        self.names.add(fullname)
        return self.sources.compile(self.get_data(path), path)


class UserFinder:
    """Finds the modules below the script's folder."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.join(folder, "")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return None
        inside = spec.origin[len(self.folder) :] if spec.origin.startswith(self.folder) else ""
        if not inside or "site-packages" in inside.split(os.sep):
            return None
        spec.loader = UserLoader(name, spec.origin)
        return spec


def main() -> None:
    """Wait for the first command, run its script and report the end."""
    channel = Channel()
    channel.start()
    start = channel.command()
    try:
        _run(channel, start)
    except Unrecordable as why:
        channel.send("cannot", why=str(why.args[0]), line=why.args[1] if len(why.args) > 1 else None)
    os._exit(0)  # without waiting for threads


def _run(channel: Channel, start: dict[str, Any]) -> None:
    path = start["path"]
    folder = os.path.dirname(path)
    sources = Sources()
    names = {"__main__"}
    UserLoader.sources, UserLoader.names = sources, names
    recorder = Recorder(channel, sources, lambda kind: kind.__module__ in names, start["large"])
    try:
        code = sources.compile(start["source"], path, start.get("step_at"))
    except SyntaxError as error:
        raise Unrecordable(f"{'' if error.lineno else 'it '}is not Python ({error.msg})", error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise Unrecordable(f"it is not Python ({error})") from None
    recorder.step_at_line = start.get("step_at") is not None
    module = types.ModuleType("__main__")
    module.__dict__.update({"__file__": path, "__builtins__": builtins, "__cached__": None})
    recorder.module = module.__dict__

    def recording(on: bool) -> None:
        setattr(builtins, FLAG, on)

    setattr(builtins, HOOK, recorder)
    recording(False)
    recorder.set_flag = recording
    channel.sign = lambda: {"made": len(recorder.record.nodes) if recorder.record else 0, "step": recorder.step}
    sys.modules["__main__"] = module
    sys.argv = [start["shown"], *start["args"]]
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, UserFinder(folder))
    os.chdir(folder)
    sys.stdin, sys.stdout, sys.stderr = NoInput(), ScriptOutput(channel, False), ScriptOutput(channel, True)
    sys.setrecursionlimit(sys.getrecursionlimit() + SPARE)
    recorder.wait()
    try:
        exec(code, module.__dict__)
    except SystemExit as ended:
        recorder.ended(True)
        status = 0 if ended.code is None else ended.code
        said = "" if isinstance(status, int) else str(status)
        channel.send("exit", status=status if isinstance(status, int) else 1, said=said, steps=recorder.step)
        return
    except Exception as error:
        recorder.ended(False)
        channel.send("crash", steps=recorder.step, **_crash(error, sources))
        return
    recorder.ended(True)
    if not recorder.classes:
        raise Unrecordable("it defines no class of scalars, with __add__, __mul__ and backward")
    if not recorder.calls:
        raise Unrecordable("it never calls backward")
    channel.send("end", steps=recorder.step)


def _crash(error: BaseException, sources: Sources) -> dict[str, Any]:
    frames = []
    values: dict[str, str] = {}
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = sources.files.get(frame.f_code.co_filename)
        if file is not None:
            frames.append([file, line, frame.f_code.co_name, sources.line(file, line)])
    return {
        "error": "".join(traceback.format_exception_only(type(error), error)).strip(),
        "traceback": frames,
        "values": values,
    }
