"""Scripts that do unusual things: their losses and steps are those of a plain run, and what ends them is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import ScriptError
from engine.script.check import check
from engine.script.process import ScriptEnded
from engine.script.run import ScriptOptions, ScriptRun
from engine.script.source_file import ScriptFile
from engine.timeline.events import PHASES, Moment, Phase
from tests.script.plain_run import plain_run

CLASS = (Path(__file__).parent / "scripts" / "plain_scalar.py").read_text(encoding="utf-8")
MODEL = """
from plain_scalar import Scalar as Value
weights = [Value(0.5), Value(-0.25), Value(0.125)]
losses = []

def predict(inputs):
    return sum((weight * given for weight, given in zip(weights, inputs)), Value(0.0)).tanh()

"""
LOOP = """
for step in range(4):
    loss = (predict([1.0, 2.0, step]) - 0.5) ** 2
    for weight in weights:
        weight.grad = 0.0
    loss.backward()
    for weight in weights:
        weight.data -= 0.1 * weight.grad
    losses.append(loss.data)
"""
Opened = Callable[..., ScriptRun]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Writes a script and opens a run of it."""
    runs: list[ScriptRun] = []

    def open_script(text: str, step: int = 0) -> ScriptRun:
        (tmp_path / "plain_scalar.py").write_text(CLASS, encoding="utf-8")
        path = tmp_path / "mine.py"
        path.write_text(text, encoding="utf-8")
        runs.append(ScriptRun(ScriptFile.read(path), ScriptOptions(), step))
        return runs[-1]

    yield open_script
    for run in runs:
        run.close()


def seen(run: ScriptRun) -> list[float | None]:
    """The losses of all steps, each recorded and seen at the end of its forward phase; and every line is asked for."""
    losses = []
    while True:
        for phase in reversed(PHASES):
            ticks = run.program.ticks(phase)
            for tick in {0, ticks // 2, ticks}:
                run.seek(Moment(run.step, phase, tick))
                assert run.view().source().line >= 0
        run.seek(Moment(run.step, Phase.FORWARD, run.program.ticks(Phase.FORWARD)))
        losses.append(run.view().loss)
        try:
            run.seek(Moment(run.step + 1))
        except ScriptEnded:
            return losses


def plain(run: ScriptRun, tmp_path: Path) -> list[float]:
    """The losses of a run without the debugger."""
    return plain_run(tmp_path / "mine.py", (), [("losses", "")]).values[0]


def test_a_step_after_an_exception_in_backward_that_was_caught(opened: Opened, tmp_path: Path) -> None:
    failing = LOOP.replace(
        "    loss.backward()\n",
        """    if step == 2:
        weights[1].grad = None
    try:
        loss.backward()
    except TypeError:
        continue
""",
    )
    run = opened(MODEL + failing)
    found = seen(run)
    assert len(found) == 3
    assert found == plain(run, tmp_path)


def test_an_exception_before_the_first_operation_of_a_step_leaves_the_step_before(opened: Opened) -> None:
    with pytest.raises(ScriptEnded, match=r"stopped in line .* after 0 training steps: ZeroDivisionError"):
        opened(MODEL + "1 / 0\n" + LOOP)
    stopping = LOOP.replace("    loss = (", "    limit = Value(3.0)\n    if step == 2:\n        1 / 0\n    loss = (")
    run = opened(MODEL + stopping, step=3)
    assert run.ending is not None
    assert "mine.py stopped in line 13, in training step 2: ZeroDivisionError" in run.ending
    assert run.step == 1
    assert len(run.losses) == 2
    assert run.program.parameters
    assert "ZeroDivisionError" in run.printed


def test_a_number_beyond_all_floats_is_told(opened: Opened) -> None:
    with pytest.raises(ScriptError, match="holds a whole number beyond the largest float"):
        opened(MODEL + LOOP.replace("- 0.5)", "* 0 + Value(10**400) * 0)"))


def test_a_crash_is_counted_the_same_when_the_script_runs_again(opened: Opened) -> None:
    zeroed = "    for weight in weights:\n        weight.grad"
    run = opened(MODEL + LOOP.replace(zeroed, "    if step == 2:\n        1 / 0\n" + zeroed))
    run.seek(Moment(1))
    run.seek(Moment(2))
    with pytest.raises(ScriptEnded, match="in line 13 after 2 training steps: ZeroDivisionError"):
        run.seek(Moment(3))
    assert run.ending is not None
    assert "in training step 2: ZeroDivisionError" in run.ending


@pytest.mark.parametrize("inner", [2, 1])
def test_a_second_model_has_its_parameters_in_its_first_step(opened: Opened, tmp_path: Path, inner: int) -> None:
    train = "".join(f"    {line}\n" for line in LOOP.replace("range(4)", f"range({inner})").strip().splitlines())
    again = "for seed in range(3):\n    weights = [Value(0.5 + seed), Value(-0.25), Value(0.125)]\n" + train
    run = opened(MODEL + again)
    for step in range(3 * inner):
        run.seek(Moment(step))
        assert list(run.program.parameters) == ["weights"]
        assert run.program.ticks(Phase.UPDATE) == 3
    run.seek(Moment(0))
    assert seen(run) == plain(run, tmp_path)


def test_scalars_may_be_copied_while_a_step_is_recorded(opened: Opened, tmp_path: Path) -> None:
    copying = "import copy\n" + LOOP + "    best = copy.copy(weights[0]), copy.deepcopy(weights)\n"
    run = opened(MODEL + copying.replace("    loss.backward", "    kept = copy.copy(loss)\n    loss.backward"))
    assert seen(run) == plain(run, tmp_path)


def test_a_script_without_an_update_is_told_why_it_has_no_step(opened: Opened) -> None:
    with pytest.raises(ScriptEnded, match="no number that a loss is made from was written after a backward call"):
        opened(MODEL + LOOP.replace("weight.data -=", "wanted = weight.data -"))


def test_a_script_that_leaves_at_once_is_told(opened: Opened) -> None:
    run = opened(MODEL + "import os\n" + LOOP + "    if step == 1:\n        os._exit(3)\n")
    with pytest.raises(ScriptError, match="its process died with status 3"):
        seen(run)
    assert run.ending is not None
    assert run.ending.endswith("its process died with status 3")


def test_single_precision_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "plain_scalar.py").write_text(CLASS, encoding="utf-8")
    singles = "import numpy\nweights = [Value(numpy.float32(x)) for x in (0.37, -0.21, 0.83)]\n"
    (tmp_path / "mine.py").write_text(MODEL + singles + LOOP, encoding="utf-8")
    assert check(tmp_path / "mine.py").findings == []


def test_scalars_of_another_thread_do_not_end_an_update(opened: Opened, tmp_path: Path) -> None:
    beside = (
        "        other = threading.Thread(target=Value, args=(1.0,))\n        other.start()\n        other.join()\n"
    )
    run = opened(MODEL + "import threading\n" + LOOP.replace("    losses.append", beside + "    losses.append"))
    assert seen(run) == plain(run, tmp_path)
    for step in range(4):
        run.seek(Moment(step))
        assert run.program.ticks(Phase.UPDATE) == 3
        assert len(run.program.tape.update_row) == 3


def test_a_script_that_stops_before_it_uses_a_parameter_has_no_step(opened: Opened) -> None:
    with pytest.raises(ScriptEnded, match=r"stopped in line .* after 0 training steps: ZeroDivisionError"):
        opened("from plain_scalar import Scalar\nproduct = Scalar(2.0) * Scalar(3.0)\n1 / 0\n")


WARM_UP = LOOP.replace("0.1 *", "0.1 * (step % 3) / 3 *")


@pytest.mark.parametrize("first", range(4))
def test_steps_whose_rate_is_0_are_steps(opened: Opened, tmp_path: Path, first: int) -> None:
    run = opened(MODEL + WARM_UP, step=first)
    expected = plain(run, tmp_path)
    assert seen(run) == expected[first:]
    assert run.losses == expected
    run.seek(Moment(3, Phase.UPDATE, 1))
    step = run.view().update(0)
    assert step is not None
    assert step.unmoved == "the script writes what it was"


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("first", [0, 1, 2, 5])
def test_a_crash_after_a_whole_update_counts_its_step(opened: Opened, first: int, at: int) -> None:
    """Where: 0 in the update before its first write, 1 and 2 within it, 3 after it, 4 where the next step begins."""
    write = "        weight.data -= 0.1 * weight.grad\n"
    stop = f"        if step == 2 and weight is weights[{min(at, 2)}]:\n            1 / 0\n"
    text = LOOP.replace(write, stop + write)
    if at == 3:
        text = LOOP + "    if step == 2:\n        1 / 0\n"
    elif at == 4:
        text = LOOP.replace("    loss = (", "    if step == 3:\n        1 / 0\n    loss = (")
    run = opened(MODEL + text, step=first)
    whole = at > 2
    with pytest.raises(ScriptEnded, match=rf"stopped in line .* after {2 + whole} training steps: ZeroDivisionError"):
        run.seek(Moment(4))
    assert run.ending is not None
    assert f", in training step {2 + whole}: ZeroDivisionError" in run.ending
    run.seek(Moment(2))
    assert run.program.tape.complete == whole
    assert run.program.tape.update_row.tolist() == list(range(3 if whole else at))
    assert len(run.losses) == 2 + whole
