"""Figures of recording a user's script, to be run by hand: `python tests/benchmarks/script.py`. Judges nothing.

The script is of the original's shape and of its size. A plain run of it and a recorded one take turns in the same run;
times are those of the script's own process, so that a busy machine slows both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402

from engine.script.process import ScriptProcess  # noqa: E402

SCRIPT = ROOT / "tests" / "script" / "scripts" / "plain.py"
SIZES = {"= 1, 8, 2, 6": "= 1, 16, 4, 16", "[:50]": ""}  # of the test to those of the original
STEPS = 15
TURNS = 3

TIMES = """
import runpy, sys, time
times = [time.process_time()]
def heard(text):
    if text.startswith("step"):
        times.append(time.process_time())
sys.stdout = type("Heard", (), {"write": staticmethod(heard), "flush": staticmethod(lambda: None)})
path, sys.argv = sys.argv[1], sys.argv[1:]
sys.path[0] = path.rpartition("/")[0]
runpy.run_path(path, run_name="__main__")
print(*[b - a for a, b in zip(times, times[1:])], file=sys.__stdout__)
"""


def plain_steps(script: Path) -> list[float]:
    """Seconds of the processor of each training step, without the recorder."""
    command = [sys.executable, "-c", TIMES, str(script), str(STEPS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=script.parent)
    return [float(word) for word in done.stdout.split()]


def used(process: ScriptProcess, work: Callable[[], object]) -> float:
    """Seconds of the processor that the script's process takes for something."""

    def now() -> float:
        times = psutil.Process(process._process.pid).cpu_times()
        return float(times.user + times.system)

    start = now()
    work()
    return now() - start


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
        script.write_text(text)
        Path(folder, "names.txt").write_bytes(Path(ROOT, "data", "names.txt").read_bytes())
        recorded, others, opened, ratios, slower = [], [], [], [], []
        for _ in range(TURNS):
            plain = plain_steps(script)
            start = time.perf_counter()
            with ScriptProcess(script, [str(STEPS)]) as process:
                tape = process.record(0)
                opened.append(time.perf_counter() - start)
                process.run_to(1)
                others.append(used(process, lambda: process.run_to(10)))
                recorded.append(used(process, lambda: process.record(10)))
                ratios.append(recorded[-1] / plain[10])
                slower.append(others[-1] / sum(plain[1:10]))
        show("opening at step 0", min(opened), "s", "budget 3")
        show("a recorded step", statistics.median(recorded), "s", f"{tape.n_rows:,} scalars at step 0")
        show("a plain step", statistics.median(plain), "s", "")
        show("a recorded step, times a plain one", statistics.median(ratios), "", "budget 3.5")
        show("other steps, times plain ones", statistics.median(slower), "", "budget 1.05")
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
