"""What a run holds in memory: numbers only while it is looked at, and nothing of a step that it has left."""

from __future__ import annotations

import itertools
import mmap
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Moment, NumericFault, Phase, Session, load_docs
from engine.autograd.overrides import Overrides
from engine.checkpoint.checkpoint import snapshot
from engine.interventions.syntax import all_parts, parse
from engine.memory import _code_of, give_back, give_back_code
from engine.model.recording import Workspace, record
from engine.run.capabilities import branching, can_repeat, on_tape, sampling, savable
from engine.run.health import Health
from engine.timeline.events import PHASES
from tests.support.float_bits import DOCS, tiny
from tests.support.large_models import pack_graphs

CHANGES = (
    "learning_rate@step=2 = 0.5",
    "wte[1, 0]@step=3 = 0.25",
    "layer0.head1@step=2",
    "mlp_fc1[0]@pos=1,step=3 = 2",
)


def state(session: Session) -> tuple[object, ...]:
    """All that is to be seen of a run, as bits."""
    view = session.view()
    rows = np.arange(len(session.recording))
    readings = [view.data(rows), view.grad(rows)]
    numbers = (np.where(reading.known, reading.values, 0.0).tobytes() for reading in readings)
    known = (reading.known.tobytes() for reading in readings)
    moments = (each.tobytes() for each in (*session.m.values(), *session.v.values()))
    return session.moment, *numbers, *known, *moments, session.generator.getstate(), tuple(session.losses)


def test_a_program_holds_nothing_long_once_its_run_stands_in_another_step() -> None:
    session = Session(tiny(), DOCS)
    session.seek(Moment(2, Phase.BACKWARD, 7))
    program = session.program
    program.events(Phase.BACKWARD)
    held = [weakref.ref(found) for found in (program.row_ticks, program.row_ticks._ticks)]
    session.seek(Moment(3))
    assert [ref() for ref in held] == [None] * len(held)
    assert program.child is session.workspace.child


def test_moving_a_copy_takes_nothing_from_the_program_of_the_run() -> None:
    session = Session(tiny(), DOCS)
    session.seek(Moment(2, Phase.BACKWARD, 7))
    first = session.program.row_ticks
    session.replay_copy().seek(Moment(5))
    session.step_copy().seek(Moment(2, Phase.UPDATE, 1))
    assert session.program.row_ticks is first


def test_programs_of_one_document_share_what_is_long() -> None:
    session = Session(tiny(), DOCS)
    session.seek(Moment(2, Phase.BACKWARD, 7))
    same = session.branch([parse("learning_rate@step=2 = 0.5", session.scope)])
    same.seek(Moment(2, Phase.BACKWARD, 7))
    other = session.replay_copy()
    other.seek(Moment(1, Phase.BACKWARD, 7))
    assert same.program.doc == session.program.doc != other.program.doc
    assert session.program.row_ticks is same.program.row_ticks
    first, before = weakref.ref(session.program.row_ticks), session.program.row_ticks._ticks.tolist()
    assert other.program.row_ticks._ticks.tolist() != before
    session.seek(Moment(3))
    assert first() is None  # the first one held them
    assert same.program.row_ticks._ticks.tolist() == before
    first = weakref.ref(same.program.row_ticks)
    same.seek(Moment(3))
    assert first() is None


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("changed", [False, True])
def test_a_run_that_was_put_away_is_the_same_when_it_is_looked_at_again(phase: Phase, changed: bool) -> None:
    session = Session(tiny(), DOCS)
    session.run(2)
    if changed:
        session = session.branch([parse(text, session.scope) for text in CHANGES])
    for moment in (Moment(3, phase, 0), Moment(3, phase, 9), Moment(3, phase, 10**9)):
        session.seek(moment)
        session.sample(1)  # its generator goes on
        before = state(session)
        numbers = weakref.ref(session.workspace.data)
        session.put_away()
        session.put_away()
        assert numbers() is None
        assert session.moment == before[0]
        other = session.branch(session.changes)
        assert savable(branching(sampling(on_tape(session)))) is session
        assert can_repeat(session)
        snapshot(session, None)
        assert session._away is not None  # nothing of that needs its numbers
        other.seek(session.moment)
        assert state(other)[:-2] == before[:-2]
        assert state(session) == before
        session.put_away()
        session.seek(Moment(4, phase, 3))
        ahead = state(session)
        session.seek(moment)
        session.seek(Moment(4, phase, 3))
        assert state(session)[:-2] == ahead[:-2]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("texts", [(), CHANGES, ("residual@step=1", "temperature@step=1 = 2")])
def test_samples_of_a_run_that_is_put_away_are_those_that_it_draws(
    texts: tuple[str, ...], packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the parameters that the update has moved so far; the random numbers go on from there."""
    if packed:
        pack_graphs(monkeypatch)
    session = Session(tiny(block_size=6), DOCS)
    session.run(3)
    session = session.branch([parse(text, session.scope) for text in texts])
    found = set()
    for moment in (
        Moment(2, Phase.FORWARD, 9),
        Moment(2, Phase.BACKWARD, 9),
        *(Moment(2, Phase.UPDATE, tick) for tick in (0, session.recording.n_params // 2, 10**9)),
    ):
        session.seek(moment)
        before = session.generator.getstate()
        drawn = session.sample(5)
        expected = drawn, session.sampler().after([session.tokenizer.bos], 0.5), state(session)
        session.generator.setstate(before)
        session.put_away()
        drawn = session.sample(5)
        probs = session.sampler().after([session.tokenizer.bos], 0.5)
        assert session._away is not None
        assert (drawn, probs, state(session)) == expected
        found.add(tuple(probs))
    assert len(found) == 3  # the update has moved what they are drawn from


@pytest.mark.parametrize("packed", [False, True])
def test_the_graph_goes_to_a_sampler_and_back(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that comes back while a sampler has it goes on with a copy; both compute what they would alone."""
    monkeypatch.setattr("engine.run.session.record", record)  # another run may have the graph of a shared recording
    if packed:
        pack_graphs(monkeypatch)
    session = Session(tiny(block_size=6), DOCS)
    session.seek(Moment(2, Phase.BACKWARD, 9))
    before, shared = state(session), session.recording.child
    ids = [session.tokenizer.bos, 0, 1, 2, 0]
    expected = [session.sampler().after(ids[:n], 0.5) for n in range(1, 6)]
    for comes_back_early in (True, False, False):
        session.put_away()
        sampler = session.sampler()
        assert sampler.after(ids[:1], 0.5) == expected[0]
        assert sampler.workspace.child is shared
        if comes_back_early:
            assert state(session) == before
            assert session.workspace.child is not shared
        assert [sampler.after(ids[:n], 0.5) for n in range(2, 6)] == expected[1:]
        sampler.let_go()
        assert state(session) == before
        assert (session.workspace.child is shared) is not comes_back_early


def test_a_sampler_that_has_let_go_computes_the_same_again() -> None:
    session = Session(tiny(block_size=6), DOCS)
    session.run(3)
    for texts in ((), ("residual@step=2", "layer0.head1@step=2")):
        run = session.branch([parse(text, session.scope) for text in texts])
        run.seek(Moment(3, Phase.UPDATE, 9))
        sampler, ids = run.sampler(), [run.tokenizer.bos, 0, 1, 2, 0]
        expected = [sampler.after(ids[:n], 0.5) for n in range(1, 6)]
        for n in range(1, 6):
            sampler.let_go()
            assert not len(sampler.workspace.child)
            assert sampler.beside().after(ids[:n], 0.5) == expected[n - 1]
            assert sampler.after(ids[:n], 0.5) == expected[n - 1]


@pytest.mark.parametrize("texts", [(), ("residual@step=1",)])
def test_a_run_that_was_put_away_holds_no_graph_and_no_numbers(texts: tuple[str, ...]) -> None:
    session = Session(tiny(), DOCS)
    branch = session.branch([parse(text, session.scope) for text in texts])
    branch.seek(Moment(1, Phase.BACKWARD, 7))
    workspace = branch.workspace
    assert workspace.child is not session.recording.child
    held = {name: weakref.ref(its) for name, its in vars(workspace).items() if isinstance(its, np.ndarray) and len(its)}
    assert held.keys() >= {"child", "data", "grad"}
    branch.put_away()
    assert {name for name, ref in held.items() if ref() is not None} == set()


def test_other_operands_never_stand_in_the_graph_that_runs_share() -> None:
    """Whoever has it: here the branch, before it leaves something out."""
    moments = Moment(1, Phase.BACKWARD, 30), Moment(3, Phase.BACKWARD, 30), Moment(0, Phase.UPDATE, 3)
    expected = []
    for texts in ((), ("residual@step=2", "score_scale@step=3")):
        session = Session(tiny(n_layer=2), DOCS)
        run = session.branch([parse(text, session.scope) for text in texts])
        for moment in moments:
            run.seek(moment)
            expected.append(state(run))
    session = Session(tiny(n_layer=2), DOCS)
    session.put_away()
    branch = session.branch([parse(text, session.scope) for text in texts])
    for moment, plain, other in zip(moments, expected[:3], expected[3:], strict=True):
        session.put_away()
        branch.seek(moment)
        assert state(branch) == other
        session.seek(moment)
        assert state(session) == plain
        assert state(branch) == other


def test_a_run_that_was_put_away_at_a_fault_stands_at_it_again() -> None:
    session = Session(Config(learning_rate=5.0), load_docs())
    with pytest.raises(NumericFault) as fault:
        session.run(10)
    before = state(session)
    session.put_away()
    assert state(session) == before
    with pytest.raises(NumericFault) as again:
        session.run(10)
    assert str(again.value) == str(fault.value)


def test_what_a_workspace_lets_go_of_is_as_new() -> None:
    session = Session(tiny(), DOCS)
    twin = session.replay_copy()
    twin.seek(Moment(1, Phase.UPDATE, 3))
    twin.workspace.let_go()
    new = Workspace.beside(session.recording, session.loops)
    for name in ("data", "grad", "child"):
        assert (getattr(twin.workspace, name) == getattr(new, name)).all()


def test_overrides_know_what_is_cut_by_edges_and_seeds() -> None:
    op = np.ones(11, dtype=np.int8)
    overrides = Overrides(op, {3: 0.0, 10: 0.0}, frozenset({3, 10}), lambda row: row)
    edges = np.array([-1 - row for row in range(11)] + list(range(22)), dtype=np.int32)
    assert edges[~overrides.flows(edges)].tolist() == [6, 7, 20, 21]
    assert [row for row in range(11) if overrides.cuts(row)] == [3, 10]
    assert Overrides(op, {}, frozenset(), lambda row: row).flows(edges).all()


def test_a_packed_graph_has_the_rows_that_were_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(n_layer=2, block_size=6)
    whole = record(config, 5)
    monkeypatch.setattr("engine.model.recording.LARGE", 0)
    found = record(config, 5)
    bounds, reached = [whole.positions[0].first, *(span.last for span in whole.positions)], 0
    for n in (0, 1, 1, 3, 2, 6):
        found.reach(n)
        reached = max(reached, n)
        end, last = bounds[reached], bounds[-1]
        assert not found.child[2 * end : 2 * last].any()
        assert not any(marks[end:last].any() for marks in (found.op, found.live, found.dots.ends))
        for rows in (slice(0, end), slice(last, None)):
            children = slice(rows.start * 2, None if rows.stop is None else rows.stop * 2)
            assert found.child[children].tolist() == whole.child[children].tolist()
            for name in ("op", "live"):
                assert getattr(found, name)[rows].tolist() == getattr(whole, name)[rows].tolist()
            assert found.dots.ends[rows].tolist() == whole.dots.ends[rows].tolist()
    assert found.child.tolist() == whole.child.tolist()


def test_what_a_sampler_has_unpacked_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """But not what programs have reached: another thread may find the order of the gradients in it."""
    pack_graphs(monkeypatch)
    alone, session = (Session(tiny(block_size=6), ["abc", "a"]) for _ in range(2))
    here, later = Moment(0, Phase.FORWARD, 5), Moment(0, Phase.BACKWARD, 9)
    alone.seek(later)
    session.seek(here)
    r, reached = session.recording, session.program.n
    rows = slice(2 * r.positions[reached].first, 2 * r.positions[-1].last)
    last_kept = slice(2 * r.positions[reached - 1].first, rows.start)
    session.put_away()
    sampler, ids = session.sampler(), [session.tokenizer.bos, 0, 1, 2, 0, 1]
    expected = [sampler.after(ids[:n], 0.5) for n in range(1, 7)]
    assert r.child[rows].any()
    other = session.replay_copy()
    other.seek(here)  # with a graph of its own
    sampler.let_go()
    assert r.child[last_kept].any()
    assert not r.child[rows].any()
    for run in (other, session):
        run.seek(later)
        assert state(run)[:-2] == state(alone)[:-2]
    assert [sampler.after(ids[:n], 0.5) for n in range(1, 7)] == expected


def test_a_run_on_a_packed_graph_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def travelled() -> list[tuple[object, ...]]:
        session = Session(tiny(n_layer=2, block_size=6, val_fraction=0.3), [*DOCS, "abcabc", "cab"])
        found = []
        for moment in (Moment(1, Phase.BACKWARD, 30), Moment(6, Phase.UPDATE, 5), Moment(2, Phase.FORWARD, 50)):
            session.seek(moment)
            texts = "layer1.head1@step=1", "residual@step=1", "score_scale@step=2"
            branch = session.branch([parse(text, session.scope) for text in texts])
            branch.seek(moment)
            found += [state(session), state(branch), tuple(session.sample(5))]
            found += [tuple(finding.sentence for finding in Health(session.recording).look(session.view()))]
        return found

    plain = travelled()
    pack_graphs(monkeypatch)
    assert travelled() == plain


def test_every_part_can_be_switched_off_before_documents_reach_all_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where the branch comes to longer documents than the run from which it was made."""
    config, short_first = tiny(n_layer=2, block_size=6), ["a", "ab", "abcab"]
    docs = next(own for own in itertools.permutations(short_first) if Session(config, own).docs == short_first)

    def found() -> list[tuple[object, ...]]:
        parts = all_parts(config, 1)
        looked_at = []
        for part in parts:
            session = Session(config, docs)
            branch = session.branch([part])
            for step in range(len(docs)):
                branch.seek(Moment(step, Phase.BACKWARD, 30))
                left_out = [event.left_out for event in branch.program.events(Phase.FORWARD)]
                operands = [{name: rows.tolist() for name, rows in of.items()} for of in left_out]
                looked_at.append((part.part, state(branch), operands))
        return looked_at

    plain = found()
    assert any(operands for *_, each in plain for operands in each)
    pack_graphs(monkeypatch)
    assert found() == plain


def test_a_run_of_a_packed_graph_keeps_no_numbers_of_positions_beyond_its_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack_graphs(monkeypatch)
    session = Session(tiny(block_size=6), ["abcab", "a"])
    long, short = sorted((0, 1), key=lambda step: len(session.docs[step]), reverse=True)
    session.seek(Moment(long, Phase.UPDATE, 5))
    new = Workspace.beside(session.recording, session.loops)
    w, beyond = session.workspace, slice(session.recording.positions[2].first, session.recording.positions[-1].last)
    assert (w.data[beyond] != new.data[beyond]).any()
    assert w.grad[beyond].any()
    session.seek(Moment(short, Phase.UPDATE, 5))
    assert session.program.n == 2
    assert (w.data[beyond] == new.data[beyond]).all()
    assert not w.grad[beyond].any()
    assert w.data[: beyond.start].any()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the memory")
def test_memory_of_whole_pages_is_given_back_and_no_other() -> None:
    numbers = np.ones(2**16)
    part = numbers[1000:-1000]
    give_back(part)
    page = mmap.PAGESIZE // numbers.itemsize
    assert np.count_nonzero(part) < 2 * page
    assert numbers[:1000].all()
    assert numbers[-1000:].all()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the memory")
def test_code_that_was_given_back_is_there_again_when_it_runs() -> None:
    numba = pytest.importorskip("numba")

    def resident() -> int:
        """The bytes of LLVM's code that the process holds."""
        regions = Path("/proc/self/smaps").read_text().split("VmFlags")
        own = [each for each in regions if "llvmlite" in each and "r-xp" in each]
        return sum(int(line.split()[1]) for each in own for line in each.splitlines() if line.startswith("Rss:"))

    numba.njit(lambda x: x + 1)(1)
    assert list(_code_of("llvmlite"))
    before = resident()
    give_back_code("llvmlite")
    assert resident() < before / 4
    assert numba.njit(lambda x: x + 2)(1) == 3
