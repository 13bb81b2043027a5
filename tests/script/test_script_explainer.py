"""What is said of single scalars of scripts of many kinds: names, formulas, terms, and the events they belong to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Address, Moment, Phase
from engine.errors import AddressError
from engine.expressions.scope import Scope
from engine.script.gradients import GradientWrites
from engine.script.run import ScriptRun
from engine.script.source_file import ScriptFile
from engine.script.view import ScriptView

SCRIPTS = Path(__file__).with_name("scripts")
TRIED = (
    "plain", "functions", "while_loop", "renamed", "package/train", "coursework", "adamw", "accumulate", "dropout",
    "rnn", "overwrite", "helpers", "blocks",
)  # fmt: skip
SIGNS = {" · ": " * ", " ^ ": " ** "}
FUNCTIONS = {"exp": math.exp, "log": math.log, "tanh": math.tanh, "max": max, "__builtins__": {}}


@pytest.fixture(scope="module", params=TRIED)
def run(request: pytest.FixtureRequest) -> Iterator[ScriptRun]:
    run = ScriptRun(ScriptFile.read(SCRIPTS / f"{request.param}.py"), step=1)
    yield run
    run.close()


def end_of(run: ScriptRun, phase: Phase) -> ScriptView:
    run.seek(Moment(1, phase, run.program.ticks(phase)))
    return run.view()


def test_events_cover_every_tick_once_and_each_has_an_address(run: ScriptRun) -> None:
    run.seek(Moment(1))
    scope = Scope.of_run(run)
    for phase in Phase:
        events = run.program.events(phase)
        assert [event.first for event in events] == [0, *(event.last for event in events[:-1])]
        assert all(event.first < event.last for event in events)
        assert events[-1].last == run.program.ticks(phase)
        assert [event.index for event in events] == list(range(len(events)))
        assert len({event.place for event in events}) == len(events)
        for event in events:
            moment = Moment(1, phase, event.last)
            written = Address.of(run.program, moment).written(run.program.place_names)
            assert Address.parse(written, scope).moment(run.program) == moment
    forward = run.program.events(Phase.FORWARD)
    assert len(run.program.rows) == run.program.ticks(Phase.FORWARD)
    assert all(run.program.rows[event.last - 1] in event.rows for event in forward)


@pytest.mark.parametrize("line", ["0 forward nowhere", "so and so"])
def test_examples_of_moments_are_some_of_the_script(run: ScriptRun, line: str) -> None:
    scope = Scope.of_run(run)
    with pytest.raises(AddressError) as caught:
        Address.parse(line, scope)
    examples = str(caught.value).rpartition(" for example ")[2].split(", ")
    assert len(examples) == 4
    for each in examples:
        assert Address.parse(each, scope)


def test_every_element_of_a_tensor_is_called_by_it(run: ScriptRun) -> None:
    explainer = end_of(run, Phase.FORWARD).explainer()
    for event in run.program.events(Phase.FORWARD):
        for row in event.rows.ravel().tolist():
            if run.program.computed[row]:
                assert explainer.is_named(row), (event.name, explainer.name(row))


def test_formulas_have_the_value_that_the_script_computed(run: ScriptRun) -> None:
    view = end_of(run, Phase.FORWARD)
    explain, program = view.explainer(), run.program
    values: dict[int, float] = dict(enumerate(program.made_values.tolist()))
    written_over = set(program.to_row[program.tape.write_row].tolist())
    counted = 0
    for row in program.rows.tolist():
        pieces = explain.formula(row)
        assert pieces
        assert explain.name(row)
        if written_over.intersection(pieces):
            continue  # what it was made from is another number by now
        text = "".join(SIGNS.get(p, p) if isinstance(p, str) else f"v[{p}]" for p in pieces)
        if any(word.isalpha() and word not in FUNCTIONS and word != "v" for word in words_of(text)):
            continue  # a function of the script's own
        assert eval(text, {**FUNCTIONS, "v": values}) == values[row], (explain.name(row), text)
        counted += 1
    assert counted >= len(program.rows) / 4


def words_of(text: str) -> list[str]:
    return "".join(c if c.isalpha() else " " for c in text).split()


def test_terms_make_up_the_gradients(run: ScriptRun) -> None:
    view = end_of(run, Phase.BACKWARD)
    explain, writes = view.explainer(), GradientWrites(run.program)
    final = view.grad(np.arange(run.program.n_rows, dtype=np.int32))
    counted = 0
    for row in range(run.program.n_rows):
        terms = explain.gradient(row)
        assert len(terms) == explain.planned(row)
        at = float(writes.at_first[row])
        by_tick = {term.tick: term for term in terms}
        for tick in (writes.into(row) + 1).tolist():
            term = by_tick.get(tick)
            if term is None:  # set, to 1 or to 0, and nothing was handed on
                at = float(writes.values[tick - 1])
                continue
            assert term.before == at
            assert row in explain.children(term.user)
            assert term.user in explain.users(row)
            assert term.before + term.local * term.grad == term.after
            at = term.after
            counted += 1
        assert at == final.values[row]
    assert counted > run.program.ticks(Phase.FORWARD)


def test_the_update_ends_at_what_the_next_step_begins_with(run: ScriptRun) -> None:
    view = end_of(run, Phase.UPDATE)
    after: dict[str, Any] = {name: view.data(rows).values for name, rows in run.program.parameters.items()}
    terms = view.update(0)
    assert terms is not None
    assert terms.terms[0].name == "g"
    assert terms.terms[-1].value == view.data(np.array([0])).values[0]
    run.seek(Moment(2))
    start = run.view()
    for name, rows in run.program.parameters.items():
        assert np.array_equal(start.data(rows).values, after[name])
    run.seek(Moment(1))
    assert run.warning is None or "The last call is shown" in run.warning


def test_every_moment_has_a_line_of_the_script(run: ScriptRun) -> None:
    run.seek(Moment(1))
    for phase in Phase:
        for event in run.program.events(phase):
            source = run.view().source(event)
            assert source.path.suffix == ".py"
            assert source.text is not None
            assert source.text.text.splitlines()[source.line - 1].strip()
