"""What a script prints is there from the moment at which it was printed, in every phase, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.script.process import ScriptEnded
from engine.script.run import ScriptOptions, ScriptRun
from engine.script.source_file import ScriptFile
from engine.timeline.events import PHASES, Moment, Phase

CLASS = (Path(__file__).parent / "scripts" / "plain_scalar.py").read_text(encoding="utf-8")
WRITE = "                child.grad += slope * node.grad\n"
TELLING = CLASS.replace(WRITE, WRITE + '                print("grad", repr(child.grad))\n')
SCRIPT = """
import sys
from plain_scalar import Scalar
print("begun")
weights = [Scalar(0.5), Scalar(-0.75)]
for step in range(3):
    print("step", step)
    total = Scalar(0.0)
    for number, weight in enumerate(weights):
        product = weight * (number + 1.0)
        print("made", repr(product.data), file=sys.stderr if number else sys.stdout)
        total = total + product
        print("made", repr(total.data))
    if {again}:
        (weights[0] * weights[1]).backward()
        print("first call")
    loss = total * total
    print("loss", repr(loss.data))
    loss.backward()
    print("differentiated")
    for weight in weights:
        weight.data -= 0.1 * weight.grad
        print("moved", repr(weight.data))
        weight.grad = 0.0
    print("done", step)
    {more}
print("over")
"""


def moments(run: ScriptRun) -> Iterator[Moment]:
    """All of the present step."""
    for phase in PHASES:
        yield from (Moment(run.step, phase, tick) for tick in range(run.program.ticks(phase) + 1))


@pytest.fixture
def open_script(tmp_path: Path) -> Iterator:
    """Opens a run of the script."""
    runs = []

    def opened(more: str = "", again: bool = False, step: int = 1) -> ScriptRun:
        assert TELLING != CLASS
        (tmp_path / "plain_scalar.py").write_text(TELLING, encoding="utf-8")
        path = tmp_path / "mine.py"
        path.write_text(SCRIPT.format(more=more, again=again), encoding="utf-8")
        runs.append(ScriptRun(ScriptFile.read(path), ScriptOptions(), step))
        return runs[-1]

    yield opened
    for run in runs:
        run.close()


@pytest.mark.parametrize("again", [False, True])
def test_a_text_is_there_from_the_moment_at_which_it_was_printed(open_script, again: bool) -> None:
    run = open_script(again=again)
    run.seek(Moment(1))
    before = run.printed
    assert before.endswith("done 0\nstep 1\n")
    seen = []
    for moment in moments(run):
        run.seek(moment)
        view = run.view()
        printed = view.printed or ""
        assert printed.startswith(before)
        for line in printed[len(before) :].splitlines():
            word, _, number = line.partition(" ")
            seen.append(word)
            now = view.last_row
            match word:
                case "made":
                    assert (moment.phase, view.value(now)) == (Phase.FORWARD, float(number))
                case "loss":
                    assert moment.phase is Phase.FORWARD
                    assert view.loss is not None
                    assert view.value(run.program.loss_row) == float(number)
                case "grad" if moment.phase is Phase.BACKWARD:
                    assert view.grad(run.program.receivers[moment.tick - 1 :][:1]).values[0] == float(number)
                case "differentiated":
                    assert moment == Moment(1, Phase.BACKWARD, run.program.ticks(Phase.BACKWARD))
                case "moved":
                    assert (moment.phase, view.value(moment.tick - 1)) == (Phase.UPDATE, float(number))
        before = printed
    assert before.endswith("done 1\nstep 2\n")
    assert before.count("first call\n") == 2 * again
    assert seen.count("made") == 4
    assert seen.count("moved") == 2
    assert seen.count("grad") >= run.program.ticks(Phase.BACKWARD) - 1
    run.seek(Moment(2))
    assert run.printed.startswith(before)


def test_what_is_printed_after_the_last_step_is_there_at_its_end(open_script) -> None:
    run = open_script(step=2)
    with pytest.raises(ScriptEnded):
        run.seek(Moment(3))
    for moment in moments(run):
        run.seek(moment)
        assert ("over" in run.printed) == (moment == Moment(2, Phase.UPDATE, 2))


def test_a_traceback_is_there_where_the_script_stopped_with_its_line(open_script) -> None:
    run = open_script(more="weights[step + 1]", step=1)
    values = r"\(where weights = \[Scalar\(data=.*, step = 1\)"
    with pytest.raises(ScriptEnded, match=f"stopped in line 26 after 2 training steps: IndexError.*{values}"):
        run.seek(Moment(2))
    for moment in moments(run):
        run.seek(moment)
        assert ("Traceback" in run.printed) == (moment == Moment(1, Phase.UPDATE, 2))
