"""Addresses of moments: parsed, resolved in a step, written back, refused with a sentence."""

from __future__ import annotations

import pytest

from engine import Address, AddressError, Config, Moment, Phase, Scope, Session

SESSION = Session(Config(n_layer=2, n_embd=4, n_head=2, block_size=4, num_steps=9), ["abc", "ba"])
SCOPE = Scope(SESSION.config, SESSION.tokenizer)
PROGRAM = SESSION.program


def found(text: str) -> Moment:
    return Address.parse(text, SCOPE).moment(PROGRAM)


def test_every_event_and_every_scalar_has_an_address_that_leads_back_to_it() -> None:
    for phase in Phase:
        for tick in range(1, PROGRAM.ticks(phase) + 1):
            moment = Moment(0, phase, tick)
            text = Address.of(PROGRAM, moment).text
            assert found(text) == moment, text


def test_parts_of_an_address_that_are_left_out() -> None:
    first = PROGRAM.events(Phase.FORWARD)[0].last
    assert found("0") == found("step 0") == found("forward") == Moment(0, Phase.FORWARD, first)
    assert found("start") == found("0 start") == found("0 forward start") == found("0")
    assert [found(f"0 {phase} start") for phase in Phase] == [found(f"0 {phase}") for phase in Phase]
    assert found("0 end") == Moment(0, Phase.UPDATE, PROGRAM.ticks(Phase.UPDATE))  # the end of the step
    assert found("backward end") == Moment(0, Phase.BACKWARD, PROGRAM.ticks(Phase.BACKWARD))
    assert found("wpe") == found("0 update wpe")  # a matrix is moved in the update, unless another phase is named
    assert found("backward wpe").phase is Phase.BACKWARD
    assert found("q@pos=1,phase=backward") == found("backward q@pos=1")
    assert found("q@pos=1 scalar 0").tick == found("q@pos=1").tick - (
        PROGRAM.event_at(found("q@pos=1")).last - PROGRAM.event_at(found("q@pos=1")).first
    )


def test_the_step_need_not_be_the_present_one() -> None:
    address = Address.parse("step 7 forward loss", SCOPE)
    assert (address.step, address.text) == (7, "step 7 forward loss")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no moment; write for example"),
        ("step", "no event is called 'step'"),
        ("nowhere", "no event is called 'nowhere'"),
        ("step 10", "no step 10 in this schedule; write a step from 0 to 9"),
        ("q@pos=4", "pos is 4; write a number from 0 to 3"),
        ("q@place=1", "says no place"),
        ("forward q@phase=backward", "names two phases"),
        ("forward backward", "no event is called 'backward'"),
        ("q scalar", "is no moment"),
        ("q@pos=0 scalar 999", "is made of"),
        ("update q@pos=0", "has no q, position 0: its document is"),
        ("q@pos=3", "its document is"),
    ],
)
def test_a_text_that_is_no_address_is_refused_with_a_sentence(text: str, says: str) -> None:
    short = Session(SESSION.config, ["ba"]).program
    with pytest.raises(AddressError, match=says.replace("(", r"\(")):
        Address.parse(text, SCOPE).moment(short)
