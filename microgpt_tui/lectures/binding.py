"""A page of a lecture bound to a run: moments as addresses, focus, texts with their quotes, all checked once.

Binding runs nothing. What can be known only by running (whether an event exists in that step's document, whether a
number is known at that moment) is found with `start`, `ending` and `Template.fill`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from engine import Address, EngineError, Expression, ExpressionError, Moment, Run, Scope
from engine.expressions.scope import Kind
from engine.expressions.watch import Watch
from engine.immutable import immutable
from engine.interventions.syntax import Change, parse
from engine.sampling.stepper import SampleStepper
from engine.script.statements import Pattern
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.frame import Choice, Focus, Frame
from microgpt_tui.debugger.keys import TAKEN, Key
from microgpt_tui.lectures.outline import CodeFinder, CodeLines
from microgpt_tui.lectures.page import (
    THE_FILE,
    Ask,
    Chapter,
    LectureError,
    Page,
    PageAction,
    Play,
    SourceText,
    Train,
    Wait,
)  # fmt: skip
from microgpt_tui.lectures.quotes import Evaluate, Reader, Template, changed, formatted, go
from microgpt_tui.lectures.sample_place import SamplePlace
from microgpt_tui.texts.say import say

NOTHING = "none"
CHOSEN = re.compile(r"(?P<what>head|layer)(?:\s+(?P<number>\d{1,4}))?")


@immutable
class ScreenNames:
    """What a lecture may name of the screen: panes that it can light, and keys that it can wait for."""

    panes: tuple[str, ...]
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class FocusTarget:
    """What is chosen on a page: a layer, a head or a matrix, or a scalar."""

    source: SourceText
    choice: Choice | None = None
    watch: Watch | None = None

    def on(self, where: Focus, session: Run) -> Focus:
        """`where` with it chosen. Raises LectureError if the scalar is not there at this moment."""
        if self.choice is not None:
            return where.choosing(self.choice)
        assert self.watch is not None
        row = self.watch.row(session.view())
        if row is None:
            raise self.source.fault(say("lectures.binding.no_scalar", text=self.watch.text))
        inside = (session.program.event_at(session.moment).rows.ravel() == row).nonzero()[0]
        return replace(where, row=row, cell=int(inside[0]) if len(inside) else where.cell)


@dataclass(frozen=True)
class ExpectedAction:
    """What a page waits for: a key, the choice of a head or a layer (`what`), or a condition that becomes true."""

    source: SourceText
    key: Key | None = None
    choice: Choice | None = None
    what: str = ""
    condition: Expression | None = None

    def in_words(self, words: Mapping[str, str]) -> str:
        """What the viewer is to do, in the words of a language."""
        if self.key is not None:
            return words["key"].format(key=self.key.shown)
        if not self.what:
            return words["make"].format(what=self.source.text)
        number = getattr(self.choice, self.what) if self.choice else None
        return words[f"choose_{self.what}" if number is not None else f"choose_any_{self.what}"].format(number=number)

    def chosen(self, frame: Frame) -> int | None:
        """The head or the layer that is chosen, if one is waited for."""
        return {"head": frame.head, "layer": frame.layer}.get(self.what)

    def choice_after(self, frame: Frame) -> Choice:
        """The head or the layer that does it: the one that is waited for, else the next one."""
        if self.choice is not None:
            return self.choice
        count = {"head": frame.config.n_head, "layer": frame.config.n_layer}[self.what]
        number = ((self.chosen(frame) or 0) + 1) % count
        return Choice(head=number) if self.what == "head" else Choice(layer=number)

    def done(self, frame: Frame, before: int | None) -> bool:
        """Whether it is done; `before` is what was `chosen` when the page began. A key is handled elsewhere."""
        if self.condition is not None:
            return self.condition.value(frame.view) is True
        if not self.what:
            return False
        chosen, wanted = self.chosen(frame), getattr(self.choice, self.what) if self.choice else None
        return chosen == wanted if wanted is not None else chosen != before


@dataclass(frozen=True)
class BoundPage:
    """A page, ready for runs of one configuration. `until` gives where its act ends, in the step where it begins."""

    page: Page
    at: Address | None
    until: Callable[[int], Address] | None
    focus: tuple[FocusTarget, ...]
    title: Template
    body: Template
    notes: Template | None
    then: Template | None
    figure: Template | None
    question: Template | None
    options: tuple[Template, ...]
    answer: Evaluate | None
    expected: ExpectedAction | None
    why: Template | None
    code: tuple[CodeLines, ...]
    sample: SamplePlace | None
    sample_revealed: SamplePlace | None
    changes: tuple[Change, ...]
    shows_map: bool

    @property
    def spotlight(self) -> tuple[str, ...]:
        """The ids of the panes in question."""
        return tuple(source.text for source in self.page.spotlight if source.text != NOTHING)

    @property
    def texts(self) -> Iterator[Template]:
        """The texts that speak of the page's own moment."""
        texts = (self.title, self.body, self.figure, self.question, *self.options, self.why, self.notes)
        return (text for text in texts if text is not None)

    def start(self, session: Run, before: Moment) -> Moment:
        """Bring a run to where the page begins. `before` is where the one before ends. Raises LectureError."""
        go(session, self.at or before, self.page.moment or self.page.head)
        return session.moment

    def run(self, original: Run) -> Run:
        """The run that it is about: the original, or a branch of it. Raises LectureError."""
        return changed(original, self.changes, self.page.what_if[0]) if self.changes else original

    def sample_at(self, done: bool) -> SamplePlace | None:
        """The position of a sample that it shows, or the one that it shows when it is `done`."""
        return self.sample_revealed if done and self.sample_revealed else self.sample

    def walk(self, session: Run, done: bool = False) -> SampleStepper | None:
        """The sample at `sample_at`, by the parameters of a run as they are. Raises LectureError."""
        try:
            sample = self.sample_at(done)
            return sample.walk(session) if sample is not None else None
        except EngineError as error:
            raise self.page.inference[0].fault(str(error)) from error

    def ending(self, session: Run, start: Moment) -> Moment:
        """Bring a run, which stands at the `start`, to where the page's act ends. Raises LectureError."""
        act = self.page.act
        if self.until is None or act is None or isinstance(act, Wait):
            return start
        source = (act.reveal or self.page.head) if isinstance(act, Ask) else act.until
        until = self.until(start.step)
        if isinstance(act, Train):
            shown = session.program.event_at(start)
            go(session, Moment(until.step), source)
            go(session, navigation.counterpart(session.program, shown), source)
        elif isinstance(act, Play) and until.step != start.step:
            raise source.fault(say("lectures.binding.play_in_step", step=start.step))
        else:
            go(session, until, source)
        if session.moment.key < start.key:
            raise source.fault(say("lectures.binding.before_start", text=source.text))
        return session.moment

    def right(self, session: Run, options: list[str]) -> int | None:
        """Which option is the right one; the run stands where the act ends. Raises LectureError if none is."""
        if self.answer is None or not isinstance(self.page.act, Ask) or self.page.act.answer is None:
            return None
        source = self.page.act.answer
        try:
            value = self.answer(session)
        except EngineError as error:
            raise source.fault(str(error)) from error
        places = {options.index(formatted(value))} if formatted(value) in options else set()
        if isinstance(value, int | float) and value in range(len(options)):
            places.add(int(value))
        if len(places) > 1:
            raise source.fault(say("lectures.binding.answer.several", text=source.text, value=value))
        if places:
            return places.pop()
        raise source.fault(
            say("lectures.binding.answer.none", text=source.text, value=value, options=", ".join(options))
        )


def bind(
    chapter: Chapter, scope: Scope, names: ScreenNames, code: CodeFinder | None = None
) -> tuple[list[BoundPage], list[LectureError]]:
    """The pages of a chapter, bound, and every mistake that can be found without running.

    `code` finds the statements that they name; without it, in the engine.
    """
    binder = _Binder(scope, names, code or CodeFinder())
    pages = [binder.page(page) for page in chapter.pages]
    for page, after in zip(chapter.pages, chapter.pages[1:], strict=False):
        if isinstance(page.act, Wait) and after.moment is None:
            binder.reader.mistakes.append(after.head.fault(say("lectures.binding.moment_after_wait")))
    return pages, sorted(binder.reader.mistakes, key=lambda mistake: mistake.line)


class _Binder:
    def __init__(self, scope: Scope, names: ScreenNames, code: CodeFinder) -> None:
        self.scope, self.reader, self.names, self.code = scope, Reader(scope), names, code

    def page(self, page: Page) -> BoundPage:
        act, template, panes = page.act, self.reader.template, (*self.names.panes, NOTHING)
        for source in page.spotlight:
            if source.text not in panes:
                self._wrong(source, say("lectures.binding.no_pane", name=source.text, panes=", ".join(panes)))
        ask = act if isinstance(act, Ask) else None
        return BoundPage(
            page=page,
            at=self._address(page.moment),
            until=self._until(act) if _revealed_settings(page) is None else None,
            focus=tuple(focus for source in page.focus if (focus := self._focus(source))),
            title=template(page.title),
            body=template(page.body),
            notes=template(page.notes) if page.notes else None,
            then=template(page.then) if page.then else None,
            figure=template(page.figure) if page.figure else None,
            question=template(ask.question) if ask else None,
            options=tuple(template(option) for option in ask.options) if ask else (),
            answer=self._answer(ask.answer) if ask else None,
            expected=self._expected(act.until) if isinstance(act, Wait) else None,
            why=template(page.why) if page.why else None,
            code=self._code(page),
            sample=self._sample(page),
            sample_revealed=self._sample(page, revealed) if (revealed := _revealed_settings(page)) else None,
            changes=self._changes(page),
            shows_map=any(source.text == THE_FILE for source in page.code),
        )

    def _changes(self, page: Page) -> tuple[Change, ...]:
        changes = []
        for source in page.what_if:
            with self._reading(source):
                changes.append(parse(source.text, self.scope))
        return tuple(changes)

    def _sample(self, page: Page, revealed: SourceText | None = None) -> SamplePlace | None:
        """The position of a sample that a page shows, with the settings that are `revealed`."""
        if page.inference:
            with self._reading(revealed or page.inference[0]):
                place = SamplePlace.read(source.text for source in page.inference)
                return place.changed(revealed.text.split(",")) if revealed else place
        return None

    def _code(self, page: Page) -> tuple[CodeLines, ...]:
        patterns = []
        for source in (*page.code, *page.see):
            if source.text != THE_FILE:
                with self._reading(source):
                    pattern = Pattern.parse(source.text)
                    self.code.check(pattern)
                    patterns.append(pattern)
        return self.code.lines(patterns)

    def _wrong(self, source: SourceText, reason: str) -> None:
        self.reader.mistakes.append(source.fault(reason))

    @contextmanager
    def _reading(self, source: SourceText, hint: str = "none") -> Iterator[None]:
        """Note what is wrong with a text that is read; `hint` is the text that says what it could be."""
        try:
            yield
        except ExpressionError as error:
            self._wrong(source, say(f"lectures.binding.hint.{hint}", reason=error.reason))
        except EngineError as error:
            self._wrong(source, str(error))

    def _address(self, source: SourceText | None) -> Address | None:
        if source is not None:
            with self._reading(source):
                return Address.parse(source.text, self.scope)
        return None

    def _until(self, act: PageAction | None) -> Callable[[int], Address] | None:
        if isinstance(act, Train):
            steps, until = self.scope.config.num_steps, act.until
            if until.text.isdecimal() and int(until.text) <= steps:
                return lambda _: Address(int(until.text))
            self._wrong(until, say("lectures.binding.run_to", text=until.text, steps=steps))
            return None
        source = act.until if isinstance(act, Play) else act.reveal if isinstance(act, Ask) else None
        return partial(Address.parse, source.text, self.scope) if source and self._address(source) else None

    def _focus(self, source: SourceText) -> FocusTarget | None:
        match = CHOSEN.fullmatch(source.text)
        with self._reading(source, "focus"):
            if match and match["number"]:
                return FocusTarget(source, choice=self._choice(match["what"], int(match["number"])))
            if source.text in self.scope.config.matrices(self.scope.tokenizer.vocab_size):
                return FocusTarget(source, choice=Choice(matrix=source.text))
            return FocusTarget(source, watch=Watch(source.text, self.scope))
        return None

    def _choice(self, what: str, number: int) -> Choice:
        most = {"head": self.scope.config.n_head, "layer": self.scope.config.n_layer}[what]
        if not self.scope.config.n_layer:
            raise LectureError(say("lectures.binding.model_lacks.layers", what=what, number=number))
        if number >= most:
            raise LectureError(say("lectures.binding.model_lacks.number", what=what, number=number, last=most - 1))
        return Choice(head=number) if what == "head" else Choice(layer=number)

    def _answer(self, source: SourceText | None) -> Evaluate | None:
        if source is not None:
            with self._reading(source):
                return self.reader.expression(source.text)
        return None

    def _expected(self, source: SourceText) -> ExpectedAction | None:
        text = source.text
        key = next((key for key in self.names.keys if text in (*key.keys.split(","), key.display)), None)
        if key is not None and not TAKEN.isdisjoint(key.keys.split(",")):
            self._wrong(source, say("lectures.binding.taken_key", text=text))
            return None
        if key is not None:
            return ExpectedAction(source, key=key)
        with self._reading(source, "wait"):
            if match := CHOSEN.fullmatch(text):
                choice = self._choice(match["what"], int(match["number"])) if match["number"] else None
                return ExpectedAction(source, what=match["what"], choice=choice)
            condition = Expression(text, self.scope)
            if condition.kind is Kind.TRUTH and not condition.looks_back:
                return ExpectedAction(source, condition=condition)
            self._wrong(source, say("lectures.binding.no_truth", text=text, kind=condition.kind.value))
        return None


def _revealed_settings(page: Page) -> SourceText | None:
    """What is other in the sample of a page when its answer is revealed, in place of the moment."""
    reveal = page.act.reveal if isinstance(page.act, Ask) and page.inference else None
    return reveal if reveal is not None and SamplePlace.is_setting(reveal.text) else None
