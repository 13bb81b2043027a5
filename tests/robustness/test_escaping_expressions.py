"""Texts that try to get out of the little language: each is refused at once, in one sentence, and never evaluated."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from engine import Address, Config, EngineError, ExpressionError, Scope, Session
from engine.expressions.breakpoint import Armed, Breakpoint, EventPattern
from engine.expressions.watch import Watch
from engine.interventions.syntax import parse as read_change
from engine.run.gradcheck import GradientChecker
from microgpt_tui.debugger import goto, search
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.debugger.scalar_target import Scalar
from microgpt_tui.lectures.page import SourceText
from microgpt_tui.lectures.quotes import Reader
from tests.support.commands import SMALL, invoke

AT_ONCE = 0.3  # seconds of this thread's own time
SENTENCE = 1200  # characters; some list what there is instead
BUSY = 3  # tries, of which the quickest counts

ESCAPES = {
    "an attribute": "loss.__class__",
    "the class of nothing": "().__class__.__bases__[0].__subclasses__()",
    "the class of a text": "''.__class__ == doc",
    "a method's own": "wte.max.__self__.__init__.__globals__",
    "a private value": "wte._values.base > 0",
    "a walk over attributes": "wte" + ".T" * 100 + " > 0",
    "builtins by name": "__builtins__",
    "import": "__import__('os').system('touch owned')",
    "open": "open('owned', 'w') == 1",
    "eval": "eval('1') == 1",
    "exec": "exec('1') == 1",
    "getattr": "getattr(loss, '__class__') == 1",
    "a lambda": "(lambda: 1)() > 0",
    "a comprehension": "[c for c in doc] == 1",
    "a generator": "sum(x for x in wte) > 1",
    "a walrus": "(loss := 2) > 1",
    "an f-string": "f'{loss.__class__}' == doc",
    "an f-string of quotes": "f'{doc!r:>{step}}' == doc",
    "format": "'{0.__class__}'.format(loss) == doc",
    "format_map": "'{loss.__class__}'.format_map({}) == doc",
    "percent": "'%99999999d' % 1 == doc",
    "a template": "t'{loss}' == doc",
    "await": "await loss > 1",
    "yield": "(yield loss) > 1",
    "a statement": "import os",
    "two statements": "loss > 1; __import__('os')",
    "a new line": "loss > 1\n__import__('os')",
    "a comment that hides": "loss #> 1\n> 2",
    "a huge power": "9 ** 9 ** 9 ** 9 > 1",
    "a huge power of what is computed": "step ** 9 ** 9 ** 9 ** 9 > 1",
    "a huge shift": "1 << 10 ** 9 > 1",
    "a huge repeat": "'a' * 10 ** 10 == doc",
    "a huge list": "[0] * 10 ** 10 == 1",
    "a huge range": "sum(range(10 ** 10)) > 1",
    "a huge number": "1" * 490 + " > 1" * 2 + "+" + "9" * 5000,
    "a huge exponent": "1e999999999 * wte > 1",
    "deep parentheses": "(" * 10_000 + "loss" + ")" * 10_000 + " < 1",
    "open parentheses": "(" * 10_000,
    "deep brackets": "wte" + "[0" * 10_000,
    "deep minus": "-" * 10_000 + "loss < 1",
    "deep not": "not " * 10_000 + "loss < 1",
    "deep dots": "loss" + ".a" * 10_000,
    "deep calls": "abs(" * 10_000 + "loss" + ")" * 10_000 + " < 1",
    "deep braces": "{" * 10_000,
    "a long chain of comparisons": "loss" + " < 1" * 100_000,
    "a long chain of and": "loss < 1" + " and loss < 1" * 100_000,
    "a long sum": "loss" + "+1" * 100_000 + " < 1",
    "a megabyte of letters": "a" * 1_000_000,
    "a megabyte of blanks": "loss" + " " * 1_000_000 + "<< 1",
    "a megabyte of quotes": "'" * 1_000_000,
    "a megabyte of marks": "@" * 1_000_000,
    "a megabyte of equal signs": "wte[0, 0]" + "=" * 1_000_000,
    "a megabyte of blanks and an end": "wte[0, 0] = " + " " * 1_000_000 + "=",
    "a megabyte of commas": "q@" + "pos=1," * 200_000,
    "a megabyte of brackets": "wte" + "[0]" * 300_000,
    "a megabyte of digits": "9" * 1_000_000 + "!",
    "NUL": "loss\0 < 1",
    "an escape sequence": "\x1b]0;owned\x07 < 1",
    "a surrogate": "\ud800 < 1",
    "a surrogate in a text": "doc == '\ud800' + 1",
    "a turned text": "loss \u202e< 1",
    "a look-alike l": "𝓵oss < 1",
    "a look-alike o": "lоss < 1",
    "a look-alike fi": "ﬁnite(loss) < 1",
    "a look-alike of a tensor": "ｗte[0, 0] < 1",
    "a look-alike dunder": "loss.＿＿class＿＿ < 1",
    "a look-alike digit": "loss < ²",
    "a digit of another script": "wte[٣, 0] < 1",
    "a keyword in disguise": "loss < 1 𝓪nd loss < 2",
    "an invisible letter": "lo\u200bss < 1",
    "bytes": "b'a' == doc",
    "a complex number": "1j < 2",
    "an ellipsis": "... < 2",
    "a slice": "wte[::-1] > 1",
    "a star": "max(*wte) > 1",
    "keywords": "max(loss, **{}) > 1",
    "a set": "{1} == 1",
    "a conditional": "1 if __import__('os') else 2",
    "a decorator": "@loss",
    "an assignment": "loss = 1",
    "a quote in a quote": "{loss:{step}} < 1",
    "a name that is kept": "_0 < 1",
}


@cache
def run() -> Session:
    session = Session(Config(n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50), ["anna", "ben"])
    session.run(3)
    return session


@cache
def scope() -> Scope:
    return Scope(run().config, run().tokenizer)


@cache
def frame() -> Frame:
    return Frame(run().view(), Focus(run().moment))


@cache
def checker() -> GradientChecker:
    return GradientChecker(run(), 3)


def quote(text: str) -> None:
    """In the braces of a lecture's text."""
    reader = Reader(scope())
    template = reader.template(SourceText("{" + text + "}", "lecture.md", 1))
    if reader.mistakes:
        raise reader.mistakes[0]
    raise AssertionError(template)


def command(text: str) -> None:
    """On the go-to line, which takes what is typed after a word as well."""
    goto.read_line(text, frame(), run().docs)


WAYS_IN: dict[str, Callable[[str], object]] = {
    "a breakpoint": lambda text: Armed(Breakpoint.parse(text, "1"), scope()),
    "a breakpoint at an event": lambda text: Armed(Breakpoint.parse(f"q@pos=1 if {text}", "1"), scope()),
    "a place": lambda text: EventPattern.parse(text).check(scope()),
    "a watch": lambda text: Watch(text, scope()),
    "a change": lambda text: read_change(text, scope()),
    "the value of a change": lambda text: read_change(f"wte[0, 0] = {text}", scope()),
    "an address": lambda text: Address.parse(text, scope()),
    "the place of an address": lambda text: Address.parse(f"3 forward {text}", scope()),
    "a scalar": lambda text: Scalar.parse(text, scope()),
    "a gradient check": lambda text: checker().row(text),
    "the go-to line": command,
    "the go-to line, next": lambda text: command(f"next {text}"),
    "the go-to line, back": lambda text: command(f"back {text}"),
    "the go-to line, pos": lambda text: command(f"pos {text}"),
    "search": lambda text: search.search(f"{text} ?", run().program, run().moment),
    "a lecture's quote": quote,
    "a lecture's quote elsewhere": lambda text: quote(f"loss @ {text}"),
    "a lecture's quote of a token": lambda text: quote(f"char({text})"),
}
TAKEN = {  # what one way in rightly takes
    ("a comment that hides", "a watch"), ("a comment that hides", "a gradient check"),
    ("a comment that hides", "a lecture's quote"), ("an assignment", "a change"),
}  # fmt: skip


def refused(way: Callable[[str], object], text: str) -> tuple[str, float]:
    """The sentence with which a text is refused, and how long that took."""
    began = time.thread_time()
    with pytest.raises((EngineError, LineError)) as caught:
        way(text)
    error = caught.value
    return error.reason if isinstance(error, ExpressionError) else str(error), time.thread_time() - began


@pytest.mark.parametrize("what", ESCAPES)
def test_it_is_refused_at_once_wherever_it_is_written(what: str) -> None:
    for name, way in WAYS_IN.items():
        if (what, name) in TAKEN:
            continue
        tries = [refused(way, ESCAPES[what])]
        while tries[-1][1] > AT_ONCE and len(tries) < BUSY:
            tries.append(refused(way, ESCAPES[what]))
        sentence, took = tries[-1]
        assert took < AT_ONCE, (name, took)
        assert len(sentence) < SENTENCE, (name, len(sentence))
        assert sentence.strip(), name
    assert not Path("owned").exists()


@pytest.mark.parametrize("name", ["𝓵oss", "ｌoss", "ﬁ", "ſtep", "ℯmbed"])
def test_a_name_in_disguise_is_no_name_though_python_would_take_it_for_one(name: str) -> None:
    assert unicodedata.normalize("NFKC", name).isascii()
    sentence, _ = refused(WAYS_IN["a watch"], f"{name} < 1")
    assert "write" in sentence or "known are" in sentence or "did you mean" in sentence


@pytest.mark.parametrize("what", ["import", "an f-string", "a huge power", "NUL", "an escape sequence", "deep not"])
@pytest.mark.parametrize(
    "command",
    [
        ("train", "--until", "1", "--break"),
        ("train", "--until", "1", "--break-at"),
        ("what-if", "--until", "1", "--edit"),
        ("what-if", "--until", "1", "--ablate"),
        ("why", "--scalar"),
        ("why", "--param"),
        ("grad-check", "--scalar"),
        ("export", "--moment"),
    ],
    ids=" ".join,
)
def test_the_command_line_refuses_it_in_one_sentence(command: tuple[str, ...], what: str) -> None:
    result = invoke(*command, ESCAPES[what], *SMALL)
    *pointer, sentence = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert len(pointer) in (0, 2)  # the expression, and marks below it
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.replace("\n", "").isprintable()
    assert not Path("owned").exists()
