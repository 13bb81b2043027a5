"""What long documents and many of them cost, beside a short one and the bundled names.

Run by hand: python tests/benchmarks/documents.py

Only `block_size` tokens of a document are read, so that a key should cost the same for any. 32,000 names should open as
fast as the bundled ones, but for reading and shuffling them. All figures are taken in turns.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from screen import SIZE, Debugger, painted, report

from engine import Config, Moment, Phase, Session, load_docs
from engine.run.compilation import warm_up
from microgpt_tui.screens.debugger import DebuggerScreen

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LENGTHS = (16, 1_000_000, 5_000_000)
NAMES = 32_000
PRESSES = 30
ROUNDS = 5


async def keys(length: int) -> dict[Phase, float]:
    """Median seconds from a key to its painted frame in each phase, with a document of this length."""
    session = Session(Config(), ["".join(random.Random(1).choices(LETTERS, k=length))])
    found = {}
    for phase in Phase:
        session.seek(Moment(0, phase, 1))
        app = Debugger(session)
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, DebuggerScreen)
            took = [await painted(app, pilot, lambda: screen.action_go("next_event")) for _ in range(PRESSES)]  # noqa: B023
        found[phase] = statistics.median(seconds for seconds, _ in took)
    return found


def opened(file: Path | None) -> float:
    """Seconds to read documents and make a run on them."""
    start = time.perf_counter()
    Session(Config(), load_docs(file) if file else load_docs())
    return time.perf_counter() - start


def main() -> None:
    warm_up()
    rounds = [{length: asyncio.run(keys(length)) for length in LENGTHS} for _ in range(ROUNDS)]
    for phase in Phase:
        for length in LENGTHS:
            what = f"a key, {phase.value}, a document of {length:,}"
            report(what, statistics.median(times[length][phase] for times in rounds), "")
    with tempfile.TemporaryDirectory() as folder:
        dice, file = random.Random(2), Path(folder, "names.txt")
        names = ("".join(dice.choices(LETTERS, k=dice.randint(2, 12))) for _ in range(NAMES))
        file.write_text("\n".join(names), encoding="utf-8")
        times = [(opened(None), opened(file)) for _ in range(3 * ROUNDS)]
    bundled, many = (statistics.median(each) for each in zip(*times, strict=True))
    report("a run on the bundled names", bundled, "")
    report(f"a run on {NAMES:,} names of a file", many, "")


if __name__ == "__main__":
    main()
