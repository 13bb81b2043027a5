"""Colours: each means one thing and can be read; where there are few, characters tell sign and size of cells."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from itertools import combinations
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


# What colours mean.

THEMES = pytest.mark.parametrize("name", theme.THEMES)
TEXTS = ("text", "strong", "dim", "done", "target", "warning", "plus", "minus", "now")
GREEN = {"done", "target", "forward"}  # what has been computed, and what should come out


def colours(name: str) -> dict[str, str]:
    """The colours of a theme, by what they mean."""
    found = theme.THEMES[name]
    phases = dict(zip(Phase, found.phases, strict=True))
    return {text: getattr(found, text) for text in TEXTS} | {phase.value: colour for phase, colour in phases.items()}


def lightness_and_hue(colour: str) -> tuple[float, float, float]:
    """A colour in a space in which distances are what eyes see. Source: CIE 1976 L*a*b*, white point D65."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue))
    light = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in light)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one: str, other: str) -> float:
    """How far two colours are from each other: 2 is hardly seen, 20 is another colour."""
    return math.dist(lightness_and_hue(one), lightness_and_hue(other))


@THEMES
def test_texts_can_be_read(name: str) -> None:
    found = theme.THEMES[name]
    for behind in (found.background, found.panel):
        low = {text: c for text, colour in colours(name).items() if (c := theme.contrast(colour, behind)) < 4.5}
        assert not low, behind
        assert min(theme.contrast(found.faint, behind), theme.contrast(found.border, found.background)) >= 3
    assert min(theme.contrast("#000000", found.marker), theme.contrast(found.background, found.strong)) >= 4.5
    assert theme.contrast(found.text, found.ran) >= 4.5
    assert theme.contrast(found.text, found.at_work) >= 4.5


@THEMES
def test_here_and_positive_are_told_apart(name: str) -> None:
    found = theme.THEMES[name]
    for positive in (found.plus, found.ramp_plus[1]):
        for here in (found.marker, found.now):
            assert distance(here, positive) >= 20


@THEMES
def test_a_colour_has_one_meaning(name: str) -> None:
    near = {
        (a, b): round(distance(one, other))
        for (a, one), (b, other) in combinations(colours(name).items(), 2)
        if distance(one, other) < 20 and not {a, b} <= GREEN and not {a, b} <= {"text", "strong", "dim"}
    }
    assert not near
    assert len({colours(name)[text] for text in ("text", "strong", "dim")}) == 3


@THEMES
def test_numbers_in_cells_can_be_read(name: str) -> None:
    found = theme.THEMES[name]
    theme.use(name)
    try:
        for style in (*theme.HEAT_PLUS, *theme.HEAT_MINUS, *theme.FADED_PLUS, *theme.FADED_MINUS):
            assert style.color is not None
            assert style.bgcolor is not None
            best = max(theme.contrast(text, style.bgcolor.name) for text in (found.strong, found.background))
            assert theme.contrast(style.color.name, style.bgcolor.name) == best >= 4.2
    finally:
        theme.use("microgpt-dark")


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
