"""A page of a lecture bound to a run: moments as addresses, focus, texts with their quotes, all checked once.

Binding runs nothing. What can be known only by running (whether an event exists in that step's document, whether a
number is known at that moment) is asked with `start`, `ending` and `Template.fill`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from engine import Address, EngineError, Expression, ExpressionError, Moment, Scope, Session
from engine.expressions.scope import Kind
from engine.expressions.watch import Watch
from microgpt_tui.debugger import navigation
from microgpt_tui.debugger.frame import Choice, Focus, Frame
from microgpt_tui.debugger.keys import TAKEN, Key
from microgpt_tui.lectures.page import Act, Ask, Chapter, LectureError, Page, Play, Run, Said, Wait
from microgpt_tui.lectures.quotes import Ask as Question
from microgpt_tui.lectures.quotes import Reader, Template, formatted, go

NOTHING = "none"
CHOSEN = re.compile(r"(?P<what>head|layer)(?:\s+(?P<number>\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class ScreenNames:
    """What a lecture may name of the screen: panes that it can light, and keys that it can wait for."""

    panes: tuple[str, ...]
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class FocusTarget:
    """What is chosen on a page: a layer, a head or a matrix, or a scalar."""

    said: Said
    choice: Choice | None = None
    watch: Watch | None = None

    def on(self, where: Focus, session: Session) -> Focus:
        """Where the user then is. Raises LectureError if the scalar is not there at this moment."""
        if self.choice is not None:
            return where.choosing(self.choice)
        assert self.watch is not None
        row = self.watch.row(session.view())
        if row is None:
            raise self.said.fault(f"{self.watch.text} is no scalar that is there at this moment")
        inside = (session.program.stretch_at(session.moment).rows.ravel() == row).nonzero()[0]
        return replace(where, row=row, cell=int(inside[0]) if len(inside) else where.cell)


@dataclass(frozen=True)
class Doing:
    """What a viewer is waited for to do: press a key, choose a head or a layer, or make a condition true."""

    said: Said
    key: Key | None = None
    choice: Choice | None = None
    what: str = ""
    condition: Expression | None = None

    def chosen(self, frame: Frame) -> int | None:
        """The head or the layer that is chosen, if one is waited for."""
        return {"head": frame.head, "layer": frame.layer}.get(self.what)

    def done(self, frame: Frame, before: int | None) -> bool:
        """Whether it is done; `before` is what was `chosen` when the page began. A key is seen elsewhere."""
        if self.condition is not None:
            return self.condition.value(frame.view) is True
        if not self.what:
            return False
        chosen, wanted = self.chosen(frame), getattr(self.choice, self.what) if self.choice else None
        return chosen == wanted if wanted is not None else chosen != before


@dataclass(frozen=True)
class BoundPage:
    """A page, ready for runs of one configuration. `until` is where its act ends, in a step if it names none.

    `follows` says that the page begins where the one before ends.
    """

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
    answer: Question | None
    doing: Doing | None

    @property
    def spotlight(self) -> tuple[str, ...]:
        """The ids of the panes in question."""
        return tuple(said.text for said in self.page.spotlight if said.text != NOTHING)

    @property
    def texts(self) -> Iterator[Template]:
        """The texts that speak of the page's own moment."""
        texts = (self.title, self.body, self.figure, self.question, *self.options, self.notes)
        return (text for text in texts if text is not None)

    def start(self, session: Session, before: Moment) -> Moment:
        """Bring a run to where the page begins. `before` is where the one before ends. Raises LectureError."""
        go(session, self.at or before, self.page.moment or self.page.head)
        return session.moment

    def ending(self, session: Session, start: Moment) -> Moment:
        """Bring a run, which stands at the `start`, to where the page's act ends. Raises LectureError."""
        act = self.page.act
        if self.until is None or act is None:
            return start
        said = act.reveal if isinstance(act, Ask) and act.reveal else self.page.head
        if isinstance(act, Play | Run):
            said = act.until
        until = self.until(start.step)
        if isinstance(act, Run):
            shown = session.program.stretch_at(start)
            go(session, Moment(until.step), said)
            go(session, navigation.counterpart(session.program, shown), said)
        elif isinstance(act, Play) and until.step != start.step:
            raise said.fault(
                f"play stays within a step, and the page begins in step {start.step}; run goes on to others"
            )
        else:
            go(session, until, said)
        if session.moment.key < start.key:
            raise said.fault(f"{said.text} lies before the moment at which the page begins")
        return session.moment

    def right(self, session: Session, options: list[str]) -> int | None:
        """Which option is the right one; the run stands where the act ends. Raises LectureError if none is."""
        if self.answer is None or not isinstance(self.page.act, Ask) or self.page.act.answer is None:
            return None
        said = self.page.act.answer
        try:
            value = self.answer(session)
        except EngineError as error:
            raise said.fault(str(error)) from error
        places = {options.index(formatted(value))} if formatted(value) in options else set()
        if isinstance(value, int | float) and value in range(len(options)):
            places.add(int(value))
        if len(places) > 1:
            raise said.fault(
                f"{said.text} is {value!r} here, the text of one option and the index of another; "
                "let no option be a number alone"
            )
        if places:
            return places.pop()
        raise said.fault(f"{said.text} is {value!r} here, which is none of the options {', '.join(options)}")


def bind(chapter: Chapter, scope: Scope, names: ScreenNames) -> tuple[list[BoundPage], list[LectureError]]:
    """The scenes of a chapter, and every mistake that can be found without running."""
    binder = _Binder(scope, names)
    scenes = [binder.scene(page) for page in chapter.pages]
    for page, after in zip(chapter.pages, chapter.pages[1:], strict=False):
        if isinstance(page.act, Wait) and after.moment is None:
            binder.reader.mistakes.append(
                after.head.fault("the page before ends wherever the viewer goes; give this one a moment")
            )
    return scenes, sorted(binder.reader.mistakes, key=lambda mistake: mistake.line)


class _Binder:
    def __init__(self, scope: Scope, names: ScreenNames) -> None:
        self.scope, self.reader, self.names = scope, Reader(scope), names

    def scene(self, page: Page) -> BoundPage:
        act, template, panes = page.act, self.reader.template, (*self.names.panes, NOTHING)
        for said in page.spotlight:
            if said.text not in panes:
                self._wrong(said, f"no pane is called {said.text!r}; there are {', '.join(panes)}")
        ask = act if isinstance(act, Ask) else None
        return BoundPage(
            page=page,
            at=self._address(page.moment),
            until=self._until(act),
            focus=tuple(focus for said in page.focus if (focus := self._focus(said))),
            title=template(page.title),
            body=template(page.body),
            notes=template(page.notes) if page.notes else None,
            then=template(page.then) if page.then else None,
            figure=template(page.figure) if page.figure else None,
            question=template(ask.question) if ask else None,
            options=tuple(template(option) for option in ask.options) if ask else (),
            answer=self._answer(ask.answer) if ask else None,
            doing=self._doing(act.until) if isinstance(act, Wait) else None,
        )

    def _wrong(self, said: Said, reason: str) -> None:
        self.reader.mistakes.append(said.fault(reason))

    def _address(self, said: Said | None) -> Address | None:
        if said is None:
            return None
        try:
            return Address.parse(said.text, self.scope)
        except EngineError as error:
            self._wrong(said, str(error))
            return None

    def _until(self, act: Act | None) -> Callable[[int], Address] | None:
        if isinstance(act, Run):
            return self._trained(act.until)
        said = act.until if isinstance(act, Play) else act.reveal if isinstance(act, Ask) else None
        return partial(Address.parse, said.text, self.scope) if said and self._address(said) else None

    def _trained(self, said: Said) -> Callable[[int], Address] | None:
        steps = self.scope.config.num_steps
        if said.text.isdecimal() and int(said.text) <= steps:
            return lambda _: Address(int(said.text))
        self._wrong(said, f"run is {said.text!r}; write the step to train to, from 0 to {steps}")
        return None

    def _focus(self, said: Said) -> FocusTarget | None:
        found = CHOSEN.fullmatch(said.text)
        try:
            if found and found["number"]:
                return FocusTarget(said, choice=self._choice(found["what"], int(found["number"])))
            if said.text in self.scope.config.matrices(self.scope.tokenizer.vocab_size):
                return FocusTarget(said, choice=Choice(matrix=said.text))
            return FocusTarget(said, watch=Watch(said.text, self.scope))
        except ExpressionError as error:
            self._wrong(
                said, f"{error.reason}; a focus is a head, a layer, a matrix or a scalar, such as q[0, 3]@pos=2"
            )
        except EngineError as error:
            self._wrong(said, str(error))
        return None

    def _choice(self, what: str, number: int) -> Choice:
        most = {"head": self.scope.config.n_head, "layer": self.scope.config.n_layer}[what]
        if not self.scope.config.n_layer:
            raise LectureError(f"this model has no layers, and so no {what} {number}; take this focus out")
        if number >= most:
            raise LectureError(f"this model has no {what} {number}; write a number from 0 to {most - 1}")
        return Choice(head=number) if what == "head" else Choice(layer=number)

    def _answer(self, said: Said | None) -> Question | None:
        if said is None:
            return None
        try:
            return self.reader.expression(said.text)
        except ExpressionError as error:
            self._wrong(said, error.reason)
        except EngineError as error:
            self._wrong(said, str(error))
        return None

    def _doing(self, said: Said) -> Doing | None:
        key = next((key for key in self.names.keys if said.text in (*key.keys.split(","), key.display)), None)
        if key is not None and not TAKEN.isdisjoint(key.keys.split(",")):
            self._wrong(said, f"{said.text} belongs to the lecture itself; wait for another key, such as n, s, f or o")
            return None
        if key is not None:
            return Doing(said, key=key)
        found = CHOSEN.fullmatch(said.text)
        try:
            if found:
                number = found["number"]
                choice = self._choice(found["what"], int(number)) if number else None
                return Doing(said, what=found["what"], choice=choice)
            condition = Expression(said.text, self.scope)
            if condition.kind is Kind.TRUTH and not condition.looks_back:
                return Doing(said, condition=condition)
            self._wrong(said, f"{said.text} is {condition.kind.value}; write a key, head, layer, or a condition")
        except ExpressionError as error:
            self._wrong(said, f"{error.reason}; write a key such as n, head, head 2, or a condition such as pos == 3")
        except EngineError as error:
            self._wrong(said, str(error))
        return None
