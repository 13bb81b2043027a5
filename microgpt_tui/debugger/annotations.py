"""`Annotations`: the breakpoints, health checks, watches and marks that a user keeps around a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, field
from itertools import count
from typing import Any, TypeVar

from engine import CHECKS, EngineError, Scope
from engine.checkpoint.validate import Unfit, moment
from engine.expressions.breakpoint import Armed, Breakpoint
from engine.expressions.watch import Watch
from engine.immutable import immutable
from engine.text import shortened, shortened_repr
from engine.timeline.events import Moment
from microgpt_tui.texts.say import say

T = TypeVar("T")
LONGEST = 200  # characters of a reason


@immutable
class Annotations:
    """`checks` are the health checks that are on, `watches` expressions as typed, `marks` moments by their letters."""

    breakpoints: tuple[Breakpoint, ...] = ()
    checks: frozenset[str] = frozenset(CHECKS)
    watches: tuple[str, ...] = ()
    marks: Mapping[str, Moment] = field(default_factory=dict)

    def next_id(self) -> str:
        """An id that no breakpoint has."""
        taken = {each.id for each in self.breakpoints}
        return next(own_id for n in count(1) if (own_id := str(n)) not in taken)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return {
            "breakpoints": [asdict(each) for each in self.breakpoints],
            "checks": sorted(self.checks),
            "watches": [{"text": text} for text in self.watches],
            "marks": {letter: asdict(there) for letter, there in self.marks.items()},
        }


def restored(said: Mapping[str, Any], scope: Scope) -> tuple[Annotations, list[str]]:
    """What `Annotations.as_dict` said, as far as it fits a run of this scope, and a sentence for each that does not."""
    sentences: list[str] = []

    def fitting(what: str, parts: Iterable[Any], made: Callable[[Any], T]) -> list[T]:
        found = []
        for part in parts:
            try:
                found.append(made(part))
            except (EngineError, Unfit, KeyError, TypeError, ValueError, AttributeError) as error:
                understood = isinstance(error, EngineError | Unfit)
                reason = (
                    getattr(error, "reason", error)
                    if understood
                    else say("debugger.annotations.says_none", part=shortened_repr(part))
                )
                sentences.append(say(f"debugger.annotations.dropped.{what}", reason=shortened(str(reason), LONGEST)))
        return found

    annotations = Annotations(
        tuple(fitting("breakpoint", said["breakpoints"], lambda part: _breakpoint(part, scope))),
        frozenset(check for check in said["checks"] if isinstance(check, str) and check in CHECKS),
        tuple(fitting("watch", said["watches"], lambda part: Watch(part["text"], scope).text)),
        dict(fitting("mark", said["marks"].items(), lambda part: (part[0], moment(part[1])))),
    )
    return annotations, sentences


def _breakpoint(said: Any, scope: Scope) -> Breakpoint:
    return Armed(Breakpoint.from_dict(said), scope).breakpoint
