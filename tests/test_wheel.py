"""The wheel: built, installed in an empty environment, and run from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from terminal import needs_tmux, terminal

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripts of an environment that holds the wheel and what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "engine/_data/names.txt" in names
    assert not [name for name in names if name.startswith(("tests/", "data/"))]
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel, cwd=folder)
    return scripts


def test_it_trains_on_its_own_names(installed: Path, tmp_path: Path) -> None:
    script = (
        "from engine import Config, Session, load_docs; s = Session(Config(), load_docs()); s.run(2); print(s.losses)"
    )
    losses = run(installed / "python", "-c", script, cwd=tmp_path)
    assert losses.strip() == str([float.fromhex("0x1.b2b63a6bce44ep+1"), float.fromhex("0x1.a3c4d0494ed2ep+1")])


def test_its_command_works_from_another_folder(installed: Path, tmp_path: Path) -> None:
    assert "train" in run(installed / "microgpt-tui", "--help", cwd=tmp_path)
    shown = run(installed / "microgpt-tui", "train", "--until", "2", "--save", "two.safetensors", cwd=tmp_path)
    assert "3.3962" in shown
    assert (tmp_path / "two.safetensors").exists()
    assert len(run(installed / "microgpt-tui", "sample", "two.safetensors", cwd=tmp_path).split("\n")) > 19


def test_its_course_is_there_and_what_needs_an_extra_says_so(installed: Path, tmp_path: Path) -> None:
    for language in ("en", "ko"):
        listed = run(installed / "microgpt-tui", "lecture", "--list", "--lang", language, cwd=tmp_path)
        assert len(listed.strip().split("\n")) == 10
    command = [installed / "microgpt-tui", "serve"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "pip install 'microgpt-tui[serve]'" in refused.stderr


@needs_tmux
def test_its_debugger_opens(installed: Path, tmp_path: Path) -> None:
    with terminal([str(installed / "microgpt-tui")], cwd=tmp_path) as term:
        term.wait("FORWARD")
        term.press("n")
        term.wait("embed_norm")
        term.press("q")
        term.wait("[status 0]")
