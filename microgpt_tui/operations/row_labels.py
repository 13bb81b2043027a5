"""What the rows of a parameter matrix stand for: tokens, positions, or the numbers of heads."""

from __future__ import annotations

from engine.autograd.tape import Rows
from engine.timeline.events import Event, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.cells import as_matrix


def labels_of(frame: Frame, matrix: str) -> list[str]:
    """A word for each row of a matrix, from how the model uses it; its number where nothing else can be said."""
    rows = as_matrix(frame.program.parameters[matrix])
    own = set(rows.ravel().tolist())
    for event in frame.program.stretches(Phase.FORWARD):
        if event.matrix == matrix and event.kind == "linear":
            return [f"{head} {name}".strip() if head else name for head, name in linear_rows(frame, event)]
        token = event.operands.get("token")
        if token is not None and int(token.flat[0]) in own:
            return [frame.token_name(i) for i in range(len(rows))]
    return [str(i) for i in range(len(rows))]


def linear_rows(frame: Frame, event: Event) -> list[tuple[str, str]]:
    """Two words before each row of a linear layer: its head, at the head's first row, and its token or its number."""
    w = event.operands["w"]
    if over_tokens(frame, event):
        return [("", frame.token_name(i)) for i in range(len(w))]
    heads = frame.config.n_head if feeds_heads(frame, event) else 1
    each = len(w) // heads
    return [(f"h{i // each}" if heads > 1 and i % each == 0 else "", str(i)) for i in range(len(w))]


def over_tokens(frame: Frame, event: Event) -> bool:
    """Whether a linear layer has an output for each token: what a softmax over the vocabulary reads."""
    size = frame.program.tokenizer.vocab_size
    return event.layer is None and event.pos is not None and len(event.operands["w"]) == size


def feeds_heads(frame: Frame, event: Event) -> bool:
    """Whether an operation of one head reads part of the outputs."""
    own = set(event.rows.ravel().tolist())
    for other in frame.program.stretches(Phase.FORWARD):
        if other.head is not None and (other.layer, other.pos) == (event.layer, event.pos):
            if any(_meet(own, rows) for rows in other.operands.values()):
                return True
            if other.head > 0:
                return False
    return False


def _meet(own: set[int], rows: Rows) -> bool:
    return not own.isdisjoint(rows.ravel().tolist())
