"""The engine can be imported, and trains, without anything of the terminal."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_import_contracts() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "lint-imports"
    result = run(str(linter), "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout
    assert " 0 kept" not in result.stdout  # there is something to keep


def test_no_modules_import_each_other() -> None:
    """Not even for types alone, nor within functions: what both need stands in a module of its own."""
    graph = grimp.build_graph("engine", "microgpt_tui", cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    with pytest.raises(CycleError):
        TopologicalSorter({**imported, "engine.errors": {"microgpt_tui.app"}}).prepare()
    TopologicalSorter(imported).prepare()


BUILDERS = ("cli", "screens/loading.py")
OF_SESSIONS = {"Session", "TapeProgram", "TapeView", "TapeExplainer", "Workspace", "Recording"}


def test_only_what_opens_a_run_knows_sessions() -> None:
    """All else in the app speaks to the protocol `Run`, whatever the run is."""
    app = ROOT / "microgpt_tui"
    found = {
        f"{file.relative_to(app).as_posix()}: {alias.name}"
        for file in app.rglob("*.py")
        if not file.relative_to(app).as_posix().startswith(BUILDERS)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in node.names
        if alias.name in OF_SESSIONS or "engine.run.session" in (alias.name, getattr(node, "module", None))
    }
    assert not found


def test_training_imports_nothing_of_the_terminal() -> None:
    script = """
import pkgutil, sys, importlib
import engine
for room in pkgutil.walk_packages(engine.__path__, "engine."):
    importlib.import_module(room.name)
from engine import Config, Session
session = Session(Config(n_embd=4, n_head=2, block_size=4), ["anna", "bo"])
session.run(until=1)
strangers = {"textual", "rich", "rich_click", "click", "microgpt_tui"}
print(len(session.losses), sorted({name.split(".")[0] for name in sys.modules} & strangers))
"""
    result = run(sys.executable, "-c", script)
    assert result.stdout.split("\n")[0] == "1 []", result.stdout + result.stderr
