"""Breakpoints: an event, a condition, or a condition at an event; and at which moments to evaluate them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from engine.errors import BreakpointError, ExpressionError
from engine.expressions.expression import Before, Expression
from engine.expressions.scope import Kind, Scope
from engine.expressions.source import check_length
from engine.immutable import immutable
from engine.language.say import say
from engine.timeline.events import PHASES, PLACE_NAMES, Event, Moment, Phase, StepProgram
from engine.timeline.view import View

COUNTED = re.compile(r"(?P<words>.*\S)\s+x\s*(?P<count>\d{1,9})")
PLACE = re.compile(r"[\w.]+\s*(@.*)?|@.*")  # an event; no condition looks like this


@immutable
class EventPattern:
    """Matches events of a training step: a field that is None matches any. Numbers count from 0."""

    name: str | None = None
    phase: Phase | None = None
    pos: int | None = None
    layer: int | None = None
    head: int | None = None

    def matches(self, event: Event) -> bool:
        """Whether the pattern matches an event."""
        return (
            self.name in (None, event.name)
            and self.pos in (None, event.pos)
            and self.phase in (None, event.phase)
            and self.layer in (None, event.layer)
            and self.head in (None, event.head)
        )

    @classmethod
    def of(cls, event: Event) -> EventPattern:
        """The pattern of one event alone."""
        return cls(event.name, event.phase, event.pos, event.layer, event.head)

    def describe(self, names: Mapping[str, str] = PLACE_NAMES) -> str:
        """In words, such as "attn_weights, position 2, layer 0, head 1, forward"; `names` are those of the places."""
        words = [self.name or say("expressions.breakpoint.any_event")]
        pos = names["pos"] if names["pos"] != "pos" else "position"
        layer = None if self.name and self.name.startswith(f"layer{self.layer}.") else self.layer  # it says so itself
        numbers = ((pos, self.pos), (names["layer"], layer), (names["head"], self.head))
        words += [f"{what} {number}" for what, number in numbers if number is not None]
        return ", ".join([*words, *([str(self.phase)] if self.phase else [])])

    @property
    def text(self) -> str:
        """As it is typed; the inverse of `parse`."""
        return self.written()

    def written(self, names: Mapping[str, str] = PLACE_NAMES) -> str:
        """As it is typed where the places have these names."""
        parts = ((names.get(key, key), getattr(self, key)) for key in ("pos", "layer", "head", "phase"))
        at = ",".join(f"{key}={value}" for key, value in parts if value is not None)
        return (self.name or "") + (f"@{at}" if at else "")

    @classmethod
    def parse(cls, text: str, names: Mapping[str, str] = PLACE_NAMES) -> EventPattern:
        """Read NAME or NAME@pos=2,layer=0,head=1,phase=forward, in any order and each optional.

        The places may also be called by their `names`. Raises BreakpointError.
        """
        usual = {own: key for key, own in names.items()}
        check_length(text, BreakpointError)
        if not text.strip():
            raise BreakpointError(say("expressions.breakpoint.nothing_to_stop_at"))
        name, at, rest = text.partition("@")
        values: dict[str, str] = {}
        for part in rest.split(",") if at else []:
            key, _, value = (piece.strip() for piece in part.partition("="))
            key = usual.get(key, key)
            if key not in ("phase", "pos", "layer", "head") or not value or key in values:
                raise BreakpointError(
                    say(
                        "expressions.breakpoint.no_place",
                        part=part.strip(),
                        text=text,
                        example=cls("NAME", Phase.FORWARD, 2, 0, 1).written(names),
                    )
                )
            values[key] = value
        return cls.from_dict({"name": name.strip() or None, **values})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EventPattern:
        """From plain values, numbers perhaps as text. Raises BreakpointError."""
        place: dict[str, Any] = dict(_plain(values, cls))
        for key in ("pos", "layer", "head"):
            if place.get(key) is not None:
                place[key] = _whole(key, place[key])
        if place.get("phase") is not None:
            if place["phase"] not in PHASES:
                raise BreakpointError(
                    say("expressions.breakpoint.wrong_phase", phase=place["phase"], phases=", ".join(PHASES))
                )
            place["phase"] = Phase(place["phase"])
        if not isinstance(place.get("name"), str | None):
            raise BreakpointError(say("expressions.breakpoint.wrong_name", name=place["name"]))
        return cls(**place)

    def check(self, scope: Scope) -> None:
        """Raise BreakpointError for an event that no training step of this model has."""
        config, names = scope.config, (*scope.specs, "loss")
        if self.name is not None and self.name not in names:
            reason = scope.without_layers(self.name) or say("expressions.breakpoint.no_event_called", name=self.name)
            raise BreakpointError(say("expressions.breakpoint.known_names", reason=reason, names=", ".join(names)))
        sizes = {"pos": config.block_size, "layer": config.n_layer, "head": config.n_head}
        for what, size in sizes.items():
            number, called = getattr(self, what), scope.place_names[what]
            if number is None:
                continue
            if what != "pos" and not config.n_layer:
                raise BreakpointError(say("expressions.breakpoint.no_layers", called=called, number=number))
            if not 0 <= number < size:
                raise BreakpointError(
                    say("expressions.breakpoint.out_of_range", called=called, number=number, last=size - 1)
                )


@immutable
class Breakpoint:
    """Stops at events that match `place`, under a condition, or both, every `count`-th time. `id` is unique."""

    id: str
    place: EventPattern | None = None
    condition: str | None = None
    count: int = 1
    enabled: bool = True

    def describe(self, names: Mapping[str, str] = PLACE_NAMES) -> str:
        """In words, such as "attn_weights, position 2 if loss < 2, every 3 times"; `names` are those of the places."""
        words = self.place.describe(names) if self.place else ""
        if self.condition is not None:
            words += say("expressions.breakpoint.if_condition", condition=self.condition) if words else self.condition
        return (
            words
            + (say("expressions.breakpoint.every_times", count=self.count) if self.count > 1 else "")
            + ("" if self.enabled else say("expressions.breakpoint.off"))
        )

    @property
    def text(self) -> str:
        """As it is typed; `parse` reads it."""
        return self.written()

    def written(self, names: Mapping[str, str] = PLACE_NAMES) -> str:
        """As it is typed where the places have these names."""
        parts = [part for part in (self.place and self.place.written(names), self.condition) if part]
        return " if ".join(parts) + (f" x {self.count}" if self.count > 1 else "")

    @classmethod
    def parse(cls, text: str, own_id: str, names: Mapping[str, str] = PLACE_NAMES) -> Breakpoint:
        """Read PLACE, CONDITION or PLACE if CONDITION, each perhaps with x COUNT after it.

        Places may also be called by their `names`. Raises BreakpointError; a condition is read only by `Armed`.
        """
        check_length(text, BreakpointError)
        words, count = text.strip(), 1
        counted = COUNTED.fullmatch(words)
        if counted:
            words, count = counted["words"], int(counted["count"])
        first, conditional, condition = words.partition(" if ")
        if PLACE.fullmatch(first.strip()):
            return cls(
                own_id, EventPattern.parse(first.strip(), names), condition.strip() if conditional else None, count
            )
        return cls(own_id, condition=words, count=count)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Breakpoint:
        """The inverse of `dataclasses.asdict`. Raises BreakpointError; a condition is read only by `Armed`."""
        own = dict(_plain(values, cls))
        if own.get("place") is not None:
            if not isinstance(own["place"], Mapping):
                raise BreakpointError(say("expressions.breakpoint.wrong_place", value=own["place"]))
            own["place"] = EventPattern.from_dict(own["place"])
        for key, kind in (("id", str), ("condition", str | None), ("enabled", bool)):
            if key in own and not isinstance(own[key], kind):
                raise BreakpointError(say("expressions.breakpoint.wrong_part", part=key, value=own[key]))
        if not own.get("id"):
            raise BreakpointError(say("expressions.breakpoint.no_id"))
        return cls(**own | {"count": _whole("count", own.get("count", 1))})


class Armed:
    """A breakpoint checked for a model. Raises BreakpointError or ExpressionError if the model cannot have it."""

    def __init__(self, what: Breakpoint, scope: Scope) -> None:
        self.breakpoint = what
        if what.count < 1:
            raise BreakpointError(say("expressions.breakpoint.wrong_count", count=what.count))
        if what.place is None and what.condition is None:
            raise BreakpointError(say("expressions.breakpoint.neither_event_nor_condition"))
        if what.place:
            what.place.check(scope)
        self.condition = None if what.condition is None else condition(what.condition, scope)

    def moments(self, program: StepProgram) -> list[Moment]:
        """Where in a step to evaluate it, in order."""
        place = self.breakpoint.place
        if place is None:
            assert self.condition is not None
            return self.condition.moments(program)
        phases = [place.phase] if place.phase else PHASES
        events = (event for phase in phases for event in program.events(phase))
        return [Moment(program.step, s.phase, s.last) for s in events if place.matches(s)]

    def holds(self, view: View, before: Before | None) -> bool:
        """Whether it holds at one of its moments; see `Expression.value`."""
        return self.condition is None or self.condition.value(view, before) is True


def condition(text: str, scope: Scope) -> Expression:
    """An expression that is true or false. Raises ExpressionError for any other."""
    expression = Expression(text, scope)
    if expression.kind is not Kind.TRUTH:
        raise ExpressionError(
            say("expressions.breakpoint.no_condition", kind=expression.kind.value),
            expression.text, 0, len(expression.text),
        )  # fmt: skip
    return expression


def _plain(values: Mapping[str, Any], cls: type) -> Mapping[str, Any]:
    names = [f.name for f in fields(cls)]
    for key in values:
        if key not in names:
            raise BreakpointError(say("expressions.breakpoint.unknown_part", part=key, names=", ".join(names)))
    return values


def _whole(what: str, value: Any) -> int:
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise BreakpointError(say("expressions.breakpoint.no_whole_number", what=what, value=value))
