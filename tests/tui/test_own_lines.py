"""The lines of a copy of microgpt.py in the app: given, found, fetched before, or how to get them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.pilot import Pilot

from engine.script.source_table import OwnLines
from microgpt_tui.app import MicrogptApp
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage import original, paths
from microgpt_tui.storage.startup import Start
from tests.support.harness import DOCS, SMALL, debugger, go, notes, screen, until
from tests.support.terminal import needs_tmux, terminal
from tests.support.wait import ended, met

TEXT = (Path(__file__).parents[1] / "script" / "stand_in.py").read_text(encoding="utf-8")
NUMBERS = {line.partition("  # ")[2]: number for number, line in enumerate(TEXT.splitlines(), 1) if "  # " in line}
"""The line that does something, by what the stand-in says that it does; of several the last."""
ENDLESS = """
beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pid")
with open(beside + "_", "w") as file:
    file.write(str(os.getpid()))
os.rename(beside + "_", beside)
while True:
    pass
"""
OTHER = TEXT.replace("a.relu() for a", "a * a.relu() for a")
Copy = Callable[..., Path]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and a cache in which nothing is kept."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "here"


def copy(path: str | Path = "microgpt.py", text: str = TEXT) -> Path:
    """A copy at a path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
    return Path(path)


def silent(*_: object) -> None:
    """Tell nobody."""


def known(path: Path) -> OwnLines:
    """Lines of a copy, which the user has asked for before."""
    return original.make_lines(path, silent)


@pytest.fixture
def never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """No copy is run from here on."""

    def run(*_: object, **__: object) -> None:
        raise AssertionError("a copy was run")

    monkeypatch.setattr(original, "verify", run)
    monkeypatch.setattr(original, "ScriptProcess", run)


@asynccontextmanager
async def opened(source: Path | None = None) -> AsyncIterator[Pilot[Any]]:
    """The app on a small run, once it knows which lines it shows."""
    app = MicrogptApp(Start(SMALL, DOCS, source=source))
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen) and screen(pilot).lines_known)
        await pilot.pause()
        yield pilot


def pane(pilot: Pilot[Any]) -> str:
    """What Source shows, with its title."""
    source = screen(pilot).query_one("#source", Pane)
    return f"{source.title}\n{source.picture.text()}"


def lit(pilot: Pilot[Any]) -> int:
    """The line that is at work."""
    return next(int(line[1:5]) for line in pane(pilot).split("\n") if line.startswith("▸"))


# What Source shows.


async def test_source_shows_the_copy_in_all_three_phases() -> None:
    own = known(copy("mine.py"))
    async with debugger((160, 48)) as pilot:
        screen(pilot).lines = own
        screen(pilot).show()
        assert pane(pilot).startswith("mine.py ─ model()")
        assert lit(pilot) == NUMBERS["embed"]
        await go(pilot, "n", "n", "n")
        assert lit(pilot) == NUMBERS["q"]
        await go(pilot, "s")  # of k, the next one
        assert lit(pilot) == NUMBERS["product"]
        assert any(line.startswith(f"▴ {NUMBERS['k']:>3} ") for line in pane(pilot).split("\n"))
        await go(pilot, "f", "S")
        assert pane(pilot).startswith("mine.py ─ Scalar.backward()")
        assert lit(pilot) == NUMBERS["handed on"]
        assert "▾" in pane(pilot)
        await go(pilot, "f", "3")
        assert pane(pilot).split("\n")[0] == "mine.py"  # its update stands in no function
        assert lit(pilot) == NUMBERS["Adam, moves"]


async def test_the_method_that_stored_the_factor_stands_below() -> None:
    own = known(copy("mine.py"))
    async with debugger((160, 48)) as pilot:
        screen(pilot).lines = own
        await go(pilot, "f", "end")
        lines = pane(pilot).split("\n")
        here, below = (next(i for i, line in enumerate(lines) if line.startswith(sign)) for sign in "▸▾")
        assert "each.grad += slope * scalar.grad" in lines[here]
        assert lines[below].startswith(f"▾ {NUMBERS['times']:>3} ")
        assert here < below < here + 4


async def test_breakpoints_stand_on_its_lines() -> None:
    own = known(copy("mine.py"))
    async with debugger((160, 48)) as pilot:
        screen(pilot).lines = own
        await go(pilot, "n", "n", "b", "n")
        marked = [line for line in pane(pilot).split("\n") if "●" in line[:7]]
        assert [int(line[1:5]) for line in marked] == [NUMBERS["attn_norm"]]


# Which copy.


async def test_a_given_copy_is_run_and_its_lines_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(copy("mine.py")) as pilot:
        assert pane(pilot).startswith("mine.py")
        assert notes(pilot) == ""
    (table,) = (original.cache() / original.TABLES).iterdir()
    assert json.loads(table.read_text())["tensors"]
    monkeypatch.setattr(original, "make_lines", None)  # the next time it is not run
    async with opened(Path("mine.py")) as pilot:
        assert lit(pilot) == NUMBERS["embed"]


async def test_a_copy_may_be_a_notebook() -> None:
    parts = TEXT.partition("def matrix(")
    cells = [parts[0], "".join(parts[1:])]
    about = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
    notebook = {"cells": about, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    async with opened(copy("mine.ipynb", json.dumps(notebook))) as pilot:
        assert notes(pilot) == ""
        assert pane(pilot).startswith("mine.ipynb ─ model()")
        line = NUMBERS["embed"] - parts[0].count("\n")
        assert re.search(rf"^▸ *2:{line} ", pane(pilot), re.MULTILINE)
        assert f"mine.ipynb, cell 2, line {line}" == screen(pilot).frame.source.label


async def test_data_that_lie_beside_a_copy_change_nothing() -> None:
    Path("input.txt").write_text("zoe\nyan\n")
    async with opened(copy("mine.py")) as pilot:
        assert pane(pilot).startswith("mine.py")
        assert notes(pilot) == ""
    assert Path("input.txt").read_text() == "zoe\nyan\n"


async def test_a_given_copy_that_computes_something_else_is_a_sentence() -> None:
    async with opened(copy("mine.py", OTHER)) as pilot:
        assert pane(pilot).startswith("gpt.py")
        said = notes(pilot)
        assert said.startswith("mine.py does not compute what the engine computes, so its lines are not shown; its ")
        assert said.endswith(".")
    assert not (original.cache() / original.TABLES).exists()


@pytest.mark.usefixtures("never_run")
async def test_a_copy_in_the_folder_is_never_run_by_itself() -> None:
    copy()
    async with opened() as pilot:
        assert pane(pilot).startswith("gpt.py")
        words = " ".join(pane(pilot).split())
        assert "microgpt-tui --source microgpt.py shows the lines of the one in this folder" in words


async def test_a_copy_in_the_folder_that_was_given_before_is_shown() -> None:
    known(copy())
    async with opened() as pilot:
        assert pane(pilot).startswith("microgpt.py")
        assert "microgpt-tui" not in pane(pilot).replace("microgpt.py", "")


async def test_a_copy_that_was_changed_since_is_not_shown() -> None:
    known(copy())
    copy(text=f"{TEXT}# changed\n")
    async with opened() as pilot:
        assert pane(pilot).startswith("gpt.py")


async def test_the_fetched_copy_is_shown_where_the_folder_has_none() -> None:
    known(copy())
    Path("microgpt.py").unlink()
    copy(original.fetched())
    async with opened() as pilot:
        assert pane(pilot).startswith("microgpt.py")
        copy(text="print('something else')")
    async with opened() as pilot:
        assert pane(pilot).startswith("microgpt.py")
        assert "--source microgpt.py" in pane(pilot)


@pytest.mark.usefixtures("never_run")
async def test_without_a_copy_source_says_how_to_get_it_until_the_first_move() -> None:
    hint = "microgpt-tui fetch shows the lines of microgpt.py here"
    async with opened() as pilot:
        assert hint in " ".join(pane(pilot).split())
        await go(pilot, "n")
        assert hint not in " ".join(pane(pilot).split())
        await go(pilot, "p")
        assert hint in " ".join(pane(pilot).split())


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff", b'{"version": 1}'])
async def test_a_damaged_table_is_none(damage: bytes) -> None:
    known(copy())
    (table,) = (original.cache() / original.TABLES).iterdir()
    table.write_bytes(damage)
    async with opened() as pilot:
        assert pane(pilot).startswith("gpt.py")
    async with opened(Path("microgpt.py")) as pilot:  # it is made again
        assert pane(pilot).startswith("microgpt.py")


async def test_a_table_of_another_file_is_none() -> None:
    known(copy())
    (table,) = (original.cache() / original.TABLES).iterdir()
    about = json.loads(table.read_text())
    about["seed"][0][0] = 10**6
    table.write_text(json.dumps(about))
    async with opened() as pilot:
        assert pane(pilot).startswith("gpt.py")


async def test_lines_are_shown_where_they_cannot_be_kept() -> None:
    original.cache().parent.mkdir()
    original.cache().write_text("a file where the folder should be")
    async with opened(copy("mine.py")) as pilot:
        assert pane(pilot).startswith("mine.py")
        assert notes(pilot) == ""


async def test_what_the_system_refuses_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(original, "verify", refuse)
    async with opened(copy("mine.py")) as pilot:
        assert pane(pilot).startswith("gpt.py")
        assert notes(pilot) == "The lines of mine.py cannot be told: there is not enough memory."


async def test_a_visitor_of_serve_gets_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(copy())
    monkeypatch.setenv(paths.CLIENT_FOLDER, str(tmp_path / "client"))
    app = MicrogptApp(Start(SMALL, DOCS))
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
        await pilot.pause()
        assert not screen(pilot).lines_known
        assert pane(pilot).startswith("gpt.py")
        assert "microgpt-tui" not in pane(pilot)


# In a terminal.


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "microgpt_tui", *args]


@needs_tmux
def test_the_lines_of_a_given_copy_in_a_terminal(folder: Path) -> None:
    copy("mine.py")
    sizes = ["--n-embd", "4", "--n-head", "2", "--block-size", "4"]
    with terminal(command("--source", "mine.py", *sizes), (160, 48), cwd=folder) as term:
        term.wait("mine.py ─ model()", f"▸ {NUMBERS['embed']:>3}")
        term.press("f")
        term.wait("mine.py ─ Scalar.backward()", "▾")
        term.press("f", "3")
        term.wait(f"▸ {NUMBERS['Adam, moves']:>3}")
        term.press("q")
        term.left(0)


@needs_tmux
async def test_leaving_does_not_wait_for_a_copy_and_ends_it(folder: Path) -> None:
    copy("mine.py", TEXT.replace("random.seed(42)\n", ENDLESS))
    sizes = ["--n-embd", "4", "--n-head", "2", "--block-size", "4"]
    temporary = folder / "temporary"
    temporary.mkdir()
    with terminal(command("--source", "mine.py", *sizes), cwd=folder, TMPDIR=str(temporary)) as term:
        term.wait("FORWARD")
        await met(lambda: Path(folder, "pid").exists())
        child = psutil.Process(int(Path(folder, "pid").read_text()))
        term.press("q")
        term.left(0)
    ended(child)
    assert list(temporary.iterdir()) == []


def test_a_source_that_is_not_there_is_a_sentence() -> None:
    from tests.support.commands import error_of, invoke

    assert error_of(invoke("--source", "nowhere.py")).startswith("nowhere.py does not exist; ")
