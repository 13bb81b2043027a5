"""A script seen as a run: events, kinds and numbers are those of a session of the same model; other scripts fit too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Moment, Phase, Session
from engine.script.run import ScriptRun
from engine.script.source_file import ScriptFile
from engine.timeline.events import Event

SCRIPTS = Path(__file__).with_name("scripts")
NAMES = ("ada", "bea", "cleo", "dora", "edda", "fae", "gil", "hal", "ida", "jo")
SIZES = {"n_layer": 2, "n_embd": 8, "n_head": 2, "block_size": 6, "num_steps": 5}


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ScriptRun, Session]]:
    """The plain script, with the seed and the start of a session, and that session."""
    folder = tmp_path_factory.mktemp("gpt")
    (folder / "names.txt").write_text("\n".join(NAMES))
    text = (SCRIPTS / "plain.py").read_text()
    for before, after in (
        ("random.seed(3)", "random.seed(42)"),
        ('open("names.txt")', f"open({str(folder / 'names.txt')!r})"),
        ('os.path.exists("names.txt")', "True"),
        ("gauss(0, 0.1)", "gauss(0, 0.08)"),
        ("n_head, block_size = 1, 8, 2, 6", "n_head, block_size = 2, 8, 2, 6"),
    ):
        assert before in text
        text = text.replace(before, after)
    (folder / "gpt.py").write_text(text)
    run = ScriptRun(ScriptFile.read(folder / "gpt.py"), step=1)
    session = Session(Config(**SIZES, learning_rate=0.02), NAMES)
    session.run(until=1)
    yield run, session
    run.close()


def pairs(run: ScriptRun, session: Session, phase: Phase) -> list[tuple[Event, Event]]:
    return list(zip(run.program.stretches(phase), session.program.stretches(phase), strict=True))


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
