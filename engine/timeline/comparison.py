"""Two runs at the same moment, number by number: where their losses part, and which probabilities moved most.

Both have to be runs of one configuration on the same documents, so that the moment means the same in each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.immutable import immutable
from engine.timeline.events import Phase
from engine.timeline.view import View


@immutable
class Shift:
    """The probability, scalar `row`, that two runs give to a token as the next one at a position."""

    pos: int
    token_id: int
    row: int
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


def shifts(view: View, other: View, most: int) -> list[Shift]:
    """The probabilities that moved most from one run to the other, at most `most`, the largest move first.

    Of all positions of the document where both have them at this moment.
    """
    found = []
    for event in view.program.events(Phase.FORWARD):
        if event.kind != "nll" or event.pos is None or "probs" not in event.operands:
            continue
        rows = event.operands["probs"]
        ours, theirs = view.data(rows), other.data(rows)
        if ours.known.all() and theirs.known.all():
            each = zip(rows.tolist(), ours.values.tolist(), theirs.values.tolist(), strict=True)
            found += [Shift(event.pos, token_id, *numbers) for token_id, numbers in enumerate(each)]
    return sorted(found, key=lambda shift: -abs(shift.difference))[:most]
