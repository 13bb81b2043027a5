"""What a large model costs, from recording it to every key.

Run by hand: python tests/benchmarks/large.py [LAYERS WIDTH BLOCK HEADS]; with the word session before these, only the
last part.

First what a key costs, as in screen.py: from the key to the painted frame, in turns with an empty repaint. Then all
keys are pressed one after the other as a person would; each line says how long the event loop answered nothing at most,
which is what feels like hanging, and when all that the key began was done.

At last a long session with the program as it is started for the first time, in a process of its own: for each
kind of action, the memory that the process holds after it, and the most that it has held while it went on. Only Linux
tells the latter.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
from screen import SIZE, Debugger, Empty, Opening, painted, report
from textual.pilot import Pilot
from textual.widgets import Static

from engine import Config, Moment, Phase, Session, load_docs
from engine.model.recording import BYTES_A_ROW
from engine.run.compilation import warm_up
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.startup import Start

MODEL = (4, 64, 32, 4)
STEPS = 45  # trained before keys are pressed
PRESSES = 40  # of one key in each phase
BEAT = 0.005
KEYS = """
    n n n p s S o O t T n t f f F F ] [ f n p ] [ F right_curly_bracket left_curly_bracket end home
    n n n z escape Y escape g escape e escape x d escape E escape X escape B escape b
    i n n p b escape i g escape slash escape question_mark escape space space S C c F p p l pagedown pagedown pageup q
""".split()  # noqa: SIM905 - read as they are pressed


SESSION = (  # what is done, and its keys; up to the next blank a line is typed, in a dialog that is open after =
    ("a long sample, before any training", "i " + "n " * 40),
    ("inference left", "escape"),
    ("walking forward", "n n n n n n s s s t t o"),
    ("walking backward", "f n n n n n n s s"),
    ("walking through the update", "f n n n"),
    ("30 steps on", "] " * 30),
    ("10 steps back", "[ " * 10),
    ("10 steps on in the backward phase", "F F n n n f " + "] " * 10),
    ("to step 500", ":500"),
    ("10 steps back from there", "f n n " + "[ " * 10),
    ("zooming panes", " ".join(f"{pane} z down right z escape" for pane in "1234567890")),
    ("Why", "F n n n Y escape f Y down escape"),
    ("a gradient check", "g m"),
    ("the gradient check closed", "escape escape"),
    ("a head switched off", "x enter n n ] n"),
    ("a comparison", "d n n"),
    ("the comparison closed", "d escape"),
    ("a number set", "e =0.5 escape n"),
    ("far back in the branch", ":300"),
    ("the comparison in the update", "d n n n"),
    ("the comparison closed again", "d"),
    ("the branch in the backward phase", "F F f n n n"),
    ("the comparison in the backward phase", "d n n n ] ] ["),
    ("the comparison at the end of that phase", "f F"),
    ("the comparison in the next step", "f f n n"),
    ("the comparison closed in the next step", "d"),
    ("the longest document, of 12 positions", ":706 F f f n n n"),
    ("the comparison in its backward phase", "d n n n"),
    ("a sample of 32 positions", "d escape i e =" + "ab" * 15 + "a n n n end"),
    ("a beam from there", "b"),
    ("names from there, of other steps too", "b g"),
    ("inference", "g home n n"),
    ("the original again", "escape E up enter n n"),
    ("a lecture over the debugger", "l enter space space space space"),
    ("the lecture left", "q"),
)
NAMED = {"]": "right_square_bracket", "[": "left_square_bracket", ".": "full_stop", ":": "colon"}


def memory() -> str:
    return f"{psutil.Process().memory_info().rss / 1e6:.0f} MB, peak {peak():.0f} MB"


def peak() -> float:
    """The most memory in MB that the process has held until now; Linux counts in 1,024 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def since_reset() -> float:
    """The most memory in MB that the process has held since this was called last; nan on other systems than Linux."""
    most = float("nan")
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        most = next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:"))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # from now on
    return most


def timed(what: str, act: Callable[[], object]) -> None:
    start = time.perf_counter()
    act()
    report(what, time.perf_counter() - start, "")


def make(config: Config) -> Session:
    """A session, and what it costs to make one."""
    shares: list[float] = []
    start = time.perf_counter()

    def progress(share: float) -> bool:
        shares.append(time.perf_counter())
        return False

    session = Session(config, load_docs(), progress)
    seconds = time.perf_counter() - start
    waits = [b - a for a, b in zip([start, *shares], [*shares, start + seconds], strict=True)]
    report("recording, and all that a session needs", seconds, f"progress every {max(waits):.2f} s at least")
    rows = len(session.recording)
    print(f"{rows:,} scalars, {session.recording.n_params:,} parameters")
    print(f"{'memory that is asked for first':44} {rows * BYTES_A_ROW / 1e6:.0f} MB")
    print(f"{'memory':44} {memory()}")
    return session


def engine(session: Session) -> None:
    """Moving through time without a screen."""
    timed("a first training step", lambda: session.run(1))
    for first, last in ((1, STEPS), (STEPS, STEPS + 10)):
        start = time.perf_counter()
        session.run(last)
        report(f"a training step, mean of {first} to {last - 1}", (time.perf_counter() - start) / (last - first), "")
    for phase in Phase:
        events = session.program.events(phase)
        middle = len(events) // 2
        session.seek(Moment(session.step, phase, events[middle].last))
        timed(f"back an event, {phase.value}", lambda s=events, m=middle, p=phase: session.seek(
            Moment(session.step, p, s[m - 1].last)))  # fmt: skip
    backs = []
    for step in range(session.step - 1, session.step - 11, -1):
        start = time.perf_counter()
        session.seek(Moment(step, Phase.BACKWARD, 5))
        backs.append(time.perf_counter() - start)
    report(
        "back a step, median of 10 in a row", statistics.median(backs), f"at most 120 ms; slowest {max(backs):.2f} s"
    )
    timed("back to the step before a keyframe", lambda: session.seek(Moment(39)))
    timed("to the start", lambda: session.seek(Moment(0)))
    timed("a sampled document", lambda: session.sample(1))
    timed("a twin", session.replay_copy)
    print(f"{'memory':44} {memory()}")


async def frames(session: Session) -> None:
    """A key for the next event, in the middle of each phase, to its painted frame."""
    times, empty_times = [], []
    for phase in Phase:
        events = session.program.events(phase)
        session.seek(Moment(session.step, phase, events[max(0, len(events) - PRESSES) // 2].last))
        own, empty = await next_events(session)
        report(f"   in the {phase.value} phase, median", statistics.median(own), f"slowest {max(own) * 1e3:.0f} ms")
        times, empty_times = times + own, empty_times + empty
    report("key to painted frame, median", statistics.median(times), "at most 60 ms")
    report("   an empty repaint, median", statistics.median(empty_times), "")
    print(f"{'memory':44} {memory()}; at most 650 MB")


async def next_events(session: Session) -> tuple[list[float], list[float]]:
    """Seconds for each of some keys, and for as many empty repaints."""
    app, empty, own, others = Debugger(session), Empty(), list[float](), list[float]()
    async with app.run_test(size=SIZE) as pilot, empty.run_test(size=SIZE) as other:
        await pilot.pause()
        await other.pause()
        screen, filler = app.screen, empty.query_one(Static)
        assert isinstance(screen, DebuggerScreen)
        for i in range(PRESSES):
            own.append((await painted(app, pilot, lambda: screen.action_go("next_event")))[0])
            others.append((await painted(empty, other, partial(filler.update, str(i))))[0])
    return own, others


async def press(pilot: Pilot[None], key: str, beats: list[float]) -> None:
    """One key, until the app is idle and nothing moves."""
    beats.clear()
    start = time.perf_counter()
    await pilot.press(key)
    for _ in range(3):
        await pilot.pause()
    answered = time.perf_counter() - start
    while any(worker.is_running for worker in pilot.app.workers) and time.perf_counter() - start < 5:
        await asyncio.sleep(BEAT)
    await pilot.pause()
    done = time.perf_counter() - start
    hung = max((b - a for a, b in zip([start, *beats], [*beats, start + done], strict=True)), default=0.0)
    slow = "  <--" if hung > 0.3 else ""
    print(
        f"{key:22} answered {answered * 1e3:8.0f} ms   hung {hung * 1e3:8.0f} ms   done {done * 1e3:8.0f} ms{slow}",
        flush=True,
    )


async def beat(beats: list[float]) -> None:
    """A pulse that stops while the event loop is held."""
    while True:
        beats.append(time.perf_counter())
        await asyncio.sleep(BEAT)


async def keys(session: Session, size: tuple[int, int]) -> None:
    """Every key, on the whole screen."""
    session.seek(first_moment(session.program, STEPS))
    print(f"\n{size[0]}x{size[1]}")
    app, beats = Debugger(session), [0.0]
    start = time.perf_counter()
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        report("the debugger's screen, on a session", time.perf_counter() - start, "")
        assert isinstance(app.screen, DebuggerScreen)
        pulse = asyncio.create_task(beat(beats))
        for key in KEYS:
            await press(pilot, key, beats)
        pulse.cancel()
    print(f"{'memory':44} {memory()}")


async def settled(app: Opening) -> None:
    """Until no worker is at work and no run moves, or the app has broken off."""
    while app.is_running and (
        any(worker.is_running for worker in app.workers) or (app.debugger is not None and app.debugger.busy)
    ):
        await asyncio.sleep(BEAT)


async def long_session(config: Config) -> None:
    """What the program holds in memory through a long session."""
    app, process, after, within = Opening(Start(config, load_docs())), psutil.Process(), 0.0, 0.0
    async with app.run_test(size=SIZE) as pilot:
        while app.debugger is None:
            await asyncio.sleep(BEAT)
        for what, keys in (("opened", ""), *SESSION):
            for word in keys.split():
                typed = [*word.removeprefix("="), "enter"] if word.startswith((":", "=")) else [word]
                for key in typed:
                    await pilot.press(NAMED.get(key, key))
                    await pilot.pause()
                await settled(app)
                await pilot.pause()
            held, most = process.memory_info().rss / 1e6, since_reset()
            after, within = max(after, held), max(within, most)
            print(f"{what:44} {held:8.0f} MB    meanwhile at most {most:.0f} MB", flush=True)
    print(f"{'a long session, the most after an action':44} {after:8.0f} MB    meanwhile {within:.0f}, at most 650 MB")


def main() -> None:
    only_session = sys.argv[1:2] == ["session"]
    words = sys.argv[2:6] if only_session else sys.argv[1:5]
    numbers = tuple(int(word) for word in words) or MODEL
    layers, width, block, heads = numbers
    config = Config(n_layer=layers, n_embd=width, block_size=block, n_head=heads)
    if only_session:
        asyncio.run(long_session(config))
        return
    warm_up()
    session = make(config)
    engine(session)
    session.seek(first_moment(session.program, STEPS))
    asyncio.run(frames(session))
    for size in ((80, 24), SIZE, (200, 60)):
        gc.collect()  # the app before
        asyncio.run(keys(session, size))
    with tempfile.TemporaryDirectory() as folder:
        own = dict.fromkeys(("XDG_STATE_HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), folder)
        subprocess.run([sys.executable, __file__, "session", *map(str, numbers)], check=True, env=os.environ | own)


if __name__ == "__main__":
    main()
