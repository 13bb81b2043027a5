"""The wheel: built, installed in an empty environment, and run from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import Distribution, PathDistribution, distribution
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.terminal import PLAIN, terminal

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {**inherited, **PLAIN}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def required(by: Distribution, extra: str, found: dict[str, Distribution]) -> None:
    """Add to `found` the installed distributions that one of them requires, and what those require."""
    for requirement in map(Requirement, by.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            needed = distribution(requirement.name)
            assert requirement.specifier.contains(needed.version, prereleases=True), requirement
            for its in ("", *requirement.extras):
                if f"{requirement.name}[{its}]" not in found:
                    found[f"{requirement.name}[{its}]"] = needed
                    required(needed, its, found)


def copy(needed: Distribution, packages: Path) -> None:
    """Copy an installed distribution, without its scripts, to the packages of another environment."""
    assert needed.files is not None
    for file in needed.files:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(needed.locate_file(file), target)  # type: ignore[arg-type]


def installed(folder: Path) -> Path:
    """The folder of scripts of an environment that holds the wheel and what it requires, and nothing else.

    What it requires is copied from the environment of the tests: nothing is fetched, and no cache is used.
    """
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"engine/_data/names.txt", "engine/_data/ko.txt"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "data/"))]
    pip_at_hand = find_spec("pip") is not None  # an environment made by uv has none
    venv.create(folder / "venv", with_pip=not pip_at_hand)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    pip = [sys.executable, "-m", "pip", "--python", python] if pip_at_hand else [python, "-m", "pip"]
    run(*pip, "install", "--quiet", "--no-compile", "--no-deps", "--no-index", "--no-cache-dir", wheel, cwd=folder)
    base = str(folder / "venv")
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": base, "platbase": base}))
    (metadata,) = packages.glob("microgpt_tui-*.dist-info")
    found: dict[str, Distribution] = {}
    required(PathDistribution(metadata), "", found)
    for needed in {d.name: d for d in found.values()}.values():
        copy(needed, packages)
    run(*pip, "check", cwd=folder)
    return scripts


def test_the_installed_wheel_works_from_another_folder(tmp_path: Path) -> None:
    """One test, because the tests of a file may be shared out among processes, and each would install it again."""
    scripts, elsewhere = installed(tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    it_trains_on_its_own_names(scripts, elsewhere)
    its_command_works(scripts, elsewhere)
    its_course_is_there_and_what_needs_an_extra_says_so(scripts, elsewhere)
    if shutil.which("tmux"):
        its_debugger_opens(scripts, elsewhere)


def it_trains_on_its_own_names(installed: Path, folder: Path) -> None:
    script = (
        "from engine import Config, Session, load_docs; s = Session(Config(), load_docs()); s.run(2); print(s.losses)"
    )
    losses = run(installed / "python", "-c", script, cwd=folder)
    assert losses.strip() == str([float.fromhex("0x1.b2b63a6bce44ep+1"), float.fromhex("0x1.a3c4d0494ed2ep+1")])


def its_command_works(installed: Path, folder: Path) -> None:
    assert "train" in run(installed / "microgpt-tui", "--help", cwd=folder)
    shown = run(installed / "microgpt-tui", "train", "--until", "2", "--save", "two.safetensors", cwd=folder)
    assert "3.3962" in shown
    assert (folder / "two.safetensors").exists()
    assert len(run(installed / "microgpt-tui", "sample", "two.safetensors", cwd=folder).split("\n")) > 19


def its_course_is_there_and_what_needs_an_extra_says_so(installed: Path, folder: Path) -> None:
    for language in ("en", "ko"):
        listed = run(installed / "microgpt-tui", "lecture", "--list", "--lang", language, cwd=folder)
        assert len(listed.strip().split("\n")) == 11
    command = [installed / "microgpt-tui", "serve"]
    refused = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "pip install 'microgpt-tui[serve]'" in refused.stderr


def its_debugger_opens(installed: Path, folder: Path) -> None:
    with terminal([str(installed / "microgpt-tui")], cwd=folder) as term:
        term.wait("FORWARD")
        term.press("n")
        term.wait("embed_norm")
        term.press("q")
        term.left(0)
