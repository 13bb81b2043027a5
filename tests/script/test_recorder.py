"""The recorder: what it records of a script is what the script computes without it, bit for bit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from engine.script.process import ScriptProcess
from engine.script.tape import ScriptTape
from tests.script.plain_run import plain_run

SCRIPTS = Path(__file__).with_name("scripts")
MOMENTS = {
    "plain.py": {"m", "v"},
    "functions.py": {f"optimizer['velocity'][{name!r}]" for name in ("embed", "hidden", "out")},
    "while_loop.py": set(),
    "renamed.py": {"first_moment", "second_moment"},
    "package/train.py": set(),
    "coursework.py": {"m", "v"},
    "adamw.py": {".m", ".v"},
    "accumulate.py": {"m", "v"},
    "dropout.py": set(),
    "arguments.py": set(),
    "rnn.py": {f"memory[{name!r}]" for name in ("Wxh", "Whh", "Why")},
    "overwrite.py": set(),
    "trainer.py": {"self.opt.velocity"},
    "recursive.py": set(),
    "blocks.py": {"opt.m", "opt.v"},
    "optimiser.py": {"opt.state['m']", "opt.state['v']"},
}
"""The scripts, each with the lists of moments that it keeps."""
ELSEWHERE = {f"opt.state['{key}']": f"[each['{key}'] for each in opt.state.values()]" for key in "mv"} | {
    "self.opt.velocity": "trainer.opt.velocity"
}
"""Expressions at the end of the script for moments whose names are none there."""


def recorded(script: str, steps: int, at: int) -> tuple[ScriptTape, ScriptProcess]:
    """Step `at` of a script that is told to make so many, and the process after its end."""
    with ScriptProcess(SCRIPTS / script, [str(steps)]) as process:
        tape = process.record(at)
        end = process.run_out()
        assert end.kind == "end", end
        return tape, process


@pytest.mark.parametrize("script", MOMENTS)
@pytest.mark.parametrize("steps", [1, 3])
def test_a_recorded_step_is_that_of_a_plain_run(script: str, steps: int) -> None:
    tape, process = recorded(script, steps, steps - 1)
    assert {group.name for group in tape.moments} == MOMENTS[script]
    groups = [(group.name, "data") for group in tape.params]
    if script == "renamed.py":
        groups = [(name, "value") for name, _ in groups]
    moments = [(ELSEWHERE.get(group.name, group.name), "") for group in tape.moments if group.name[0] != "."]
    on_params = [
        (group.name, moment.name[1:]) for moment in tape.moments if moment.name[0] == "." for group in tape.params
    ]
    plain = plain_run(SCRIPTS / script, [str(steps)], [*groups, *moments, *on_params])
    assert "".join(process.printed) == plain.printed

    printed = [
        float(word)
        for line in plain.printed.splitlines()
        for word in [line.partition("loss ")[2].partition(" ")[0]]
        if word
    ]
    assert process.losses == printed
    assert len(printed) == steps
    loss = tape.value[tape.loss_row]
    writes = [value for row, value in zip(tape.write_row, tape.write_value, strict=True) if row == tape.loss_row]
    total = 0.0
    for each in (*tape.earlier, writes[-1] if writes else loss):
        total += each
    assert total == printed[-1]
    assert len(tape.earlier) == (3 if script == "accumulate.py" else 0)

    after = end_of_step(tape)
    assert after.tolist() == [x for each in plain.values[: len(groups)] for x in each]
    assert sum(group.size for group in tape.params) == tape.n_params
    found = [group.after.tolist() for group in tape.moments if group.name[0] != "."]
    assert found == plain.values[len(groups) : len(groups) + len(moments)]
    numbers = iter(plain.values[len(groups) + len(moments) :])
    for moment in tape.moments:
        if moment.name[0] == ".":
            assert moment.after.tolist() == [x for _ in tape.params for x in next(numbers)]


def end_of_step(tape: ScriptTape) -> np.ndarray:
    """The values of the parameters after the update."""
    values = tape.value[: tape.n_params].copy()
    for row, value in zip(tape.write_row, tape.write_value, strict=True):
        if row < tape.n_params:
            values[row] = value
    values[tape.update_row] = tape.update_value
    return values


@pytest.mark.parametrize("script", MOMENTS)
def test_the_backward_pass_explains_itself(script: str) -> None:
    tape, _ = recorded(script, 2, 1)
    grads = tape.grad_before.copy()
    explained = 0
    for row, source, value in zip(
        tape.back_row.tolist(), tape.back_source.tolist(), tape.back_value.tolist(), strict=True
    ):
        if source >= 0:
            slopes = [
                slope
                for child, slope in zip(tape.children(source), tape.locals_of(source), strict=True)
                if child == row
            ]
            assert slopes
            if not any(map(math.isnan, slopes)):
                assert value in {grads[row] + slope * grads[source] for slope in slopes}
            explained += 1
        grads[row] = value
    used = np.unique(tape.child)
    edges = len(tape.child)
    assert 0 < explained <= edges
    assert grads[tape.loss_row] == 1.0
    assert np.count_nonzero(grads[used]) > 0


@pytest.mark.parametrize("script", MOMENTS)
def test_operands_come_before_and_make_the_value(script: str) -> None:
    tape, _ = recorded(script, 2, 1)
    now = tape.value.copy()
    writes = list(zip(tape.write_tick.tolist(), tape.write_row.tolist(), tape.write_value.tolist(), strict=True))[::-1]
    tick = 0
    checked = 0
    for row in range(tape.n_params, tape.n_rows):
        while writes and writes[-1][0] <= tick:
            _, written, value = writes.pop()
            now[written] = value
        children = tape.children(row)
        if not children:
            continue
        tick += 1
        assert max(children) < row
        operands = [now[child] for child in children]
        match tape.op_of(row):
            case "__add__":
                assert tape.value[row] == sum(operands) if len(children) == 2 else not math.isnan(tape.extra[row])
                checked += 1
            case "__mul__":
                other = operands[1] if len(children) == 2 else tape.extra[row]
                assert tape.value[row] == operands[0] * other
                checked += 1
            case "__pow__":
                assert tape.value[row] == operands[0] ** tape.extra[row]
                checked += 1
        assert tape.position_of(row) is not None
    assert checked


def test_recorded_steps_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    """A script whose scalars refer to themselves, so that only the collector can free its graphs."""
    text = (SCRIPTS / "plain.py").read_text()
    text = text.replace('"grad")', '"grad", "itself")').replace(
        "self.grad = 0\n", "self.grad = 0\n        self.itself = self\n"
    )
    count = "sum(type(each) is Scalar for each in gc.get_objects())"
    text = text.replace("import math", "import gc\nimport math").replace(
        '    print("step"', f'    print("scalars", {count})\n    print("step"'
    )
    (tmp_path / "script.py").write_text(text)
    steps = 12
    with ScriptProcess(tmp_path / "script.py", [str(steps)]) as process:
        made = [process.record(step).n_rows for step in range(steps)]
        process.run_out()
    held = [int(line.split()[1]) for line in "".join(process.printed).splitlines() if line.startswith("scalars")]
    assert len(held) == steps
    assert max(made) <= held[0] <= max(held) < 5 * max(made)
