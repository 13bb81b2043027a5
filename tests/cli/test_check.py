"""check: findings as text and as JSON, exit statuses, arguments, and what is refused in a sentence."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from engine.script.check import check
from microgpt_tui.cli._json import json_text
from tests.support.changed_text import replaced
from tests.support.commands import ROOT, error_of, in_terminal, interrupted, invoke, start

SMALL = ROOT / "tests" / "script" / "faults" / "small.py"
WRONG = ("(1 - t * t,)", "(1 - t,)")


def changed(folder: Path, *changes: tuple[str, str]) -> Path:
    """The small script with pieces of its text replaced."""
    path = folder / "mine.py"
    path.write_text(replaced(SMALL.read_text(encoding="utf-8"), *changes), encoding="utf-8")
    return path


def test_nothing_found_is_status_0_and_says_what_was_looked_at() -> None:
    result = invoke("check", SMALL)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "3 steps, 241 scalars, 5 operations: nothing found\n"


def test_a_finding_is_status_1_with_file_line_source_and_sentence(tmp_path: Path) -> None:
    path = changed(tmp_path, WRONG)
    (found,) = check(path).findings
    result = invoke("check", path)
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.stdout.split("\n")
    assert lines[0] == f"mine.py:{found.line}  local gradient"
    assert lines[1] == f"    {found.source}"
    assert " ".join(" ".join(lines[2:-3]).split()) == found.sentence
    assert lines[-3:] == ["", "3 steps, 241 scalars, 5 operations: 1 finding", ""]
    assert all(len(line) <= 80 for line in lines[2:])


def test_json_has_every_bit(tmp_path: Path) -> None:
    path = changed(tmp_path, WRONG)
    result = invoke("check", path, "--json", "--steps", "2")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == json.loads(json_text(asdict(check(path, steps=2))))
    assert json.loads(invoke("check", SMALL, "--json").stdout)["findings"] == []


def test_numbers_that_json_does_not_have_are_strings(tmp_path: Path) -> None:
    result = invoke("check", changed(tmp_path, ("w * x + b)", "w * 1e200 * 1e200 + b)")), "--json")
    (found,) = json.loads(result.stdout, parse_constant=pytest.fail)["findings"]
    assert found["numbers"]["value"] in ("inf", "-inf")


def test_steps_and_arguments(tmp_path: Path) -> None:
    path = changed(tmp_path, ("import math\n", "import math, sys\n"), ("range(6)", "range(int(sys.argv[1]))"))
    result = invoke("check", path, "--steps", "4", "--", "2")
    assert (result.stdout, result.exit_code) == ("2 steps, 241 scalars, 5 operations: nothing found\n", 0)


def test_data_that_answers_for_the_script_s_own(tmp_path: Path) -> None:
    reads = "import math\nfrom pathlib import Path\nnumbers = Path('input.txt').read_text().split()\n"
    path = changed(tmp_path, ("import math\n", reads), ("(-1.0, -0.5, 0.25, 0.75)", "map(float, numbers)"))
    data = tmp_path / "elsewhere.txt"
    data.write_text("0.5 0.25")
    result = invoke("check", path, "--data", data)
    assert (result.stdout, result.exit_code) == ("3 steps, 129 scalars, 5 operations: nothing found\n", 0)


def test_a_later_step(tmp_path: Path) -> None:
    path = changed(tmp_path, ("    print(", "    if step == 4: params[0].data = math.nan\n    print("))
    assert invoke("check", path).exit_code == 0
    result = invoke("check", path, "--step", "4", "--steps", "1")
    assert result.exit_code == 1
    assert "is in step 4: the update makes nan" in " ".join(result.stdout.split())


def test_another_python(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    exe = tmp_path / "python"
    exe.write_text(f'#!/bin/sh\n: > "{marker}"\nexec "{sys.executable}" "$@"\n')
    exe.chmod(0o755)
    if os.name != "posix":
        pytest.skip("a shell script as the interpreter")
    assert invoke("check", SMALL, "--python", exe).exit_code == 0
    assert marker.exists()


def test_a_finding_in_a_notebook_names_the_cell(tmp_path: Path) -> None:
    text = SMALL.read_text(encoding="utf-8").replace(*WRONG)
    first, second = text.split("random.seed(2)\n")
    cells = [
        {"cell_type": kind, "source": source.splitlines(keepends=True), "metadata": {}}
        for kind, source in (("markdown", "# A net"), ("code", "import random"), ("code", first), ("code", second))
    ]
    path = tmp_path / "net.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    line = first[: first.index("(1 - t,)")].count("\n") + 1
    result = invoke("check", path)
    assert result.stdout.split("\n")[0] == f"net.ipynb, cell 2, line {line}  local gradient"
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((("loss.backward()", "pass"),), "it never calls backward"),
        ((("class Value:", "class Value"),), "is not Python"),
        ((("import math", "import math; input()"),), "standard input"),
        ((("def backward", "def back_again"), ("loss.backward", "loss.back_again")), "class of scalars"),
    ],
)
def test_a_script_that_cannot_be_checked(changes: tuple[tuple[str, str], ...], says: str, tmp_path: Path) -> None:
    assert says in error_of(invoke("check", changed(tmp_path, *changes)))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert "does not exist" in error_of(invoke("check", tmp_path / "none.py"))
    assert "is a folder" in error_of(invoke("check", tmp_path))
    assert "cannot be read" in error_of(invoke("check", SMALL, "--data", tmp_path / "none.txt"))
    assert "cannot be run" in error_of(invoke("check", SMALL, "--python", tmp_path / "none"))


def test_the_installed_command_in_a_process_and_in_a_terminal(tmp_path: Path) -> None:
    path = changed(tmp_path, WRONG)
    with start("check", path) as process:
        out, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "")
    assert out.endswith("operations: 1 finding\n")
    assert in_terminal("check", path).status == 1


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_the_script_ends_with_the_check(tmp_path: Path, name: str, status: int) -> None:
    pid_file = tmp_path / "pid"
    waits = f"import os, signal; open({str(pid_file)!r}, 'w').write(str(os.getpid())); signal.pause()"
    path = changed(tmp_path, ("    loss = 0.0\n", f"    {waits}\n    loss = 0.0\n"))
    assert interrupted(name, pid_file, "check", path) == status
