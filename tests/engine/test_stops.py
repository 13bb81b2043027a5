"""Continue and reverse-continue against brute force, which evaluates every condition at every place of every step."""

from __future__ import annotations

import functools
from dataclasses import asdict
from typing import Any

import pytest

from engine import (
    Breakpoint,
    BreakpointError,
    EventPattern,
    Moment,
    NumericFault,
    Phase,
    Session,
    Stopped,
    Stops,
    continue_to,
    evaluate,
    load_docs,
    reverse_continue,
)
from engine.expressions.expression import Expression
from engine.expressions.scope import Scope
from engine.model.config import Config
from tests.support.float_bits import DOCS, shown, tiny

CONFIG = tiny(n_layer=2, num_steps=40, learning_rate=0.05)
STEPS = 8
EARLIEST, LATEST = Moment(0), Moment(STEPS)


def fresh() -> Session:
    session = Session(CONFIG, DOCS)
    session.history.keyframes.spacing = 3  # so that going back crosses keyframes
    return session


def stops(session: Session, *breakpoints: Breakpoint | str, checks: tuple[str, ...] = ()) -> Stops:
    made = [Breakpoint(b, condition=b) if isinstance(b, str) else b for b in breakpoints]
    return Stops(Scope(session.config, session.tokenizer), made, checks)


def onward(session: Session, wanted: Stops, until: int = STEPS) -> list[Moment]:
    found = []
    while stop := continue_to(session, wanted, Moment(until)):
        assert session.moment == stop.moment
        found.append(stop.moment)
    assert session.moment == Moment(until)
    return found


def backward(session: Session, wanted: Stops) -> list[Moment]:
    found, start = [], session.moment
    while stop := reverse_continue(session, wanted):
        assert session.moment == stop.moment
        start = stop.moment
        found.append(start)
    assert session.moment == start
    return found[::-1]


def places(session: Session) -> list[Moment]:
    """The start of the present step and the end of each of its events."""
    step, program = session.step, session.program
    return [Moment(step), *(Moment(step, phase, s.last) for phase in Phase for s in program.events(phase))]


@functools.cache
def brute_force() -> dict[str, list[Moment]]:
    """Where each of CONDITIONS stops: asked at all places, the first time that it is known, per position and phase."""
    session = fresh()
    scope = Scope(CONFIG, session.tokenizer)
    expressions = {text: Expression(text, scope) for text in CONDITIONS}
    found: dict[str, list[Moment]] = {text: [] for text in CONDITIONS}
    before: dict[str, Any] = {}
    for step in range(STEPS + 1):
        session.seek(Moment(step))
        asked, later = set(), {}
        for moment in places(session) if step < STEPS else [Moment(STEPS)]:
            session.seek(moment)
            view = session.view()
            for text, (per_position, per_phase) in CONDITIONS.items():
                key = (text, view.event.pos if per_position else None, moment.phase if per_phase else None)
                told = None if key in asked else expressions[text].value(view, before.get(text))
                if told is not None:
                    asked.add(key)
                    found[text] += [moment] if told is True else []
            if moment.phase is Phase.BACKWARD:  # the last such moment counts
                later = {text: expression.operands(view) for text, expression in expressions.items()}
        before = later
    return found


CONDITIONS = {  # and whether it is asked for each position, for each phase
    "loss < 1.5": (False, False),
    "loss < 1.6 and step > 4": (False, False),
    "step > 5 or loss < 1.3": (False, False),
    "step % 5 == 0": (False, False),
    "grad_norm > 1.4": (False, False),
    "isnan(loss)": (False, False),
    'doc == "anna"': (False, False),
    'token == "a"': (True, False),
    'token == "a" and target == "n"': (True, False),
    "pos == 2": (True, False),
    "attn_weights[0, 1].max() > 0.51 and pos > 0": (True, False),
    "attn_weights[1, 0, 2] > 0.335": (True, False),
    "probs[target] > 0.25": (True, False),
    'probs["n"] > 0.2': (True, False),
    "loss_t < 1 and q[1, 2] > 0": (True, False),
    "loss < 2 and probs[target] < 0.2": (True, False),
    "grad(attn_weights[1, 0, 0]) > 0": (True, False),
    'grad("q")[0].norm() > 0.0001 and grad(head_out[1, 1, 0]) < 0': (True, False),
    'grad("wte")[0, 1] > 0': (False, False),
    "wte[0, 1] > 0": (False, False),
    'm("wte")[0, 1] * grad(wte[0, 1]) < 0': (False, False),
    "v(lm_head).max() > 0.0001 and learning_rate < 0.045": (False, False),
    'phase == "backward" and step > 5': (False, True),
    'phase != "forward" and loss < 1.5': (False, True),
    'phase == "backward" and token == "n"': (True, True),
    "changes_sign(grad(wte[0, 1]))": (False, False),
    'changes_sign(grad("wte")[0, 1]) and loss < 2.5': (False, False),
    "changes_sign(loss - 1.5)": (False, False),
    "changes_sign(wte[0, 1])": (False, False),
    'phase == "update" and changes_sign(grad_norm - 1.4)': (False, True),
    'token == "a" and changes_sign(loss - 1.5)': (True, False),
    "2 > 1": (False, False),
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_continuing_onward_and_back_stops_where_brute_force_does(text: str) -> None:
    wanted, session = brute_force()[text], fresh()
    assert onward(session, stops(session, text)) == [moment for moment in wanted if moment != EARLIEST]
    assert backward(session, stops(session, text)) == [moment for moment in wanted if moment != LATEST]


def test_conditions_stop_somewhere() -> None:
    assert [text for text, found in brute_force().items() if not found] == ["isnan(loss)"]


def test_a_change_of_sign_is_one_of_the_gradients() -> None:
    session, grads = fresh(), []
    for step in range(STEPS):
        session.seek(Moment(step, Phase.BACKWARD, 10**9))
        grads.append(float(session.workspace.grad[session.recording.matrices["wte"][0, 1]]))
    changes = [step for step in range(1, STEPS) if grads[step] * grads[step - 1] < 0]
    assert [moment.step for moment in onward(fresh(), stops(session, "changes_sign(grad(wte[0, 1]))"))] == changes


def test_several_conditions_stop_at_the_earlier_one() -> None:
    texts = ["loss < 1.5", 'token == "a"', "grad_norm > 1.4", "changes_sign(grad(wte[0, 1]))"]
    wanted = sorted({m for t in texts for m in brute_force()[t]}, key=lambda moment: moment.key)
    session = fresh()
    assert onward(session, stops(session, *texts)) == wanted
    assert backward(session, stops(session, *texts)) == wanted


def test_stops_between_two_moments_do_not_depend_on_the_direction() -> None:
    text = "changes_sign(grad(wte[0, 1]))"
    wanted = brute_force()[text]
    for start in (Moment(3), Moment(4, Phase.FORWARD, 40), Moment(5, Phase.UPDATE, 3), Moment(7)):
        session = fresh()
        session.seek(Moment(8))
        session.seek(start)
        assert onward(session, stops(session, text)) == [m for m in wanted if m.key > start.key]
        session.seek(start)
        assert backward(session, stops(session, text)) == [m for m in wanted if m.key < start.key]


def test_looking_for_stops_does_not_change_the_run() -> None:
    straight, stopped = fresh(), fresh()
    straight.run(STEPS)
    onward(stopped, stops(stopped, 'token == "a"', "grad_norm > 1.4", checks=("nan", "zero-grad", "dead-relu")))
    assert shown(stopped) == shown(straight)
    reverse_continue(stopped, stops(stopped, "step == 4"))
    straight.seek(Moment(4))
    assert shown(stopped) == shown(straight)


@pytest.mark.parametrize(
    ("place", "condition"),
    [
        (EventPattern("attn_weights", Phase.FORWARD, 2, 0, 1), None),
        (EventPattern("attn_weights", pos=1), None),
        (EventPattern("layer1.mlp_fc1"), None),
        (EventPattern("loss"), None),
        (EventPattern(phase=Phase.BACKWARD, pos=0, head=1), None),
        (EventPattern("attn_weights", Phase.FORWARD, head=1), "attn_weights[0, 1].max() > 0.51"),
        (EventPattern("q", layer=1), "loss < 1.5"),
        (EventPattern("mlp_relu", Phase.BACKWARD), 'token == "a" and loss < 1.7'),
    ],
)
def test_events_and_events_with_conditions(place: EventPattern, condition: str | None) -> None:
    session, wanted = fresh(), []
    expression = Expression(condition, Scope(CONFIG, session.tokenizer)) if condition else None
    for step in range(6):
        session.seek(Moment(step))
        for phase in Phase:
            for s in session.program.events(phase):
                own = (s.name, s.phase, s.pos, s.layer, s.head)
                asked = (place.name, place.phase, place.pos, place.layer, place.head)
                if all(a is None or a == o for a, o in zip(asked, own, strict=True)):
                    session.seek(Moment(step, phase, s.last))
                    if expression is None or evaluate(session, expression) is True:
                        wanted.append(session.moment)
    assert wanted
    session, breakpoint_ = fresh(), Breakpoint("e", place, condition)
    assert onward(session, stops(session, breakpoint_), until=6) == wanted
    assert backward(session, stops(session, breakpoint_)) == wanted


def test_every_nth_hit() -> None:
    all_of_them, session = brute_force()['token == "a"'], fresh()
    third = stops(session, Breakpoint("a", condition='token == "a"', count=3))
    assert onward(session, third) == all_of_them[2::3]
    assert third.hits == {"a": len(all_of_them)}


def test_going_back_from_an_nth_hit_leads_to_the_hit_before() -> None:
    all_of_them, session = brute_force()['token == "a"'], fresh()
    second = stops(session, Breakpoint("a", condition='token == "a"', count=2))
    assert onward(session, second) == all_of_them[1::2]
    session.seek(all_of_them[3])
    assert reverse_continue(session, second) is not None
    assert session.moment == all_of_them[1]
    assert reverse_continue(session, second) is None
    assert session.moment == all_of_them[1]
    assert second.hits == {"a": len(all_of_them)}  # only hits on the way onward count


def test_every_breakpoint_that_holds_at_a_moment_is_counted() -> None:
    all_of_them, session = brute_force()['token == "a"'], fresh()
    first, second = (Breakpoint(name, condition='token == "a"', count=count) for name, count in (("a", 1), ("b", 2)))
    assert onward(session, both := stops(session, first, second)) == all_of_them
    assert both.hits == {"a": len(all_of_them), "b": len(all_of_them)}


def test_disabled_breakpoints_do_not_stop() -> None:
    session = fresh()
    assert continue_to(session, stops(session, Breakpoint("a", condition="step > 0", enabled=False)), Moment(3)) is None
    assert session.moment == Moment(3)


def test_a_stop_describes_its_moment() -> None:
    session = fresh()
    stop = continue_to(
        session, stops(session, Breakpoint("w", EventPattern("attn_weights", pos=1, head=0), "step > 1")), Moment(9)
    )
    assert stop is not None
    assert stop.breakpoint is not None
    assert (stop.breakpoint.id, stop.check, stop.row) == ("w", None, None)
    assert stop.sentence == (
        f"step > 1: step 2 (counted from 0), document {session.program.doc!r}, "
        "forward phase, attn_weights, position 1, layer 0, head 0"
    )
    assert session.view().event.name == "attn_weights"


def test_a_stop_says_its_place_once() -> None:
    session = fresh()
    place = EventPattern("layer0.attn_wq", Phase.UPDATE)
    stop = continue_to(session, stops(session, Breakpoint("w", place)), Moment(9))
    assert stop is not None
    assert stop.sentence == (f"step 0 (counted from 0), document {session.program.doc!r}, update phase, layer0.attn_wq")


def test_continuing_can_be_stopped() -> None:
    session, told = fresh(), []

    def on_step(step: int, loss: float) -> bool:
        told.append((step, loss))
        return step == 2

    assert continue_to(session, stops(session, "isnan(loss)"), Moment(9), on_step) is None
    assert session.moment == Moment(3)
    assert told == list(enumerate(session.losses))
    session.seek(Moment(7, Phase.FORWARD, 7))
    with pytest.raises(Stopped):
        reverse_continue(session, stops(session, "isnan(loss)"), lambda step, loss: True)
    assert session.moment == Moment(7, Phase.FORWARD, 7)


def test_continuing_stops_before_a_fault_again_and_again() -> None:
    session = Session(Config(learning_rate=5.0), load_docs())
    wanted = stops(session, 'pos == 0 and step == 1 and doc == "richie"', checks=("fault",))
    stop = continue_to(session, wanted, Moment(10))
    assert stop is not None
    assert (stop.moment, stop.breakpoint is not None) == (Moment(1), True)
    stop = continue_to(session, wanted, Moment(10))
    assert stop is not None
    assert (stop.check, stop.moment) == ("fault", session.moment)
    assert "log of 0" in stop.sentence
    assert stop.row == session.program.rows[session.moment.tick]
    with pytest.raises(NumericFault):
        continue_to(session, wanted, Moment(10))
    assert session.moment == stop.moment
    back = reverse_continue(session, wanted)
    assert back is not None
    assert back.moment == Moment(1)
    with pytest.raises(NumericFault):
        continue_to(session, stops(session), Moment(10))
    assert session.moment == stop.moment


def test_breakpoints_are_converted_to_plain_values_and_back() -> None:
    for one in (
        Breakpoint("1", EventPattern("q", Phase.FORWARD, 1, 0), "loss < 2", 3, False),
        Breakpoint("2", condition="loss < 2"),
        Breakpoint("3", EventPattern()),
    ):
        assert Breakpoint.from_dict(asdict(one)) == one
    assert Breakpoint("1", EventPattern("q", Phase.FORWARD, 1, 0), "loss < 2", 3, False).describe() == (
        "q, position 1, layer 0, forward if loss < 2, every 3 times (off)"
    )
    assert EventPattern.parse("attn_weights@pos=2, layer=0,head=1,phase=backward") == EventPattern(
        "attn_weights", Phase.BACKWARD, 2, 0, 1
    )
    assert EventPattern.parse("loss") == EventPattern("loss")
    assert EventPattern.parse("@pos=1") == EventPattern(pos=1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EventPattern.parse("q@pos"), "says no place"),
        (lambda: EventPattern.parse("q@pos=1,pos=2"), "at most once"),
        (lambda: EventPattern.parse("q@row=1"), "says no place"),
        (lambda: EventPattern.parse("q@pos=one"), "pos is 'one'; write a whole number"),
        (lambda: EventPattern.parse("q@phase=up"), "the phase is 'up'; write forward, backward, update"),
        (lambda: Breakpoint.from_dict({"id": "1", "colour": "red"}), "has no 'colour'"),
        (lambda: Breakpoint.from_dict({"condition": "loss < 2"}), "has no id"),
        (lambda: Breakpoint.from_dict({"id": 3}), "id is 3"),
        (lambda: Breakpoint.from_dict({"id": "1", "place": 3}), "the place of a breakpoint is 3"),
        (lambda: Breakpoint.from_dict({"id": "1", "place": {"name": 3}}), "the name of an event is 3"),
        (lambda: Breakpoint.from_dict({"id": "1", "count": 1.5}), "count is 1.5"),
        (lambda: stops(fresh(), Breakpoint("1")), "needs an event or a condition"),
        (lambda: stops(fresh(), Breakpoint("1", EventPattern(), count=0)), "count is 0"),
        (lambda: stops(fresh(), Breakpoint("1", EventPattern("qq"))), "no event is called 'qq'"),
        (lambda: stops(fresh(), Breakpoint("1", EventPattern("q", layer=2))), "layer is 2; write a number from 0 to 1"),
        (lambda: stops(fresh(), Breakpoint("1", EventPattern("q", pos=9))), "pos is 9; write a number from 0 to 3"),
    ],
)
def test_bad_breakpoints_are_refused(make: Any, words: str) -> None:
    with pytest.raises(BreakpointError, match=words):
        make()


def test_training_without_breakpoints_creates_no_events() -> None:
    session = Session(CONFIG, DOCS)
    assert continue_to(session, stops(session, checks=("nan",)), Moment(5)) is None
    session.run(7)
    assert not set(session.program.__dict__) & {"_forward", "_backward"}
