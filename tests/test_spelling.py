"""Letters that documents write composed and people type decomposed, or the other way round, mean the same."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from engine import ExpressionError, Moment, Session
from engine.errors import ChangeError
from engine.expressions.expression import Expression
from engine.expressions.scope import Scope
from engine.interventions.syntax import parse
from engine.sampling.sampler import beginning
from engine.text import spelled
from engine.timeline.events import Phase
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.scalar_target import Scalar
from microgpt_tui.debugger.search import search
from tests.support.commands import SMALL, error_of, invoke
from tests.support.harness import SMALL as CONFIG

COMPOSED = "zoë가"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
WAYS = pytest.mark.parametrize(("written", "typed"), [(DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED)])


def run(doc: str) -> Session:
    return Session(CONFIG, [doc])


def scope_of(session: Session) -> Scope:
    return Scope(session.config, session.tokenizer)


@WAYS
def test_typed_letters_match_those_of_the_documents(written: str, typed: str) -> None:
    session = run(written)
    assert session.tokenizer.uchars == sorted(set(written))  # trained on as it is
    assert len(session.program.inputs) == min(len(written) + 1, CONFIG.block_size)
    for text, value in (
        (f"doc == '{typed}'", True),
        (f"doc != '{typed}'", False),
        (f"'{typed[1:]}' in doc", True),
        (f"'{typed[1:]}' not in doc", False),
        ("'q' in doc", False),
        ("'e' in doc", "e" in written),  # a letter alone is part only of what has it as a token
        (f"'{typed}' == '{written}'", True),
        ("len(doc)", len(written)),
    ):
        assert Expression(text, scope_of(session)).value(session.view()) == value, text
    assert session.tokenizer.decode(beginning(typed, session.tokenizer, 16)[1:]) == written


def test_letters_of_both_kinds_in_one_text() -> None:
    mixed = unicodedata.normalize("NFD", "ë") + "å"
    assert spelled("ëå", set(mixed)) == mixed
    assert spelled(unicodedata.normalize("NFD", "ëå"), set(mixed)) == mixed
    assert spelled("ñ", set(mixed)) == "ñ"


def test_a_token_that_is_composed_may_be_typed_decomposed() -> None:
    session = run(COMPOSED)
    typed, scope = unicodedata.normalize("NFD", "ë"), scope_of(session)
    at = session.tokenizer.uchars.index("ë")
    here = session.view()
    assert Expression(f"wte['{typed}', 0]", scope).value(here) == Expression(f"wte[{at}, 0]", scope).value(here)
    assert parse(f"wte['{typed}', 0] = 1", scope) == parse(f"wte[{at}, 0] = 1", scope)
    assert Scalar.parse(f"wte['{typed}', 0]", scope) == Scalar.parse(f"wte[{at}, 0]", scope)
    found = search(f"token {typed}", session.program, session.moment)
    assert found is not None
    assert found.moment == Moment(
        0, Phase.FORWARD, next(s.last for s in session.program.events(Phase.FORWARD) if s.pos == 3)
    )


def test_a_letter_that_is_several_tokens_is_said_to_be_that(tmp_path: Path) -> None:
    scope = scope_of(run(DECOMPOSED))
    says = r"'ë' is 2 tokens, as the documents write it: 'e', '\u0308'"
    for text in ("wte['ë', 0] > 1", "token == 'ë'", "'ë' != target", "probs['ë'] > 0.5"):
        with pytest.raises(ExpressionError) as refused:
            Expression(text, scope)
        assert refused.value.reason == f"{says}; write one of these"
    with pytest.raises(ChangeError) as unset:
        parse("wte['ë', 0] = 1", scope)
    assert str(unset.value).startswith(says)
    with pytest.raises(LineError) as nowhere:
        Scalar.parse("wte['ë', 0]", scope)
    assert str(nowhere.value).startswith(says)
    (tmp_path / "names.txt").write_text(DECOMPOSED, encoding="utf-8")
    given = ("--data", tmp_path / "names.txt", *SMALL)
    assert says in error_of(invoke("why", "--pos", "1", "--logit", "ë", *given))
    stopped = invoke("train", "--until", "2", "--break", "doc == 'zoë가'", *given)
    assert "stopped at" in stopped.output
