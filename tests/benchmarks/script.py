"""Figures of recording a user's script, to be run by hand: `python tests/benchmarks/script.py`. Judges nothing.

The script is of the original's shape and of its size. A plain run of it and a recorded one take turns in the same run;
times are those of the script's own process, so that a busy machine slows both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from engine.script.process import ScriptProcess  # noqa: E402

SCRIPT = ROOT / "tests" / "script" / "scripts" / "plain.py"
SIZES = {"= 1, 8, 2, 6": "= 1, 16, 4, 16", "[:50]": ""}  # of the test to those of the original
STEPS = 8
RECORDED = 4
TURNS = 5

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


def least(turns: list[list[float]]) -> list[float]:
    """The least that each step has taken in any turn."""
    return [min(each) for each in zip(*turns, strict=True)]


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
        plain: list[list[float]] = []
        others: list[list[float]] = []
        recorded: list[list[float]] = []
        opened = []
        for _ in range(TURNS):
            plain.append(plain_steps(script))
            with ScriptProcess(script, [str(STEPS)]) as process:
                process.run_out()
                others.append(steps("".join(process.printed)))
            start = time.perf_counter()
            with ScriptProcess(script, [str(STEPS)]) as process:
                first = process.record(0)
                opened.append(time.perf_counter() - start)
                process.record(RECORDED)
                process.run_out()
                recorded.append(steps("".join(process.printed)))
        alone, beside = least(plain), least(others)
        # The tape of a step is sent at the beginning of the next one.
        one = RECORDED - 1
        cost = sum(least(recorded)[one : one + 2]) - alone[one + 1]
        show("opening at step 0", min(opened), "s", "budget 3")
        show("scalars at step 0", first.n_rows, "", "")
        show("a plain step", alone[one], "s", "")
        show("a recorded step", cost, "s", "")
        show("a recorded step, times a plain one", cost / alone[one], "", "budget 3.5")
        show("other steps, times plain ones", sum(beside) / sum(alone), "", "budget 1.05")
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
