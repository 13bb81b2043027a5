"""Scripts run by other Pythons: the same events, numbers, lines and findings; one that is too old is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine import Moment, Phase
from engine.script.check import check
from engine.script.process import CHILD
from engine.script.run import ScriptOptions, ScriptRun
from engine.script.source_file import ScriptFile
from engine.verify import verify

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "docs" / "examples"
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
OLD = ("2.7", "3.6", "3.7", "3.8")


def python(version: str) -> str:
    """The interpreter of this version that is on the path; skips the test if there is none."""
    found = shutil.which(f"python{version}")
    if found is not None:
        command = [found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == version:
            return found
    pytest.skip(f"there is no Python {version}")


IN_SETS = ("package/train", "rnn")  # their operands are, so the last bits of gradients depend on addresses in memory


def steps_of(path: Path, interpreter: str | None, gradients: bool) -> list[object]:
    """All events of the first step, with their numbers and where the script makes them."""
    run = ScriptRun(ScriptFile.read(path), ScriptOptions(python=interpreter))
    try:
        found: list[object] = []
        run.seek(Moment(0))
        for phase in Phase:
            for event in run.program.events(phase):
                run.seek(Moment(0, phase, event.last))
                view = run.view()
                source = view.source(event)
                callers = [(caller.line, caller.function) for caller in source.callers]
                numbers = [view.data(event.rows).values.tobytes()]
                if gradients:
                    numbers.append(view.grad(event.rows).values.tobytes())
                found.append((phase, event.name, event.kind, event.place, numbers, source.line, callers))
        return found
    finally:
        run.close()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("script", ["plain", "accumulate", "overwrite", *IN_SETS])
def test_the_same_is_shown_by_every_python(version: str, script: str) -> None:
    path, other = HERE / "scripts" / f"{script}.py", python(version)
    gradients = script not in IN_SETS
    assert steps_of(path, other, gradients) == steps_of(path, None, gradients)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("script", ["gelu_wrong", "experts"])
def test_the_same_is_found_by_every_python(version: str, script: str) -> None:
    path, other = EXAMPLES / f"{script}.py", python(version)
    assert check(path, ScriptOptions(python=other)) == check(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_python_computes_what_the_engine_computes(version: str) -> None:
    assert verify(EXAMPLES / "plain.py", EXAMPLES / "flowers.txt", until=3, samples=1, python=python(version)).equal


@pytest.mark.parametrize("version", OLD)
def test_a_python_that_is_too_old_is_told(version: str) -> None:
    old = python(version)
    with pytest.raises(Exception, match=f"run by Python {version} and has to be by 3.9 or later; name one with --p"):
        check(EXAMPLES / "plain.py", ScriptOptions(python=old))


def test_the_first_file_tells_an_old_version_before_it_needs_a_new_one() -> None:
    start = (CHILD / "__main__.py").read_text(encoding="utf-8")
    code = f"import sys; sys.version_info = (2, 7, 18); exec({start!r})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == {"kind": "cannot", "why": "old_python", "what": {"version": "2.7"}}
