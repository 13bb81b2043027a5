"""Makes the README's pictures from the real program: it is driven by keys, and drawn as it stands.

    python docs/pictures/make.py [NAME ...]

Without names all are made anew, beside this file.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film import Still, film
from textual.pilot import Pilot

from engine import Config
from microgpt_tui.app import MicrogptApp
from microgpt_tui.exporting.headless import settled
from microgpt_tui.exporting.screenshot import Screenshot
from microgpt_tui.exporting.svg import svg
from microgpt_tui.place import VISITOR
from microgpt_tui.start import from_seed

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Picture:
    """What is pressed and typed before a picture is taken; each text is a key, or after a colon, what is typed."""

    title: str
    keys: Sequence[str]
    theme: str = "dark"
    size: tuple[int, int] = (120, 36)


@dataclass(frozen=True, slots=True)
class Act:
    """Keys of the film, how long what they lead to is seen, and what is said below it."""

    keys: Sequence[str]
    seconds: float
    key: str
    says: str


PICTURES = {
    "forward": Picture(
        "Head 1 at position 2 weighs what it has read", [":0 forward attn_weights@pos=2,head=1", "enter"]
    ),
    "backward": Picture("A gradient on its way back, before and after", [":0 backward q@pos=2", "enter", "s", "s"]),
    "adam": Picture("Adam moves a matrix", [":200 update layer0.attn_wq", "enter"]),
    "whatif": Picture(
        "A branch without one head, beside the original",
        [":99 forward probs@pos=2", "enter", "e", ":layer0.attn_wq[3,5]=0", "enter", "d"],
    ),
    "lecture": Picture("A page of the lecture on attention", ["l", *["down"] * 5, "enter", "space", "space"], "light"),
}
FILM = [
    Act([], 2.5, "", "A GPT small enough to see whole, at its first event"),
    Act(["n"], 1.2, "n", "one event on: the embedding, normed"),
    Act(["n"], 1.2, "n", "the query"),
    Act(["s", "s"], 0.8, "s", "into a dot product, one scalar at a time"),
]


class Stage(MicrogptApp):
    """The debugger, but for the notes that go away by the clock: on a picture they would stand by chance."""

    def notify(self, message: str, **how: Any) -> None:
        """Say nothing."""


@asynccontextmanager
async def debugger(theme: str, size: tuple[int, int]) -> AsyncIterator[Pilot[Any]]:
    """The whole program on the bundled names, at its first event."""
    app = Stage(from_seed(Config(), 0, None))
    app.begin_in(theme)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot


async def play(pilot: Pilot[Any], keys: Sequence[str], title: str) -> Screenshot:
    """Press keys, wait after each until the screen is still, and draw what stands there in the end."""
    for key in keys:
        if key.startswith(":"):
            await pilot.press(*key.removeprefix(":") if pilot.app.focused is not None else key)
        else:
            await pilot.press(key)
        await settled(pilot)
    return await settled(pilot, title)


async def picture(name: str) -> str:
    """A still picture, as SVG."""
    wanted = PICTURES[name]
    async with debugger(wanted.theme, wanted.size) as pilot:
        return svg(await play(pilot, wanted.keys, wanted.title))


async def moving() -> str:
    """The film, as SVG."""
    async with debugger("dark", (110, 32)) as pilot:
        stills = [Still(await play(pilot, act.keys, act.says), act.seconds, act.key, act.says) for act in FILM]
    return film("microgpt-tui steps through a GPT", stills)


def main(names: Sequence[str]) -> None:
    """Make the pictures of these names, or all."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[VISITOR] = folder  # neither read nor write what the user has set and left
        for name in names or ("film", *PICTURES):
            content = asyncio.run(moving() if name == "film" else picture(name))
            (HERE / f"{name}.svg").write_text(content, encoding="utf-8")
            print(f"{name}.svg  {len(content.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
