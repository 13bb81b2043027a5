"""Figures beside their budgets, to be run by hand: `python tests/benchmarks/run.py`. Judges nothing.

The engine and the plain oracle take turns in the same run, so that a busy machine slows both. The oracle builds the
same objects as `microgpt.py`, one a scalar, and stands in for it; golden/*.json.gz holds that one's own time.
"""

from __future__ import annotations

import gc
import math
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from engine import Config, Moment, Phase, Session, load_docs  # noqa: E402
from engine.autograd.jit import loops, plain_loops  # noqa: E402
from engine.autograd.kernels import BAND  # noqa: E402
from engine.autograd.tape import OperationRows  # noqa: E402
from engine.model.recording import record  # noqa: E402
from engine.run.session import ADAM_BLOCK, warm_up  # noqa: E402
from tests.support.reference_model import PlainGPT  # noqa: E402

STEPS = 12  # steps that both take, in turns
AGAIN = 15  # how often the engine takes each of them; the median counts, as a millisecond is soon disturbed
SEEKS = 60  # random moments to be reached
LEARNT = 40  # steps after which the orders of most targets and positions are known

BUDGETS = {  # what a figure should be, on a quiet machine
    "recording the defaults": "budget 0.4 of every call recorded",
    "recording 4 layers of 64, block_size 32": "budget 0.22 of every call recorded",
    "training on end, a step": "budget 0.8",
    "times as fast, over all, collector on": "budget over 400",
    "1,000 steps by the command, whole process": "budget 6",
    "help, whole process": "budget 0.25",
    "bytes a scalar, all that a session holds": "budget 60",
    "any moment of 1,000 steps, median": "budget 60",
    "history after 1,000 steps": "budget 60",
}
LADDER = [
    Config(),
    Config(n_layer=2),
    Config(n_embd=32),
    Config(n_layer=2, n_embd=32),
    Config(n_embd=64),
    Config(n_layer=2, n_embd=64),
    Config(n_layer=4, n_embd=64),
]


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def show(what: str, figure: float, unit: str, note: str = "") -> None:
    print(f"{what:<46}{figure:>10.3f} {unit:<4}{'; '.join(filter(None, (BUDGETS.get(what.strip()), note)))}")


def command() -> None:
    """The installed program as a user has it, from the shell and back; the compile cache is warm by now."""
    call = [sys.executable, "-m", "microgpt_tui", "train", "--until", "1000"]
    took = [seconds(lambda: subprocess.run(call, check=True, stdout=subprocess.DEVNULL)) for _ in range(3)]
    show("1,000 steps by the command, whole process", statistics.median(took), "s", f"slowest {max(took):.1f}")


def help_text() -> None:
    """The shortest thing that the installed program does, beside a Python that does nothing, in turns."""
    calls = {"help, whole process": ["-m", "microgpt_tui", "--help"], "  a Python that does nothing": ["-c", ""]}
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(15):
        for name, call in calls.items():
            process = [sys.executable, *call]
            took[name].append(seconds(lambda p=process: subprocess.run(p, check=True, stdout=subprocess.DEVNULL)))
    for name, times in took.items():
        show(name, statistics.median(times), "s", f"slowest {max(times):.2f}, best {min(times):.2f}")


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
    show("training on end, a step", statistics.median(blocks) * 1e3, "ms", f"the best 50 {min(blocks) * 1e3:.3f}")
    for collector in (True, False):
        ours, theirs = race(collector)
        state = "on" if collector else "off"
        print(f"the same {STEPS} steps in turns, garbage collector {state}, medians")
        show("  the engine", statistics.median(ours) * 1e3, "ms")
        show("  the plain oracle", statistics.median(theirs) * 1e3, "ms")
        show(f"  times as fast, over all, collector {state}", sum(theirs) / sum(ours), "x")


def split() -> None:
    """The parts of a step, each the median over some steps."""
    session = Session(Config(), load_docs())
    parts: dict[str, list[float]] = {"forward": [], "backward": [], "adam and figures": [], "all the rest": []}
    for step in range(200):
        ticks = session.program.ticks
        phases = (("forward", Phase.FORWARD), ("backward", Phase.BACKWARD), ("adam and figures", Phase.UPDATE))
        for name, phase in phases:
            moment = Moment(step, phase, ticks(phase))
            parts[name].append(seconds(lambda moment=moment: session.seek(moment)))
        parts["all the rest"].append(seconds(lambda step=step: session.seek(Moment(step + 1))))
    for name, figures in parts.items():
        show(f"  {name}", statistics.median(figures[50:]) * 1e3, "ms")


def ladder() -> None:
    """What a step costs as models grow, over the scalars that its document has."""
    print(
        f"{'layers':>8}{'width':>7}{'parameters':>12}{'scalars':>12}{'ms a step':>11}{'ns a scalar':>13}{'at best':>9}"
    )
    for config in LADDER:
        session = Session(config, load_docs())
        session.run(until=LEARNT)
        scalars, times = [], []
        for step in range(LEARNT, LEARNT + 20):
            scalars.append(session.program.ticks(Phase.FORWARD))
            times.append(seconds(lambda session=session, step=step: session.run(until=step + 1)))
        each = [t / n * 1e9 for t, n in zip(times, scalars, strict=True)]
        n, ms, params = statistics.mean(scalars), statistics.median(times) * 1e3, session.recording.n_params
        print(
            f"{config.n_layer:>8}{config.n_embd:>7}{params:>12,}{n:>12,.0f}{ms:>11.3f}"
            f"{statistics.median(each):>13.2f}{min(each):>9.2f}"
        )


def travel() -> None:
    """Going anywhere within 1,000 trained steps, and what it takes to be able to."""
    session, dice = Session(Config(), load_docs()), random.Random(0)
    session.run(until=1)
    gc.collect()
    tracemalloc.start()
    session.run(until=1000)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    times = []
    for _ in range(SEEKS):
        phase = dice.choice(list(Phase))
        session.seek(Moment(dice.randrange(1000)))
        tick = dice.randrange(session.program.ticks(phase))
        moment = Moment(dice.randrange(1000), phase, tick)
        times.append(seconds(lambda moment=moment: session.seek(moment)))
    show("any moment of 1,000 steps, median", statistics.median(times) * 1e3, "ms", f"slowest {max(times) * 1e3:.1f}")
    show("history after 1,000 steps", held / 1e6, "MB", "all that training has added, orders too")


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
    show("bytes a scalar, all that a session holds", held / rows, "B", f"{rows:,} scalars")
    show("  at the highest, while recording", peak / rows, "B")
    session.run(until=300)
    gc.collect()
    show("  after 300 steps, with keyframes and orders", tracemalloc.get_traced_memory()[0] / rows, "B")
    session.seek(Moment(300, Phase.BACKWARD, 5000))
    session.view().grad(session.program.rows)
    gc.collect()
    show("  and while a backward moment is looked at", tracemalloc.get_traced_memory()[0] / rows, "B")
    tracemalloc.stop()


def uncompiled() -> None:
    """A step on plain loops, as without numba, beside one on compiled loops, in turns."""
    kinds = {"plain": Session(Config(), load_docs(), kernels=plain_loops()), "compiled": Session(Config(), load_docs())}
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for step in range(LEARNT, LEARNT + 20):
        for name, session in kinds.items():
            session.run(until=step)
            for _ in range(AGAIN if session.loops.compiled else 1):
                session.seek(Moment(step))
                took[name].append(seconds(lambda session=session, step=step: session.run(until=step + 1)))
    plain, compiled = (statistics.median(times) * 1e3 for times in took.values())
    show("  a step without numba", plain, "ms", f"{plain / compiled:.0f} times as long as with it")


def powers() -> None:
    """Adam over the parameters of the defaults, with and without the shortcut for squares and roots, in turns."""
    session, bands = Session(Config(), load_docs()), {"with proven squares and roots": BAND, "with pow alone": math.inf}
    session.seek(Moment(3, Phase.UPDATE, 0))
    w, took = session.workspace, {name: list[float]() for name in bands}
    for _ in range(400):
        for name, band in bands.items():
            arrays = w.data.copy(), w.grad, session._m.copy(), session._v.copy()
            arguments = 0, len(session._m), *session._adam_rates(), band, np.empty(2 * ADAM_BLOCK)
            took[name].append(seconds(lambda a=arrays, b=arguments: session.loops.adam(*a, *b)))
    for name, times in took.items():
        show(f"  Adam {name}", statistics.median(times) * 1e3, "ms")


def recordings() -> None:
    """Seconds of processor time to record a model, with operations written again and with every call recorded."""
    large = Config(n_layer=4, n_embd=64, block_size=32)
    for name, config, times in (("the defaults", Config(), 15), ("4 layers of 64, block_size 32", large, 1)):
        took: dict[bool, list[float]] = {True: [], False: []}
        for again in (True, False) * times:
            with mock.patch.object(OperationRows, "of", OperationRows.of if again else lambda *_: None):
                start = time.process_time()
                record(config, 27)
                took[again].append(time.process_time() - start)
        ours, every = (statistics.median(took[again]) for again in (True, False))
        show(f"recording {name}", ours, "s", f"every call recorded {every:.3f} s: {ours / every:.2f} of it")


def main() -> None:
    warm_up()
    print(f"loops compiled: {loops().compiled}; Python {sys.version.split()[0]}; warmed up, compiling not counted")
    recordings()
    compare()
    print("a step's parts, medians")
    split()
    powers()
    uncompiled()
    memory()
    travel()
    help_text()
    command()
    ladder()


if __name__ == "__main__":
    main()
