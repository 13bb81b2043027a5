"""Two runs at the same moment, number by number: where their losses part, and which probabilities moved most.

Both have to be runs of one configuration on the same documents, so that the moment means the same in each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.timeline.view import View


@dataclass(frozen=True, slots=True)
class Shift:
    """The probability that two runs give to a token as the next one at a position."""

    pos: int
    token_id: int
    before: float
    after: float

    @property
    def difference(self) -> float:
        """How much more the second gives it."""
        return self.after - self.before


def first_difference(losses: Sequence[float], others: Sequence[float]) -> int | None:
    """The first step, counted from 0, whose loss is not the same; None if there is none."""
    for step, (ours, theirs) in enumerate(zip(losses, others, strict=False)):
        if ours != theirs and not (math.isnan(ours) and math.isnan(theirs)):
            return step
    return None


def shifts(view: View, other: View, most: int, pos: int | None = None) -> list[Shift]:
    """The probabilities that moved most from one run to the other, at most `most`, the largest move first.

    Of all positions of the document, or of one; only where both have them at this moment.
    """
    found = []
    for at in range(view.program.n) if pos is None else (pos,):
        rows = view.program.tensors.get(("probs", at, None, None))
        if rows is None:
            continue
        ours, theirs = view.data(rows), other.data(rows)
        pairs = zip(ours.values.tolist(), theirs.values.tolist(), strict=True)
        if ours.known.all() and theirs.known.all():
            found += [Shift(at, token_id, *pair) for token_id, pair in enumerate(pairs)]
    return sorted(found, key=lambda shift: -abs(shift.difference))[:most]
