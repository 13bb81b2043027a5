"""`GraphCut`: where the way from parameters to the loss ends, because a value is used in place of its scalar."""

from __future__ import annotations

import numpy as np

from engine.immutable import immutable
from engine.script.gradient_sums import in_loss
from engine.script.tape import ScriptTape, SourcePosition


@immutable
class GraphCut:
    """The place where a scalar of the loss is made of the bare `value` of another scalar.

    Where there is no such place (`value` is None), it is the last place where something was made from the parameters.
    """

    position: SourcePosition
    value: float | None


def graph_cut(tape: ScriptTape, parameters: slice) -> GraphCut | None:
    """Where the graph is cut between the loss and parameters that it is not made from; None if nothing uses them.

    A constant of the loss that has the value of one of them, or of what was made from them, is that value: whole
    numbers and values that occur more than once are not judged.
    """
    below = np.zeros(tape.n_rows, bool)
    below[parameters] = True
    for row in range(tape.n_params, tape.n_rows):
        below[row] = below[tape.child[tape.child_start[row] : tape.child_start[row + 1]]].any()
    values, counts = np.unique(tape.value[below], return_counts=True)
    telling = values[(counts == 1) & (values != np.round(values))]
    constant = (np.diff(tape.child_start) == 0) & in_loss(tape)
    constant[: tape.n_params + tape.n_older] = False
    for row in np.flatnonzero(constant & np.isin(tape.value, telling)).tolist():
        position = tape.position_of(row)
        if position is not None:
            return GraphCut(position, float(tape.value[row]))
    made = np.flatnonzero(below[tape.n_params :]) + tape.n_params
    position = tape.position_of(int(made[-1])) if len(made) else None
    return None if position is None else GraphCut(position, None)
