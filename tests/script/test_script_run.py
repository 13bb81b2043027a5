"""A script seen as a run: events, kinds and numbers are those of a session of the same model; other scripts fit too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import Address, Breakpoint, Config, Moment, Phase, Session, Stops, continue_to
from engine.explain.gradient_paths import GradientPaths
from engine.expressions.scope import Scope
from engine.expressions.watch import Watch, watch_text
from engine.script.run import ScriptRun
from engine.script.source_file import ScriptFile
from engine.timeline.events import Event
from tests.support.changed_text import replaced

SCRIPTS = Path(__file__).with_name("scripts")
NAMES = ("ada", "bea", "cleo", "dora", "edda", "fae", "gil", "hal", "ida", "jo")
SIZES = {"n_layer": 2, "n_embd": 8, "n_head": 2, "block_size": 6, "num_steps": 5}


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ScriptRun, Session]]:
    """The plain script, with the seed and the start of a session, and that session."""
    folder = tmp_path_factory.mktemp("gpt")
    (folder / "names.txt").write_text("\n".join(NAMES))
    text = replaced(
        (SCRIPTS / "plain.py").read_text(),
        ("random.seed(3)", "random.seed(42)"),
        ('open("names.txt")', f"open({str(folder / 'names.txt')!r})"),
        ('os.path.exists("names.txt")', "True"),
        ("gauss(0, 0.1)", "gauss(0, 0.08)"),
        ("n_head, block_size = 1, 8, 2, 6", "n_head, block_size = 2, 8, 2, 6"),
    )
    (folder / "gpt.py").write_text(text)
    run = ScriptRun(ScriptFile.read(folder / "gpt.py"), step=1)
    session = Session(Config(**SIZES, learning_rate=0.02), NAMES)
    session.run(until=1)
    yield run, session
    run.close()


def pairs(run: ScriptRun, session: Session, phase: Phase) -> list[tuple[Event, Event]]:
    return list(zip(run.program.events(phase), session.program.events(phase), strict=True))


def test_the_ticks_into_some_rows_are_those_that_add_to_them(gpt: tuple[ScriptRun, Session]) -> None:
    for run in gpt:
        run.seek(Moment(1))
        program = run.program
        rows = np.array([0, 5, int(program.receivers[-1]), program.loss_row], dtype=np.int32)
        expected = [tick for tick, row in enumerate(program.receivers.tolist(), 1) if row in rows]
        assert program.ticks_into_any(rows).tolist() == expected != []


def test_a_script_that_stops_before_its_backward_phase_has_no_ticks_into_any_row(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    text = replaced(
        (SCRIPTS / "plain.py").read_text(),
        ('open("names.txt")', f"open({str(tmp_path / 'names.txt')!r})"),
        ('os.path.exists("names.txt")', "True"),
        ("loss.backward()", "raise ValueError('no way back')"),
    )
    (tmp_path / "gpt.py").write_text(text)
    run = ScriptRun(ScriptFile.read(tmp_path / "gpt.py"), step=0)
    try:
        assert run.program.ticks_into_any(np.arange(3, dtype=np.int32)).tolist() == []
    finally:
        run.close()


def test_the_events_are_those_of_a_session(gpt: tuple[ScriptRun, Session]) -> None:
    run, session = gpt
    run.seek(Moment(1))
    session.seek(Moment(1))
    for phase in Phase:
        for own, other in pairs(run, session, phase):
            assert (own.kind, own.place[1:], own.shape) == (other.kind, other.place[1:], other.shape)
            assert own.matrix == other.matrix
            assert {name: rows.shape for name, rows in own.operands.items()} == {
                name: rows.shape for name, rows in other.operands.items()
            }
            assert {name: rows.shape for name, rows in own.parts.items()} == {
                name: rows.shape for name, rows in other.parts.items()
            }
    assert run.program.place_names == {"pos": "pos_id", "layer": "li", "head": "h"}
    assert (run.program.doc, run.program.tokens) == (session.program.doc, session.program.tokens)
    assert run.tokenizer.name(run.program.inputs[1]) == session.tokenizer.name(session.program.inputs[1])


def test_the_numbers_are_those_of_a_session_at_every_event(gpt: tuple[ScriptRun, Session]) -> None:
    run, session = gpt
    counted = 0
    for phase in Phase:
        for own, other in pairs(run, session, phase):
            run.seek(Moment(1, phase, own.last))
            session.seek(Moment(1, phase, other.last))
            seen, expected = run.view(), session.view()
            for name in ("", *own.operands, *own.parts):
                rows = own.rows if not name else (own.operands | own.parts)[name]
                others = other.rows if not name else (other.operands | other.parts)[name]
                for what in ("data", "grad"):
                    reading, wanted = getattr(seen, what)(rows), getattr(expected, what)(others)
                    assert np.array_equal(reading.known, wanted.known)
                    assert np.array_equal(reading.values[reading.known], wanted.values[wanted.known])
                    counted += int(reading.known.sum())
                assert np.array_equal(seen.complete(rows), expected.complete(others))
            assert seen.loss == expected.loss
    assert counted > 10_000


def test_the_update_is_that_of_a_session(gpt: tuple[ScriptRun, Session]) -> None:
    run, session = gpt
    for tick in (0, 1, 7, 300, run.program.n_params):
        moment = Moment(1, Phase.UPDATE, tick)
        run.seek(moment)
        session.seek(moment)
        seen, expected = run.view(), session.view()
        for own, other in zip(run.program.parameters.values(), session.program.parameters.values(), strict=True):
            assert np.array_equal(seen.data(own).values, expected.data(other).values)
            maps, wanted = seen.update_maps(own), expected.update_maps(other)
            for name in ("g", "m", "v", "m_hat", "v_hat", "p"):
                assert np.array_equal(maps[name].known, wanted[name].known)
                assert np.array_equal(maps[name].values, wanted[name].values)
            for name, values in expected.state(other).items():
                assert np.array_equal(seen.state(own)[name], values)
        row = max(tick - 1, 0)
        step, adam = seen.update(row), expected.update(row)
        assert (step is None) == (adam is None) == (tick == 0)
        if step is not None and adam is not None:
            terms = {term.name: (term.before, term.value) for term in adam.terms if term.name != "delta"}
            assert {term.name: (term.before, term.value) for term in step.terms} == terms
    assert seen.optimizer.state == ("m", "v")


def test_the_paths_of_a_gradient_are_those_of_a_session(gpt: tuple[ScriptRun, Session]) -> None:
    run, session = gpt
    run.seek(Moment(1, Phase.BACKWARD, 10**9))
    session.seek(Moment(1, Phase.BACKWARD, session.program.ticks(Phase.BACKWARD)))
    own, others = GradientPaths(run.view()), GradientPaths(session.view())
    for name in ("wte", "layer0.attn_wk", "layer1.mlp_fc1", "lm_head"):
        row = int(run.program.parameters[name][1, 2])
        assert row == session.program.parameters[name][1, 2]
        found, expected = own.strongest(row, 6), others.strongest(row, 6)
        assert [path.product for path in found] == [path.product for path in expected]
        assert [len(path.edges) for path in found] == [len(path.edges) for path in expected]


def test_losses_go_on_as_those_of_a_session(gpt: tuple[ScriptRun, Session]) -> None:
    run, session = gpt
    run.seek(Moment(3))
    session.seek(Moment(3))
    assert run.losses[:3] == session.losses[:3]
    run.seek(Moment(1))
    session.seek(Moment(1))
    run.seek(Moment(0, Phase.BACKWARD, 10))
    assert run.warning is None
    run.seek(Moment(1))


def test_conditions_and_watches_speak_of_its_names(gpt: tuple[ScriptRun, Session]) -> None:
    run, _ = gpt
    run.seek(Moment(1, Phase.FORWARD, run.program.ticks(Phase.FORWARD)))
    view, scope = run.view(), Scope.of_run(run)
    logits = run.program.tensors["logits", 1, None, None]
    assert Watch("logits[3]@pos_id=1", scope).value(view) == view.data(logits).values[3]
    assert Watch("q[0, 2] @ pos = 1", scope).row(view) == run.program.tensors["q", 1, 0, None][2]
    assert Watch("layer1.mlp_fc1[3, 4]", scope).row(view) == run.program.parameters["layer1.mlp_fc1"][3, 4]
    for row in (*logits[:2].tolist(), int(run.program.parameters["wte"][1, 2]), run.program.loss_row):
        text = watch_text(view, row)
        assert text is not None
        assert Watch(text, scope).row(view) == row
    run.seek(Moment(1))
    stop = continue_to(run, Stops(scope, [Breakpoint("far", condition="loss < 10 and step == 2")]), Moment(4))
    assert stop is not None
    assert run.moment == Moment(2, Phase.FORWARD, run.program.ticks(Phase.FORWARD))
    run.seek(Moment(1))


def test_a_parameter_is_addressed_where_it_moves(gpt: tuple[ScriptRun, Session]) -> None:
    run, _ = gpt
    scope = Scope.of_run(run)
    assert Address.parse("1 layer1.mlp_fc1", scope).phase is Phase.UPDATE
    assert Address.parse("1 q@pos_id=1", scope).phase is Phase.FORWARD


def test_every_scalar_with_a_name_of_a_net_has_a_watch() -> None:
    run = ScriptRun(ScriptFile.read(SCRIPTS / "package" / "train.py"))
    try:
        program = run.program
        run.seek(Moment(0, Phase.FORWARD, program.ticks(Phase.FORWARD)))
        view, scope = run.view(), Scope.of_run(run)
        assert Watch("layers1.neurons.w[0, 1]", scope).row(view) == program.parameters["layers1.neurons.w"][0, 1]
        for event in program.events(Phase.FORWARD):
            for row in event.rows.ravel().tolist():
                text = watch_text(view, row)
                assert text is not None
                assert Watch(text, scope).row(view) == row
    finally:
        run.close()


@pytest.mark.parametrize(
    ("script", "names", "state"),
    [
        ("adamw", ("g", "m", "v", "m_hat", "v_hat", "p"), ("m", "v")),
        ("functions", ("g", "velocity", "p"), ("velocity",)),
        ("rnn", ("g", "memory", "g_", "p"), ("memory",)),
        ("package/train", ("g", "p"), ()),
        ("trainer", ("g", "velocity", "p"), ("velocity",)),
        ("optimiser", ("g", "m", "v", "m_hat", "v_hat", "p"), ("m", "v")),
        ("recursive", ("g", "p"), ()),
    ],
)
def test_what_an_update_remembers_is_found_and_called_as_in_the_script(
    script: str, names: tuple[str, ...], state: tuple[str, ...]
) -> None:
    run = ScriptRun(ScriptFile.read(SCRIPTS / f"{script}.py"))
    try:
        run.seek(Moment(0, Phase.UPDATE, run.program.ticks(Phase.UPDATE)))
        view = run.view()
        assert (view.optimizer.quantities, view.optimizer.state) == (names, state)
        row = next(int(event.rows.flat[0]) for event in run.program.events(Phase.UPDATE))
        after = dict(view.state(row))
        step = view.update(row)
        assert step is not None
        assert {term.name: term.value for term in step.terms if term.before is not None and term.name != "p"} == after
        run.seek(Moment(1))
        assert run.view().state(row) == after
    finally:
        run.close()


def test_scalars_of_helper_functions_are_parts_of_the_list_that_they_make() -> None:
    run = ScriptRun(ScriptFile.read(SCRIPTS / "helpers.py"))
    try:
        events = run.program.events(Phase.FORWARD)
        assert [(event.name, event.pos) for event in events] == [
            (name, pos)
            for pos in (0, 1)
            for name in ("dense", "hidden", "mean", "var", "hidden_2", "y", "diff", "loss")
        ]
        dense, hidden = events[:2]
        assert (dense.kind, dense.matrix, list(dense.operands), list(dense.parts)) == (
            "linear",
            "w1",
            ["x", "w", "b"],
            ["s"],
        )
        assert hidden.formula == "dense·0.5·(tanh((dense + dense³·0.04)·0.8) + 1)"
        assert {name: rows.shape for name, rows in hidden.parts.items()} == {"inner": (6,), "t": (6,)}
        run.seek(Moment(0, Phase.FORWARD, events[1].last))
        explain = run.view().explainer()
        names = [explain.name(int(row)) for row in (*hidden.parts["t"][:2], hidden.rows[5], dense.operands["x"][0])]
        assert names == ["t[0]", "t[1]", "hidden[5]", "0.5"]
    finally:
        run.close()


def test_inside_an_event_the_line_is_that_of_the_scalar_just_made(gpt: tuple[ScriptRun, Session]) -> None:
    run, session = gpt
    for each in (run, session):  # which stand in the same step for all tests
        each.seek(Moment())
    inside = 0
    for event in run.program.events(Phase.FORWARD)[:12]:
        run.seek(Moment(0, Phase.FORWARD, event.first + 1))
        view = run.view()
        innermost = view._step.tape.stack_of(view.last_row)[-1]
        assert view.source().line == innermost.line
        inside += view.source(event).line != view.source().line
    assert inside


@pytest.mark.parametrize("script", ["trainer", "optimiser", "package/train"])
@pytest.mark.parametrize("step", [0, 1])
def test_every_example_of_a_step_has_the_same_tensors(script: str, step: int) -> None:
    run = ScriptRun(ScriptFile.read(SCRIPTS / f"{script}.py"), step=step)
    try:
        program = run.program
        found = [
            [(event.name, event.layer, event.kind) for event in program.events(Phase.FORWARD) if event.pos == pos]
            for pos in range(program.n)
        ]
        assert program.n > 1
        assert len(found[0]) > 1
        assert all(each == found[0] for each in found)
    finally:
        run.close()
