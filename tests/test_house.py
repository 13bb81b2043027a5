"""The house's rules of size: a file holds one idea, a function can be seen whole."""

from __future__ import annotations

import ast
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
