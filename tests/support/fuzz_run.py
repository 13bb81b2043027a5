"""One long random use of the whole program, compared now and then with a new program."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from engine import CheckpointError, Config
from engine.checkpoint.checkpoint import Checkpoint, write
from engine.errors import EngineError
from microgpt_tui.app import MicrogptApp
from microgpt_tui.lectures.page import Course
from microgpt_tui.lectures.parser import read_chapter
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.startup import Start
from tests.support.drift import compare, home
from tests.support.fuzz_actions import Hand
from tests.support.harness import DOCS, until
from tests.support.lecture_harness import PAGES

CHAPTERS = ("n_embd=4, n_head=2, block_size=4, num_steps=30", "n_embd=4, n_head=1, block_size=3")
STRETCH = 500  # actions that one app lives for
BETWEEN = 100  # actions between two comparisons


class Fuzzed(MicrogptApp):
    """The program without the keys that leave it."""

    leaving = False

    async def action_quit(self) -> None:
        self.notify("It would have quit.")

    def exit(self, result: EngineError | None = None, return_code: int = 0, message: Any = None) -> None:
        assert self.leaving, "the program has ended, and nobody has asked for it"
        super().exit(result, return_code, message)


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Let nothing be read or written but in a folder: settings, saved runs, pictures, the course."""
    (folder / "docs.txt").write_text("\n".join(DOCS), encoding="utf-8")
    chapters = []
    for place, config in enumerate(CHAPTERS):
        file = folder / f"{place}-small.md"
        header = f"---\ndata: docs.txt\nconfig: {config}\n"
        file.write_text(PAGES.replace("---\n", header, 1), encoding="utf-8")
        chapters.append(read_chapter(file, "en"))

    def write_there(run: Checkpoint, path: Path) -> None:
        if not path.absolute().is_relative_to(folder):
            raise CheckpointError(f"{path} cannot be written")
        write(run, path)

    homes = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DOWNLOAD_DIR")}
    before = Path.cwd()
    os.chdir(folder)
    try:
        with (
            mock.patch.dict(os.environ, homes),
            mock.patch("microgpt_tui.lectures.library.load_course", return_value=Course("small", chapters)),
            mock.patch("microgpt_tui.dialogs.save.write", write_there),
        ):
            yield
    finally:
        os.chdir(before)


def some_config(rnd: random.Random) -> Config:
    """A small run; one in ten comes to a fault."""
    heads = rnd.choice((1, 2))
    return Config(
        n_layer=rnd.choice((0, 1, 1, 2)),
        n_embd=heads * rnd.choice((2, 3)),
        n_head=heads,
        block_size=rnd.choice((1, 3, 4, 5)),
        num_steps=rnd.choice((1, 30, 50, 400)),
        learning_rate=rnd.choice((*[0.01] * 9, 5.0)),
        seed=rnd.randrange(9),
        val_fraction=rnd.choice((0.0, 0.0, 0.4)),
        val_every=rnd.choice((3, 10)),
    )


async def fuzz(seed: str, actions: int, folder: Path, between: int = BETWEEN) -> int:
    """Use a program for so many actions; returns how often it was compared. Fails with what led to a failure."""
    rnd = random.Random(seed)
    config = some_config(rnd)
    problems: list[BaseException | str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, about: problems.append(about.get("exception") or about["message"])
    )
    threading.excepthook = lambda about: problems.append(about.exc_value or about.exc_type())
    compared = 0
    with kept_in(folder):
        app = Fuzzed(Start(config, DOCS))
        size = rnd.choice((80, 120, 200)), rnd.choice((24, 36, 60))
        async with app.run_test(size=size, notifications=True) as pilot:
            hand = Hand(pilot, rnd)
            try:
                await until(pilot, lambda: isinstance(app.screen, DebuggerScreen))
                while actions > 0:
                    await hand.play(min(between, actions))
                    actions -= between

                    async def press(key: str) -> None:
                        hand.do(("key", key))
                        await hand.settle()

                    screen = await home(pilot, press)
                    hand.check()
                    await whole(pilot)
                    await compare(pilot, screen, DOCS)
                    compared += 1
                    assert not problems, problems
            except BaseException as error:
                error.add_note(f"seed {seed!r}, {config}, {app.size}, the last of what was done:\n{list(hand.done)}")
                raise
            finally:
                app.leaving = True
    return compared


async def whole(pilot: Any) -> None:
    """Fail unless every line of the screen is exactly as wide as the screen."""
    await pilot.pause()
    width, height = pilot.app.size
    lines = pilot.app.screen._compositor.render_strips(pilot.app.size)
    assert len(lines) == height
    assert {strip.cell_length for strip in lines} <= {width}
