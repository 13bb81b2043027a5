"""Tests write nothing into the folders of the user, whatever variables name these folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import user_folders

ROOT = Path(__file__).resolve().parent.parent
# Tests that write compiled loops, fetched files, settings, and saved work in a terminal.
WRITING = (
    "tests/engine/test_dot_products.py::test_odd_numbers_come_out_alike",
    "tests/robustness/test_fetching.py::test_the_names_are_fetched_once",
    "tests/tui/test_layouts.py::test_keys_pin_and_swap_the_chosen_pane",
    "tests/test_everywhere.py::test_the_debugger_draws_the_same[xterm]",
)


def test_tests_write_nothing_into_folders_of_the_user(tmp_path: Path) -> None:
    """The variables all name one folder, which stays empty; the tests that run meanwhile pass."""
    watched, temporary = tmp_path / "watched", tmp_path / "temporary"
    for folder in (watched, temporary):
        folder.mkdir()
    named = {**dict.fromkeys(user_folders.NAMES, str(watched)), "TMPDIR": str(temporary)}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *WRITING]
    done = subprocess.run(command, cwd=ROOT, env=inherited | named, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(watched.rglob("*")) == []
    assert list(temporary.glob("microgpt-tui-tests-*")) == []
