"""Watches: every named scalar can be written as a watch, whose value is that scalar wherever it is known."""

from __future__ import annotations

from functools import cache

import pytest

from engine import Breakpoint, BreakpointError, Config, EventPattern, ExpressionError, Moment, Phase, Scope, Session
from engine.expressions.breakpoint import Armed
from engine.expressions.watch import Watch, watch_text

CONFIG = Config(n_layer=2, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3)
DOCS = ["anna", "ben"]


@cache
def run() -> Session:
    return Session(CONFIG, DOCS)


@cache
def scope() -> Scope:
    return Scope(CONFIG, run().tokenizer)


def named_rows() -> list[int]:
    """The first and last scalar of every tensor and matrix of the document."""
    program = run().program
    events = [*program.events(Phase.FORWARD), *program.events(Phase.UPDATE)]
    return [int(row) for s in events for row in (s.rows.flat[0], s.rows.flat[-1])]


def test_the_watch_text_of_a_scalar_finds_it_again() -> None:
    run().seek(Moment(0, Phase.UPDATE))
    view = run().view()
    for row in named_rows():
        text = watch_text(view, row)
        assert text is not None
        watch = Watch(text, scope())
        assert watch.lasting
        assert watch.row(view) == row
        assert watch.value(view) == view.workspace.data[row]


def test_scalars_without_a_name_have_no_watch_text() -> None:
    run().seek(Moment(0, Phase.UPDATE))
    view = run().view()
    named = set(named_rows()) | {int(r) for s in run().program.events(Phase.FORWARD) for r in s.rows.flat}
    between = [row for row in range(view.recording.n_params, run().program.loss_row) if row not in named]
    assert between
    assert {watch_text(view, row) for row in between[:: len(between) // 50]} == {None}


def test_a_watch_is_known_from_when_its_scalar_is_and_only_where_its_position_is() -> None:
    watch, here = Watch("q[1, 3] @ pos = 2", scope()), Watch("q[1, 3]", scope())
    assert not here.lasting
    made = run().program.ends(Phase.FORWARD)["q", 2, 1, None]
    for moment, known in (
        (Moment(0, Phase.FORWARD, made.tick - 1), False),
        (made, True),
        (Moment(0, Phase.UPDATE), True),
    ):
        run().seek(moment)
        assert (watch.value(run().view()) is not None) is known
    run().seek(made)
    assert here.value(run().view()) == watch.value(run().view())
    last = Watch("probs.max()@pos=3", scope())
    run().seek(Moment(1, Phase.UPDATE))
    assert run().program.n == 4
    assert last.value(run().view()) is not None
    run().seek(Moment(0, Phase.UPDATE))
    assert Watch("grad(q[0])@pos=1", scope()).value(run().view()) == tuple(
        run().view().workspace.grad[run().program.tensors["q", 1, 0, None]]
    )


def test_a_position_that_the_document_does_not_have_is_not_known() -> None:
    session = Session(CONFIG, ["a", "ben"])
    session.seek(Moment(0 if session.program.n == 2 else 1, Phase.UPDATE))
    assert session.program.n == 2
    watch = Watch("loss_t@pos=2", Scope(CONFIG, session.tokenizer))
    assert (watch.value(session.view()), watch.row(session.view())) == (None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [("q[0, 1]@pos=4", "from 0 to 3"), ("@pos=2", "cannot be read"), ("changes_sign(loss)", "two training steps"),
     ("q@pos=1", "every layer has its own q"), ("", "nothing to ask")],
)  # fmt: skip
def test_a_bad_watch_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        Watch(text, scope())


@pytest.mark.parametrize(
    ("text", "place", "condition", "count"),
    [
        ("attn_weights", EventPattern("attn_weights"), None, 1),
        ("attn_weights@pos=2,head=1", EventPattern("attn_weights", pos=2, head=1), None, 1),
        ("layer0.attn_wq@phase=update x 3", EventPattern("layer0.attn_wq", Phase.UPDATE), None, 3),
        ("@phase=backward if step > 2", EventPattern(phase=Phase.BACKWARD), "step > 2", 1),
        ("q@pos=1 if q[0, 1] > 0 x 12", EventPattern("q", pos=1), "q[0, 1] > 0", 12),
        ("loss < 2", None, "loss < 2", 1),
        ("doc == 'a if b' x2", None, "doc == 'a if b'", 2),
        ("doc == 'x 3'", None, "doc == 'x 3'", 1),
    ],
)
def test_a_breakpoint_is_read_as_typed_and_written_so(
    text: str, place: EventPattern | None, condition: str | None, count: int
) -> None:
    read = Breakpoint.parse(text, "1")
    assert read == Breakpoint("1", place, condition, count)
    assert Breakpoint.parse(read.text, "1") == read
    Armed(read, scope())


@pytest.mark.parametrize(
    "text", ["", "q@pos=9", "q@there=1", "nosuch", "loss < 2 if loss", "x 3", "q if", "q x 0", "loss <", "q[0, 1]"]
)
def test_an_impossible_breakpoint_is_refused(text: str) -> None:
    with pytest.raises((BreakpointError, ExpressionError)):
        Armed(Breakpoint.parse(text, "1"), scope())


def test_an_event_is_the_only_one_at_its_place() -> None:
    for phase in Phase:
        events = run().program.events(phase)
        for event in events[::7]:
            place = EventPattern.of(event)
            assert EventPattern.parse(place.text) == place
            assert [s for s in events if place.matches(s)] == [event]
    assert all(EventPattern().matches(s) for s in run().program.events(Phase.UPDATE))
