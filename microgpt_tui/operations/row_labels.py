"""What the rows of a parameter matrix stand for: tokens, positions, or the numbers of heads."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from engine.autograd.tape import Rows
from engine.timeline.events import Event, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.cells import as_matrix


def labels_of(frame: Frame, matrix: str) -> list[str]:
    """A word for each row of a matrix, from how the model uses it; its number where nothing else can be said."""
    rows = as_matrix(frame.program.parameters[matrix])
    spec = frame.program.specs.get(matrix)
    if spec is not None and spec.tokens:
        return [frame.token_name(i) for i in range(len(rows))]
    own = set(rows.ravel().tolist())
    for event in frame.program.events(Phase.FORWARD):
        if event.matrix == matrix and event.kind == "linear":
            return [f"{head} {name}".strip() if head else name for head, name in linear_rows(frame, event)]
        position = event.operands.get("position")
        if position is not None and int(position.flat[0]) in own:
            return [frame.called("pos", i) for i in range(len(rows))]
    return [str(i) for i in range(len(rows))]


def both_labels(labels: Sequence[str], room: int) -> str:
    """What stands before a line that holds two rows: both tokens if there is room, or the first label."""
    both = " ".join(labels)
    return labels[0] if any(c.isdecimal() for c in both) or cell_len(both) > room else both


def linear_rows(frame: Frame, event: Event) -> list[tuple[str, str]]:
    """Two words before each row of a linear layer: its head, at the head's first row, and its token or its number."""
    w = event.operands["w"]
    if over_tokens(frame, event):
        return [("", frame.token_name(i)) for i in range(len(w))]
    heads = frame.heads if feeds_heads(frame, event) else 1
    heads = heads if len(w) % heads == 0 else 1
    each = len(w) // heads
    return [(f"h{i // each}" if heads > 1 and i % each == 0 else "", str(i)) for i in range(len(w))]


def over_tokens(frame: Frame, event: Event) -> bool:
    """Whether a linear layer has an output for each token: what a softmax over the vocabulary reads."""
    spec = frame.program.specs.get(event.name)
    return spec is not None and spec.tokens and event.pos is not None


def feeds_heads(frame: Frame, event: Event) -> bool:
    """Whether an operation of one head reads part of the outputs."""
    own = set(event.rows.ravel().tolist())
    for other in frame.program.events(Phase.FORWARD):
        if other.head is not None and (other.layer, other.pos) == (event.layer, event.pos):
            if any(_meet(own, rows) for rows in other.operands.values()):
                return True
            if other.head > 0:
                return False
    return False


def heads_of_columns(frame: Frame, x: Rows) -> list[int | None]:
    """The head that each number of a layer's input comes from; None for those of no head."""
    heads: list[int | None] = []
    event = None
    for row in x.tolist():
        if event is None or row not in event.rows:
            event = frame.program.event_of(row)
        heads.append(None if event is None else event.head)
    return heads


def _meet(own: set[int], rows: Rows) -> bool:
    return not own.isdisjoint(rows.ravel().tolist())
