"""`show` in a notebook: what a cell displays is the picture that `export` writes, and the run stays where it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from engine import Address, Config, EngineError, Moment, Session, load_docs
from engine.script.run import ScriptRun
from engine.script.source_file import ScriptFile
from engine.timeline.events import Phase
from microgpt_tui import show
from tests.support.commands import ROOT, SMALL, invoke
from tests.support.terminal import PLAIN

CONFIG = Config(n_embd=4, n_head=2, block_size=4)
MOMENT = "3 forward attn_weights@pos=2,layer=0,head=1"
OPENED = """\
from engine import Address, Config, Session, load_docs
from microgpt_tui import show
session = Session(Config(n_embd=4, n_head=2, block_size=4), load_docs())
session.run(5)
"""


def executed(*cells: str, folder: Path) -> list[Any]:
    """The outputs of the last of these cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return list(notebook.cells[-1].outputs)


def exported(*args: object) -> str:
    result = invoke("export", *SMALL, *args)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes.decode()


def test_a_notebook_displays_what_export_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**PLAIN, "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(name, value)
    (output,) = executed(OPENED, f"show(session, {MOMENT!r})", folder=tmp_path)
    assert output["data"]["text/html"] == exported("--moment", MOMENT)
    assert output["data"]["text/plain"] == f"microgpt-tui: step {MOMENT}"


def test_the_run_stays_where_it_is() -> None:
    session = Session(CONFIG, load_docs())
    before = Moment(2, Phase.BACKWARD, 7)
    session.seek(before)
    params = session.params["wte"].copy()
    shown = show(session, "0 forward q@pos=1 scalar 2", pane="stage", size=(90, 30), theme="light")
    assert session.moment == before
    assert (session.params["wte"] == params).all()
    given = ("--moment", "0 forward q@pos=1 scalar 2", "--pane", "stage", "--size", "90x30", "--theme", "light")
    assert shown._repr_html_() == exported(*given)


def test_without_a_moment_it_is_shown_where_it_stands() -> None:
    session = Session(CONFIG, load_docs())
    session.seek(Moment(1, Phase.UPDATE, 3))
    assert repr(show(session)) == "microgpt-tui: step 1 update wte scalar 3"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"moment": "0 forward nothing"}, "nothing"),
        ({"moment": "1001"}, "there is no step 1001 in this schedule"),
        ({"pane": "none"}, "there is no pane 'none'; choose one of "),
        ({"size": (10, 10)}, r"size is \(10, 10\); give columns and lines, from \(80, 24\) to \(400, 200\)"),
        ({"size": "120x36"}, "size is '120x36'; give columns and lines"),
        ({"size": (120, 36, 1)}, "give columns and lines"),
        ({"theme": "pink"}, "there is no theme 'pink'; choose one of dark, light, contrast"),
    ],
)
def test_what_there_is_not_is_told(given: dict[str, Any], says: str) -> None:
    session = Session(CONFIG, load_docs())
    with pytest.raises(EngineError, match=says):
        show(session, **given)
    assert session.moment == Moment(0)


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, microgpt_tui; print({'textual', 'rich', 'numpy', 'engine'} & {*sys.modules}, microgpt_tui.show)"
    said = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert said.startswith("set() <function show at ")
    with pytest.raises(AttributeError, match="has no attribute 'shown'"):
        _ = sys.modules["microgpt_tui"].shown


def test_a_run_of_a_script_is_shown_too() -> None:
    run = ScriptRun(ScriptFile.read(ROOT / "tests" / "script" / "scripts" / "plain.py"), step=1)
    try:
        event = run.program.stretches(Phase.FORWARD)[5]
        written = Address.of(run.program, Moment(1, Phase.FORWARD, event.last)).text
        shown = show(run, written, pane="source")
        assert run.moment == Moment(1)
    finally:
        run.close()
    assert repr(shown) == f"microgpt-tui: {written}"
    assert "plain.py" in shown.screenshot.txt()
