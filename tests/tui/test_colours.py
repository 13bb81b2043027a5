"""Signs in a real terminal without colour, and in one with few of them: the text and the way bars stand say enough."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine import Session
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.drawing.picture import Spot
from microgpt_tui.operations.registry import draw
from tests.support.harness import SMALL
from tests.support.terminal import needs_tmux, terminal

DOCS = ["anna", "ben", "cleo"]
STAGE = 54  # cells of the stage's picture at 120x36; more than its vectors need
COLOUR = re.compile(r"[34]8;(2;\d+;\d+;\d+|5;\d+)")


@dataclass(frozen=True)
class Cell:
    """One cell of the terminal."""

    text: str
    reverse: bool


def cells(line: str) -> list[Cell]:
    """The cells of a line with escape sequences; the second half of a wide character is an empty one."""
    found, reverse = [], False
    for part in re.split(r"(\x1b\[[\d;]*m)", line):
        if part.startswith("\x1b["):
            for code in COLOUR.sub("colour", part[2:-1] or "0").split(";"):
                reverse = code == "7" or (reverse and code not in ("0", "27"))
            continue
        for character in part.replace("\x0e", "").replace("\x0f", ""):
            found += [Cell(character, reverse), *[Cell("", reverse)] * (cell_len(character) - 1)]
    return found


@needs_tmux
@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"COLORTERM": "", "TERM": "xterm-256color"}])
def test_signs_can_be_read(settings: dict[str, str], tmp_path: Path) -> None:
    data, root = tmp_path / "names.txt", Path(__file__).resolve().parents[2]
    data.write_text("\n".join(DOCS))
    small = f"--n-layer {SMALL.n_layer} --n-embd {SMALL.n_embd} --n-head {SMALL.n_head} --block-size {SMALL.block_size}"
    command = [sys.executable, "-m", "microgpt_tui", "--data", str(data), *small.split(), "--seed", str(SMALL.seed)]
    with terminal(command, cwd=root, **settings, XDG_CONFIG_HOME=str(tmp_path)) as running:
        running.wait("embed")
        running.press("n")
        running.wait("event 2/", *(f"│ {text}" for text, _ in strips(frame_of(Phase.FORWARD, 1))))
        colours = set(COLOUR.findall(screen := running.screen(styles=True)))
        grey = {c for c in colours if c.startswith("2;") and len(set(c.split(";")[1:])) == 1}
        assert colours
        assert colours == grey if "NO_COLOR" in settings else all(c.startswith("5;") for c in colours)
        assert signs_of_strips(screen) == {True, False}
        running.press("f", "f")
        running.wait("UPDATE")
        running.wait(lambda shown: signs_of_maps(shown) == {"+", "-"})


def frame_of(phase: Phase, index: int) -> Frame:
    """The same moment in a run of our own."""
    run = Session(SMALL, DOCS)
    run.seek(Moment(0, phase))
    run.seek(Moment(0, phase, run.program.stretches(phase)[index].last))
    return Frame(run.view(), Focus(run.moment))


def strips(frame: Frame) -> list[tuple[str, list[Spot]]]:
    """The bars of the vectors on the stage, as text, and the numbers that they stand for."""
    lines = [line for line in draw(frame, STAGE, 25).lines if len(line.spots) == SMALL.n_embd]
    return [("".join(s.text for s in line.segments).split("  ")[0], line.spots) for line in lines]


def signs_of_strips(screen: str) -> set[bool]:
    """Whether numbers in bars are negative; each bar hangs if its number is, and stands if it is not."""
    frame, seen = frame_of(Phase.FORWARD, 1), set()
    rows = [cells(line) for line in screen.splitlines()]
    for text, spots in strips(frame):
        row = next(row for row in rows if f"│ {text}" in "".join(cell.text for cell in row))
        start = "".join(cell.text for cell in row).index(f"│ {text}") + 2
        for x, _, target in spots:
            assert isinstance(target, int)
            value = frame.value(target)
            assert value is not None
            assert row[start + x].reverse == (value < 0), (text, value)
            seen.add(value < 0)
    return seen


def signs_of_maps(screen: str) -> set[str]:
    """The signs in the first map of the update, as they stand on the screen."""
    picture = draw(frame_of(Phase.UPDATE, 0), 118, 16)
    body = [line.rstrip() for line in picture.text().splitlines()[1:4]]
    return {c for line in body if line in screen for c in line if c in "+-"}
