"""`PrintedText`: what a script has printed by the end of a step, and how much of it by each moment of that step."""

from __future__ import annotations

from bisect import bisect_right

from engine.immutable import immutable
from engine.timeline.events import PHASES, Moment

Place = tuple[int, int]
"""A phase, as its place in `PHASES`, and a tick of it."""


@immutable
class PrintedText:
    """A text, and the places in its step where pieces of it were printed: the n-th piece ends at the n-th `ends`.

    What follows the last of these was printed after the last tick.
    """

    text: str = ""
    begun: int = 0
    """How many characters were printed before the step."""
    places: tuple[Place, ...] = ()
    ends: tuple[int, ...] = ()
    last: Place = (0, 0)
    """Where the step ends, or has broken off."""

    def before(self, moment: Moment) -> str:
        """What was printed up to a moment of the step."""
        here = PHASES.index(moment.phase), moment.tick
        if here >= self.last:
            return self.text
        at = bisect_right(self.places, here)
        return self.text[: self.ends[at - 1] if at else self.begun]

    def is_over(self, moment: Moment) -> bool:
        """Whether no tick of the step follows."""
        return (PHASES.index(moment.phase), moment.tick) >= self.last
