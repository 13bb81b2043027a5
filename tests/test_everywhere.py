"""Terminals, languages and folders of all kinds: the debugger draws the same, and commands say the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from microgpt_tui.storage.paths import folder
from tests.support.terminal import PLAIN, needs_tmux, terminal

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "microgpt_tui"]
SMALL = ["--n-embd", "4", "--n-head", "2", "--block-size", "4", "--seed", "3"]
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
needs_posix = pytest.mark.skipif(os.name != "posix", reason="this system has no such setting")

TERMINALS = {
    "xterm": ["-u", "COLORTERM", "TERM=xterm"],
    "linux, 16 colours": ["-u", "COLORTERM", "TERM=linux", "TEXTUAL_COLOR_SYSTEM=standard"],
    "dumb, no home": ["-u", "HOME", "TERM=dumb"],  # without XDG_STATE_HOME too, it would be the user's own home
    "no TERM, no temporary folder": ["-u", "TERM", "TMPDIR=/nowhere"],
    "no colour": ["NO_COLOR=1"],
    "256 colours, latin": ["-u", "COLORTERM", "TERM=xterm-256color", "PYTHONIOENCODING=latin-1"],
    "ascii": [f"{name}={value}" for name, value in ASCII.items()],
}


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """Documents that are not ASCII, in a file whose name is not, nor without spaces."""
    path = tmp_path / "이름 들.txt"
    path.write_text("한글\nzoë\nanna\n", encoding="utf-8")
    return path


def run(*args: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[bytes]:
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **PLAIN, **environment}
    return subprocess.run([*COMMAND, *args], env=settings, cwd=cwd, capture_output=True, check=False)


@needs_tmux
@pytest.mark.parametrize("settings", TERMINALS.values(), ids=TERMINALS.keys())
def test_the_debugger_draws_the_same(settings: list[str], names: Path) -> None:
    with terminal(["env", *settings, *COMMAND, "--data", str(names), *SMALL], size=(80, 24), cwd=ROOT) as term:
        term.wait("FORWARD")
        term.press("n")
        term.wait("event 2/", "[BOS] z  o  ë  BOS", "╭─ embed_norm", "|x| 1.9994", "-0.2164 · +7.5059 = -1.6244")
        term.press("n", "n")
        term.wait("event 4/", "q = attn_wq · x", "+0.4988", "q[0] = Σ w·x")
        term.press("q")
        term.left(0)


@needs_tmux
def test_a_home_that_cannot_be_written(names: Path) -> None:
    """The debugger opens; when it is left, one sentence says that the place is not kept."""
    home = ["-u", "XDG_STATE_HOME", "-u", "XDG_CONFIG_HOME", f"HOME={os.devnull}/no"]
    with terminal(["env", *home, *COMMAND, "--data", str(names), *SMALL], cwd=ROOT) as term:
        term.wait("FORWARD")
        term.press("]")
        term.wait("step 1/")
        term.press("q")
        assert "error: where you are cannot be kept" in term.left(2)


@needs_posix
def test_commands_print_what_they_can(names: Path, tmp_path: Path) -> None:
    save, latin = str(tmp_path / "run.safetensors"), {"PYTHONIOENCODING": "latin-1"}
    for settings, *args in (
        (ASCII, "train", "--data", str(names), *SMALL, "--until", "1", "--save", save),
        (ASCII, "sample", save),
        (latin, "--help"),
        (latin, "trace", "--data", str(names), *SMALL),
    ):
        done = run(*args, **settings)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), (args, done.stderr)


@needs_posix
@pytest.mark.parametrize(
    "args", [["train", *SMALL, "--until", "1", "--save", "x.safetensors"], ["export", "-o", "x.svg"]]
)
def test_the_current_folder_was_removed(args: list[str], tmp_path: Path) -> None:
    """The command's own folder goes away once it has begun."""
    here = tmp_path / "here"
    here.mkdir()
    script = (
        f"import os, shutil, sys; shutil.rmtree({str(here)!r}); sys.argv[1:] = {args!r}; "
        "from microgpt_tui.__main__ import main; main()"
    )
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **PLAIN}
    command = [sys.executable, "-P", "-c", script]  # as of an installed command, the folder is not on the path
    done = subprocess.run(command, env=settings, cwd=here, capture_output=True, check=False)
    assert done.returncode == 2, done.stderr
    assert b"the folder that this was started in is gone" in done.stderr


@needs_posix
def test_the_output_is_closed() -> None:
    with subprocess.Popen(
        [*COMMAND, "trace", *SMALL], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as trace:
        assert trace.stdout is not None
        assert trace.stderr is not None
        assert trace.stdout.readline().startswith(b'{"step": 0')
        trace.stdout.close()
        said = trace.stderr.read()
    assert (trace.returncode, said) == (141, b"")


def test_folders_are_where_the_variables_say_on_every_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usual(name: str, **_: Any) -> Path:  # where Windows, which does not know the variables, has it
        return tmp_path / "AppData" / name

    for value, where in ((str(tmp_path), tmp_path), ("", tmp_path / "AppData"), ("here", tmp_path / "AppData")):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert folder("XDG_STATE_HOME", usual) == where / "microgpt-tui"


def test_no_folder_for_compiled_loops() -> None:
    caching = pytest.importorskip("numba.core.caching").__name__
    script = (
        f"from {caching} import CacheImpl as c; c._locator_classes = []; "
        "from engine.autograd.jit import loops; k = loops(); print(k.compiled, k.adam.py_func.__name__)"
    )
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=settings, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "adam"], done.stderr
