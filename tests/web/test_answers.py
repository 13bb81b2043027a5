"""Answers: one a viewer, changeable while the question is open, counted as they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgpt_tui.web.answers import Answers


def question(name: str = "6/2", options: int = 3, is_open: bool = True) -> dict[str, Any]:
    return {"id": name, "options": ["x"] * options, "open": is_open}


STEPS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(["a", "b"]), st.booleans()),
    st.tuples(st.just("answer"), st.sampled_from("stuvw"), st.integers(-1, 4)),
    st.tuples(st.just("nothing"), st.none(), st.none()),
)


@given(st.lists(STEPS, max_size=40))
def test_the_counts_are_those_of_the_last_answers_of_all(steps: list[tuple[str, Any, Any]]) -> None:
    answers, asked, is_open = Answers(4), None, False
    chosen: dict[str, int] = {}
    for what, first, second in steps:
        if what == "ask":
            chosen = chosen if first == asked else {}
            asked, is_open = first, second
            answers.ask(question(first, is_open=second))
        elif what == "nothing":
            asked, is_open, chosen = None, False, {}
            answers.ask(None)
        else:
            fits = is_open and 0 <= second < 3 and (first in chosen or len(chosen) < 4)
            assert answers.answer(first, asked, second) == fits
            if fits:
                chosen[first] = second
        assert answers.counts == [list(chosen.values()).count(option) for option in range(3 if asked else 0)]
        assert [answers.of(viewer) for viewer in "stuvw"] == [chosen.get(viewer) for viewer in "stuvw"]


@pytest.mark.parametrize("option", [None, True, False, 1.0, "1", [1], {}, -1, 3, 10**30])
def test_what_is_no_option_is_no_answer(option: Any) -> None:
    answers = Answers(4)
    answers.ask(question())
    assert not answers.answer("v", "6/2", option)
    assert answers.counts == [0, 0, 0]


@pytest.mark.parametrize("name", [None, "6/3", 6, ["6/2"]])
def test_an_answer_to_another_question_does_not_count(name: Any) -> None:
    answers = Answers(4)
    answers.ask(question())
    assert not answers.answer("v", name, 1)
