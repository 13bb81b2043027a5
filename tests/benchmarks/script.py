"""Figures of recording a user's script, to be run by hand: `python tests/benchmarks/script.py`. Judges nothing.

The script is of the original's shape and of its size. Times are those of the processor that the script's own process
has used. A plain run and one beside the recorder go on in turns, one step each, and each step is compared with that of
the other run which came just before or after it: what else the machine does weighs on both. The median of these ratios
is shown, with the middle half of them. For recorded steps, whole runs are compared in the same way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from queue import Queue
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from engine.errors import ScriptError  # noqa: E402
from engine.script.process import ScriptProcess  # noqa: E402
from tests.support.changed_text import replaced  # noqa: E402

SCRIPT = ROOT / "tests" / "script" / "scripts" / "plain.py"
SIZES = {"= 1, 8, 2, 6": "= 1, 16, 4, 16", "[:50]": ""}  # of the test to those of the original
STEPS = 10
RECORDED = (2, 4, 6)
"""Steps besides the first; each is followed by one that is not recorded, in which its tape is sent."""
TURNS = 5

TOLD = """    import time
    print("at", time.process_time(), flush=True)
"""
PAIRS = 150
PACED = """    import os, time
    print("at", time.process_time(), flush=True)
    os.read(_turn, 1)
    print("go", time.process_time(), flush=True)
"""
OPENED = "import os, sys\n_turn = os.open(sys.argv[2], os.O_RDONLY)\n"
"""What tells a run that it may go on for a step: a byte from a pipe with a name."""


def steps(text: str) -> list[float]:
    """Seconds of the processor of each training step after the first, from what a script has printed."""
    times = [float(line.split()[1]) for line in text.splitlines() if line.startswith("at ")]
    return [after - before for before, after in pairwise(times)]


def plain_steps(script: Path) -> list[float]:
    """Those of a plain run."""
    command = [sys.executable, str(script), str(STEPS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=script.parent)
    return steps(done.stdout)


class Paced:
    """A run that goes on for one step at a time; `lines` are put what it prints."""

    def __init__(self, pipe: Path, lines: Queue[str]) -> None:
        self._lines, self._text = lines, ""
        self._turn = os.open(pipe, os.O_WRONLY)  # once the run has opened its end
        self._time("at")

    def step(self) -> float:
        """Seconds of the processor that the next step takes."""
        os.write(self._turn, b".")
        begun = self._time("go")
        return self._time("at") - begun

    def _time(self, word: str) -> float:
        while True:
            while "\n" not in self._text:
                self._text += self._lines.get(timeout=600)
            line, _, self._text = self._text.partition("\n")
            if line.startswith(f"{word} "):
                return float(line.split()[1])


def _run_out(process: ScriptProcess) -> None:
    with suppress(ScriptError):  # it is ended when all has been measured
        process.run_out()


def paced_ratios(script: Path, folder: Path) -> list[float]:
    """How many times a plain step those take that run beside the recorder, step by step."""
    pipes = [folder / "plain", folder / "beside"]
    for each in pipes:
        os.mkfifo(each)
    args = [str(PAIRS + 2), str(pipes[0])]
    plain = subprocess.Popen([sys.executable, script, *args], stdout=subprocess.PIPE, text=True, cwd=script.parent)
    printed: Queue[str] = Queue()
    told: Queue[str] = Queue()
    threading.Thread(target=lambda: [printed.put(line) for line in plain.stdout or ()], daemon=True).start()
    try:
        with ScriptProcess(script, [args[0], str(pipes[1])], on_printed=told.put) as process:
            threading.Thread(target=_run_out, args=(process,), daemon=True).start()
            runs = Paced(pipes[0], printed), Paced(pipes[1], told)
            found = []
            for turn in range(PAIRS):
                first, second = (0, 1) if turn % 2 else (1, 0)
                times = {first: runs[first].step(), second: runs[second].step()}
                found.append(times[1] / times[0])
            return found
    finally:
        plain.kill()
        plain.wait()


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


def spread(figures: list[float]) -> str:
    """The middle half of some figures."""
    first, _, third = quantiles(figures, n=4)
    return f"half of them {first:.2f} to {third:.2f}"


def show(what: str, figure: float, unit: str, note: str) -> None:
    """One line."""
    print(f"{what:58} {figure:9.3f} {unit:12} {note}")


def main() -> None:
    """Measure, and print each figure beside its budget."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        text = replaced(SCRIPT.read_text(), *SIZES.items())
        script.write_text(text.replace('    print("step"', TOLD + '    print("step"'))
        Path(folder, "names.txt").write_bytes(Path(ROOT, "data", "names.txt").read_bytes())
        paced = Path(folder, "paced.py")
        paced.write_text(OPENED + text.replace('    print("step"', PACED + '    print("step"'))
        beside = paced_ratios(paced, Path(folder))
        opened, alone, costs = list[float](), list[float](), list[float]()
        for turn in range(TURNS):
            first, second = (plain_steps, steps_recorded) if turn % 2 else (steps_recorded, plain_steps)
            times = {first: first(script), second: second(script)}
            alone.append(sum(times[plain_steps]) / len(times[plain_steps]))
            costs.append(cost(times[plain_steps], times[steps_recorded]))
            start = time.perf_counter()
            with ScriptProcess(script, [str(STEPS)]) as process:
                tape = process.record(0)
                opened.append(time.perf_counter() - start)
        show("opening at step 0", median(opened), "s", f"budget 3     {spread(opened)}")
        show("scalars at step 0", tape.n_rows, "", "")
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
