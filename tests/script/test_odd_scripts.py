"""Scripts that do unusual things: their losses and steps are those of a plain run, and what ends them is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import ScriptError
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
    with pytest.raises(ScriptEnded, match="stopped after 0 training steps: ZeroDivisionError"):
        opened(MODEL + "1 / 0\n" + LOOP)
    stopping = LOOP.replace("    loss = (", "    limit = Value(3.0)\n    if step == 2:\n        1 / 0\n    loss = (")
    run = opened(MODEL + stopping, step=3)
    assert run.ending is not None
    assert "stopped in training step 2: ZeroDivisionError" in run.ending
    assert run.step == 1
    assert len(run.losses) == 2
    assert run.program.parameters
    assert "ZeroDivisionError" in run.printed


def test_a_number_beyond_all_floats_is_told(opened: Opened) -> None:
    with pytest.raises(ScriptError, match="holds a whole number beyond the largest float"):
        opened(MODEL + LOOP.replace("- 0.5)", "* 0 + Value(10**400) * 0)"))
