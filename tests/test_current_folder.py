"""Files in the current folder that have the names of modules are not run, however the program is started."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from microgpt_tui.web.client_process import ClientProcess
from tests.support.terminal import PLAIN
from tests.support.wait import met

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = "import sys; del sys.path[0]; from microgpt_tui.__main__ import main; main()"  # as the installed command
TRAINING = ("train", "--until", "1", "--n-embd", "4", "--n-head", "2", "--block-size", "4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with micrograd's engine.py, and with modules that end the process that imports them."""
    for name in ("engine", "random", "numpy", "signal", "json", "click"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(99)\n")
    (tmp_path / "textual").mkdir()
    (tmp_path / "textual" / "__init__.py").write_text("import os; os._exit(99)\n")
    return tmp_path


@pytest.mark.parametrize(
    ("start", "path"),
    [
        pytest.param(["-m", "microgpt_tui"], str(ROOT), id="python -m puts it first on the path"),
        pytest.param(["-c", INSTALLED], f"{os.pathsep}{ROOT}", id="an empty entry of PYTHONPATH stands for it"),
    ],
)
def test_the_command_line(start: list[str], path: str, folder: Path) -> None:
    settings = {**os.environ, **PLAIN, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *start, *TRAINING], cwd=folder, env=settings, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "step    1" in done.stdout


def test_a_folder_that_pythonpath_names_is_searched_but_not_for_our_packages(tmp_path: Path) -> None:
    (tmp_path / "engine.py").write_text("import os; os._exit(99)\n")
    (tmp_path / "json.py").write_text("import os; os._exit(7)\n")
    named = os.pathsep.join([str(tmp_path), str(ROOT)])
    settings = {**os.environ, **PLAIN, "PYTHONPATH": named}
    done = subprocess.run([sys.executable, "-m", "microgpt_tui", *TRAINING], cwd=tmp_path, env=settings, check=False)
    assert done.returncode == 7


async def test_a_client_of_the_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shows: list[bytes] = []

    async def show(piece: bytes) -> None:
        shows.append(piece)

    monkeypatch.chdir(folder)
    visitor = ClientProcess(TRAINING[3:], show, pytest.fail)
    await visitor.start(80, 24)
    running = asyncio.create_task(visitor.run())
    await met(lambda: b"event 1/" in b"".join(shows) or running.done())
    assert b"event 1/" in b"".join(shows)
    await visitor.end()
    await running
