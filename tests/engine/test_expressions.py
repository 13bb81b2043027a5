"""Expressions: their values at a moment, errors and the place they point at, and no way out of the language."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine import ExpressionError, Moment, Phase, Session
from engine.expressions.breakpoint import condition
from engine.expressions.expression import Expression
from engine.expressions.scope import Scope
from tests.support.float_bits import DOCS, end, tiny


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session(tiny(n_layer=2), DOCS)
    session.run(3)
    return session


@pytest.fixture(scope="module")
def scope(session: Session) -> Scope:
    return Scope(session.config, session.tokenizer)


def value(session: Session, text: str, moment: Moment | None = None) -> Any:
    if moment:
        session.seek(moment)
    return Expression(text, Scope(session.config, session.tokenizer)).value(session.view())


def test_shapes_are_those_of_the_model(session: Session, scope: Scope) -> None:
    recording, named = session.recording, session.recording.specs
    for pos, span in enumerate(recording.positions):
        for t in span.tensors:
            table = named[t.name]
            assert list(table.places) == [w for w, x in (("layer", t.layer), ("head", t.head)) if x is not None]
            shape = (pos + 1,) if table.grows else table.shape or (1,)
            assert t.rows.shape == shape, t.name
    assert {t.name for t in recording.positions[0].tensors} == {n for n, t in named.items() if not t.parameter}
    assert {n: r.shape for n, r in recording.matrices.items()} == {n: t.shape for n, t in named.items() if t.parameter}


def test_values_are_those_of_the_run(session: Session) -> None:
    session.seek(Moment(3))
    session.seek(end(session, Phase.BACKWARD))
    w, r = session.workspace, session.recording
    params, grad = session.params, w.grad
    matrices = r.matrices
    expected = {
        "step": 3,
        "doc": session.program.doc,
        "n": session.program.n,
        "len(doc)": len(session.program.doc),
        "phase": "backward",
        "learning_rate": session.config.learning_rate_at(3),
        "loss": w.data[session.program.loss_row],
        "wte[2, 3]": params["wte"][2, 3],
        "wte[2][3]": params["wte"][2, 3],
        'wte["a", 3]': params["wte"][0, 3],
        "wte[step, n - 2]": params["wte"][3, session.program.n - 2],
        "lm_head[1]": tuple(params["lm_head"][1]),
        'param("layer1.attn_wq")[3, 1]': params["layer1.attn_wq"][3, 1],
        "layer1.attn_wq[3, 1]": params["layer1.attn_wq"][3, 1],
        'grad("wte")[2, 3]': grad[matrices["wte"][2, 3]],
        "grad(wte[2, 3])": grad[matrices["wte"][2, 3]],
        "grad(wte)[2][3]": grad[matrices["wte"][2, 3]],
        "grad(layer0.mlp_fc1).max()": grad[matrices["layer0.mlp_fc1"]].max(),
        'm("wpe")[1, 2]': session.m["wpe"][1, 2],
        "v(wpe[1, 2])": session.v["wpe"][1, 2],
        "wpe.norm()": math.sqrt((params["wpe"] ** 2).sum()),
        "wpe.argmax()": int(params["wpe"].argmax()),
        "min(wpe) + 2 * wpe.min()": params["wpe"].min() + 2 * params["wpe"].min(),
        "max(1, 2.5, step)": 3.0,
        "sum(wpe[0]) - wpe[0].sum()": 0.0,
        "len(wpe[0])": 4,
        "abs(-3) + sqrt(4) + log(exp(2)) + sign(-7)": 6.0,
        "-2 ** 2 // 3 % 5": -(2**2) // 3 % 5,
        "isnan(loss) or isinf(loss) or not (1 < step <= 3 != 2)": False,
        '"a" in doc and doc != "x" or False': "a" in session.program.doc,
    }
    for text, wanted in expected.items():
        assert value(session, text) == wanted, text
    session.run(4)
    session.seek(Moment(3, Phase.BACKWARD, 10**9))
    assert value(session, "grad_norm") == session.history.grad_norms[3]


def test_tensors_are_those_of_the_present_position(session: Session) -> None:
    session.seek(Moment(3))
    for event in session.program.events(Phase.FORWARD):
        session.seek(Moment(3, Phase.FORWARD, event.last))
        if event.pos is None:
            assert value(session, "pos") is value(session, "token") is value(session, "q[0]") is None
            continue
        place = ", ".join(str(x) for x in (event.layer, event.head) if x is not None)
        text = f"{event.name}[{place}]" if place else event.name
        data = session.workspace.data[event.rows]
        assert value(session, text) == (tuple(data) if event.name != "loss_t" else data[0])
        program, names = session.program, session.tokenizer.name
        told = [value(session, name) for name in ("pos", "token", "target")]
        assert told == [event.pos, names(program.inputs[event.pos]), names(program.targets[event.pos])]
        if event.name == "probs":
            assert value(session, "probs[target]") == data[program.targets[event.pos]]
            assert value(session, f'probs["{told[2]}"]') == data[program.targets[event.pos]]


def test_an_expression_on_numbers_not_yet_computed_has_no_value(session: Session) -> None:
    ends = {phase: session.seek(Moment(3)) or end(session, phase) for phase in Phase}
    before = {
        "loss": Moment(3, Phase.FORWARD, ends[Phase.FORWARD].tick - 1),
        "loss + 1 < 2 and step > 0": Moment(3, Phase.FORWARD, ends[Phase.FORWARD].tick - 1),
        "step > 0 or loss < 2": Moment(3, Phase.FORWARD, 5),
        "grad_norm": Moment(3, Phase.BACKWARD, ends[Phase.BACKWARD].tick - 1),
        'grad("wte")[5, 3]': Moment(3, Phase.BACKWARD, ends[Phase.BACKWARD].tick - 1),
        "grad(q[0])": Moment(3, Phase.FORWARD, 20),
        "q[1]": Moment(3, Phase.FORWARD, 20),
        "attn_weights[0, 0, 3]": Moment(3, Phase.BACKWARD, ends[Phase.BACKWARD].tick - 100),
        "probs[step + 1000]": ends[Phase.BACKWARD],
        "wte[step / 2, 0]": ends[Phase.BACKWARD],
        "log(0 * step) < 1": ends[Phase.BACKWARD],
        "step / (step - 3)": ends[Phase.BACKWARD],
        "exp(step * 1e9)": ends[Phase.BACKWARD],
        "changes_sign(loss)": ends[Phase.BACKWARD],
    }
    for text, moment in before.items():
        assert value(session, text, moment) is None, text


def test_an_element_is_known_as_soon_as_it_is_made(session: Session) -> None:
    session.seek(Moment(3))
    event = next(s for s in session.program.events(Phase.FORWARD) if s.name == "embed" and s.pos == 1)
    session.seek(Moment(3, Phase.FORWARD, event.first + 2))
    assert value(session, "embed[1]") == session.workspace.data[event.rows[1]]
    assert value(session, "embed[2]") is value(session, "embed") is None


def test_the_row_of_a_single_scalar(session: Session, scope: Scope) -> None:
    session.seek(Moment(3))
    event = next(s for s in session.program.events(Phase.FORWARD) if s.name == "q" and s.pos == 1)
    session.seek(Moment(3, Phase.FORWARD, event.last))
    r = session.recording
    rows = {
        "loss": session.program.loss_row,
        "wte[2, 3]": r.matrices["wte"][2, 3],
        "grad(wte[2, 3])": r.matrices["wte"][2, 3],
        "wte[pos + 1, 3]": r.matrices["wte"][2, 3],
        "wte[token, 3]": r.matrices["wte"][session.program.inputs[1], 3],
        f"q[{event.layer}, 2]": event.rows[2],
        "wte[2]": None,
        "wte[2, 3] + 1": None,
        "wte[grad_norm, 3]": None,
        "loss_t": next(t for t in r.positions[1].tensors if t.name == "loss_t").rows[0],
        "step": None,
    }
    for text, row in rows.items():
        assert Expression(text, scope).row(session.view()) == row, text


REFUSED = {
    "": ("nothing to ask", ""),
    "los < 2": ("did you mean loss", "los"),
    "token == z": ("nothing is called z", "z"),
    "token == a": ('in quotes, "a", it is a token', "a"),
    "loss = 2": ("write ==", "="),
    "loss <": ("cannot be read", ""),
    "((((((": ("cannot be read", "("),
    "step; loss": ("cannot be read", ";"),
    "loss < 2 and wte": ("several numbers", "wte"),
    "loss and step > 1": ("compare it", "loss"),
    'loss < "a"': ("a number is needed", '"a"'),
    'loss == "a"': ("cannot be compared", 'loss == "a"'),
    "loss is 2": ("write == or !=", "loss is 2"),
    "wte[1, 2, 3]": ("takes 2 indices and has 3", "3"),
    "wte[99, 0]": ("from 0 to 5", "99"),
    "wte[-1, 0]": ("from 0 to 5", "-1"),
    "wte[0.5, 0]": ("from 0 to 5", "0.5"),
    "wte[True, 0]": ("from 0 to 5", "True"),
    'wte["é", 0]': ("is no token", '"é"'),
    "wte[0:2, 0]": ("cannot be a range", "0:2"),
    "q > 1": ("every layer has its own q", "q"),
    "attn_weights[0] > 1": ("every layer and every head", "attn_weights[0]"),
    "attn_weights[0, 5, 0] > 1": ("the head of attn_weights", "5"),
    "attn_weights[step, 0, 0] > 1": ("the layer of attn_weights", "step"),
    "attn_weights[0, 1] > 0.9": ("take .max()", "attn_weights[0, 1]"),
    'grad("wtee")[0, 0] > 1': ("did you mean wte", '"wtee"'),
    "grad(loss) > 1": ("is no tensor", "loss"),
    "grad(grad(wte))[0, 0] > 1": ("is no tensor", "grad(wte)"),
    "grad(wte, wpe) > 1": ("takes one tensor", "grad(wte, wpe)"),
    'm("q")[0] > 1': ("is no parameter", '"q"'),
    "grad > 1": ("grad is a function", "grad"),
    "abs(1, 2) > 1": ("takes one value and has 2", "abs(1, 2)"),
    "sum(1, 2) > 1": ("takes one tensor", "sum(1, 2)"),
    "sum(loss) > 1": ("takes a tensor", "loss"),
    "wte[0, 0].max() > 1": ("so there is no .max()", "wte[0, 0]"),
    "wte.max(0) > 1": ("takes no value", "wte.max"),
    "changes_sign(probs[0])": ("one training step back", "probs[0]"),
    "changes_sign(sign(changes_sign(loss)))": ("a number is needed", "changes_sign(loss)"),
    "pos == 2 and grad_norm > 1": ("never be known", "pos == 2 and grad_norm > 1"),
    "9 ** 9 ** 9 > 1": ("no number that a float can hold", "9 ** 9 ** 9"),
    "1 / 0 > 1": ("no number that a float can hold", "1 / 0"),
    "(-8) ** 0.5 > 1": ("no number that a float can hold", "(-8) ** 0.5"),
    "1 if loss else 2": ("if with else is not allowed", "1 if loss else 2"),
    # Attempts to reach Python from an expression.
    "().__class__": ("nothing can be read with a dot", "().__class__"),
    "wte.__class__": ("nothing can be read with a dot", "wte.__class__"),
    "doc.format(loss)": ("is not there", "doc.format"),
    'wte.tofile("x")': ("is not there", "wte.tofile"),
    "wte._values": ("nothing can be read with a dot", "wte._values"),
    "wte.flat()": ("is not there", "wte.flat"),
    "wte.max.__self__": ("nothing can be read with a dot", "wte.max.__self__"),
    "lambda: 1": ("a lambda is not allowed", "lambda: 1"),
    "[x for x in doc]": ("a comprehension is not allowed", "[x for x in doc]"),
    "sum(x for x in doc)": ("a comprehension is not allowed", "(x for x in doc)"),
    '"a" * 10 ** 9 == doc': ("a number is needed", '"a"'),
    '"%s" % loss == doc': ("a number is needed", '"%s"'),
    'f"{loss}" == doc': ("an f-string is not allowed", 'f"{loss}"'),
    '__import__("os").system("x")': ("is not there", '__import__("os").system'),
    'eval("1") > 1': ("eval is no function here", "eval"),
    "max(loss, key=step)": ("without names or stars", "max(loss, key=step)"),
    "max(*wte)": ("without names or stars", "max(*wte)"),
    "max(**wte)": ("without names or stars", "max(**wte)"),
    "(x := 2) > 1": (":= is not allowed", "x := 2"),
    "1 << 99 > 1": ("this sign is not allowed", "1 << 99"),
    "~step > 1": ("~ is not allowed", "~step"),
    "b'a' == doc": ("write a number or a text", "b'a'"),
    "1j == 1": ("write a number or a text", "1j"),
    "None == 1": ("write a number or a text", "None"),
    "doc[0] == 'a'": ("only tensors and parameters", "doc[0]"),
    "{1: 2} == 1": ("a dictionary is not allowed", "{1: 2}"),
    "(1).real > 1": ("nothing can be read with a dot", "(1).real"),
    "slot_0 > 1": ("nothing is called slot_0", "slot_0"),
    "_0 > wte[0, 0]": ("nothing is called _0", "_0"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_bad_expression_is_refused_with_marks_below_the_fault(text: str, scope: Scope) -> None:
    words, marked = REFUSED[text]
    with pytest.raises(ExpressionError) as caught:
        condition(text, scope)
    error = caught.value
    assert words in error.reason
    assert "\n" not in error.reason
    if text:
        line, marks = error.pointer.split("\n")
        assert line == text
        assert str(error) == f"{error.reason}\n{error.pointer}"
        if marked:
            assert "".join(c for c, mark in zip(line, marks, strict=False) if mark == "^") == marked


def test_marks_stand_below_characters_not_bytes(scope: Scope) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression('"éé" == doc and los < 2', scope)
    line, marks = caught.value.pointer.split("\n")
    assert line[marks.index("^") :].startswith("los")
    assert marks.count("^") == 3


@pytest.mark.parametrize(
    "text",
    ["(" * 600, "-" * 400 + "1 < 2", "not " * 120 + "True", "1" * 499, "x." * 200 + "x", "\0 < 2", "1" + "+1" * 240],
)
def test_long_and_deep_expressions_never_crash(text: str, scope: Scope) -> None:
    try:
        Expression(text, scope)
    except ExpressionError as error:
        assert len(error.reason) < 600  # noqa: PT017


def test_a_condition_is_true_or_false(scope: Scope) -> None:
    with pytest.raises(ExpressionError, match="this is a number, and a condition is true or false"):
        condition("loss", scope)
    assert condition("  loss\n<  2 ", scope).text == "loss <  2"


def test_numbers_that_are_not_finite(scope: Scope) -> None:
    session = Session(tiny(n_layer=2), DOCS)
    session.workspace.params[0], session.workspace.params[1] = math.inf, -math.inf
    assert value(session, "isnan(wte.sum()) and isnan(wte.mean()) and wte.max() == -wte.min()") is True
    assert value(session, "isinf(wte.norm()) and isinf(abs(wte[0, 1])) and not isnan(wte[0, 0])") is True
    session.workspace.params[2] = math.nan
    assert value(session, "isnan(wte.max()) and isnan(sign(wte[0, 2])) and isnan(max(1, wte[0, 2]))") is True
    assert value(session, "wte[0, 2] < 1 or wte[0, 2] >= 1 or wte[0, 2] == wte[0, 2]") is False


def test_the_value_of_an_expression_is_never_an_array(session: Session) -> None:
    session.seek(Moment(3))
    for text in ("wte", "wte[0]", "wte[0, 0]", "wte.argmax()", "wte.norm()", "max(wte)", "step", "loss"):
        assert not isinstance(value(session, text), np.ndarray | np.generic), text


def test_an_integer_beyond_all_floats_keeps_its_sign(session: Session) -> None:
    assert value(session, f"changes_sign({'9' * 400})", Moment(1)) is None
