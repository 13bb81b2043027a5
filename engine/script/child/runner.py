"""Runs the script that the first command names, as `python SCRIPT ARGS` would, and reports how it ends."""

from __future__ import annotations

import atexit
import builtins
import gc
import importlib.machinery
import importlib.util
import os
import sys
import threading
import time
import traceback
import types
from base64 import b64decode
from typing import Any

from .channel import Channel
from .crash import crash
from .data_file import DataFile
from .hooks import FLAG, HOOK, Sources, is_scalar_class
from .recorder import Recorder, Standstill, Unrecordable
from .scalar_class import BACKWARD, FOREIGN, ScalarClass
from .streams import NoInput, ScriptOutput

SPARE = 60  # levels of recursion that running under this program takes


class UserLoader(importlib.machinery.SourceFileLoader):
    """Loads a module that belongs to the script, with hooks in it."""

    sources: Sources
    modules: set[str]

    def get_code(self, fullname: str) -> Any:
        """The code of the module; never from a cache, and none is written."""
        path = self.get_filename(fullname)
        self.modules.add(fullname)
        return self.sources.compile(self.get_data(path), path)


class UserFinder:
    """Finds the modules below the script's folder."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.join(folder, "")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The module, if it is below the folder and nothing that was installed there."""
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return None
        origin = os.path.realpath(spec.origin)
        if not origin.startswith(self.folder) or "site-packages" in origin[len(self.folder) :].split(os.sep):
            return None
        spec.loader = UserLoader(name, spec.origin)
        return spec


class Runner:
    """One run of one script."""

    def __init__(self, channel: Channel, start: dict[str, Any], before: set[str]) -> None:
        self.channel, self.start, self._before = channel, start, before
        self.path: str = start["path"]
        self.folder = os.path.dirname(self.path)
        self.sources = Sources()
        self.modules = {"__main__"}
        self.probe = start.get("probe")
        self.recorder: Any = Recorder(channel, self.sources, self._is_user, start.get("most"))
        if self.probe is not None:
            self.recorder = _probe(channel, *self.probe)
            self.sources.prepare = self.recorder.prepare
        self.recorder.step_at_line = start.get("step_at") or 0
        self.thread = threading.get_ident()

    def _is_user(self, kind: type) -> bool:
        return kind.__module__ in self.modules or kind.__module__.partition(".")[0] in self.modules

    def sign(self) -> dict[str, Any]:
        """How far the script is: training steps, scalars of a step that is recorded, line, time of the processor."""
        record = self.recorder.record
        if self.probe is None:
            try:
                self.recorder.refuse_too_many()
            except Unrecordable as why:  # in the thread that gives signs of life, so this is its end
                self.channel.send("cannot", why=why.key, what=why.what)
                os._exit(0)
            self._refuse_tensors()
        frame = sys._current_frames().get(self.thread)
        return {
            "step": self.recorder.step, "made": 0 if record is None else len(record.nodes), "line": self._line(frame),
            "used": time.process_time(),
        }  # fmt: skip

    def _line(self, frame: Any) -> int:
        while frame is not None:
            if self.sources.files.get(frame.f_code.co_filename) == 0:
                return int(frame.f_lineno)
            frame = frame.f_back
        return 0

    def _refuse_tensors(self) -> None:
        """Let a backward call of torch end a script that has no scalars."""
        tensor = getattr(sys.modules.get("torch"), "Tensor", None)
        if tensor is None or self.recorder.classes or getattr(tensor.backward, "refuses", False):
            return
        recorder, backward = self.recorder, tensor.backward

        def refuse(*args: Any, **named: Any) -> Any:
            if not recorder.classes:
                raise Unrecordable("no_class_but", module="torch")
            return backward(*args, **named)

        refuse.refuses = True  # type: ignore[attr-defined]
        tensor.backward = refuse

    def run(self) -> None:
        """Run the script to its end and tell how it ended. Raises Unrecordable."""
        code = self._code()
        module = types.ModuleType("__main__")
        module.__dict__.update({"__file__": self.path, "__builtins__": builtins})
        self.recorder.module = module.__dict__
        self._prepare(module)
        self.recorder.wait()
        gc.freeze()  # what this program has made: the collector need not look through it in each step of the script
        try:
            exec(code, module.__dict__)
            for each in () if self.probe else threading.enumerate():
                if not each.daemon and each is not threading.current_thread():
                    each.join()
            atexit._run_exitfuncs()
        except SystemExit as ended:
            self.recorder.ended(True)
            status = 0 if ended.code is None else ended.code
            said = "" if isinstance(status, int) else str(status)
            number = status if isinstance(status, int) else 1
            at = crash(ended, self.sources, self._show)
            self.channel.send(
                "exit", status=number, said=said, steps=self.recorder.step, traceback=at["traceback"],
                files=at["files"],
            )  # fmt: skip
            return
        except Unrecordable:
            raise
        except BaseException as error:
            last = error.__traceback__
            while last is not None and last.tb_next is not None:
                last = last.tb_next
            self.recorder.ended(False, last and last.tb_frame)
            self.channel.send("crash", steps=self.recorder.step, **crash(error, self.sources, self._show))
            return
        self.recorder.ended(True)
        if self.probe is None:
            self._check_end()
        else:
            self.recorder.check_end()
        self.channel.send("end", steps=self.recorder.step)

    def _check_end(self) -> None:
        """Raise Unrecordable if the script came to its end without anything to record."""
        if not self.recorder.classes:
            used = [name for name in FOREIGN if name in sys.modules]
            raise Unrecordable("no_class_but", module=used[0]) if used else Unrecordable("no_class")
        if not self.recorder.calls:
            raise Unrecordable("no_backward", name=self.recorder.classes[-1].backward_name)
        if self.recorder.step_at_line and not self.recorder.step:
            raise Unrecordable("line_never_reached", line=self.recorder.step_at_line)

    def _code(self) -> types.CodeType:
        try:
            code = self.sources.compile(self.start["source"], self.path, self.start.get("step_at"))
        except SyntaxError as error:
            if error.lineno:
                raise Unrecordable("line_not_python", line=error.lineno, reason=error.msg) from None
            raise Unrecordable("not_python", reason=error.msg) from None
        except (ValueError, RecursionError) as error:
            raise Unrecordable("not_python", reason=str(error)) from None
        if self.recorder.step_at_line and not self.sources.ends_steps:
            raise Unrecordable("line_of_no_step", line=self.recorder.step_at_line)
        if self.recorder.step_at_line and self.sources.ends_in_update:
            raise self.recorder.reached_again()
        return code

    def _prepare(self, module: types.ModuleType) -> None:
        """Make the process look to the script as one that it has for itself."""
        recorder = self.recorder

        def set_flag(on: bool) -> None:
            setattr(builtins, FLAG, on)

        set_flag(False)
        setattr(builtins, HOOK, recorder)
        recorder.set_flag = set_flag
        self._watch_installed_classes()
        UserLoader.sources, UserLoader.modules = self.sources, self.modules
        for name in {each.partition(".")[0] for each in set(sys.modules) - self._before}:
            places = (f"{name}.py", os.path.join(name, "__init__.py"))
            if any(os.path.exists(os.path.join(self.folder, each)) for each in places):
                for each in [each for each in sys.modules if each.partition(".")[0] == name]:
                    del sys.modules[each]  # the script has a module of this name, and gets that
        sys.modules["__main__"] = module
        sys.argv = [self.path, *self.start["args"]]
        sys.path.insert(0, self.folder)
        sys.meta_path.insert(0, UserFinder(self.folder))
        sys.dont_write_bytecode = True
        sys.stdin = NoInput(self._line) if self.probe is None else open(os.devnull, encoding="utf-8")  # noqa: SIM115
        note = recorder.note_printed if self.probe is None else int
        sys.stdout, sys.stderr = (ScriptOutput(self.channel, error, note) for error in (False, True))
        sys.setrecursionlimit(sys.getrecursionlimit() + SPARE)
        hook = threading.excepthook

        def in_thread(args: Any) -> None:
            if isinstance(args.exc_value, Unrecordable):
                self.channel.send("cannot", why=args.exc_value.key, what=args.exc_value.what)
                os._exit(0)
            hook(args)

        threading.excepthook = in_thread
        if self.start.get("data") is not None:
            DataFile(b64decode(self.start["data"]), self.folder).install()
        os.chdir(self.folder)

    def _watch_installed_classes(self) -> None:
        """Find scalar classes in modules that have no hooks, such as an installed micrograd."""
        build: Any = builtins.__build_class__

        def build_class(function: Any, *args: Any, **named: Any) -> Any:
            kind = build(function, *args, **named)
            own = vars(kind) if isinstance(kind, type) else {}
            if "__add__" in own and "__mul__" in own and any(name in own for name in BACKWARD):
                path = function.__code__.co_filename
                if path not in self.sources.files and ScalarClass.found(kind) is not None and os.path.isfile(path):
                    self.sources.add(path)
                    self.modules.add(kind.__module__.partition(".")[0])
                    self.recorder.defined(kind)
            return kind

        setattr(builtins, "__build_class__", build_class)  # noqa: B010

    def _show(self, value: Any) -> str:
        """A value of the script in a few characters."""
        if isinstance(value, self.recorder.kinds):
            scalar = self.recorder.classes.of(value)
            data, grad = (getattr(value, name, None) for name in (scalar.data_name, scalar.grad_name))
            return f"{scalar.kind.__name__}({scalar.data_name}={data!r}, {scalar.grad_name}={grad!r})"
        if isinstance(value, (list, tuple, dict, set)) and len(value) > 8:
            return str(self.start["shown"]["several"]).format(kind=type(value).__name__, count=len(value))
        if type(value) is list and any(isinstance(each, self.recorder.kinds) for each in value):
            return f"[{', '.join(map(self._show, value))}]"
        try:
            return repr(value)
        except Exception as error:  # whatever the script's own does
            names = {"kind": type(value).__name__, "error": type(error).__name__}
            return str(self.start["shown"]["unshown"]).format(**names)


def _probe(channel: Channel, path: str, options: dict[str, Any]) -> Any:
    """What watches the script in the place of a recorder: the class `Probe` of a file."""
    spec = importlib.util.spec_from_file_location("_microgpt_tui_probe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Probe(channel, is_scalar_class, **options)


def main(before: set[str]) -> None:
    """Wait for the first command, run its script and report the end. `before`: modules that a bare Python has."""
    channel = Channel()
    channel.start()
    start = channel.command()
    runner = Runner(channel, start, before)
    channel.sign = runner.sign
    try:
        runner.run()
    except Standstill:
        channel.send("still", steps=runner.recorder.step)
    except Unrecordable as why:
        channel.send("cannot", why=why.key, what=why.what)
    except Exception as error:  # of this program
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = {"error": f"{type(error).__name__}: {error}", "file": os.path.basename(place.filename)}
        channel.send("cannot", why="failed", what={**what, "number": place.lineno})
    os._exit(0)  # without waiting for threads
