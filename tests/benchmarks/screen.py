"""What the screen costs, beside its budgets. Run by hand: python tests/benchmarks/screen.py

Every figure is measured in turns with its yardstick, an app that repaints one empty widget of the same size.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial

from textual.app import App, ComposeResult
from textual.widgets import Static

from engine import Config, Session, load_docs
from microgpt_tui.app import MicrogptApp, ThemedApp
from microgpt_tui.navigation import first_moment
from microgpt_tui.screens.debugger import DebuggerScreen

SIZE = (120, 36)
ROUNDS = 300


class Debugger(ThemedApp):
    """The debugger on a run that is ready."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def on_mount(self) -> None:
        self.push_screen(DebuggerScreen(self.session))


class Empty(App[None]):
    """Nothing but one widget as large as the screen."""

    CSS = "Static { width: 1fr; height: 1fr; }"

    def compose(self) -> ComposeResult:
        yield Static(" ")


async def painted(app: App[object], act: Callable[[], object]) -> float:
    """Seconds from an action to the frame that shows it."""
    done = asyncio.Event()
    start = time.perf_counter()
    act()
    app.call_later(lambda: app.call_after_refresh(done.set))
    await done.wait()
    return time.perf_counter() - start


async def keys(session: Session) -> None:
    debugger, empty = Debugger(session), Empty()
    async with debugger.run_test(size=SIZE) as pilot, empty.run_test(size=SIZE) as other:
        await pilot.pause()
        await other.pause()
        screen = debugger.screen
        assert isinstance(screen, DebuggerScreen)
        ours, theirs = [], []
        for i in range(ROUNDS):
            ours.append(await painted(debugger, lambda: screen.action_go("next_event")))
            filler = empty.query_one(Static)
            theirs.append(await painted(empty, partial(filler.update, str(i).rjust(9) * 480)))
        held = time.perf_counter()
        for _ in range(60):
            screen.action_go("next_event")
        after = await painted(debugger, lambda: None)
        total = time.perf_counter() - held
    report("key to painted frame, median", statistics.median(ours), "at most 40 ms")
    report("key to painted frame, p95", statistics.quantiles(ours, n=20)[-1], "at most 80 ms")
    report("an empty repaint, median", statistics.median(theirs), "")
    print(f"{'times an empty repaint':44} {statistics.median(ours) / statistics.median(theirs):8.1f} x     at most 3")
    report("60 keys at once, until the screen is still", total, "")
    report("   of that after the last key", after, "at most 150 ms")


async def first_paint(make: Callable[[], App[object]], shown: Callable[[App[object]], Awaitable[None]]) -> float:
    """Seconds from nothing to the first frame of an app."""
    start = time.perf_counter()
    app = make()
    async with app.run_test(size=SIZE):
        await shown(app)
        return time.perf_counter() - start


async def opening(session: Session) -> None:
    async def frame(app: App[object]) -> None:
        await painted(app, lambda: None)

    ours, theirs = [], []
    for _ in range(5):
        ours.append(await first_paint(lambda: MicrogptApp(session.config, session.docs), frame))
        theirs.append(await first_paint(Empty, frame))
    report("first paint, median", statistics.median(ours), "")
    report("first paint of an empty app, median", statistics.median(theirs), "")
    print(f"{'times an empty app':44} {statistics.median(ours) / statistics.median(theirs):8.1f} x     at most 2")


def report(what: str, seconds: float, budget: str) -> None:
    print(f"{what:44} {seconds * 1e3:8.1f} ms    {budget}")


def main() -> None:
    session = Session(Config(), load_docs())
    session.run(50)
    session.seek(first_moment(session.program, 0))
    print(f"{SIZE[0]}x{SIZE[1]}, all panes of the layout, {ROUNDS} keys")
    asyncio.run(keys(session))
    asyncio.run(opening(session))


if __name__ == "__main__":
    main()
