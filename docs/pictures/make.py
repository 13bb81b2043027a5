"""Makes the README's pictures from the real program: it is driven by keys, and drawn as it stands.

    python docs/pictures/make.py [NAME ...]

Without names all are made anew, beside this file.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Span, Text
from textual.pilot import Pilot

from engine import Config
from engine.script.check import check
from engine.script.run import ScriptOptions
from microgpt_tui.app import MicrogptApp
from microgpt_tui.cli import cli
from microgpt_tui.cli.check import report_lines
from microgpt_tui.dialogs.text_input import LineScreen
from microgpt_tui.drawing.theme import THEMES
from microgpt_tui.export.headless import settled
from microgpt_tui.export.screenshot import Screenshot
from microgpt_tui.export.svg import svg
from microgpt_tui.storage.paths import CLIENT_FOLDER
from microgpt_tui.storage.startup import ScriptStart, from_seed

HERE = Path(__file__).parent
SHADES = {"red": "#ff7b72", "cyan": "#7fd1e0"}  # as terminals with a dark ground show these colours
EXAMPLES = HERE.parent / "examples"


Key = str | tuple[str, str]
"""A key, or a key that opens a line, and what is typed there."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is pressed before a picture is taken."""

    title: str
    keys: Sequence[Key]
    theme: str = "dark"
    size: tuple[int, int] = (120, 36)
    script: str = ""
    """One of docs/examples that the debugger is opened on; empty: the engine's own model."""


PICTURES = {
    "forward": Picture("One head of attention after 500 steps", [(":", "500 forward attn_weights@pos=4,head=1")]),
    "backward": Picture("A gradient on its way back through the logits", [(":", "500 backward mlp_residual@pos=2")]),
    "adam": Picture("Adam moves a matrix", [(":", "200 update layer0.attn_wq")]),
    "whatif": Picture(
        "A branch without one head, beside the original",
        [(":", "20 forward head_out@pos=2,head=1"), "x", (":", "99 forward probs@pos=2"), "d"],
    ),
    "own-file": Picture(
        "GELU in a script of one's own", [(":", "0 forward hidden@pos=2"), *["S"] * 19], script="gelu.py"
    ),
    "lecture": Picture(
        "A page of the lecture on attention", ["l", *["down"] * 5, "enter", *["space"] * 8, "h"], "light", (100, 30)
    ),
}
STRETCHES = [  # of the film: from, to, in what steps, how many a second
    ("0 forward embed@pos=3", "0 forward v@pos=3", "event", 1),
    ("0 forward attn_logits@pos=3,head=0 scalar 1", "0 forward attn_logits@pos=3,head=0 scalar 9", "scalar", 3),
    ("0 forward attn_logits@pos=3,head=0", "0 forward head_out@pos=3,head=0", "event", 1),
    ("0 forward attn_out@pos=3", "0 forward loss_t@pos=3", "event", 1.5),
    ("0 forward probs@pos=3", "400 forward probs@pos=3", "10 steps", 5),
    ("400 backward probs@pos=3", "400 backward mlp_fc1@pos=3", "event", 1),
    ("400 update layer0.attn_wq scalar 1", "400 update layer0.attn_wq", "16 scalars", 3),
]
FILM = [
    f"--{option}={value}"
    for each in STRETCHES
    for option, value in zip(("from", "to", "by", "pace"), each, strict=True)
]


class Stage(MicrogptApp):
    """The debugger, but for the notes that go away by the clock: on a picture they would stand by chance."""

    def notify(self, message: str, **how: Any) -> None:
        """Say nothing."""


@asynccontextmanager
async def debugger(theme: str, size: tuple[int, int], script: str = "") -> AsyncIterator[Pilot[Any]]:
    """The whole program on the bundled names, or on a script, at its first event."""
    start = ScriptStart(EXAMPLES / script, ScriptOptions(), 0) if script else from_seed(Config(), 0, None)
    app = Stage(start, theme_name=f"microgpt-{theme}")
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot


async def play(pilot: Pilot[Any], keys: Sequence[Key], title: str) -> Screenshot:
    """Press keys, wait after each until the screen is still, and draw what stands there in the end."""
    for key in keys:
        if isinstance(key, str):
            await pilot.press(key)
        else:
            await pilot.press(*"".join(key), "enter")
            await settled(pilot)
            if isinstance(pilot.app.screen, LineScreen):
                raise SystemExit(f"{key[1]!r} was not understood")
        await settled(pilot)
    return await settled(pilot, title)


async def picture(name: str) -> str:
    """A still picture, as SVG."""
    wanted = PICTURES[name]
    async with debugger(wanted.theme, wanted.size, wanted.script) as pilot:
        return svg(await play(pilot, wanted.keys, wanted.title))


async def checked() -> str:
    """What `microgpt-tui check` says of a script with a fault, as SVG."""
    command, width = "microgpt-tui check gelu_wrong.py", 100
    lines = [Text(f"$ {command}"), *report_lines(check(EXAMPLES / "gelu_wrong.py"), width)]
    for line in lines:
        line.spans = [
            Span(start, end, re.sub("red|cyan", lambda m: SHADES[m[0]], str(style))) for start, end, style in line.spans
        ]
    console = Console(color_system="truecolor")
    return svg(Screenshot.of(command, width, THEMES["microgpt-dark"], [line.render(console) for line in lines]))


def film(path: Path) -> None:
    """The film, as the command line makes it."""
    if status := cli.main(["export", *FILM, "-o", str(path)], standalone_mode=False):
        raise SystemExit(status)


def main(names: Sequence[str]) -> None:
    """Make the pictures of these names, or all."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CLIENT_FOLDER] = folder  # neither read nor write what the user has set and left
        for name in names or ("film", "check", *PICTURES):
            path = HERE / f"{name}.svg"
            if name == "film":
                film(path)
            else:
                content = asyncio.run(checked() if name == "check" else picture(name))
                path.write_text(content, encoding="utf-8")
            sys.stderr.write(f"{name}.svg  {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
