"""Colours: each means one thing and can be read; where there are few, characters tell sign and size of cells."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import Session
from engine.timeline.events import Moment, Phase
from microgpt_tui.app import ThemedApp
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, half_row, heat, heat_row
from microgpt_tui.drawing.picture import Line
from microgpt_tui.operations.registry import draw
from microgpt_tui.storage.paths import CLIENT_FOLDER
from tests.support.harness import SMALL, at, debugger, go, text
from tests.support.terminal import needs_tmux, terminal

DOCS = ["anna", "ben", "cleo"]
CELL = r"[+-]\d *"


@pytest.fixture
def few() -> Iterator[None]:
    """Few colours, for a test."""
    theme.few_colours(True)
    yield
    theme.few_colours(False)


# Few colours.


def signs(screen: str) -> list[str]:
    """The signs in the rows of cells on a screen, which follow the number of their row."""
    rows = re.findall(rf"\d[▸ ]((?:{CELL}){{{SMALL.n_embd}}}) ", screen)
    return ["".join(c for c in row if c in "+-") for row in rows]


def weights() -> list[str]:
    """The signs of the first weights that the forward phase multiplies with."""
    frame = at(Moment(0, Phase.FORWARD))
    rows = frame.program.parameters["layer0.attn_wq"]
    return ["".join("+" if v > 0 else "-" for v in row) for row in frame.data(rows).values]


async def test_no_colour_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells of weights show their signs, in the app."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with debugger() as pilot:
        await go(pilot, "n", "n", "n")
        assert "q = attn_wq · x" in text(pilot)
        assert signs(text(pilot)) == weights()
    monkeypatch.delenv("NO_COLOR")
    async with debugger() as pilot:
        await go(pilot, "n", "n", "n")
        assert signs(text(pilot)) == []


async def test_no_colour_in_a_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv(CLIENT_FOLDER, str(tmp_path))
    async with debugger() as pilot:
        await go(pilot, "n", "n", "n")
        assert "q = attn_wq · x" in text(pilot)
        assert signs(text(pilot)) == []


@pytest.mark.parametrize(
    ("settings", "few_colours"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "dumb"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, True),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, False),
        ({"TERM": "dumb", CLIENT_FOLDER: "/nowhere"}, False),
    ],
)
def test_how_many_colours_there_are(
    settings: dict[str, str], few_colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "COLORTERM", "NO_COLOR", CLIENT_FOLDER):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert ThemedApp().few_colours == few_colours


@needs_tmux
def test_sixteen_colours_in_a_terminal(tmp_path: Path) -> None:
    data, root = tmp_path / "names.txt", Path(__file__).resolve().parents[2]
    data.write_text("\n".join(DOCS))
    small = f"--n-layer {SMALL.n_layer} --n-embd {SMALL.n_embd} --n-head {SMALL.n_head} --block-size {SMALL.block_size}"
    command = [sys.executable, "-m", "microgpt_tui", "--data", str(data), *small.split(), "--seed", str(SMALL.seed)]
    with terminal(command, cwd=root, COLORTERM="", TERM="xterm", XDG_CONFIG_HOME=str(tmp_path)) as running:
        running.wait("embed")
        running.press("n", "n", "n")
        running.wait("q = attn_wq", lambda shown: len(signs(shown)) == SMALL.n_embd)
        assert not re.search(r"[34]8;", running.screen(styles=True))


@pytest.mark.usefixtures("few")
def test_cells_tell_sign_and_size() -> None:
    assert [heat(v, True, 1.0, 2)[0] for v in (0.05, 0.52, 1.0, -0.31, 0.0)] == ["+0", "+5", "+9", "-3", " 0"]
    assert [heat(v, True, 1.0, 1)[0] for v in (0.1, 0.4, 0.7, 1.0, -0.1, -0.4, -0.7, -1.0)] == list(":+*#╶-=≡")
    assert heat(0.5, False, 1.0, 2)[0] == " ·"


@pytest.mark.usefixtures("few")
def test_the_chosen_cell_is_marked() -> None:
    values = np.array([0.5, -0.5])
    cells = Cells(values, np.ones(2, bool), np.arange(2, dtype=np.int32), np.zeros(2, bool))
    line = heat_row(Line(), cells, 1, 1, 1.0)
    assert [s.text for s in line.segments][-1] == "◆"
    line = heat_row(Line(), cells, 2, 1, 1.0)
    assert [(s.text, s.style) for s in line.segments][-1] == ("-5", theme.CURSOR)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("phase", Phase)
def test_no_halves_of_cells(phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows in one line have no signs: no drawing has them where colours are few."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a row in half a line")

    for module in list(sys.modules.values()):
        if module.__name__.startswith("microgpt_tui.") and getattr(module, "half_row", None) is half_row:
            monkeypatch.setattr(module, "half_row", never)
    run = Session(SMALL, DOCS)
    run.seek(Moment(0, phase))
    for event in run.program.stretches(phase):
        run.seek(Moment(0, phase, event.last))
        frame = at(run.moment, run=run)
        for height in (6, 24):
            draw(frame, 54, height)
