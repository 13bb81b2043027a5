"""`show`: the debugger's screen at a moment of a run, in the output of a notebook's cell."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from engine import Address, ConfigError, Moment, Run, Scope
from engine.immutable import immutable
from engine.text import shortened_repr
from microgpt_tui.drawing.theme import THEMES
from microgpt_tui.export.moment_picture import LARGEST, USUAL, moment_picture
from microgpt_tui.export.screenshot import Screenshot
from microgpt_tui.export.svg import svg
from microgpt_tui.panes.registry import ids
from microgpt_tui.screens.debugger import SMALLEST
from microgpt_tui.texts.say import say

T = TypeVar("T")
_PREFIX = "microgpt-"  # of the names of themes


@immutable
class ShownMoment:
    """A picture that a notebook displays; as text, its title."""

    screenshot: Screenshot

    def _repr_html_(self) -> str:
        """The file that `microgpt-tui export --format svg` writes."""
        return svg(self.screenshot)

    def __repr__(self) -> str:
        return self.screenshot.title


def show(
    run: Run,
    moment: str | None = None,
    *,
    pane: str | None = None,
    size: tuple[int, int] = USUAL,
    theme: str = "dark",
) -> ShownMoment:
    """The debugger's screen at a moment of a run, as the last expression of a notebook's cell displays it.

    `moment` is written as for `microgpt-tui export --moment`; without it the run is shown where it stands. It is moved
    there, which may train it on, and back. `pane` gives all the room to one pane, `size` is columns and lines.
    Raises EngineError, with a sentence, for what there is not.
    """
    _check(pane, size, theme)
    before = run.moment
    try:
        if moment is not None:
            address = Address.parse(moment, Scope.of_run(run))
            if address.step != run.step:
                run.seek(Moment(address.step))
            run.seek(address.moment(run.program))
        return ShownMoment(_finished(moment_picture(run, size, _PREFIX + theme, pane)))
    finally:
        if run.moment != before:
            run.seek(before)


def _check(pane: str | None, size: tuple[int, int], theme: str) -> None:
    if pane is not None and pane not in ids():
        raise ConfigError(
            say("export.notebook.there_no_pane_choose", pane=shortened_repr(pane), names=", ".join(ids()))
        )
    try:
        fits = all(least <= n <= most for least, n, most in zip(SMALLEST, size, LARGEST, strict=True))
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ConfigError(
            say(
                "export.notebook.size_give_columns_lines", size=shortened_repr(size), smallest=SMALLEST, largest=LARGEST
            )
        )
    names = [name.removeprefix(_PREFIX) for name in THEMES]
    if theme not in names:
        raise ConfigError(
            say("export.notebook.there_no_theme_choose", theme=shortened_repr(theme), names=", ".join(names))
        )


def _finished(picture: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns; it is run in a thread of its own where, as in a notebook, a loop of events runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(picture)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, picture).result()
