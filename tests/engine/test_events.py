"""Events cover the ticks of a step; a view shows as known what has been computed by then, and nothing else."""

from __future__ import annotations

import bisect
import itertools

import numpy as np
import pytest

from engine import Event, Moment, Phase, Session
from engine.autograd.kernels import LEAF
from tests.support.float_bits import DOCS, all_rows, end, tiny, words

HEAD = ["attn_logits", "attn_weights", "head_out"]
ATTENTION = ["attn_norm", "q", "k", "v", *HEAD, *HEAD, "attn_out", "attn_residual"]
MLP = ["mlp_norm", "mlp_fc1", "mlp_relu", "mlp_fc2", "mlp_residual"]
BLOCKS = dict.fromkeys(ATTENTION, "attention") | dict.fromkeys(MLP, "mlp")
BLOCKS |= dict.fromkeys(["embed", "embed_norm", "logits"], "gpt") | {"probs": "loss_at", "loss_t": "loss_at"}


def session_of_two_layers() -> Session:
    return Session(tiny(n_layer=2), DOCS)


def expected_names(n_layer: int, positions: int) -> list[str]:
    one = ["embed", "embed_norm", *(ATTENTION + MLP) * n_layer, "logits", "probs", "loss_t"]
    return [*one * positions, "loss"]


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("phase", list(Phase))
def test_events_cover_every_tick_without_a_gap(step: int, phase: Phase) -> None:
    session = session_of_two_layers()
    session.run(until=step)
    events = session.program.events(phase)
    assert [s.index for s in events] == list(range(len(events)))
    assert events[0].first == 0
    assert events[-1].last == session.program.ticks(phase)
    assert all(a.last == b.first for a, b in itertools.pairwise(events))
    assert all(s.first < s.last and s.phase is phase for s in events)
    for tick in range(1, session.program.ticks(phase) + 1):
        event = session.program.event_at(Moment(step, phase, tick))
        assert event.first < tick <= event.last
    assert session.program.event_at(Moment(step, phase, 0)) is events[0]


def test_tensors_have_the_expected_names_places_and_blocks() -> None:
    session = session_of_two_layers()
    forward = session.program.events(Phase.FORWARD)
    n = session.program.n
    assert [s.name for s in forward] == expected_names(2, n)
    assert [s.pos for s in forward[:-1]] == sorted(s.pos for s in forward[:-1] if s.pos is not None)
    assert {s.pos for s in forward} == {None, *range(n)}
    for event in forward[:-1]:
        assert event.block == BLOCKS[event.name]
        assert (event.layer is None) == (event.block in ("gpt", "loss_at"))
        assert (event.head is not None) == (event.name in HEAD)
    assert {(s.layer, s.head) for s in forward if s.name == "head_out"} == set(itertools.product((0, 1), (0, 1)))
    backward = session.program.events(Phase.BACKWARD)
    assert sorted(s.name for s in backward) == sorted([*(s.name for s in forward), *session.params])
    assert [s.name for s in session.program.events(Phase.UPDATE)] == list(session.params)


@pytest.mark.parametrize("phase", list(Phase))
def test_every_event_is_found_by_its_place(phase: Phase) -> None:
    program = session_of_two_layers().program
    for event in program.events(phase):
        assert program.find(phase, event.place) is event
        assert program.ends(phase)[event.place] == Moment(program.step, phase, event.last)
    assert program.find(phase, ("q", program.n, 0, None)) is None


def test_shapes() -> None:
    session = session_of_two_layers()
    c, vocab = 4, session.tokenizer.vocab_size
    sizes = {"attn_logits": None, "attn_weights": None, "head_out": 2, "mlp_fc1": 4 * c, "mlp_relu": 4 * c}
    sizes |= {"logits": vocab, "probs": vocab}
    for event in session.events(step=0):
        if event.is_parameter:
            assert event.shape == session.params[event.name].shape
        elif event.name in ("loss_t", "loss"):
            assert event.shape == ()
        else:
            size = sizes.get(event.name, c)
            assert event.shape == ((event.pos or 0) + 1 if size is None else size,)
        assert event.data.shape == event.grad.shape == event.shape


def test_forward_ticks_make_the_scalars_of_their_event_last() -> None:
    program = session_of_two_layers().program
    for event in program.events(Phase.FORWARD):
        made = program.rows[event.first : event.last]
        assert set(event.rows.tolist()) <= set(made.tolist())
        assert made[-1] == event.rows[-1]


def test_rows_and_ticks_follow_from_each_other() -> None:
    """Nothing keeps a list of rows: almost all of them follow one another, but constants lie between."""
    session = Session(tiny(n_layer=2, block_size=5), ["abcab", "b", "ca"])
    recording = session.recording
    for step in range(3):
        program = session.programs()(step)
        parts = [np.arange(len(recording))[part] for part in recording.parts_of(program.n)]
        rows = [row for row in np.concatenate(parts).tolist() if recording.op[row] != LEAF]
        inside = range(rows[0], recording.positions[program.n - 1].last)
        assert len(rows) < len(inside) + len(program.mean_rows)
        assert program.rows.tolist() == rows == [program.row_of(tick) for tick in range(len(rows))]
        ticks = {row: tick for tick, row in enumerate(rows)}
        for row in range(len(recording)):
            assert program.tick_of(row) == ticks.get(row)
            assert program.ticks_before(row) == bisect.bisect_left(rows, row)
        leaves = [ticks[row + 1] for row in inside if recording.op[row] == LEAF and row + 1 in ticks]
        cuts = sorted({0, 1, *leaves, *(tick - 1 for tick in leaves), program.position_ticks, len(rows) - 1, len(rows)})
        for first, last in itertools.combinations_with_replacement(cuts, 2):
            assert program.rows_between(first, last).tolist() == rows[first:last]
            computed = [row for a, b in program.ranges_between(first, last) for row in range(a, b)]
            assert [row for row in computed if recording.op[row] != LEAF] == rows[first:last]


@pytest.mark.parametrize("step", [0, 1, 2])
def test_gradients_are_complete_at_the_end_of_their_event(step: int) -> None:
    session = session_of_two_layers()
    session.seek(Moment(step, Phase.UPDATE, 0))
    final, program = session.workspace.grad.copy(), session.program
    for event in program.events(Phase.BACKWARD):
        session.seek(Moment(step, Phase.BACKWARD, event.last))
        grad = session.workspace.grad
        assert words(grad[event.rows]) == words(final[event.rows]), event.name
        reached = np.isin(event.rows, program.receivers)  # what the document does not use is not
        assert reached.all() or event.name in ("probs", "wte", "wpe")
        assert session.view().complete(event.rows).all()
        assert not np.isin(program.receivers[event.last :], event.rows).any()
        assert np.isin(program.receivers[event.last - 1], event.rows)  # and was not before


def test_events_go_on_into_the_next_steps() -> None:
    session = session_of_two_layers()
    session.seek(Moment(0, Phase.UPDATE, session.params["wte"].size + 1))
    rest = list(session.params)[1:]
    following = expected_names(2, min(4, len(session.docs[1]) + 1))
    events = list(itertools.islice(session.events(), len(rest) + len(following)))
    assert [e.name for e in events] == rest + following
    assert session.moment == end(session, Phase.FORWARD) == Moment(1, Phase.FORWARD, events[-1].last)


def test_the_run_stands_at_each_event() -> None:
    session = session_of_two_layers()
    for event in session.events(step=1):
        assert session.moment == Moment(1, event.phase, event.last)
        assert isinstance(event, Event)
        assert words(session.workspace.data[event.rows]) == words(event.data)
    assert session.losses[1] == session.view().loss


def one_layer_poisoned() -> tuple[Session, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """A session whose scalars that are still to be computed are nan; and a mask of these."""
    session = Session(tiny(n_embd=2, n_head=1, block_size=3), DOCS)
    session.run(until=1)  # "bo" leaves the last position's scalars of "anna" behind, or the other way round
    op, rows = session.recording.op, all_rows(session)
    computed = op[rows] != LEAF
    session.workspace.data[computed] = np.nan
    return session, computed


def test_forward_exactly_the_computed_scalars_are_known() -> None:
    session, computed = one_layer_poisoned()
    rows, data = all_rows(session), session.workspace.data
    for tick in range(session.program.ticks(Phase.FORWARD) + 1):
        session.seek(Moment(1, Phase.FORWARD, tick))
        view, reading = session.view(), session.view().data(rows)
        assert int((~np.isnan(data[computed])).sum()) == tick
        assert (reading.known[computed] == ~np.isnan(data[computed])).all()
        assert not np.isnan(reading.values[reading.known]).any()
        assert reading.known[: session.recording.n_params].all()
        assert not view.grad(rows).known.any()
        assert not view.complete(rows).any()
        assert not view.moved(rows).any()
        assert (view.loss is None) == (tick < session.program.ticks(Phase.FORWARD))
        if tick:
            assert not np.isnan(data[view.last_row])


def test_backward_exactly_the_reached_gradients_are_known() -> None:
    session, computed = one_layer_poisoned()
    rows, made = all_rows(session), set[int]()
    before = session.workspace.grad.copy()
    for tick in range(session.program.ticks(Phase.BACKWARD) + 1):
        session.seek(Moment(1, Phase.BACKWARD, tick))
        view, grad = session.view(), session.workspace.grad
        if tick:
            edge = int(session.program.edges[tick - 1])
            made.add(-1 - edge if edge < 0 else int(session.program.child[edge]))
            assert view.last_row in made
            before[view.last_row] = grad[view.last_row]
        assert words(grad) == words(before)  # a tick changes one gradient
        before = grad.copy()
        known = set(np.flatnonzero(view.grad(rows).known).tolist())
        never = (~np.isin(rows, session.program.receivers)) & session.recording.live & view.data(rows).known
        assert known == made | set(np.flatnonzero(never).tolist())  # what the loss does not depend on has 0 throughout
        assert not grad[never].any()
        assert (view.data(rows).known[computed] == ~np.isnan(session.workspace.data[computed])).all()
        assert set(np.flatnonzero(view.complete(rows) & session.recording.live).tolist()) <= known


def test_update_moves_one_parameter_a_tick() -> None:
    session, _ = one_layer_poisoned()
    rows, before = all_rows(session), session.workspace.params.copy()
    for tick in range(session.recording.n_params + 1):
        session.seek(Moment(1, Phase.UPDATE, tick))
        view = session.view()
        assert words(session.workspace.params[tick:]) == words(before[tick:])
        assert np.flatnonzero(view.moved(rows)).tolist() == list(range(tick))
        assert view.grad(rows).known[: session.recording.n_params].all()
        assert view.update(tick) is None
        assert tick == 0 or view.update(tick - 1) is not None


@pytest.mark.parametrize("doc", ["", "a", "abc", "abcab" * 40])
def test_first_tokens_are_those_of_the_whole_document(doc: str) -> None:
    session = Session(tiny(), [doc, "abc"])
    while session.program.doc != doc:
        session.run(until=session.step + 1)
    program = session.program
    assert program.n_tokens == len(program.tokens) == len(doc) + 2
    for count in (0, 1, 2, program.n, program.n + 1, len(doc) + 1, len(doc) + 2, 500):
        assert program.first_tokens(count) == program.tokens[:count]
    assert (program.inputs, program.targets) == (program.tokens[: program.n], program.tokens[1 : program.n + 1])
