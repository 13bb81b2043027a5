"""A public name has one meaning: what is defined in two modules is an operation and its drawing, or a listed pair."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from microgpt_tui.operations.registry import DRAWINGS

ROOT = Path(__file__).resolve().parents[1]
MEANT = {
    "check": "the command and what it calls",
    "main": "the entry point of a process",
    "sample": "the command and what it calls",
    "fetch": "the command and what it calls",
    "verify": "the command and what it calls",
    "adam": "a kernel and its form for numpy",
    "clear_between": "a kernel and its form for numpy",
    "forward_whole": "a kernel and its form for numpy",
    "powers_agree": "a kernel and its form for numpy",
    "squares": "a kernel and its form for numpy",
}


def test_public_names_are_defined_once() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for package in ("engine", "microgpt_tui"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                    places[node.name].append(file.relative_to(ROOT).as_posix())
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert not {name: where for name, where in twice.items() if name not in MEANT and name not in DRAWINGS}
    assert set(MEANT) <= set(twice), "no longer defined twice"


def test_modules_are_named_by_nouns() -> None:
    nouns = {"binding", "recording", "training", "loading"}  # a binding, a recording, the pane and the screen so called
    named = {file.stem for package in ("engine", "microgpt_tui") for file in (ROOT / package).rglob("*.py")}
    assert {name for name in named if name.endswith("ing")} == nouns
