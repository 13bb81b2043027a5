"""`Address`: a moment as a person writes it, as in `step 99 forward attn_weights@pos=2,head=1`; the same in every run.

A moment counts ticks, which depend on the document; an address names what is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from engine.errors import AddressError, BreakpointError
from engine.expressions.breakpoint import EventPattern
from engine.expressions.scope import Scope
from engine.expressions.source import check_length
from engine.immutable import immutable
from engine.language.say import say
from engine.text import quoted
from engine.timeline.events import PLACE_NAMES, Moment, Phase, StepProgram

WORDS = re.compile(
    r"(?:(?:step\s+)?(?P<step>\d{1,9})(?!\S)\s*)?"
    r"(?:(?P<phase>forward|backward|update)(?!\S)\s*)?"
    r"(?P<place>(?!scalar\b)[^\s@]*(?:\s*@[^\s]*)?)?\s*"
    r"(?:scalar\s+(?P<scalar>\d{1,9}))?"
)
EXAMPLES = "step 500, 0 forward attn_weights@pos=2,head=1, 99 update wte, 3 backward end"
START, END = "start", "end"
SPOTS = (START, END)
"""The first and the last event: of a phase, or of the step where none is named."""


@immutable
class Address:
    """A step, a phase and an event in it; `scalar` ticks of the event are done, or all of them.

    Without a place it is the first event of the phase, which may be written `start`; `end` is its last.
    """

    step: int = 0
    phase: Phase = Phase.FORWARD
    place: EventPattern | None = None
    end: bool = False
    scalar: int | None = None

    @classmethod
    def parse(cls, text: str, scope: Scope, default: int = 0) -> Address:
        """Read an address; every part of it may be left out, and then the step is `default`. Raises AddressError."""
        check_length(text, AddressError)
        read = WORDS.fullmatch(text.strip())
        if read is None or not text.strip():
            raise AddressError(say("run.address.no_moment", text=quoted(text.strip()), examples=_examples(scope)))
        step, scalar, name = int(read["step"] or default), read["scalar"], read["place"]
        if step > scope.config.num_steps:
            raise AddressError(say("run.address.no_step", step=step, last=scope.config.num_steps))
        spot = name if name in SPOTS and name not in scope.specs else None  # a script may have a tensor of that name
        place = None if not name or spot else _place(name, scope)
        phase = Phase(read["phase"]) if read["phase"] else None
        if place is not None and place.phase is not None:
            if phase not in (None, place.phase):
                raise AddressError(say("run.address.two_phases", text=quoted(text.strip())))
            phase = place.phase
        spec = None if place is None or place.name is None else scope.specs.get(place.name)
        late = spot == END or (spec is not None and spec.parameter)
        phase = phase or (Phase.UPDATE if late else Phase.FORWARD)
        return cls(
            step, phase, place and replace(place, phase=None), spot == END, None if scalar is None else int(scalar)
        )

    @classmethod
    def of(cls, program: StepProgram, moment: Moment) -> Address:
        """The address of a moment of this step."""
        event = program.event_at(moment)
        done = None if moment.tick == event.last else moment.tick - event.first
        return cls(moment.step, moment.phase, replace(EventPattern.of(event), phase=None), scalar=done)

    @property
    def text(self) -> str:
        """As it is typed; the inverse of `parse`."""
        return self.written()

    def written(self, names: Mapping[str, str] = PLACE_NAMES) -> str:
        """As it is typed where the places have these names."""
        parts = [f"step {self.step}", str(self.phase)]
        if self.place is not None or self.end:
            parts.append(END if self.place is None else self.place.written(names))
        return " ".join(parts if self.scalar is None else [*parts, f"scalar {self.scalar}"])

    def moment(self, program: StepProgram) -> Moment:
        """The moment, in the training step of `program`, which has to be `step`.

        Raises AddressError if this step's document has no such event, or the event not so many scalars.
        """
        events = program.events(self.phase)
        if self.end:
            return Moment(self.step, self.phase, events[-1].last)
        found = next((s for s in events if self.place is None or self.place.matches(s)), None)
        if found is None:
            assert self.place is not None
            what = self.place.describe(program.place_names)
            said = {"phase": say(f"run.phase.{self.phase}"), "step": self.step, "what": what}
            if program.n:
                raise AddressError(say("run.address.no_event_in", **said, about=about_document(program)))
            raise AddressError(say("run.address.no_event", **said))
        ticks = found.last - found.first
        if self.scalar is not None and self.scalar > ticks:
            phase = say(f"run.phase.{self.phase}")
            event = found.name if self.place else say("run.address.first_event", name=found.name, phase=phase)
            raise AddressError(say("run.address.too_many_scalars", event=event, ticks=ticks, scalar=self.scalar))
        return Moment(self.step, self.phase, found.last if self.scalar is None else found.first + self.scalar)


def about_document(program: StepProgram) -> str:
    """Which positions a step has, of which document, for sentences on what it has not."""
    if program.doc:
        return say("run.address.doc_positions", doc=quoted(program.doc), last=program.n - 1)
    return say("run.address.positions", last=program.n - 1)


def _examples(scope: Scope) -> str:
    """Moments as they are written, in names of the run."""
    if "attn_weights" in scope.specs:
        return EXAMPLES
    made = [name for name, spec in scope.specs.items() if not spec.parameter]
    moved = next((name for name, spec in scope.specs.items() if spec.parameter), "loss")
    tensor = made[-1] if made else "loss"
    place = f"@{scope.place_names['pos']}=0" if made and scope.specs[tensor].positions else ""
    return f"step 500, 0 forward {tensor}{place}, 99 update {moved}, 3 backward end"


def _place(name: str, scope: Scope) -> EventPattern:
    try:
        place = EventPattern.parse(name, scope.place_names)
        place.check(scope)
    except BreakpointError as error:
        raise AddressError(say("run.address.wrong_place", error=error, examples=_examples(scope))) from None
    return place
