"""What 20,000 training steps under the screen cost, and whether cost grows with steps.

"longest" is the longest way back to a single step, "back" a step of many that are gone back one after the other.

Run by hand: python tests/benchmarks/long.py [STEPS] [--trace]. With --trace it says what Python has allocated since a
tenth of the way, line by line, and everything is slower.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
import tracemalloc

import psutil
from screen import SIZE, Debugger, painted
from textual.pilot import Pilot

from engine import CHECKS, Config, Moment, Phase, Session, load_docs
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.screens.debugger import DebuggerScreen

STEPS = 20_000
FRAMES = 40
SEEKS = 8
BACK = 40
OFTEN = {"dead-relu", "zero-grad"}  # checks that stop a run of this length hundreds of times, rightly


async def train(screen: DebuggerScreen, until: int) -> tuple[int, float]:
    """Let training run flat out under the screen past a step; the steps done and the seconds they took."""
    session = screen.session
    first, start = session.step, time.perf_counter()
    while session.step < until:
        if not screen.busy:  # at first, and where another check has stopped it
            screen.action_run(flat_out=True)
        await asyncio.sleep(0.02)
    screen.motion.halt()
    while screen.busy:
        await asyncio.sleep(0.02)
    return session.step - first, time.perf_counter() - start


async def frames(app: Debugger, pilot: Pilot[None], screen: DebuggerScreen, phase: Phase) -> float:
    """Median seconds from a key to the frame it leads to, at the present step."""
    program = screen.session.program
    screen.navigator.go(Moment(program.step, phase, program.events(phase)[0].last))
    await pilot.pause()
    keys = [("next_event", "previous_event")[i // 5 % 2] for i in range(FRAMES)]
    return statistics.median([(await painted(app, pilot, lambda key=key: screen.action_go(key)))[0] for key in keys])


def back(session: Session) -> float:
    """Mean seconds of each of BACK steps back, one after the other."""
    here, start = session.moment, time.perf_counter()
    for i in range(1, BACK + 1):
        session.seek(Moment(max(here.step - i, 0), Phase.FORWARD, 10))
    mean = (time.perf_counter() - start) / BACK
    session.seek(here)
    return mean


def seeks(session: Session) -> float:
    """The longest of a few ways back, each to a step as far from a keyframe as there is; in seconds."""
    here, times, kept = session.moment, [], sorted(session.history.keyframes)
    for i in range(SEEKS):
        later = kept[1 + i * (len(kept) - 1) // SEEKS] if len(kept) > 1 else here.step
        start = time.perf_counter()
        session.seek(Moment(max(later - 1, 0), Phase.UPDATE, 10))
        times.append(time.perf_counter() - start)
    session.seek(here)
    return max(times)


async def measure(steps: int, trace: bool) -> None:
    """Train to the marks, and say at each what there is to say."""
    session = Session(Config(num_steps=steps + 1000), load_docs())
    app, process = Debugger(session), psutil.Process()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, DebuggerScreen)
        screen.state.annotate(Annotations(checks=frozenset(CHECKS) - OFTEN))
        print(
            "   steps  steps/s   RSS MB   keyframes  forward ms  backward ms  update ms  longest seek ms  step back ms"
        )
        before = None
        for mark in sorted({*(steps * share // 200 for share in (1, 10, 20, 50, 100, 150, 200))}):
            done, seconds = await train(screen, mark)
            await pilot.pause()
            if trace and mark == steps // 10:
                tracemalloc.start()
                before = tracemalloc.take_snapshot()
            costs = [await frames(app, pilot, screen, phase) for phase in Phase]
            costs += [seeks(session), back(session)]
            times = "".join(f"{cost * 1e3:12.1f}" for cost in costs)
            print(f"{session.step:8,} {done / seconds:8.0f} {process.memory_info().rss / 1e6:8.1f} "
                  f"{len(session.history.keyframes):11}{times}", flush=True)  # fmt: skip
        if before is not None:
            for found in tracemalloc.take_snapshot().compare_to(before, "lineno")[:15]:
                print(found)


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    session = Session(Config(), load_docs())
    session.seek(first_moment(session.program, 0))  # loops are compiled
    print(f"{SIZE[0]}x{SIZE[1]}, trained flat out under the screen")
    asyncio.run(measure(numbers[0] if numbers else STEPS, "--trace" in sys.argv))


if __name__ == "__main__":
    main()
