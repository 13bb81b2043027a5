"""Figures of recording a user's script, to be run by hand: `python tests/benchmarks/script.py`. Judges nothing.

The script is of the original's shape and of its size. In each turn it runs plainly, with the recorder beside it, and
with steps recorded, one run after another; times are those of the processor that the script's own process has used.
What else the machine does can only add to them, so of each step the least time of all turns counts, and a ratio is one
of such sums. Beside it stands the median of the ratios within single turns, with the least and the most of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from engine.script.process import ScriptProcess  # noqa: E402

SCRIPT = ROOT / "tests" / "script" / "scripts" / "plain.py"
SIZES = {"= 1, 8, 2, 6": "= 1, 16, 4, 16", "[:50]": ""}  # of the test to those of the original
Run = Callable[[Path], list[float]]
STEPS = 10
RECORDED = (2, 4, 6)
"""Steps besides the first; each is followed by one that is not recorded, in which its tape is sent."""
TURNS = 11

TOLD = """    import time
    print("at", time.process_time())
"""


def steps(text: str) -> list[float]:
    """Seconds of the processor of each training step after the first, from what a script has printed."""
    times = [float(line.split()[1]) for line in text.splitlines() if line.startswith("at ")]
    return [after - before for before, after in pairwise(times)]


def plain_steps(script: Path) -> list[float]:
    """Those of a plain run."""
    command = [sys.executable, str(script), str(STEPS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=script.parent)
    return steps(done.stdout)


def steps_beside(script: Path) -> list[float]:
    """Those of a run beside the recorder that records nothing."""
    with ScriptProcess(script, [str(STEPS)]) as process:
        process.run_out()
        return steps("".join(process.printed))


def steps_recorded(script: Path) -> list[float]:
    """Those of a run in which steps are recorded."""
    with ScriptProcess(script, [str(STEPS)]) as process:
        for step in (0, *RECORDED):
            process.record(step)
        process.run_out()
        return steps("".join(process.printed))


def cost(plain: list[float], recorded: list[float]) -> float:
    """How many times the plain steps those take that are recorded, with what is left of them to the step after."""
    at = [step - 1 for step in RECORDED]  # the first step has no time
    both = sum(recorded[i] + recorded[i + 1] for i in at)
    return (both - sum(plain[i + 1] for i in at)) / sum(plain[i] for i in at)


def slower(plain: list[float], beside: list[float]) -> float:
    """How many times the plain steps those take that run beside the recorder."""
    return sum(beside) / sum(plain)


def spread(figures: list[float]) -> str:
    """The least and the most."""
    return f"{min(figures):.2f} to {max(figures):.2f}"


def least(turns: list[list[float]]) -> list[float]:
    """The least time of each step in all turns."""
    return [min(times) for times in zip(*turns, strict=True)]


def within(figures: list[float]) -> str:
    """What the same figure is within single turns."""
    return f"within a turn {median(figures):.2f}, {spread(figures)}"


def show(what: str, figure: float, unit: str, note: str) -> None:
    """One line."""
    print(f"{what:58} {figure:9.3f} {unit:12} {note}")


def main() -> None:
    """Measure, and print each figure beside its budget."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        text = SCRIPT.read_text()
        for old, new in SIZES.items():
            assert old in text
            text = text.replace(old, new)
        script.write_text(text.replace('    print("step"', TOLD + '    print("step"'))
        Path(folder, "names.txt").write_bytes(Path(ROOT, "data", "names.txt").read_bytes())
        opened: list[float] = []
        kept: dict[Run, list[list[float]]] = {plain_steps: [], steps_beside: [], steps_recorded: []}
        for turn in range(TURNS):
            runs = list(kept)
            for run in runs[turn % 3 :] + runs[: turn % 3]:
                kept[run].append(run(script))
            start = time.perf_counter()
            with ScriptProcess(script, [str(STEPS)]) as process:
                first = process.record(0)
                opened.append(time.perf_counter() - start)
        show("opening at step 0", median(opened), "s", f"budget 3     {spread(opened)}")
        show("scalars at step 0", first.n_rows, "", "")
        plain, beside, recorded = (least(turns) for turns in kept.values())
        alone = [sum(each) / len(each) for each in kept[plain_steps]]
        costs, others = (
            [ratio(a, b) for a, b in zip(kept[plain_steps], kept[run], strict=True)]
            for ratio, run in ((cost, steps_recorded), (slower, steps_beside))
        )
        show("a plain step", sum(plain) / len(plain), "s", within(alone))
        show("a recorded step, times a plain one", cost(plain, recorded), "", f"budget 3.5   {within(costs)}")
        show("other steps, times plain ones", slower(plain, beside), "", f"budget 1.05  {within(others)}")
        with ScriptProcess(script, [str(STEPS)]) as process:
            process.record(0)
            tracemalloc.start()
            tape = process.record(1)
            held = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
        show("bytes a scalar, all that a tape holds", held / tape.n_rows, "", "budget 120")
        show("bytes a scalar, its arrays", tape.nbytes / tape.n_rows, "", "")


if __name__ == "__main__":
    main()
