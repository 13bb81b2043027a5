"""The cache of the compiled kernels is damaged, or numba itself: the numbers are the same, and one sentence says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.autograd import jit
from microgpt_tui.app import MicrogptApp
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.startup import from_seed
from tests.support.commands import SMALL as OPTIONS
from tests.support.commands import environment, invoke
from tests.support.harness import SMALL, notes, until
from tests.support.terminal import COMPILED

WARNING = "the compiled loops were made of chalk"


def double(x: float) -> float:
    """A kernel that is compiled quickly."""
    return x + x


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for numba's cache, and in it `double`, compiled."""
    numba = pytest.importorskip("numba")
    with monkeypatch.context() as patched:
        patched.setenv("NUMBA_CACHE_DIR", str(tmp_path))
        numba.config.reload_config()
        assert doubled() is None
        (folder,) = tmp_path.iterdir()
        yield folder
    numba.config.reload_config()


def doubled() -> str | None:
    """Call `double` as a program that has just started; the warning, if there is one."""
    kernel = jit._jitted(double)
    assert kernel(2.0) == 4.0
    assert kernel.signatures  # compiled
    return jit.take_warning()


def read_from_cache() -> bool:
    kernel = jit._jitted(double)
    kernel(2.0)
    return bool(kernel.stats.cache_hits)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40])


def filled_with_others(file: Path) -> None:
    file.write_bytes(bytes(range(255, -1, -1)) * 20)


def changed_inside(file: Path) -> None:
    """Bytes of the machine code; numba itself would run it."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "damage"),
    [(kind, damage) for kind in ("nbi", "nbc") for damage in (emptied, truncated, filled_with_others)]
    + [("nbc", changed_inside)],
)
def test_a_damaged_file_is_compiled_again(kind: str, damage: Callable[[Path], None], cache: Path) -> None:
    assert read_from_cache()
    (file,) = cache.glob(f"*.{kind}")
    damage(file)
    warning = doubled()
    assert warning == f"the compiled loops in {cache} could not be read (damaged), so they were compiled again"
    assert read_from_cache()
    assert jit.take_warning() is None


@pytest.mark.parametrize("full", [False, True])
def test_a_cache_that_cannot_be_written(full: bool, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in cache.iterdir():
        file.unlink()
    if full:

        def replace(source: str, target: str) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.replace", replace)
        reason = "No space left on device"
    else:
        kernel = jit._jitted(double)
        Path(kernel._cache._cache_file._index_path).mkdir()
        reason = "Is a directory"
    warning = doubled()
    assert warning is not None
    assert warning.startswith(f"the compiled loops cannot be kept in {cache} (")
    assert reason in warning or (not full and sys.platform == "win32")
    assert warning.endswith("make room there, or set NUMBA_CACHE_DIR to another folder")


def test_no_folder_for_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import CacheImpl

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert "the compiled loops cannot be kept (cannot cache function" in (doubled() or "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "raise OSError('libllvmlite.so: cannot open shared object file')",
            "libllvmlite.so: cannot open shared object",
        ),
        ("raise RuntimeError", "RuntimeError"),
        ("def (", "invalid syntax"),
    ],
)
def test_a_numba_that_cannot_be_loaded(content: str, reason: str, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    (tmp_path / "llvmlite.py").write_text(content, encoding="utf-8")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from microgpt_tui.__main__ import main; main()"
    command = [sys.executable, "-c", script, "train", "--until", "1", *OPTIONS]
    done = subprocess.run(command, env=environment() | COMPILED, capture_output=True, text=True, check=False)
    assert done.stdout == invoke("train", "--until", "1", *OPTIONS).stdout
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"warning: numba cannot be loaded ({reason}")
    assert "so the loops run uncompiled" in done.stderr


def test_a_command_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(jit._WARNINGS, "read", WARNING)
    assert invoke("train", "--until", "1", *OPTIONS).stderr == f"warning: {WARNING}\n"
    assert invoke("train", "--until", "1", *OPTIONS).stderr == ""


async def test_the_debugger_shows_the_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(jit._WARNINGS, "read", WARNING)
    app = MicrogptApp(from_seed(SMALL, 1, None))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        await until(pilot, lambda: "The compiled loops were made of chalk." in notes(pilot))
