"""Numbers quoted in a text: `{loss}`, `{probs["e"]:.2f}`, `{loss @ step 1000}`. Each comes from the run, never typed.

A quote is written as in Python's f-strings: an expression, `!r`, `!s` or `!a`, a `:` and a format. Beside the engine's
expressions there are words that only a text needs; `docs/lectures.md` lists them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from string import Formatter
from weakref import WeakKeyDictionary, ref

import numpy as np

from engine import Address, AddressError, EngineError, ExpressionError, Moment, Phase, Run, Scope
from engine.expressions.expression import Answer
from engine.expressions.scope import Kind
from engine.expressions.watch import Watch
from engine.interventions.syntax import Change, parse
from engine.numerics import mean
from engine.run.capabilities import branching, can_branch, sampling
from engine.text import shortened, shortened_repr
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.lectures.page import LectureError, SourceText
from microgpt_tui.lectures.sample_place import SamplePlace
from microgpt_tui.texts.say import say

QUOTED = re.compile(r"\{\{|\}\}|\{(?P<inside>[^{}]*)\}|[{}]")
OF_WHOLE_NUMBERS = "bcdoxX"  # formats
LARGEST = 200  # a width or a precision; a page has 76 columns
ELSEWHERE = re.compile(r"\s@\s+(?P<address>[^\"']+)$")
CHANGED = re.compile(r"\sif\s+(?P<changes>.+)$")
UNCHANGED = "original"
LONGEST_BAR = 24  # cells
OF_NAMES = ("names", "names_in_data", "names_seen")
CALL = re.compile(r"(?P<word>[a-z_]+)\s*(?:\((?P<inside>.*)\))?")

Evaluate = Callable[[Run], Answer]
"""The value of an expression on a run at its present moment; None if it is not known there."""


@dataclass(frozen=True)
class Quote:
    """An expression in a text. `address` says where it is evaluated, by the step of the page; `changes`, what if."""

    source: SourceText
    text: str
    evaluate: Evaluate
    address: Callable[[int], Address] | None = None  # None: at the page's own moment
    changes: tuple[Change, ...] | None = None  # None: those of the page's run
    format: str = ""
    conversion: str = ""

    def answer(self, session: Run, moment: Moment) -> str:
        """What stands in the text for it, on a page at this moment; the run is moved. Raises LectureError."""
        if self.changes is not None:
            session = changed(session, self.changes, self.source)
        go(session, self.address(moment.step) if self.address else moment, self.source)
        try:
            value = self.evaluate(session)
        except EngineError as error:
            raise self.source.fault(f"{{{shortened(self.text)}}}: {error}") from error
        if value is None:
            here, where = session.moment, say("lectures.quotes.start_of_step", step=session.step)
            if here.phase is not Phase.FORWARD or here.tick:
                where = Address.of(session.program, here).text
            raise self.source.fault(say("lectures.quotes.not_known", text=shortened(self.text), where=where))
        try:
            return formatted(value, self.format, self.conversion)
        except (ValueError, OverflowError):
            raise self.source.fault(
                say(
                    "lectures.quotes.cannot_write",
                    text=shortened(self.text),
                    value=shortened_repr(value),
                    format=self.format,
                )
            ) from None


@dataclass(frozen=True)
class Template:
    """A text and the quotes in it, as parts in order."""

    source: SourceText
    parts: tuple[str | Quote, ...]

    @property
    def quotes(self) -> list[Quote]:
        return [part for part in self.parts if isinstance(part, Quote)]

    def fill(self, session: Run, moment: Moment, quoted: Callable[[str], str] = str) -> str:
        """The text with its numbers, each as `quoted` writes it.

        `moment` is the page's own; the run is moved. Raises LectureError.
        """
        parts = (part if isinstance(part, str) else quoted(part.answer(session, moment)) for part in self.parts)
        return "".join(parts)


@dataclass
class Reader:
    """Reads expressions for runs of one configuration; what is wrong is gathered in `mistakes`."""

    scope: Scope
    mistakes: list[LectureError] = field(default_factory=list)

    def template(self, source: SourceText) -> Template:
        """A text with its quotes."""
        parts: list[str | Quote] = []
        end = 0
        for match in QUOTED.finditer(source.text):
            parts.append(source.text[end : match.start()])
            end = match.end()
            at = SourceText(match[0], source.file, source.line + source.text.count("\n", 0, match.start()))
            if match[0] in ("{{", "}}"):
                parts.append(match[0][0])
            elif match["inside"] is None:
                self.mistakes.append(
                    at.fault(say("lectures.quotes.single_brace", brace=match[0], doubled=match[0] * 2))
                )
            else:
                self._quote(at, match["inside"], parts)
        return Template(source, (*parts, source.text[end:]))

    def _quote(self, source: SourceText, text: str, parts: list[str | Quote]) -> None:
        words, conversion, form = parted(text)
        changes: tuple[Change, ...] | None = None
        address = None
        try:
            _check_format(conversion, form)
            if what_if := CHANGED.search(words):
                texts = [] if what_if["changes"].strip() == UNCHANGED else what_if["changes"].split(";")
                changes = tuple(parse(text, self.scope) for text in texts)
                words = words[: what_if.start()]
            if elsewhere := ELSEWHERE.search(words):
                address = partial(Address.parse, elsewhere["address"], self.scope)
                address(0)  # whether it can be read
                words = words[: elsewhere.start()]
            evaluate = self.expression(words)
        except EngineError as error:
            reason = error.reason if isinstance(error, ExpressionError) else error
            self.mistakes.append(source.fault(f"{{{shortened(text)}}}: {reason}"))
        else:
            parts.append(Quote(source, text.strip(), evaluate, address, changes, form or "", conversion or ""))

    def expression(self, text: str) -> Evaluate:
        """An expression, or one of the words that only a text needs. Raises EngineError."""
        text = text.strip()
        call = CALL.fullmatch(text)
        word, inside = (call["word"], call["inside"]) if call else ("", None)
        if inside is None and word in COUNTS:
            return COUNTS[word]
        if word in OF_NAMES:
            return _of_names(word, inside)
        if word == "drawn" and inside is not None:
            return _drawn(inside)
        if word == "char" and inside:
            return self._char(inside)
        if word == "largest" and inside:
            return _largest([self.expression(part) for part in inside.split(";")])
        if word == "bar" and inside:
            return _bar(self.expression(inside))
        watch = Watch(text, self.scope)
        return lambda session: watch.value(session.view())

    def _char(self, inside: str) -> Evaluate:
        watch, tokenizer = Watch(inside, self.scope), self.scope.tokenizer
        if watch.expression.kind is not Kind.NUMBER:
            raise ExpressionError(say("lectures.quotes.char", inside=inside, kind=watch.expression.kind.value))

        def evaluate(session: Run) -> Answer:
            token = watch.value(session.view())
            known = isinstance(token, int | float) and token == token // 1 and 0 <= token < tokenizer.vocab_size
            return tokenizer.name(int(token)) if known else None  # type: ignore[arg-type]

        return evaluate


def go(session: Run, to: Address | Moment, source: SourceText) -> None:
    """Bring a run to an address or a moment. Raises LectureError."""
    try:
        if isinstance(to, Address):
            if session.step != to.step:
                session.seek(Moment(to.step))
            to = to.moment(session.program)
        session.seek(to)
    except EngineError as error:
        raise source.fault(str(error)) from error


_BRANCHES: WeakKeyDictionary[Run, dict[tuple[Change, ...], Run]] = WeakKeyDictionary()  # of each run
_ORIGINALS: WeakKeyDictionary[Run, ref[Run]] = WeakKeyDictionary()  # of each branch


def changed(session: Run, changes: tuple[Change, ...], source: SourceText) -> Run:
    """The run with these changes alone: the original of this one, or a branch of it, the same each time.

    Raises LectureError.
    """
    known = _ORIGINALS.get(session)
    original = (known() if known is not None else None) or session
    if not changes:
        return original
    branches = _BRANCHES.setdefault(original, {})
    if changes not in branches:
        try:
            branches[changes] = branching(original).branch(changes)
        except EngineError as error:
            raise source.fault(str(error)) from error
        _ORIGINALS[branches[changes]] = ref(original)
    return branches[changes]


def put_away(session: Run) -> None:
    """Let a run and the branches that were made of it give back the memory of their numbers, until they are wanted."""
    for run in (session, *_BRANCHES.get(session, {}).values()):
        if can_branch(run):
            run.put_away()


def parted(text: str) -> tuple[str, str | None, str | None]:
    """The expression of a quote, what stands after its `!` and after its `:`; None for what is not there.

    As in Python, what stands in brackets or in a text between quotation marks belongs to the expression.
    """
    depth, mark = 0, ""
    for place, sign in enumerate(text):
        if mark:
            mark = "" if sign == mark else mark
        elif sign in "\"'":
            mark = sign
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif depth == 0 and sign == ":":
            return text[:place], None, text[place + 1 :].rstrip()
        elif depth == 0 and sign == "!" and text[place + 1 : place + 2] != "=":
            conversion, colon, form = text[place + 1 :].partition(":")
            return text[:place], conversion.strip(), form.rstrip() if colon else None
    return text, None, None


def _check_format(conversion: str | None, form: str | None) -> None:
    """Raises AddressError for a conversion or a format that is none of Python's, or that is too wide for a page."""
    if conversion is not None and conversion not in ("r", "s", "a"):
        raise AddressError(say("lectures.quotes.conversion", name=printable(shortened(conversion))))
    if any(len(digits) > 9 or int(digits) > LARGEST for digits in re.findall(r"\d+", form or "")):
        raise AddressError(say("lectures.quotes.too_wide", most=LARGEST))
    if form and not any(_fits(sample, form) for sample in (("",) if conversion else (0.5, 1, ""))):
        shown = printable(shortened(form))
        raise AddressError(say("lectures.quotes.no_format", shown=shown))


def _fits(value: float | str, form: str) -> bool:
    try:
        format(value, form)
    except ValueError:
        return False
    return True


def formatted(value: Answer, form: str = "", conversion: str = "") -> str:
    """A value as it stands in a text, converted and formatted as Python does it; without a format, with few digits.

    Raises ValueError or OverflowError if the format does not fit the value.
    """
    if isinstance(value, tuple):
        return ", ".join(formatted(each, form, conversion) for each in value)
    if conversion:
        plain_value = float(value) if isinstance(value, np.floating) else value
        value = str(Formatter().convert_field(plain_value, conversion))
    if form:
        if isinstance(value, float) and form[-1] in OF_WHOLE_NUMBERS and value.is_integer():
            value = int(value)  # arithmetic makes floats, also of counts
        elif isinstance(value, bool):
            value = str(value).lower() if _fits("", form) else int(value)
        return printable(format(value, form))
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float | np.floating):
        return plain(float(value))
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


def _of_names(word: str, inside: str | None) -> Evaluate:
    """`names(5, 0.5)`: sampled names; `names_in_data`, `names_seen`: how many of them are in the data, trained on."""
    try:
        words = [part.strip() for part in inside.split(",")] if inside else []
        number = int(words[0]) if words else 5
        temperature = float(words[1]) if len(words) > 1 else 0.5
        if not 1 <= number <= 50 or len(words) > 2 or not 0 < temperature < 100:
            raise ValueError
    except ValueError:
        raise AddressError(say("lectures.quotes.no_names", word=word, inside=inside)) from None

    def evaluate(session: Run) -> Answer:
        generator = random.Random(f"{session.config.seed} {session.step}")  # its own: the run's stays as it is
        names = sampling(session).sample(number, temperature, generator)
        if word == "names":
            return ", ".join(name or "(empty)" for name in names)
        known = set(session.docs if word == "names_in_data" else session.docs[: session.step])
        return sum(name in known for name in names)

    return evaluate


def _drawn(inside: str) -> Evaluate:
    """The token that follows a position of a sample, as `inference` shows it."""
    place = SamplePlace.read(inside.split(",") if inside.strip() else [])

    def evaluate(session: Run) -> Answer:
        walk = place.walk(session)
        return walk.tokenizer.name(walk.here.token_id)

    return evaluate


def _largest(parts: Sequence[Evaluate]) -> Evaluate:
    def evaluate(session: Run) -> Answer:
        values = [part(session) for part in parts]
        numbers = [value for value in values if isinstance(value, int | float)]
        return numbers.index(max(numbers)) if len(numbers) == len(values) else None

    return evaluate


def _bar(length: Evaluate) -> Evaluate:
    """A bar of up to `LONGEST_BAR` cells; 1 is the longest."""

    def evaluate(session: Run) -> Answer:
        share = length(session)
        return bar(share, 1.0, LONGEST_BAR) if isinstance(share, int | float) else None

    return evaluate


def _reached(session: Run, parameters: bool) -> int:
    """How many of the parameters, or of the scalars that the forward phase makes, get a gradient."""
    program = session.program
    rows = np.arange(program.n_params) if parameters else program.rows
    return int(np.count_nonzero(program.row_ticks.last(rows.astype(np.int32))))


def _val_loss(session: Run) -> Answer:
    """The loss on the documents kept aside, as it was measured last; None before it was."""
    found = session.view().validations
    return found[max(found)].loss if found else None


def _mean_loss(session: Run) -> Answer:
    """The mean loss of the last steps, up to this moment; None before the first."""
    losses = session.view().recent_losses
    return mean(losses) if losses else None


COUNTS: dict[str, Evaluate] = {
    "val_docs": lambda session: len(session.val_docs),
    "val_loss": _val_loss,
    "mean_loss": _mean_loss,
    "docs": lambda session: len(session.docs),
    "scalars": lambda session: session.program.ticks(Phase.FORWARD),
    "scalars_reached": lambda session: _reached(session, parameters=False),
    "params_reached": lambda session: _reached(session, parameters=True),
    "gradient_terms": lambda session: session.program.ticks(Phase.BACKWARD),
    "edges": lambda session: session.program.ticks(Phase.BACKWARD) - 1,  # the first term is the loss's own gradient
    "tokens": lambda session: " ".join(session.tokenizer.name(token) for token in session.program.tokens),
}
