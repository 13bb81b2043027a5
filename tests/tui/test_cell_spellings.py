"""A cell is written `w[0, 3]` or `w[0][3]`, and a token in quotes, wherever a cell is typed."""

from __future__ import annotations

import pytest

from engine import Moment, Phase, Scope, Session
from engine.errors import ChangeError
from engine.expressions.breakpoint import Armed, Breakpoint
from engine.expressions.watch import Watch
from engine.interventions.syntax import SetParameter, SetScalar, parse
from engine.run.gradcheck import GradientChecker
from microgpt_tui.cli import why_report
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.debugger.scalar_target import Scalar
from microgpt_tui.lectures.binding import CHOSEN, FocusTarget
from microgpt_tui.lectures.page import SourceText
from tests.support.harness import DOCS, SMALL, session

ENDED = Moment(1, Phase.UPDATE, 10**9)


@pytest.mark.parametrize(
    ("spellings", "index"),
    [
        (("wte[1, 3]", "wte[1,3]", "wte[1][3]", "wte[ 1 ] [ 3 ]", 'wte["b"][3]', "wte['b', 3]"), (1, 3)),
        (("q[0, 3]@pos=1", "q[0][3]@pos=1", "q[0,3] @ pos=1"), (3,)),
        (("attn_weights[0, 1, 0]@pos=1", "attn_weights[0][1][0]@pos=1", "attn_weights[0, 1][0]@pos=1"), (0,)),
        (("layer0.attn_wq[3, 2]", "layer0.attn_wq[3][2]"), (3, 2)),
    ],
)
def test_all_spellings_name_the_same_cell(spellings: tuple[str, ...], index: tuple[int, ...]) -> None:
    run = session()
    run.run(until=1)
    run.seek(Moment(1, Phase.UPDATE, run.program.ticks(Phase.UPDATE)))
    view, scope = run.view(), Scope(run.config, run.tokenizer)
    checker = GradientChecker(Session(SMALL, DOCS), 1)
    row = Watch(spellings[0], scope).row(view)
    assert row is not None
    for text in spellings:
        assert Watch(text, scope).row(view) == row
        assert checker.row(text) == row
        assert (
            why_report.of_scalar(view, text, 1).facts["scalar"]
            == why_report.of_scalar(view, spellings[0], 1).facts["scalar"]
        )
        assert Scalar.parse(text, scope).index == index
        assert Scalar.parse(text, scope).rows(run.program).tolist() == [row]
        change = parse(f"{text.replace('@', '@step=1,') if '@' in text else text} = 0.5", scope)
        assert isinstance(change, SetParameter | SetScalar)
        assert change.index == index
        focus = FocusTarget(SourceText(text, "lecture.md", 1), watch=Watch(text, scope))
        assert CHOSEN.fullmatch(text) is None
        assert focus.on(Focus(run.moment), run).row == row
        condition = f"{text.partition('@')[0]} > 0"
        Armed(Breakpoint.parse(condition, "1"), scope)


@pytest.mark.parametrize(
    "text", ["wte[1", "wte[1,]", "wte[1][]", "wte[]", "wte[1] 3]", "wte['zz', 3]", "wte" + " " * 490]
)
def test_a_text_that_is_no_cell_is_refused(text: str) -> None:
    scope = Scope(SMALL, session().tokenizer)
    with pytest.raises(ChangeError):
        parse(f"{text} = 0.5" if len(text) < 100 else text + "?", scope)
    with pytest.raises(LineError):
        Scalar.parse(text, scope)
