"""What the screen costs, beside its budgets. Run by hand: python tests/benchmarks/screen.py

Every figure is measured in turns with its yardstick, an app that repaints one empty widget of the same size.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from engine import Config, Run, Session, load_docs
from engine.script.run import ScriptRun
from engine.script.source_file import ScriptFile
from engine.timeline.events import Moment, Phase
from microgpt_tui.app import MicrogptApp, ThemedApp, settle
from microgpt_tui.audience.address import JoinAddress
from microgpt_tui.audience.audience import LiveAudience
from microgpt_tui.audience.process import ServerOptions
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.lectures.lecture import Lecture
from microgpt_tui.lectures.library import find
from microgpt_tui.panes.registry import screen_names
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.lecture import LectureScreen
from microgpt_tui.storage.startup import Start

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "script" / "scripts" / "plain.py"
SIZES = {"= 1, 8, 2, 6": "= 1, 16, 4, 16", "[:50]": ""}  # of the test to those of the original
SIZE = (120, 36)
ROUNDS = 300
VIEWERS = 500  # of a lecture with an audience
CHAPTER, TURNS = "attention", 5  # of the course, for the keys of a lecture; and how often it is given each way


class Timed(App[Any]):
    """Records when it last painted, and sets an event then."""

    def __init__(self) -> None:
        super().__init__()
        self.painted_at, self.worked = 0.0, 0.0  # by the clock, and in processor time of the screen's thread
        self.painted = asyncio.Event()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        super()._display(screen, renderable)
        self.painted_at, self.worked = time.perf_counter(), time.thread_time()
        self.painted.set()


class Debugger(ThemedApp, Timed):
    """The debugger on a run that is ready."""

    def __init__(self, session: Run) -> None:
        super().__init__()
        self.session = session

    def on_mount(self) -> None:
        settle()
        self.push_screen(DebuggerScreen(self.session))


class Opening(MicrogptApp, Timed):
    """The program as it starts."""


class Empty(Timed):
    """An app of one widget as large as the screen."""

    CSS = "Static { width: 1fr; height: 1fr; }"

    def compose(self) -> ComposeResult:
        yield Static(" ")


async def painted(app: Timed, pilot: Pilot[Any], act: Callable[[], object]) -> tuple[float, float]:
    """Seconds from an action to the last frame that it leads to, and how many of them the processor has worked.

    The pilot's pause puts a message into the queue of every widget, so it comes only after the frame.
    """
    app.painted.clear()
    start, worked = time.perf_counter(), time.thread_time()
    act()
    await app.painted.wait()
    await pilot.pause()
    return app.painted_at - start, app.worked - worked


async def keys(session: Run) -> None:
    debugger, empty = Debugger(session), Empty()
    async with debugger.run_test(size=SIZE) as pilot, empty.run_test(size=SIZE) as other:
        await pilot.pause()
        await other.pause()
        screen = debugger.screen
        assert isinstance(screen, DebuggerScreen)
        ours, theirs = [], []
        for i in range(ROUNDS):
            ours.append(await painted(debugger, pilot, lambda: screen.action_go("next_event")))
            filler = empty.query_one(Static)
            theirs.append(await painted(empty, other, partial(filler.update, str(i).rjust(9) * 480)))
        held = time.perf_counter()
        for _ in range(59):
            screen.action_go("next_event")
        after, _ = await painted(debugger, pilot, lambda: screen.action_go("next_event"))
        total = debugger.painted_at - held
    (seconds, work), (empty_seconds, empty_work) = zip(*ours, strict=True), zip(*theirs, strict=True)
    report("key to painted frame, median", statistics.median(seconds), "at most 40 ms")
    report("key to painted frame, p95", statistics.quantiles(seconds, n=20)[-1], "at most 80 ms")
    report("an empty repaint, median", statistics.median(empty_seconds), "")
    times = statistics.median(work) / statistics.median(empty_work)
    print(f"{'times an empty repaint, in processor time':44} {times:8.2f} x     at most 2.4")
    report("60 keys at once, until the screen is still", total, "")
    report("   of that after the last key", after, "at most 150 ms")


class Given(Opening):
    """A lecture, and how long each look at the screen takes that its audience is shown."""

    looks: ClassVar[list[float]] = []

    def _show_audience(self) -> None:
        start = time.perf_counter()
        super()._show_audience()
        self.looks.append(time.perf_counter() - start)


async def given(audience: LiveAudience | None) -> list[float]:
    """Seconds from each key of a lecture to its painted frame."""
    lecture = Lecture(*find(CHAPTER, "en"))
    app = Given(Start(*lecture.run(screen_names())), lecture, audience=audience)
    async with app.run_test(size=SIZE) as pilot:
        screen, times = await prepared(pilot), []
        for _ in range(ROUNDS // TURNS):
            seconds, _ = await painted(app, pilot, lambda: screen.action_go("next_event"))
            times.append(seconds)
            await asyncio.sleep(1 / 30)  # the pace of a key that is held
        return times


def lecture_keys(viewers: int) -> None:
    """The keys of a lecture, alone and with an audience of so many viewers, in turns."""
    audience = LiveAudience(ServerOptions("127.0.0.1", 0, None, 2 * VIEWERS, 1, None, "en"))
    audience.open(lambda port: JoinAddress(str(port), None))
    audience.address_shown = True
    times: dict[str, list[float]] = {"alone": [], f"with {viewers} viewers": []}
    try:
        with watching(audience, viewers):
            for _ in range(TURNS):
                for seconds, follows in zip(times.values(), (None, audience), strict=True):
                    seconds.extend(asyncio.run(given(follows)))
    finally:
        audience.close()
    for name, seconds in times.items():
        report(f"key of a lecture {name}, median", statistics.median(seconds), "")
        report(f"key of a lecture {name}, p95", _p95(seconds), "")
    alone, followed = times.values()
    for what, of in (("median", statistics.median), ("p95", _p95)):
        print(f"{f'times a lecture alone, {what}':44} {of(followed) / of(alone):8.2f} x     at most 1.5")
    report("   a look for the audience, median", statistics.median(Given.looks), "")
    report("   a look for the audience, p95", _p95(Given.looks), "")


@contextmanager
def watching(audience: LiveAudience, viewers: int) -> Iterator[None]:
    """A process of so many viewers, and some that are slow, while something is measured."""
    if not viewers:
        yield
        return
    command = [sys.executable, str(Path(__file__).with_name("audience.py")), "view", audience.address.url, str(viewers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        while audience.viewers < viewers:
            time.sleep(0.1)
        yield
        process.communicate(b"\n")


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


async def prepared(pilot: Pilot[Any]) -> LectureScreen:
    """A lecture's screen, once the numbers of all pages are known."""
    while True:
        await pilot.pause(0.05)
        screen = pilot.app.screen
        if isinstance(screen, LectureScreen) and len(screen.player.rendered_pages) == len(screen.player.bound_pages):
            return screen


async def running(config: Config) -> None:
    """Training flat out below the screen, while panes are chosen by keys; no health check may stop it."""
    session = Session(config, load_docs())
    session.run(100)
    start = time.perf_counter()
    session.run(1100)
    report_rate("training without a screen", 1000 / (time.perf_counter() - start), "")
    app = Debugger(session)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, DebuggerScreen)
        screen.action_run(flat_out=True)
        start, latencies, before = time.perf_counter(), [], len(session.losses)
        for i in range(60):
            app.painted.clear()
            pressed = time.perf_counter()
            screen.action_pane(("inspector", "stage")[i % 2])
            await app.painted.wait()
            latencies.append(app.painted_at - pressed)
            await asyncio.sleep(0.05)  # the pace of a person who types fast, not a wait for something to happen
        seconds, still_running = time.perf_counter() - start, screen.busy
        screen.motion.halt(wait=True)
        steps = len(session.losses) - before
    if not still_running:
        raise RuntimeError("the run was stopped on its way")
    report_rate("training flat out under the screen", steps / seconds, "at least 700")
    report("   key to painted frame meanwhile, p95", statistics.quantiles(latencies, n=20)[-1], "at most 30 ms")


async def first_paint(make: Callable[[], Timed]) -> float:
    """Seconds from nothing to the first frame of an app."""
    start = time.perf_counter()
    app = make()
    async with app.run_test(size=SIZE):
        await app.painted.wait()
        return app.painted_at - start


async def opening(session: Session) -> None:
    ours, theirs = [], []
    for _ in range(5):
        ours.append(await first_paint(lambda: Opening(Start(session.config, session.docs))))
        theirs.append(await first_paint(Empty))
    report("first paint, median", statistics.median(ours), "")
    report("first paint of an empty app, median", statistics.median(theirs), "")
    print(f"{'times an empty app':44} {statistics.median(ours) / statistics.median(theirs):8.1f} x     at most 2")


def of_a_script(folder: Path) -> None:
    """Keys on a script of the original's shape and size, in each phase of a step."""
    text = SCRIPT.read_text(encoding="utf-8")
    for old, new in SIZES.items():
        text = text.replace(old, new)
    (folder / "script.py").write_text(text, encoding="utf-8")
    (folder / "names.txt").write_bytes((ROOT / "data" / "names.txt").read_bytes())
    run = ScriptRun(ScriptFile.read(folder / "script.py"))
    try:
        for phase in Phase:
            run.seek(Moment(0, phase, 1))
            print(f"a script of {run.program.n_rows:,} scalars, {phase}")
            asyncio.run(keys(run))
    finally:
        run.close()


def report(what: str, seconds: float, budget: str) -> None:
    print(f"{what:44} {seconds * 1e3:8.1f} ms    {budget}")


def report_rate(what: str, rate: float, budget: str) -> None:
    print(f"{what:44} {rate:8.0f} steps a second     {budget}")


def main() -> None:
    session = Session(Config(), load_docs())
    session.run(50)
    session.seek(first_moment(session.program, 0))
    print(f"{SIZE[0]}x{SIZE[1]}, all panes of the layout, {ROUNDS} keys")
    asyncio.run(keys(session))
    for viewers in (0, VIEWERS):
        lecture_keys(viewers)
    asyncio.run(running(Config(num_steps=100_000, learning_rate=0.003)))
    asyncio.run(opening(session))
    with tempfile.TemporaryDirectory() as folder:
        of_a_script(Path(folder))


if __name__ == "__main__":
    main()
