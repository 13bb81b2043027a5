"""The debugger's screen at the present moment of a run, as a picture."""

from __future__ import annotations

from collections.abc import AsyncIterator

from engine import Address, Run
from microgpt_tui.export.headless import screenshots
from microgpt_tui.export.screenshot import Screenshot
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.screens.debugger import DebuggerScreen

USUAL = (120, 36)  # columns and lines
LARGEST = (400, 200)


async def moment_picture(
    run: Run, size: tuple[int, int], theme_name: str, pane: str | None = None, signs: bool = False
) -> Screenshot:
    """The screen of columns and lines in a theme of `theme.THEMES`; of one pane alone, if there is a `pane`."""

    async def page(screen: DebuggerScreen) -> AsyncIterator[str]:
        screen.grid.zoomed = pane
        screen.show()
        yield picture_title(run)

    def make() -> DebuggerScreen:
        return DebuggerScreen(run, arrangement=Arrangement())

    (picture,) = await screenshots(make, page, size, theme_name, signs)
    return picture


def picture_title(run: Run) -> str:
    """What a picture of the present moment is called."""
    return f"microgpt-tui: {Address.of(run.program, run.moment).text}"
