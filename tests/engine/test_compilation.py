"""Compiled loops take the place of plain ones in the middle of a run, and are compiled by a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from engine import Moment, Phase, Session
from engine.autograd import jit
from engine.autograd.jit import loops, plain_loops
from engine.run import compilation
from engine.run.compilation import Compilation, is_compiled, mark_compiled
from tests.support.float_bits import DOCS, sha, tiny
from tests.support.terminal import COMPILED
from tests.support.wait import ended, met

ROOT = Path(__file__).resolve().parents[2]


def test_the_loops_change_in_the_middle_of_a_run_and_the_bits_do_not() -> None:
    changing, compiled = Session(tiny(), DOCS, kernels=plain_loops()), Session(tiny(), DOCS, kernels=loops())
    changing.seek(Moment(3, Phase.BACKWARD, 50))
    twin = changing.replay_copy()
    assert not changing.loops.compiled
    changing.loops.become(loops())
    assert changing.loops.compiled
    assert twin.workspace.loops.compiled
    for session in (changing, compiled):
        session.run(until=8)
    assert sha(changing) == sha(compiled)
    assert changing.losses == compiled.losses


def test_plain_loops_become_compiled_ones_and_the_mark_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compilation, "_compile_beside", lambda _: processes.append(1))
    processes: list[int] = []
    mark = tmp_path / "new" / "mark"
    for _ in range(2):
        plain, done = plain_loops(), threading.Event()
        Compilation(plain, mark).start(lambda _, done=done: done.set())
        assert done.wait(90)
        assert plain.compiled
        assert not plain.awaiting
        assert plain.forward is loops().forward
        assert is_compiled(mark)
    assert processes == [1]  # the second time the mark says that they are kept


def test_one_that_was_stopped_leaves_the_plain_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, told = plain_loops(), list[str | None]()
    compilation = Compilation(plain, tmp_path / "mark")
    monkeypatch.setattr(compilation, "_compile_beside", compilation.stop)
    compilation.finish()
    compilation.start(told.append)
    threads = [thread for thread in threading.enumerate() if thread.name == "compilation"]
    for thread in threads:
        thread.join()
    assert (plain.compiled, told, is_compiled(tmp_path / "mark")) == (False, [], False)


ALL_LOOPS = """
from dataclasses import fields
from engine import Config, Moment, Phase, Session
from engine.autograd.jit import loops
from engine.explain.gradient_paths import GradientPaths
from engine.run.compilation import warm_up

def signatures():
    found = [getattr(loops(), field.name) for field in fields(loops())]
    return [len(loop.signatures) for loop in found if hasattr(loop, "signatures")]

warm_up()
ready = signatures()
session = Session(Config(n_layer=1, n_embd=4, n_head=2, block_size=4), ["abc", "ba", "cab", "b"])
for step in (3, 7, 5):
    for phase in Phase:
        for tick in (1, 10, 10**9):
            session.seek(Moment(step, phase, tick))
            session.replay_copy().seek(session.moment)
        if phase is not Phase.FORWARD:
            GradientPaths(session.view())
session.branch([]).run(9)
session.sample(2)
list(session.events(6))
print(ready == signatures(), any(ready))
"""


@pytest.mark.skipif(not jit.can_compile(), reason="numba is not installed")
def test_after_warming_up_nothing_is_left_to_compile() -> None:
    """What is compiled later takes memory that the program has given back by then, and time in the middle of a key."""
    told = subprocess.run(
        [sys.executable, "-c", ALL_LOOPS], env=os.environ | COMPILED | {"PYTHONPATH": str(ROOT)},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert told.stdout == "True True\n"


def test_a_run_says_that_it_waits_for_compiled_loops() -> None:
    session = Session(tiny(), DOCS, kernels=plain_loops())
    assert session.slowed == ""
    session.loops.awaiting = True
    assert session.slowed == "slow until the loops are compiled"
    session.loops.become(loops())
    assert session.slowed == ""


def test_nothing_is_compiled_where_numba_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    plain = plain_loops()
    Compilation(plain, tmp_path / "mark").start(lambda _: None)
    assert not plain.awaiting
    assert not any(thread.name == "compilation" for thread in threading.enumerate())


@pytest.mark.parametrize("content", ["", "another Python", b"\xff\xfe"])
def test_another_mark_is_none(tmp_path: Path, content: str | bytes) -> None:
    mark = tmp_path / "mark"
    mark_compiled(mark)
    assert is_compiled(mark)
    mark.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert not is_compiled(mark)


@pytest.mark.skipif(not jit.can_compile(), reason="numba is not installed")
def test_loops_are_compiled_again_when_their_cache_is_gone(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    code = (
        "import sys, pathlib\n"
        "from engine.autograd.jit import loops, take_warning\n"
        "from engine.run.compilation import is_compiled, mark_compiled\n"
        "loops().powers_agree(8, 2.0, 0.5)\n"  # one of them is enough here
        "mark = pathlib.Path(sys.argv[1])\n"
        "mark_compiled(mark)\n"
        "print(is_compiled(mark), take_warning())\n"
        "next(pathlib.Path(sys.argv[2]).rglob('*.nbi')).unlink()\n"
        "print(is_compiled(mark))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "mark"), str(cache)], check=True, capture_output=True, text=True,
        env=os.environ | COMPILED | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(cache)},
    )  # fmt: skip
    assert told.stdout == "True None\nFalse\n"


def test_changed_loops_are_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_compiled(tmp_path / "mark")
    changed = tmp_path / "kernels.py"
    changed.write_text("# another file\n")
    monkeypatch.setattr(compilation.kernels, "__file__", str(changed))
    assert not is_compiled(tmp_path / "mark")


@pytest.mark.skipif(not jit.can_compile(), reason="numba is not installed")
def test_the_process_that_compiles_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compilation = Compilation(plain_loops(), tmp_path / "mark")
    monkeypatch.setattr("engine.run.compilation.warm_up", lambda: None)
    compilation._stopped.set()  # before it has begun: it is killed at once
    compilation._compile_beside()
    process = compilation._process
    assert process is not None
    assert process.stdin is not None
    assert (process.poll() is not None, process.stdin.closed) == (True, True)


def test_the_process_that_compiles_ends_with_the_one_that_began_it(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time\n"
        "from engine.autograd.jit import plain_loops\n"
        "from engine.run.compilation import Compilation\n"
        f"Compilation(plain_loops(), pathlib.Path({str(tmp_path / 'mark')!r})).start(print)\n"
        "time.sleep(600)\n"
    )
    environment = os.environ | COMPILED | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL)
    try:
        asyncio.run(met(lambda: bool(psutil.Process(parent.pid).children())))
        (child,) = psutil.Process(parent.pid).children()
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    ended(child)
    assert not is_compiled(tmp_path / "mark")
