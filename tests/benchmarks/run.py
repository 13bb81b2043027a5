"""Figures beside their budgets, to be run by hand: `python tests/benchmarks/run.py`. Judges nothing.

The engine and the plain oracle take turns in the same run, so that a busy machine slows both. The oracle builds the
same objects as `microgpt.py`, one a scalar, and stands in for it; golden/*.json.gz holds that one's own time.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "engine")]

from plain import PlainGPT  # noqa: E402

from engine import Config, Moment, Phase, Session, load_docs  # noqa: E402
from engine.recording import record  # noqa: E402

STEPS = 12  # steps that both take, in turns
AGAIN = 15  # how often the engine takes each of them; the median counts, as a millisecond is soon disturbed


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def show(what: str, figure: float, unit: str, budget: str = "") -> None:
    print(f"{what:<46}{figure:>10.3f} {unit:<6}{budget}")


def race(collector: bool) -> tuple[list[float], list[float]]:
    """Seconds that the engine and the oracle take for each of the first steps of the default run, in turns."""
    docs = load_docs()
    session, plain = Session(Config(), docs), PlainGPT(docs)
    was_on = gc.isenabled()
    gc.collect()
    (gc.enable if collector else gc.disable)()
    ours, theirs = [], []
    for step in range(STEPS):
        times = []
        for _ in range(AGAIN):
            session.seek(Moment(step))
            times.append(seconds(lambda step=step: session.run(until=step + 1)))
        ours.append(statistics.median(times))
        theirs.append(seconds(plain.train_step))
    assert session.losses == plain.losses, "a figure for the wrong numbers is worth nothing"
    (gc.enable if was_on else gc.disable)()
    return ours, theirs


def compare() -> None:
    session = Session(Config(), load_docs())
    blocks = [seconds(lambda n=n: session.run(until=n)) / 50 for n in range(50, 501, 50)]
    show("training on end, a step", statistics.median(blocks) * 1e3, "ms", "budget 1.5 on a quiet machine")
    for collector in (True, False):
        ours, theirs = race(collector)
        print(f"the same {STEPS} steps in turns, garbage collector {'on' if collector else 'off'}, medians")
        show("  the engine", statistics.median(ours) * 1e3, "ms")
        show("  the plain oracle", statistics.median(theirs) * 1e3, "ms")
        show("  times as fast, over all", sum(theirs) / sum(ours), "x", "budget at least 100" if collector else "")


def split() -> None:
    """The parts of a step, each the median over some steps."""
    session = Session(Config(), load_docs())
    parts: dict[str, list[float]] = {"forward": [], "backward": [], "adam": [], "order": [], "all the rest": []}
    for step in range(200):
        ticks = session.program.ticks
        spent = 0.0
        for name, phase in (("forward", Phase.FORWARD), ("backward", Phase.BACKWARD), ("adam", Phase.UPDATE)):
            moment = Moment(step, phase, ticks(phase))
            parts[name].append(seconds(lambda moment=moment: session.seek(moment)))
            spent += parts[name][-1]
        begin = seconds(lambda step=step: session.seek(Moment(step + 1)))
        targets = session.program.targets
        parts["order"].append(seconds(lambda targets=targets: session._order.edges(targets)))
        parts["all the rest"].append(max(0.0, begin - parts["order"][-1]))
    for name, figures in parts.items():
        show(f"  {name}", statistics.median(figures[50:]) * 1e3, "ms")


def memory() -> None:
    """Everything that a session holds after one step, over the scalars of its tape."""
    docs = load_docs()
    gc.collect()
    tracemalloc.start()
    session = Session(Config(), docs)
    session.run(until=1)
    gc.collect()
    rows = len(session.recording)
    held, peak = tracemalloc.get_traced_memory()
    show("bytes a scalar, all that a session holds", held / rows, "B", f"budget 60; {rows:,} scalars")
    show("  at the highest, while recording", peak / rows, "B")
    session.run(until=300)
    gc.collect()
    show("  after 300 steps, with keyframes and orders", tracemalloc.get_traced_memory()[0] / rows, "B")
    session.seek(Moment(300, Phase.BACKWARD, 5000))
    session.view().grad(session.program.rows)
    gc.collect()
    show("  and while a backward moment is looked at", tracemalloc.get_traced_memory()[0] / rows, "B")
    tracemalloc.stop()


def main() -> None:
    warm = Session(Config(n_embd=4, n_head=2, block_size=4), ["anna", "bo"])
    warm.run(until=2)
    print(f"loops compiled: {warm.loops.compiled}; Python {sys.version.split()[0]}; warmed up, compiling not counted")
    vocab_size = 27
    show(
        "recording the defaults",
        min(seconds(lambda: record(Config(), vocab_size)) for _ in range(3)),
        "s",
        "budget 0.7",
    )
    compare()
    print("a step's parts, medians")
    split()
    memory()


if __name__ == "__main__":
    main()
