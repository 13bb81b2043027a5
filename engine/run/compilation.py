"""`Compilation`: compiles the loops in a process of its own; until then a run can go on with plain ones.

As a program, `python -m engine.run.compilation`, it compiles them into numba's cache, and ends when its standard input
does: with the process that began it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import engine
from engine.atomic_write import write_whole
from engine.autograd import dot_products, kernels
from engine.autograd.jit import Kernels, cache_files, can_compile, loops, take_warning
from engine.memory import give_back_code
from engine.model.config import Config
from engine.run.session import Session
from engine.timeline.events import PHASES, Moment, Phase

ROOT = Path(engine.__file__).resolve().parent.parent


class Compilation:
    """Lets plain loops become the compiled ones, with the same bits.

    `mark` is a file that says which loops numba's cache holds. Where it does not say these, a process of its own
    compiles them first: this one stays free, and never holds the memory that compiling takes.
    """

    def __init__(self, plain: Kernels, mark: Path) -> None:
        self._plain, self._mark = plain, mark
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()

    def start(self, done: Callable[[str | None], None]) -> None:
        """Begin, in a thread; does nothing where loops cannot be compiled or are compiled already.

        `done` is called in that thread unless it was stopped, with a sentence for the user if anything went wrong.
        """

        def run() -> None:
            self.finish()
            if not self._stopped.is_set():
                done(take_warning())

        if not self._plain.compiled and can_compile():
            self._plain.awaiting = True
            threading.Thread(target=run, daemon=True, name="compilation").start()

    def finish(self) -> None:
        """Compile; return when the plain loops are the compiled ones, or when it was stopped."""
        if not is_compiled(self._mark):
            self._compile_beside()
        if self._stopped.is_set():
            return
        warm_up()
        self._plain.become(loops())  # which are plain ones, too, where numba cannot be loaded
        if self._plain.compiled:
            mark_compiled(self._mark)

    def stop(self) -> None:
        """End the process, if there is one. The plain loops stay as they are."""
        self._stopped.set()
        if self._process is not None:
            self._process.kill()

    def _compile_beside(self) -> None:
        """If this process does not come to its end, this one compiles, and says what went wrong."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with suppress(OSError):
            process = self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __spec__.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": path},
                start_new_session=True,  # ctrl+c is for the program
            )
            if self._stopped.is_set():
                process.kill()
            with process:  # its input, which it watches, stays open for as long
                process.wait()


def warm_up() -> None:
    """Compile every loop, or fetch it from its cache, on a model of almost nothing."""
    from engine.explain.gradient_paths import GradientPaths  # here, since the first frame needs none of it

    tiny = Session(Config(n_layer=1, n_embd=1, n_head=1, block_size=1, num_steps=3), ["a"])
    tiny.run(until=1)
    for phase in PHASES:  # the loops that halt inside a phase, and those that do one whole
        tiny.seek(Moment(1, phase, 1))
        tiny.seek(Moment(1))
    tiny.seek(Moment(1, Phase.UPDATE, 1))
    tiny.run(until=2)
    tiny.seek(Moment(1, Phase.UPDATE, 1))
    GradientPaths(tiny.view())
    give_back_code("llvmlite")  # numba's compiler, which has nothing more to do


def is_compiled(mark: Path) -> bool:
    """Whether the mark says that numba's cache holds these loops, compiled by this Python and this numba.

    The files that it names have to be there still.
    """
    with suppress(OSError, UnicodeDecodeError):
        text, stamp = mark.read_text(encoding="utf-8"), _stamp()
        return text.startswith(stamp) and all(Path(file).exists() for file in text[len(stamp) :].splitlines())
    return False


def mark_compiled(mark: Path) -> None:
    """Write the mark, where that is possible. The loops have been compiled into the cache."""
    with suppress(OSError):
        if not is_compiled(mark):
            mark.parent.mkdir(parents=True, exist_ok=True)
            text = _stamp() + "".join(f"{file}\n" for file in cache_files())
            write_whole(mark, text.encode(), durable=False)


def _stamp() -> str:
    """What compiled loops depend on: the interpreter, numba, where its cache is, and the files of the loops."""
    from importlib.metadata import PackageNotFoundError, version  # here, since the first frame needs none of it

    files = [Path(str(module.__file__)).stat() for module in (kernels, dot_products)]
    try:
        numba = version("numba")
    except PackageNotFoundError:
        numba = ""
    cache = os.environ.get("NUMBA_CACHE_DIR", "")
    return f"{sys.version}\n{sys.executable}\n{numba} {cache}\n{[(f.st_mtime_ns, f.st_size) for f in files]}\n"


def main() -> None:
    """Compile the loops into the cache, as long as the standard input is open."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    warm_up()
    os._exit(0)


if __name__ == "__main__":
    main()
