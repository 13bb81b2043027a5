"""The house's rules of size: a file holds one idea, a function can be seen whole. And the table of faults is true."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE, FUNCTION = 400, 50  # lines, at most


@pytest.mark.parametrize("room", ["engine", "microgpt_tui", "tests"])
def test_no_file_and_no_function_is_too_long(room: str) -> None:
    long = []
    for file in sorted((ROOT / room).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        here = file.relative_to(ROOT)
        if (lines := text.count("\n")) > FILE:
            long.append(f"{here} has {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION:
                    long.append(f"{here}:{node.lineno} {node.name} has {lines} lines")
    assert not long


def test_the_table_of_faults_holds_every_file_of_them_and_tests_that_exist() -> None:
    faults = ROOT / "tests" / "faults"
    table = (faults / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`((?:\.\./)*(?:tui/)?test_\w+\.py)(?:::(\w+))?`", table))
    for file, name in told:
        assert f"def {name}" in (faults / file).read_text(encoding="utf-8"), (file, name)
    assert {file.name for file in faults.glob("test_*.py")} <= {file for file, _ in told}
