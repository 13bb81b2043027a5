"""Moving a script's run: later and earlier steps, its end, an error on the way, a script that differs in every run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from engine import Moment, Phase, Stopped
from engine.errors import ScriptError
from engine.script import run as script_run
from engine.script.gradients import GradientWrites
from engine.script.process import ScriptEnded
from engine.script.run import ScriptRun
from engine.script.source_file import ScriptFile
from engine.script.step import RecordedStep

SCRIPTS = Path(__file__).with_name("scripts")
PLAIN = (SCRIPTS / "plain.py").read_text()


@pytest.fixture
def open_run(tmp_path: Path, request: pytest.FixtureRequest):
    def opened(text: str = PLAIN, step: int = 0) -> ScriptRun:
        path = tmp_path / "script.py"
        path.write_text(text)
        run = ScriptRun(ScriptFile.read(path), step=step)
        request.addfinalizer(run.close)
        return run

    return opened


def test_a_run_stops_at_the_end_of_the_script(open_run) -> None:
    run = open_run()
    run.seek(Moment(3, Phase.BACKWARD, 20))
    with pytest.raises(ScriptEnded, match="ended after 5 training steps; there is no step 9"):
        run.seek(Moment(9))
    assert run.moment == Moment(3, Phase.BACKWARD, 20)
    assert run.config.num_steps == 5
    assert len(run.losses) == 5
    run.seek(Moment(4, Phase.UPDATE, 10**9))  # the script runs again
    assert run.moment == Moment(4, Phase.UPDATE, run.program.ticks(Phase.UPDATE))
    assert run.view().loss == run.losses[4]
    with pytest.raises(ScriptEnded):
        run.run(6)
    assert run.view().moment.step == 4
    assert "name:" in run.printed
    assert run.warning is None


def test_a_run_goes_on_unrecorded(open_run) -> None:
    run, seen = open_run(), list[tuple[int, float]]()
    run.run(3, lambda step, loss: seen.append((step, loss)))
    assert run.moment == Moment(3)
    assert seen == list(enumerate(run.losses[:3]))
    assert run.view().moment == Moment(3)
    assert run.program.step == 3
    run.run(4, lambda step, loss: True)
    assert run.moment == Moment(4)


def test_a_run_that_goes_on_unrecorded_to_the_end_stands_at_the_last_step_that_was_seen(open_run) -> None:
    run = open_run(step=1)
    process = run._process
    with pytest.raises(ScriptEnded, match="there is no step 6"):
        run.run(99)
    assert run.moment == Moment(1, Phase.UPDATE, run.program.ticks(Phase.UPDATE))
    assert len(run.losses) == 5
    for step in (5, 6, 10**6):
        with pytest.raises(ScriptEnded):
            run.seek(Moment(step))
    assert run._process is process  # nothing was run again to find that out


def test_a_move_that_is_halted_leaves_the_run_where_it_was(open_run) -> None:
    run = open_run()
    run.seek(Moment(0, Phase.FORWARD, 7))
    with pytest.raises(Stopped):
        run.seek(Moment(4), lambda step, loss: True)
    assert run.moment == Moment(0, Phase.FORWARD, 7)
    run.seek(Moment(4))
    assert run.moment == Moment(4)


def test_steps_that_are_not_kept_are_run_again(open_run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_run, "TAPES", 1)
    run = open_run(step=1)
    first = run.view()
    numbers = first.passed_values.copy()
    assert run.start_towards(1) == 1
    run.seek(Moment(2))
    assert run.start_towards(1) == 0
    run.seek(Moment(1, Phase.BACKWARD, 5))
    assert np.array_equal(run.view().passed_values, numbers)
    assert run.warning is None


def test_a_script_that_differs_in_every_run_is_told(open_run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_run, "TAPES", 1)
    run = open_run(PLAIN.replace("random.seed(3)", "random.seed()"))
    run.seek(Moment(1))
    assert run.warning is None
    run.seek(Moment(0))
    assert run.warning is not None
    assert "came out otherwise" in run.warning


def test_a_script_that_stops_with_an_error_opens_in_that_step(open_run) -> None:
    text = PLAIN.replace(
        "        losses.append(loss_t)\n", "        losses.append(loss_t)\n        docs[99 if step == 2 else 0]\n"
    )
    assert text != PLAIN
    run = open_run(text, step=4)
    assert run.step == 2
    program = run.program
    assert run.moment == Moment(2, Phase.FORWARD, program.ticks(Phase.FORWARD))
    assert [event.name for event in program.events(Phase.FORWARD)][-2:] == ["probs", "loss_t"]
    view = run.view()
    assert view.loss is None
    assert run.ending is not None
    assert "IndexError" in run.ending
    assert run.printed.count("Traceback") == 1
    assert "docs[99" in run.printed
    for phase in Phase:
        run.seek(Moment(2, phase, 10**9))
        assert run.view().explainer().name(run.view().last_row)
        assert run.view().source().line
    run.seek(Moment(1))
    assert run.view().loss is None
    assert run.ending is not None


def test_a_step_that_does_not_exist_is_told(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(PLAIN)
    with pytest.raises(ScriptError, match="ended after 5 training steps"):
        ScriptRun(ScriptFile.read(path), step=7)
    path.write_text("print(1)\n")
    with pytest.raises(ScriptError):
        ScriptRun(ScriptFile.read(path))


def test_copies_have_processes_of_their_own_and_share_what_is_recorded(open_run) -> None:
    run = open_run(step=2)
    copy, again = run.replay_copy(), run.restart_copy()
    assert (copy.moment, again.moment) == (Moment(2), Moment(0))
    assert copy.program is run.program
    copy.seek(Moment(0))
    assert run.moment == Moment(2)
    run.seek(Moment(3))
    assert copy.moment == Moment(0)
    assert copy.losses[:1] == again.view().losses[:1]
    processes = [process._process for process in (*run._shared.processes, *again._shared.processes)]
    assert len({process.pid for process in processes}) == 3
    again.close()
    copy.close()
    assert all(process.poll() is not None for process in processes)
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


def test_forgotten_losses_come_again(open_run) -> None:
    run = open_run()
    run.seek(Moment(3))
    losses = list(run.losses)
    run.seek(Moment(1))
    run.forget_future()
    assert run.losses == losses[:1]
    run.seek(Moment(4))
    assert run.losses[: len(losses)] == losses


def test_what_is_kept_is_bounded(open_run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run()
    size = next(iter(run._shared.tapes.values())).nbytes
    assert isinstance(size, int)
    monkeypatch.setattr(script_run, "TAPES", int(2.5 * size))
    for step in range(5):
        run.seek(Moment(step))
    kept: list[RecordedStep] = list(run._shared.tapes.values())
    assert sum(each.nbytes for each in kept) <= 2.5 * size
    assert 4 in run._shared.tapes


def test_lines_of_a_notebook_are_those_of_its_cells(tmp_path: Path) -> None:
    head, rest = PLAIN.split("def matrix", 1)
    cells = [
        {"cell_type": "code", "source": part, "metadata": {}, "outputs": []} for part in (head, "def matrix" + rest)
    ]
    path = tmp_path / "script.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    run = ScriptRun(ScriptFile.read(path))
    try:
        run.seek(Moment(0, Phase.FORWARD, 5))
        line = rest[: rest.index("x = [a + b")].count("\n") + 1
        assert run.view().source().label == f"script.ipynb, cell 2, line {line}"
    finally:
        run.close()


def test_what_earlier_backward_calls_have_added_is_shown_and_told() -> None:
    run = ScriptRun(ScriptFile.read(SCRIPTS / "accumulate.py"), step=1)
    try:
        assert "calls backward 4 times before its update. The last call is shown" in (run.warning or "")
        run.seek(Moment(1, Phase.BACKWARD, 0))
        view = run.view()
        rows = np.arange(run.program.n_params, dtype=np.int32)
        begun = view.grad(rows)
        assert begun.known[begun.values != 0].all()
        assert np.array_equal(begun.values, GradientWrites(run.program).at_first[rows])
        assert np.count_nonzero(begun.values) > 0
        run.seek(Moment(1, Phase.BACKWARD, run.program.ticks(Phase.BACKWARD)))
        view = run.view()
        assert view.carried == "3 earlier calls"
        for row in rows.tolist():
            now = float(begun.values[row])
            for term in view.explainer().gradient(row):
                assert term.before == now
                now = term.after
            assert now == view.grad(np.array(row)).values
        run.seek(Moment(1, Phase.UPDATE, run.program.n_params))
        said = [line.split() for line in run.printed.splitlines()]
        assert view.loss == run.losses[1] == float(said[1][1])
        assert view.value(run.program.loss_row) == float(said[1][3])
    finally:
        run.close()
    run = ScriptRun(ScriptFile.read(SCRIPTS / "plain.py"))
    assert run.warning is None
    run.close()


IN_A_METHOD = """    loss = (1 / n) * sum(losses)
    Trainer().learn(loss)
"""
TRAINER = """

class Trainer:
    def learn(self, loss):
        loss.backward()


m = [0.0]"""


@pytest.mark.parametrize("way", ["in the loop", "in a method"])
@pytest.mark.parametrize(
    "after", ["            x_attn.extend(head_out)\n", "            q_h = q[first : first + head_dim]\n"]
)
def test_a_step_that_broke_off_at_once_has_the_places_of_a_whole_one(open_run, after: str, way: str) -> None:
    text = PLAIN
    if way == "in a method":
        text = text.replace("    loss = (1 / n) * sum(losses)\n    loss.backward()\n", IN_A_METHOD)
        text = text.replace("\nm = [0.0]", TRAINER, 1)
        assert "learn" in text
    whole = open_run(text)
    expected = [(event.name, event.place, event.kind) for event in whole.program.events(Phase.FORWARD)]
    for head in range(2):
        broken = open_run(text.replace(after, f"{after}            1 // (h - {head})\n"))
        assert not broken.program.tape.complete
        found = [(event.name, event.place, event.kind) for event in broken.program.events(Phase.FORWARD)]
        called = whole.program.place_names
        assert broken.program.place_names in (called, {**called, "head": "head"})  # no head may have been made yet
        whole_ones = found[:-1] if found[-1] not in expected else found  # the last one may have been on its way
        assert len(found) > 5
        assert whole_ones == expected[: len(whole_ones)]
