"""A notebook runs as the script that its cells make, and its lines are told by cell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ScriptError
from engine.script.process import ScriptProcess
from tests.script.test_source_file import notebook

PLAIN = Path(__file__).with_name("scripts") / "plain.py"


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
