"""A notebook runs as the script that its cells make, and its lines are told by cell: run, checked, and seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine import Moment
from engine.errors import ScriptError
from engine.script.process import ScriptProcess
from engine.script.run import ScriptRun
from engine.script.source_file import ScriptFile
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.panes.source import Source
from tests.script.test_source_file import notebook
from tests.support.changed_text import replaced
from tests.support.commands import invoke

PLAIN = Path(__file__).with_name("scripts") / "plain.py"
WRONG = Path(__file__).parents[2] / "docs" / "examples" / "gelu_wrong.py"


def cells_of(text: str) -> list[str]:
    """A script in two cells: the first one ends before the first function that is no method."""
    at = text.index("\ndef ") + 1
    return [text[:at], text[at:]]


def test_a_notebook_is_recorded_as_the_script_that_it_holds(tmp_path: Path) -> None:
    first, second = cells_of(PLAIN.read_text())
    path = tmp_path / "book.ipynb"
    path.write_text(notebook(("markdown", "# Words"), "%matplotlib inline", first, f"!ls\n{second}"))
    with ScriptProcess(PLAIN) as plain, ScriptProcess(path) as process:
        ours, theirs = process.record(2), plain.record(2)
        assert process.losses == plain.losses
        assert np.array_equal(ours.value, theirs.value)
        assert len(process.script.notes) == 2
        assert process.scalar_class is not None
        assert plain.scalar_class is not None
        cell, line = process.script.cell_of(process.scalar_class.line)
        assert (cell, line) == (2, plain.scalar_class.line)


def test_a_fault_in_a_notebook_is_told_by_its_cell(tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    path.write_text(notebook("x = 1", "!ls\ny = (1,\nz = 2"))
    with ScriptProcess(path) as process, pytest.raises(ScriptError) as caught:
        process.record(0)
    assert f"{path} cannot be recorded: cell 2, line 2 is not Python" in str(caught.value)


def test_a_file_that_is_no_notebook_is_told(tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    path.write_text(json.dumps({"cells": 3}))
    with pytest.raises(ScriptError, match="it is no Jupyter notebook"):
        ScriptProcess(path)


def as_notebook(folder: Path, script: Path, *changes: tuple[str, str]) -> Path:
    """A script with changes in two cells, each of which begins with what is no Python."""
    first, second = cells_of(script.read_text())
    path = folder / "book.ipynb"
    for data in script.parent.glob("*.txt"):
        shutil.copy(data, folder)
    path.write_text(notebook(f"%matplotlib inline\n{first}", f"!ls\n{replaced(second, *changes)}"))
    return path


def test_a_finding_in_a_notebook_names_its_cell(tmp_path: Path) -> None:
    plain, found = invoke("check", WRONG), invoke("check", as_notebook(tmp_path, WRONG))
    assert (plain.exit_code, found.exit_code) == (1, 1)
    line = int(plain.stdout.split(maxsplit=1)[0].removeprefix("gelu_wrong.py:"))
    assert found.stdout.startswith(f"book.ipynb, cell 1, line {line + 1}  local gradient\n")
    assert found.stdout.split("\n", 1)[1] == plain.stdout.split("\n", 1)[1]
    assert found.stderr.splitlines() == [
        "book.ipynb, cell 1, line 1: %matplotlib inline is left out", "book.ipynb, cell 2, line 1: !ls is left out",
    ]  # fmt: skip


def test_the_source_of_a_notebook_is_numbered_by_cell_and_line(tmp_path: Path) -> None:
    path = as_notebook(tmp_path, PLAIN)
    run = ScriptRun(ScriptFile.read(path), step=1)
    try:
        event = next(each for each in run.program.events(Phase.FORWARD) if run.view().source(each).line > 1)
        run.seek(Moment(1, Phase.FORWARD, event.last))
        frame = Frame(run.view(), Focus(run.moment))
        text = Source("source").draw(frame, 100, 60).text()
        assert run.printed.startswith(
            "cell 1, line 1: %matplotlib inline is left out\ncell 2, line 1: !ls is left out\n"
        )
    finally:
        run.close()
    file = ScriptFile.read(path)
    cell, line = file.cell_of(frame.source.line)
    assert cell == 2
    assert frame.source.label == f"book.ipynb, cell 2, line {line}"
    shown = f"▸ {cell}:{line}" if line < 10 else f"▸{cell}:{line}"
    code = file.lines()[frame.source.line - 1].strip()
    assert any(each.startswith(shown) and each.endswith(code) for each in text.split("\n"))
    assert text.split("\n")[0].strip() == "1:1 # %matplotlib inline"


def test_where_a_notebook_stopped_is_told_by_its_cell(tmp_path: Path) -> None:
    path = as_notebook(tmp_path, PLAIN, ("loss.backward()", "loss.backward(); 1 / 0"))
    run = ScriptRun(ScriptFile.read(path))
    try:
        file = ScriptFile.read(path)
        at = next(i for i, line in enumerate(file.lines(), 1) if "1 / 0" in line)
        assert f'File "{path}", {file.place(at)}, in <module>' in run.printed
        assert run.printed.endswith("ZeroDivisionError: division by zero\n")
    finally:
        run.close()


def test_the_line_that_ends_a_step_is_named_by_its_cell(tmp_path: Path) -> None:
    path = as_notebook(tmp_path, PLAIN)
    file, plain = ScriptFile.read(path), PLAIN.read_text().split("\n")
    at = next(i for i, line in enumerate(file.lines(), 1) if line.strip() == "loss.backward()") + 1
    (cell, line), there = file.cell_of(at), plain.index(file.lines()[at - 1]) + 1
    with ScriptProcess(path, step_at=f"{cell}:{line}") as process, ScriptProcess(PLAIN, step_at=there) as other:
        assert process.run_out().steps == other.run_out().steps > 2
    result = invoke("check", path, "--step-at", line)
    assert f"book.ipynb has no line '{line}'; give one of its 2 cells of code" in " ".join(result.stderr.split())
