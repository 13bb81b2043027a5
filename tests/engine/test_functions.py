"""The table of functions: one row is enough for the checker, the evaluator, completion and the reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import ExpressionError, Moment, Phase, Scope
from engine.expressions.expression import Expression
from engine.expressions.functions import FUNCTIONS, NUMBER, Function
from microgpt_tui.debugger import goto
from tests.support.harness import at, session

ROOT = Path(__file__).resolve().parents[2]


def test_one_row_adds_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    run = session()
    scope = Scope(run.config, run.tokenizer)
    row = Function("cube", (NUMBER,), NUMBER, lambda x: x * x * x, "the third power")
    with pytest.raises(ExpressionError, match="cube is no function here"):
        Expression("cube(loss)", scope)
    monkeypatch.setitem(FUNCTIONS, row.name, row)
    frame = at(Moment(0, Phase.UPDATE, 0))
    loss = frame.view.loss
    assert loss is not None
    assert Expression("cube(loss)", scope).value(frame.view) == loss * loss * loss
    with pytest.raises(ExpressionError, match=r"cube takes one value and has 2; write cube\(x\)"):
        Expression("cube(loss, 2)", scope)
    assert goto.completions("cu", frame) == ["cube"]


def test_the_reference_names_every_function() -> None:
    reference = " ".join((ROOT / "docs" / "reference.md").read_text(encoding="utf-8").split())
    assert f"arithmetic, `{' '.join(FUNCTIONS)}`" in reference
