"""Signs where colours are missing or few, in a real terminal and in text; contrast of the colours of each theme."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import AsyncIterator
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest

from engine import Config, Session
from engine.autograd.tape import Rows
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.app import ThemedApp
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import heat
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.drawing.swatch import signed_swatch
from microgpt_tui.export.headless import screenshots
from microgpt_tui.operations.attention import head_of
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.map import Map
from microgpt_tui.panes.registry import PANES
from microgpt_tui.panes.timeline import Timeline
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.paths import CLIENT_FOLDER
from tests.support.harness import SMALL
from tests.support.terminal import needs_tmux, terminal

DOCS = ["anna", "ben", "cleo"]
CONFIG = Config(n_layer=1, n_embd=16, n_head=2, block_size=4)
SIGNS = re.compile(r"([+-]\d *){6}")  # cells of a map, with their sign and their tenths of the scale
COLOUR = re.compile(r"[34]8;(2;\d+;\d+;\d+|5;\d+)")


@needs_tmux
@pytest.mark.parametrize(
    "settings",
    [
        {"NO_COLOR": "1"},
        {"COLORTERM": "", "TERM": "xterm-16color"},
        {"COLORTERM": "", "TERM": "xterm-256color"},
    ],
)
def test_signs_can_be_read(settings: dict[str, str], tmp_path: Path) -> None:
    data, root = tmp_path / "names.txt", Path(__file__).resolve().parents[2]
    data.write_text("\n".join(DOCS))
    small = f"--n-layer {SMALL.n_layer} --n-embd {SMALL.n_embd} --n-head {SMALL.n_head} --block-size {SMALL.block_size}"
    command = [sys.executable, "-m", "microgpt_tui", "--data", str(data), *small.split(), "--seed", str(SMALL.seed)]
    few = settings.get("TERM") != "xterm-256color"
    with terminal(command, cwd=root, **settings, XDG_CONFIG_HOME=str(tmp_path)) as running:
        running.wait("embed")
        running.press("n", "f", "f")
        running.wait("UPDATE")
        running.wait(lambda shown: bool(SIGNS.search(shown)) == few)
        colours = set(COLOUR.findall(running.screen(styles=True)))
        grey = {c for c in colours if c.startswith("2;") and len(set(c.split(";")[1:])) == 1}
        if "NO_COLOR" in settings:
            assert colours == grey != set()
        else:
            assert all(c.startswith("5;") for c in colours)


async def test_a_picture_without_a_terminal_has_all_colours_unless_it_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    run = Session(SMALL, DOCS)
    run.seek(Moment(0, Phase.UPDATE))

    async def page(screen: DebuggerScreen) -> AsyncIterator[str]:
        yield "update"

    for signs in (False, True):
        make = partial(DebuggerScreen, run, arrangement=Arrangement())
        (picture,) = await screenshots(make, page, (120, 36), "microgpt-dark", signs)
        assert bool(SIGNS.search(picture.txt())) == signs


async def test_a_browser_has_all_colours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert ThemedApp().few_colours
    monkeypatch.setenv(CLIENT_FOLDER, str(tmp_path))
    assert not ThemedApp().few_colours


@pytest.mark.parametrize("height", [16, 26])
def test_without_colours_every_cell_of_a_weight_has_its_sign(height: int) -> None:
    run = Session(CONFIG, DOCS)
    event = next(e for e in run.program.events(Phase.FORWARD) if e.kind == "linear" and len(e.rows) > 2 * height)
    run.seek(Moment(0, Phase.FORWARD, event.last))
    frame = Frame(run.view(), Focus(run.moment))
    theme.few_colours(True)
    picture = draw(frame, 60, height)
    weights = set(event.operands["w"].ravel().tolist())
    seen = set()
    for line in picture.lines:
        text = "".join(segment.text for segment in line.segments)
        for x, end, target in line.spots:
            if isinstance(target, int) and target in weights and target != frame.selected:
                value = frame.value(target)
                assert text[x:end].strip()[:1] in ("0" if not value else "+" if value > 0 else "-"), (text, x)
                seen.add(target)
    assert len(seen) > 8 * CONFIG.n_embd  # whole rows of them, lit and fainter


@pytest.mark.parametrize(
    ("phase", "name", "operand"),
    [
        (Phase.FORWARD, "q", "w"),
        (Phase.FORWARD, "attn_weights", "keys"),
        (Phase.BACKWARD, "q", "keys"),
        (Phase.UPDATE, "layer0.attn_wq", ""),
    ],
)
@pytest.mark.parametrize("digits", [False, True])
def test_a_tall_cell_has_its_characters_once(phase: Phase, name: str, operand: str, digits: bool) -> None:
    run = Session(CONFIG, DOCS)
    run.seek(Moment(0, phase, next(e.last for e in run.program.events(phase) if e.name == name)))
    frame = Frame(run.view(), Focus(run.moment, digits=digits))
    operation = frame.operation
    rows = operation.rows if phase is Phase.UPDATE else head_operand(frame, operand)
    theme.few_colours(not digits)
    said: dict[int, list[str]] = {}
    for line in draw(frame, 190, 48).lines:
        text = "".join(segment.text for segment in line.segments)
        for x, end, target in line.spots:
            if target in set(rows.ravel().tolist()):
                said.setdefault(target, []).append(text[x:end].strip())
    assert said
    maps = 3 if phase is Phase.UPDATE else 1
    for found in said.values():
        assert len(found) >= 2 * maps  # as tall as that
        assert len([text for text in found if text]) == maps


def head_operand(frame: Frame, operand: str) -> Rows:
    """An operand of the operation on the stage, or of the scores of its head."""
    if operand in frame.operation.operands:
        return frame.operation.operands[operand]
    head = head_of(frame)
    assert head is not None
    return head.keys


def test_the_legend_without_colours_has_the_signs_of_narrow_and_wide_cells() -> None:
    theme.few_colours(True)
    assert Picture([signed_swatch(Line(), 0.5)]).text() == "−0.5000 -9-6-2+2+6+9 or ≡=╶:*# +0.5000"
    theme.few_colours(False)
    assert Picture([signed_swatch(Line(), 0.5)]).text().split() == ["−0.5000", "+0.5000"]


def test_a_faint_cell_has_the_same_characters() -> None:
    theme.few_colours(True)
    for value in (-1.0, -0.4, 0.0, 0.02, 0.7, 1.0):
        for size in (1, 2, 3):
            (lit, style), (faint, other) = (heat(value, True, 1.0, size, lit) for lit in (True, False))
            assert lit == faint
            assert lit.strip()
            assert style is not None
            assert other is not None
            assert style.bgcolor is None is other.bgcolor


MEANINGS = {
    "forward": lambda c: c.phases[0],
    "backward": lambda c: c.phases[1],
    "update": lambda c: c.phases[2],
    "here": lambda c: c.now,
    "target": lambda c: c.target,
    "plus": lambda c: c.plus,
    "minus": lambda c: c.minus,
    "warning": lambda c: c.warning,
}
ALIKE = {("forward", "target")}  # both green: what is to come out; the target has its sign ◎


@pytest.mark.parametrize("colours", theme.THEMES.values(), ids=theme.THEMES)
def test_all_text_has_enough_contrast(colours: theme.Colours) -> None:
    texts = [
        colours.text,
        colours.strong,
        colours.dim,
        colours.done,
        colours.now,
        *(of(colours) for of in MEANINGS.values()),
    ]
    for back in (colours.background, colours.panel):
        assert {text: theme.contrast(text, back) for text in texts if theme.contrast(text, back) < 4.5} == {}
        assert theme.contrast(colours.faint, back) >= 3
        assert theme.contrast(colours.border, back) >= 3
    for back in (colours.background, colours.ran):
        assert {text: theme.contrast(text, back) for text in colours.code if theme.contrast(text, back) < 4.5} == {}
    assert theme.contrast(colours.text, colours.ran) >= 4.5
    assert theme.contrast(colours.strong, colours.at_work) >= 4.5
    assert theme.contrast("#000000", colours.marker) >= 4.5


@pytest.mark.parametrize("name", theme.THEMES)
def test_text_on_the_colour_of_a_value_has_enough_contrast(name: str) -> None:
    theme.use(name)
    styles = [*theme.HEAT_PLUS, *theme.HEAT_MINUS, *theme.FADED_PLUS, *theme.FADED_MINUS, theme.HERE_CELL, theme.NOW]
    styles += [theme.CURSOR, *theme.PHASES.values()]
    for style in styles:
        assert style.color is not None
        assert style.bgcolor is not None
        assert theme.contrast(style.color.name, style.bgcolor.name) >= 4.5, style


@pytest.mark.parametrize("colours", theme.THEMES.values(), ids=theme.THEMES)
def test_no_two_meanings_share_a_colour(colours: theme.Colours) -> None:
    named = {name: of(colours) for name, of in MEANINGS.items()}
    assert len(set(named.values())) == len(named)
    for one, other in combinations(named, 2):
        if (one, other) not in ALIKE:
            assert distance(named[one], named[other]) > 25, (one, other)
    assert distance(colours.marker, colours.plus) > 25
    assert distance(colours.marker, colours.ramp_plus[1]) > 25


def distance(one: str, other: str) -> float:
    """How different two colours look: 2 can hardly be seen, 100 is black and white. Source: CIE 1976 L*a*b*."""
    return math.dist(_lab(one), _lab(other))


def _lab(colour: str) -> tuple[float, float, float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    x, y, z = (c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("colours", theme.THEMES.values(), ids=theme.THEMES)
def test_what_is_here_is_yellow(colours: theme.Colours) -> None:
    assert theme.contrast(colours.here_bar, colours.background) >= 3
    assert distance(colours.here_bar, colours.plus) > 25
    assert distance(colours.here_bar, colours.target) > 25
    for colour in (colours.marker, colours.here_bar, colours.now):
        _, a, b = _lab(colour)
        assert 80 <= math.degrees(math.atan2(b, a)) <= 105, colour  # yellow: neither orange nor green
        assert math.hypot(a, b) > 45, colour  # and not grey
    _, a, b = _lab(colours.here_bar)
    assert math.hypot(a, b) > 60  # nor brown, where it fills a space


BAR = re.compile(r"[▀-▟■-▣● ]+")
"""What fills a space instead of being read."""


@pytest.mark.parametrize("phase", PHASES)
def test_bars_of_what_is_here_have_the_colour_of_bars(phase: Phase) -> None:
    theme.use("microgpt-light")
    run, light = Session(CONFIG, DOCS), theme.THEMES["microgpt-light"]
    seen = 0
    for event in run.program.events(phase):
        run.seek(Moment(0, phase, event.last))
        frame = Frame(run.view(), Focus(run.moment))
        pictures = [draw(frame, 100, 40)]
        pictures += [spec.kind(spec.id).draw(frame, 40, 20) for spec in PANES]
        pictures += [Map("map").draw(frame, 120, 40), Timeline("timeline").draw(frame, 120, 1)]
        for line in (line for picture in pictures for line in picture.lines):
            for segment in line.segments:
                if segment.style and segment.style.color and segment.text.strip() and BAR.fullmatch(segment.text):
                    assert segment.style.color.name != light.now, (event.name, segment.text)
                    seen += segment.style.color.name == light.here_bar
    assert seen


@pytest.mark.parametrize("name", theme.THEMES)
def test_without_colours_the_row_at_work_stands_out(name: str) -> None:
    theme.use(name)
    theme.few_colours(True)
    for value in (-0.5, 0.5):
        (_, lit), (_, faint) = (heat(value, True, 1.0, 2, lit) for lit in (True, False))
        assert lit is not None
        assert faint is not None
        assert lit.color is not None
        assert faint.color is not None
        assert (lit.bold, bool(faint.bold)) == (True, False)
        brightest = sorted((lit.color.name, faint.color.name), key=lambda c: theme.contrast(c, theme.BACKGROUND))
        assert brightest == [faint.color.name, lit.color.name]
