"""Figures of recording a user's script, to be run by hand: `python tests/benchmarks/script.py`. Judges nothing.

The script is of the original's shape and of its size. In each turn it runs plainly, with the recorder beside it, and
with steps recorded, one run after another; times are those of the processor that the script's own process has used.
Each ratio is taken within a turn, so that a slow spell of the machine weighs on both sides, and the median of all
turns is shown, with the least and the most.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from engine.script.process import ScriptProcess  # noqa: E402

SCRIPT = ROOT / "tests" / "script" / "scripts" / "plain.py"
SIZES = {"= 1, 8, 2, 6": "= 1, 16, 4, 16", "[:50]": ""}  # of the test to those of the original
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


def spread(figures: list[float]) -> str:
    """The least and the most."""
    return f"{min(figures):.2f} to {max(figures):.2f}"


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
        opened, alone, costs, beside = [], [], [], []
        recorded = [step - 1 for step in RECORDED]  # the first step has no time
        for turn in range(TURNS):
            runs = [plain_steps, steps_beside, steps_recorded]
            times = {}
            for run in runs[turn % 3 :] + runs[: turn % 3]:
                times[run] = run(script)
            plain = times[plain_steps]
            took = sum(plain[at] for at in recorded)
            both = sum(times[steps_recorded][at] + times[steps_recorded][at + 1] for at in recorded)
            alone.append(took / len(recorded))
            costs.append((both - sum(plain[at + 1] for at in recorded)) / took)
            beside.append(sum(times[steps_beside]) / sum(plain))
            start = time.perf_counter()
            with ScriptProcess(script, [str(STEPS)]) as process:
                first = process.record(0)
                opened.append(time.perf_counter() - start)
        show("opening at step 0", median(opened), "s", f"budget 3     {spread(opened)}")
        show("scalars at step 0", first.n_rows, "", "")
        show("a plain step", median(alone), "s", spread(alone))
        show("a recorded step, times a plain one", median(costs), "", f"budget 3.5   {spread(costs)}")
        show("other steps, times plain ones", median(beside), "", f"budget 1.05  {spread(beside)}")
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
