"""What is imported and computed before the first frame of the debugger is on the screen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from microgpt_tui.cli import cli
from microgpt_tui.screens.debugger import NOT_AT_FIRST
from tests.benchmarks.start import EMPTY

ROOT = Path(__file__).resolve().parents[2]
LATER = (
    "computed", "numba", "llvmlite", "yaml", "markdown_it", "safetensors", "pygments", "pooch", "tomllib", "email",
    "numpy.ma", "engine.checkpoint.checkpoint", "engine.script", "engine.verify", "engine.explain.logit_attribution",
    "microgpt_tui.dialogs", "microgpt_tui.export", "microgpt_tui.inference", "microgpt_tui.lectures",
    "microgpt_tui.screens.inference", "microgpt_tui.screens.lecture", "microgpt_tui.web", "microgpt_tui.debugger.goto",
    "microgpt_tui.debugger.search", *NOT_AT_FIRST,
    *(f"microgpt_tui.cli.{name.replace('-', '_')}" for name in cli.commands if name != "open"),
)  # fmt: skip
PROGRAM = """
import asyncio, sys
import microgpt_tui.cli
from engine import Config
from microgpt_tui.app import MicrogptApp
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.startup import from_seed

class Watched(MicrogptApp):
    def _display(self, screen, renderable):
        super()._display(screen, renderable)
        if isinstance(screen, DebuggerScreen) and "embed" in screen.query_one("#stage").picture.text():
            program = vars(screen.session.program)
            computed = program | vars(screen.session.recording)
            print(*sys.modules, *(f"computed.{name}" for name in ("route", "_backward", "dots") if name in computed))
            self.exit()

app = Watched(from_seed(Config(), 0, None))
asyncio.run(app.run_async(headless=True, size=(120, 36)))
"""


def modules_of(program: str, folder: Path) -> list[str]:
    """What a program prints, which are the names of the modules that it has imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment | {"XDG_STATE_HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.stdout.split()


def test_the_first_frame_waits_for_nothing_that_it_does_not_show(tmp_path: Path) -> None:
    found = modules_of(PROGRAM, tmp_path)
    assert "microgpt_tui.panes.stage" in found
    assert [name for name in found if name.startswith(tuple(f"{later}." for later in LATER)) or name in LATER] == []


def test_the_app_that_starting_is_measured_against_imports_the_same_libraries(tmp_path: Path) -> None:
    imports = EMPTY.partition("\nclass ")[0]
    ours, others = (
        {name.partition(".")[0] for name in modules_of(program, tmp_path)} - sys.stdlib_module_names
        for program in (PROGRAM, f"{imports}\nimport sys; print(*sys.modules)")
    )
    assert {"numpy", "textual"} <= others
    assert ours - {"engine", "microgpt_tui"} == others
