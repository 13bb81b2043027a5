"""Progress shown by long commands."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from engine import Config, load_docs
from engine.model.recording import count_rows
from engine.model.tokenizer import Tokenizer
from microgpt_tui.cli import _progress, _session
from microgpt_tui.cli.lecture import _opened
from tests.support.commands import SMALL, invoke
from tests.support.wait import PATIENCE, met

LECTURE = """---
chapter: Small
config: n_embd=4, n_head=2, block_size=4
moment: 0 forward probs@pos=1
---
# A page

Text.
"""


class Heard(io.StringIO):
    """An error output that is a file, with an event set after some lines."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.lines, self.enough = lines, threading.Event()

    def flush(self) -> None:
        if self.getvalue().count("\n") >= self.lines:
            self.enough.set()


def test_progress_is_written_in_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "SILENCE", 0.0)
    monkeypatch.setattr(_progress, "PAUSE", 0.0)
    output = Heard(lines=3)
    monkeypatch.setattr(sys, "stderr", output)
    shown = _progress.Waiting("Counting", total=4)
    shown.update(1, "sheep")
    with shown:
        assert output.enough.wait(PATIENCE)
    assert set(output.getvalue().splitlines()) == {"Counting (25%) sheep"}


@pytest.mark.parametrize(("of", "line"), [(0, "Starting"), (8, "Starting (25%) 2 of 8")])
def test_no_share_of_an_unknown_amount(of: int, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "SILENCE", 0.0)
    output = Heard(lines=1)
    monkeypatch.setattr(sys, "stderr", output)
    shown = _progress.Waiting("Waiting")
    shown.tell("starting", min(of, 2), of)
    with shown:
        assert output.enough.wait(PATIENCE)
    assert output.getvalue().splitlines() == [line]


def test_progress_is_never_written_to_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "SILENCE", 0.0)
    output = Heard(lines=1)
    with _progress.Waiting("Counting", stream=output) as shown:
        shown.print("a result")
        assert not shown._timer.is_alive()
    assert output.getvalue() == "a result\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run.safetensors"
    assert invoke("train", "--until", 1, *SMALL, "--save", path).exit_code == 0
    return path


@pytest.mark.parametrize(
    "command",
    [
        ("train", "--until", 1, *SMALL),
        ("trace", "--phase", "update", *SMALL),
        ("why", "--pos", 0, *SMALL),
        ("what-if", "--edit", "wte[0,0]=0", "--until", 1, *SMALL),
        ("grad-check", "--param", "wte[0,0]", *SMALL),
        ("export", "--format", "txt", *SMALL),
        ("sample", "RUN", "-n", 1),
        ("lecture", "LECTURE", "--check"),
    ],
    ids=lambda command: command[0],
)
def test_a_large_model_shows_progress(
    command: tuple[Any, ...], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lecture = tmp_path / "small.md"
    lecture.write_text(LECTURE, encoding="utf-8")
    args = [{"RUN": run, "LECTURE": lecture}.get(each, each) for each in command]
    plain = invoke(*args)
    assert (plain.exit_code, plain.stderr) == (0, "")
    _opened.cache_clear()  # lecture --check opens a run once
    monkeypatch.setattr(_session, "LARGE", 1)
    monkeypatch.setattr(_session, "PACE", 35)
    large = invoke(*args)
    assert large.stdout == plain.stdout
    rows = count_rows(Config(n_embd=4, n_head=2, block_size=4), Tokenizer(load_docs()).vocab_size)
    size = f"{rows * 120 / 1000:.3g} kB"
    assert large.stderr == (
        f"recording the {rows:,} scalars of this model: about 2 minutes, and up to {size} of memory\n"
    )


class Screen(io.StringIO):
    """A terminal that records what is written to it."""

    def isatty(self) -> bool:
        return True


async def test_the_last_update_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with _progress.Waiting("Training", 6, screen) as progress:
        for step in range(4):
            progress.update(step, f"step {step} of 6")
        await met(lambda: "step 3 of 6" in screen.getvalue())
