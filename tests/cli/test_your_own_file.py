"""The page for people who changed the file: what it quotes is what its commands print.

`MICROGPT_TUI_UPDATE_DOCS=1 pytest tests/cli/test_your_own_file.py` writes the outputs anew.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.script.findings import KINDS
from engine.script.process import ScriptProcess
from tests.support.commands import ROOT, environment

PAGE = ROOT / "docs" / "your-own-file.md"
EXAMPLES = ROOT / "docs" / "examples"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
TIME = re.compile(r"in [\d.]+ s\.")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the page is written for a POSIX shell")


def output(command: str, folder: Path) -> str:
    """What a command line of the page prints in the folder of the examples; `folder` has its programs."""
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    surroundings = {**environment(), "PATH": path, "COLUMNS": "100"}
    del surroundings["PYTHONWARNINGS"]
    done = subprocess.run(
        ["sh", "-c", command], cwd=EXAMPLES, env=surroundings, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stderr == ""
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with `python` and `microgpt-tui`, as the page calls them."""
    for name, arguments in (("python", ""), ("microgpt-tui", "-m microgpt_tui ")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return tmp_path


def test_the_page_quotes_what_its_commands_print(programs: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")

    def run(block: re.Match[str]) -> str:
        commands = [line for line in block[1].split("\n") if line.startswith("$ ")]
        assert commands
        return "```console\n" + "".join(f"{line}\n{output(line[2:], programs)}" for line in commands) + "```"

    written = BLOCK.sub(run, page)
    if os.environ.get("MICROGPT_TUI_UPDATE_DOCS"):
        PAGE.write_text(written, encoding="utf-8")
        return
    assert TIME.sub("", page) == TIME.sub("", written)


def test_the_picture_of_the_check_shows_what_the_page_quotes() -> None:
    picture = html.unescape((ROOT / "docs" / "pictures" / "check.svg").read_text(encoding="utf-8"))
    texts = re.findall(r'<text x="(\d+)" y="([\d.]+)"[^>]*>([^<]+)</text>', picture)
    drawn = " ".join(text for _, _, text in sorted(texts, key=lambda each: (float(each[1]), int(each[0]))))
    page = PAGE.read_text(encoding="utf-8")
    (quoted,) = re.findall(r"(\$ microgpt-tui check gelu_wrong.py\n.*?)```", page, re.DOTALL)
    assert drawn.split() == quoted.split()


def test_the_picture_of_the_debugger_shows_a_number_of_the_script() -> None:
    """It stands at position 2 in the first step, where gelu has just made number 12 of 32."""
    with ScriptProcess(EXAMPLES / "gelu.py") as process:
        tape = process.record(0)
    hidden = [tape.rows_of(name) for name in tape.names if name.name == "hidden"][2]
    assert len(hidden) == 32
    picture = (ROOT / "docs" / "pictures" / "own-file.svg").read_text(encoding="utf-8")
    assert f">{float(tape.value[hidden[12]])!r}<" in picture


def test_the_page_says_what_the_examples_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "thirty names" in page
    assert len((EXAMPLES / "flowers.txt").read_text(encoding="utf-8").split()) == 30
    assert [kind for kind in KINDS if f"| `{kind}` |" in page] == list(KINDS)
    losses = [float(loss) for loss in re.findall(r"step 60  loss ([\d.]+)", page)]
    assert losses == sorted(losses, reverse=True)
    (quoted,) = re.findall(r"```python\n(.*?)\n```", page)
    assert f"        {quoted}\n" in (EXAMPLES / "gelu_wrong.py").read_text(encoding="utf-8")


def test_all_that_the_page_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if "://" not in link and not (PAGE.parent / link.partition("#")[0]).exists()] == []


def test_the_examples_differ_in_what_the_page_says_alone() -> None:
    right, wrong = (
        (EXAMPLES / name).read_text(encoding="utf-8").split("\n")[1:] for name in ("gelu.py", "gelu_wrong.py")
    )
    assert [line.strip() for line in wrong if line not in right] == ["return Value(x * below, (self,), (1,))"]
