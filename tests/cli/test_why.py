"""why: attribution of a gradient, an update and a prediction, as text and as JSON with every bit."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from engine import Config, Moment, Phase, Session, load_docs
from engine.explain.gradient_paths import GradientPaths
from engine.explain.logit_attribution import Attributor
from engine.explain.update_attribution import attribute_update
from tests.support.commands import SMALL, error_of, invoke

CONFIG = Config(n_embd=4, n_head=2, block_size=4)


def facts(*args: Any) -> dict[str, Any]:
    """The JSON that the command prints."""
    return json.loads(invoke("why", *args, "--json", *SMALL).stdout)  # type: ignore[no-any-return]


def session_after(step: int) -> Session:
    session = Session(CONFIG, load_docs())
    session.seek(Moment(step, Phase.UPDATE, 10**9))
    return session


def test_an_update() -> None:
    found, session = facts("--step", "3", "--param", "layer0.attn_wv[1,2]"), session_after(3)
    expected = attribute_update(session.view(), int(session.recording.matrices["layer0.attn_wv"][1, 2]))
    assert expected.step is not None
    assert [(push["pos"], push["product"]) for push in found["pushes"]] == [
        (part.pos, part.term.product) for part in expected.contributions
    ]
    total = 0.0
    for push in found["pushes"]:
        total += push["product"]
    assert total == found["gradient"] == expected.gradient
    assert found["kept"] + found["fresh"] == found["m"]
    assert (found["by_momentum"], found["by_document"]) == (expected.step.by_momentum, expected.step.by_document)
    text = invoke("why", "--step", "3", "--param", "layer0.attn_wv[1,2]", *SMALL).stdout
    assert text.startswith(f"layer0.attn_wv[1, 2] in step 3, document {session.program.doc!r}\n")
    assert "momentum" in text
    assert "this document" in text


def test_a_prediction() -> None:
    found, session = facts("--step", "2", "--pos", "1", "--logit", "e", "--rival", "a"), session_after(2)
    asked, tokens = Attributor(session.view(), 1), session.tokenizer
    expected = asked.logit(tokens.encode("e")[1])
    assert {part["part"]: part["logit"] for part in found["parts"]} == dict(
        zip((part.label for part in asked.parts), expected.values, strict=True)
    )
    assert math.fsum([*(part["logit"] for part in found["parts"]), found["rounding"]["logit"]]) == found["logit"]
    assert (found["token"], found["rival"]) == ("e", "a")
    unsaid = facts("--step", "2", "--pos", "1")
    assert unsaid["token"] == unsaid["target"] == tokens.name(asked.target)
    assert unsaid["rival"] == tokens.name(asked.rival(asked.target))
    text = invoke("why", "--step", "2", "--pos", "1", *SMALL).stdout.splitlines()
    assert [line.split()[0] for line in text[-2:]] == ["rounding", "logit"]


def test_a_gradient() -> None:
    found, session = facts("--step", "1", "--scalar", "q[0,3]@pos=2", "--count", "3"), session_after(1)
    row = int(session.program.tensors["q", 2, 0, None][3])
    expected = GradientPaths(session.view()).strongest(row, 3)
    assert [chain["product"] for chain in found["chains"]] == [chain.product for chain in expected]
    assert [[link["local"] for link in chain["links"]] for chain in found["chains"]] == [
        [link.local for link in chain.edges] for chain in expected
    ]
    assert found["gradient"] == session.workspace.grad[row]
    assert found["chains"][0]["links"][-1]["scalar"] == "loss"
    text = invoke("why", "--step", "1", "--scalar", "q[0,3]@pos=2", *SMALL).stdout
    assert text.startswith("q[0, 3]@pos=2 in step 1, document ")
    assert "d attn_logits[0, 1, " in text
    unused = invoke("why", "--scalar", "wte[25,0]", *SMALL).stdout
    assert "the loss does not depend on it" in unused
    unused = invoke("why", "--param", "wte[25,0]", *SMALL).stdout
    assert "the loss of this document does not depend on it" in unused
    assert "the weight was not moved: its mean gradient m is 0" in unused


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "ask for one thing: --scalar, --param, or a prediction by its --pos"),
        (("--logit", "e"), "say at which position with --pos"),
        (("--param", "wte[1,1]", "--pos", "2"), "ask for one thing"),
        (("--param", "wte[1,1]", "--rival", "a"), "--logit and --rival go with --pos"),
        (("--param", "wte[99,1]"), "the row of wte is 99; write a number from 0 to 26"),
        (("--param", "loss"), "loss is not a parameter"),
        (("--param", "nothing"), "nothing"),
        (("--scalar", "wte"), "wte is no single scalar of step 0"),
        (("--scalar", "step"), "step is no single scalar of step 0"),
        (("--pos", "2", "--logit", "ee"), "'ee' is no token here; write one character of the documents, or BOS"),
        (("--pos", "9"), "there is no position 9 in 'mignon'"),
        (("--pos", "0", "--step", "2000"), "--step is 2000"),
    ],
)
def test_questions_without_an_answer_are_refused(args: tuple[str, ...], words: str) -> None:
    assert words in error_of(invoke("why", *args, *SMALL))
