"""Figures beside their budgets, to be run by hand: `python tests/benchmarks/run.py`. Judges nothing.

Each figure stands beside its baseline, and both take turns in the same run, so that a busy machine slows both. Times of
the engine are those of the processor, and ratios the medians of those of each turn. `docs/examples/plain.py`, with the
sizes and the names of the original, stands in for `microgpt.py`: it is a script of the same shape, run as it stands,
and computes the same numbers, which is asserted. golden/*.json.gz holds that one's own time on another machine.
"""

from __future__ import annotations

import gc
import math
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from engine import Config, Moment, Phase, Session, load_docs  # noqa: E402
from engine.autograd import jit  # noqa: E402
from engine.autograd.jit import Kernels, loops, plain_loops  # noqa: E402
from engine.autograd.kernels import BAND  # noqa: E402
from engine.autograd.tape import OperationRows  # noqa: E402
from engine.model.recording import record  # noqa: E402
from engine.run.compilation import warm_up  # noqa: E402
from engine.run.session import ADAM_BLOCK  # noqa: E402

STEPS = 20  # steps that the script and the engine take, in turns
AGAIN = 5  # how often the script takes all of them
BLOCK = 10  # steps on end that are taken in one turn
TURNS = 80
SEEKS = 60  # random moments to be reached
LEARNT = 40  # steps after which the orders of most targets and positions are known

BUDGETS = {  # what a figure should be, on a quiet machine
    "recording the defaults": "budget 0.4 of every call recorded",
    "recording 4 layers of 64, block_size 32": "budget 0.22 of every call recorded",
    "training on end, a step": "budget 0.5 of a step that keeps all scalars and calls pow for all powers",
    "Python between kernels, a step": "budget 0.03",
    "times as fast as the script": "budget over 700 on a quiet machine",
    "a step without numba": "budget 0.65 of one in plain Python alone",
    "1,000 steps by the command, whole process": "budget 1.3",
    "help, whole process": "budget 0.25",
    "bytes a scalar, all that a session holds": "budget 60",
    "any moment of 1,000 steps, median": "budget 60",
    "history after 1,000 steps": "budget 60",
}
SCRIPT = {  # what the script has otherwise than the original, and how it tells of each step, and waits for its turn
    "n_layer, n_embd, n_head, block_size = 1, 8, 2, 8": "n_layer, n_embd, n_head, block_size = 1, 16, 4, 16",
    "num_steps = 60": "num_steps = 1000",
    "    doc = docs[step % len(docs)]\n": "    begun = time.process_time()\n    doc = docs[step % len(docs)]\n",
    '    print(f"step {step + 1}  loss {loss.data:.4f}")': """
    print(loss.data, time.process_time() - begun, flush=True)
    input()""",
    "import math\n": "import math\nimport time\n",
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


def busy(work: Callable[[], object]) -> float:
    """Seconds of the processor, which other programs take less from than from those of the clock."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def show(what: str, figure: float, unit: str, note: str = "") -> None:
    print(f"{what:<46}{figure:>10.3f} {unit:<4}{'; '.join(filter(None, (BUDGETS.get(what.strip()), note)))}")


def command() -> None:
    """The installed program as a user has it, from the shell and back, beside a single step; the cache is warm."""
    calls = {"1,000 steps by the command, whole process": "1000", "  a single step": "1"}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(5):
        for name, until in calls.items():
            call = [sys.executable, "-m", "microgpt_tui", "train", "--until", until]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall = seconds(lambda call=call: subprocess.run(call, check=True, stdout=subprocess.DEVNULL))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            took[name].append((wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    for name, times in took.items():
        wall, processor = map(statistics.median, zip(*times, strict=True))
        show(name, wall, "s", f"best {min(times)[0]:.2f}, {processor:.2f} of the processor")


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


class KeepingSession(Session):
    """A run that keeps all scalars of each step."""

    def _pass_step(self) -> None:
        return None


def with_pow_alone(kernels: Kernels) -> Kernels:
    """These kernels, but that pow computes all powers of Adam."""
    return replace(kernels, powers_agree=lambda *_: -1)


def in_turns(sessions: dict[str, Session], steps: int, turns: int) -> dict[str, list[float]]:
    """Milliseconds of the processor a step, of runs that go on by so many steps in each turn, and then begin anew."""
    took: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(turns):
        for name in list(sessions)[:: 1 if turn % 2 else -1]:
            session = sessions[name]
            if session.step + steps > session.config.num_steps:
                session.seek(Moment(LEARNT))
            start = time.thread_time()
            session.run(until=session.step + steps)
            took[name].append((time.thread_time() - start) / steps * 1e3)
    return took


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios of each turn."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def training() -> None:
    """A step, beside one that keeps all that a step makes."""
    docs = load_docs()
    sessions = {
        "lean": Session(Config(), docs),
        "keeping": KeepingSession(Config(), docs, kernels=with_pow_alone(loops())),
    }
    for session in sessions.values():
        session.run(until=LEARNT)
    took = in_turns(sessions, BLOCK, TURNS)
    assert sessions["lean"].losses == sessions["keeping"].losses, "a figure for the wrong numbers is worth nothing"
    ours, theirs = took["lean"], took["keeping"]
    share = f"{ratio(ours, theirs):.2f} of it, {statistics.median(theirs):.3f}; the best {min(ours):.3f}"
    show("training on end, a step", statistics.median(ours), "ms", share)


def split() -> None:
    """A step's time in the kernels, and in Python between them; then with each part of a whole step called apart."""
    spent: dict[str, float] = {}

    def timed(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            start = time.thread_time()
            result = kernel(*args)
            spent[f"  {name}"] = spent.get(f"  {name}", 0.0) + time.thread_time() - start
            return result

        return call

    parts = {each.name: getattr(loops(), each.name) for each in fields(Kernels)}
    watched = Kernels(**{name: timed(name, part) if callable(part) else part for name, part in parts.items()})
    apart = jit._loops(lambda name, _: timed(f"  {name}", parts[name]), compiled=False)  # Python calls each of them
    for title, kernels in {
        "Python between kernels, a step": watched,
        "  each part of pass_step, called apart": apart,
    }.items():
        session, blocks = Session(Config(), load_docs(), kernels=kernels), []
        session.run(until=LEARNT)
        for _ in range(TURNS):
            spent.clear()
            start = time.thread_time()
            session.run(until=session.step + BLOCK)
            whole = time.thread_time() - start
            blocks.append({title: whole - sum(spent.values())} | spent)
        for name in blocks[-1]:
            show(name, statistics.median(block.get(name, 0.0) for block in blocks) / BLOCK * 1e3, "ms")


def race() -> None:
    """The first steps of the default run by the script and by the engine, in turns."""
    session, ours = Session(Config(), load_docs()), []
    text = (ROOT / "docs" / "examples" / "plain.py").read_text(encoding="utf-8")
    for old, new in SCRIPT.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    steps: list[list[float]] = [[] for _ in range(STEPS)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "plain.py").write_text(text, encoding="utf-8")
        Path(folder, "flowers.txt").write_bytes((ROOT / "data" / "names.txt").read_bytes())
        for _ in range(AGAIN):
            call, losses = [sys.executable, "plain.py"], []
            with subprocess.Popen(
                call, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                for took in steps:
                    loss, processor = map(float, process.stdout.readline().split())
                    losses.append(loss)
                    took.append(processor * 1e3)
                    session.seek(Moment(0))
                    start = time.thread_time()
                    session.run(until=STEPS)
                    ours.append((time.thread_time() - start) / STEPS * 1e3)
                    process.stdin.write("\n")
                    process.stdin.flush()
                process.kill()
            assert session.losses == losses, "a figure for the wrong numbers is worth nothing"
    engine, script = statistics.median(ours), statistics.mean(map(statistics.median, steps))
    best = statistics.mean(map(min, steps)) / min(ours)
    print(f"the first {STEPS} steps in turns")
    show("  the engine", engine, "ms", f"the best {min(ours):.3f}")
    show("  the script of plain Python", script, "ms", f"the best of each step {statistics.mean(map(min, steps)):.1f}")
    show("  times as fast as the script", script / engine, "x", f"the best beside the best {best:.0f}")


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
            times.append(busy(lambda session=session, step=step: session.run(until=step + 1)))
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
        times.append(busy(lambda moment=moment: session.seek(moment)))
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
    """A step without numba, beside one in plain Python alone that keeps all scalars, and one on compiled loops."""
    python = jit._loops(lambda _, kernel: jit._with_views(kernel), compiled=False)
    sessions: dict[str, Session] = {
        "plain": Session(Config(), load_docs(), kernels=plain_loops()),
        "python": KeepingSession(Config(), load_docs(), kernels=with_pow_alone(python)),
        "compiled": Session(Config(), load_docs()),
    }
    for session in sessions.values():
        session.run(until=LEARNT)
    took = in_turns(sessions, BLOCK, TURNS // 8)
    plain, python_alone, compiled = took.values()
    share = f"{ratio(plain, python_alone):.2f} of it, {statistics.median(python_alone):.1f}"
    show("a step without numba", statistics.median(plain), "ms", share)
    show("  times as long as with numba", ratio(plain, compiled), "x")


def powers() -> None:
    """Adam over the parameters of the defaults, with and without the shortcut for squares and roots, in turns."""
    session, bands = Session(Config(), load_docs()), {"Adam with proven powers": BAND, "Adam with pow alone": math.inf}
    session.seek(Moment(3, Phase.UPDATE, 0))
    w, took = session.workspace, {name: list[float]() for name in bands}
    for _ in range(400):
        for name, band in bands.items():
            arrays = w.data.copy(), w.grad, session._m.copy(), session._v.copy()
            arguments = 0, len(session._m), *session._adam_rates(), band, np.empty(2 * ADAM_BLOCK)
            took[name].append(busy(lambda a=arrays, b=arguments: session.loops.adam(*a, *b)))
    for name, times in took.items():
        show(f"  {name}", statistics.median(times) * 1e3, "ms")


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
    training()
    split()
    race()
    powers()
    uncompiled()
    memory()
    travel()
    help_text()
    command()
    ladder()


if __name__ == "__main__":
    main()
