"""What a sentence can say of the present document: names and numbers of the operation at work."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.autograd.tape import Rows
from engine.text import quoted
from engine.timeline.events import Event
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import matrix_name
from microgpt_tui.drawing.numbers import number, percent, plain
from microgpt_tui.texts.say import say

Facts = dict[str, str]


def judged(frame: Frame, event: Event) -> int:
    """Of the probabilities that a loss is made of, the one that it judges: the one that it was computed from."""
    probs = {*event.operands["probs"].ravel().tolist()}
    waiting = [int(event.rows.flat[0])]
    while waiting:
        row = waiting.pop()
        if row in probs:
            return row
        waiting += frame.program.children(row)
    return int(event.operands["probs"].flat[0])


def variant_of(frame: Frame) -> str:
    """Which of an operation's sentences fits: "tokens" over the vocabulary, "head" in attention, else none."""
    event = frame.operation
    if event.head is not None:
        return "head"
    size = frame.program.tokenizer.vocab_size
    return "tokens" if event.layer is None and event.pos is not None and event.rows.size == size else ""


def facts(frame: Frame) -> Facts:
    """Names and numbers by what sentences call them. What is not computed at this moment is left out."""
    event = frame.operation
    found: Facts = {"n": str(frame.program.n), "doc": quoted(frame.program.doc), "event": frame.event.name}
    if event.matrix:
        found |= {"matrix": matrix_name(event.matrix), "rows": str(event.rows.size)}
    if event.head is not None:
        found["head_number"] = str(event.head)
    found |= _lengths(frame, event)
    if event.kind == "embed":
        for operand in ("token", "position"):
            found[f"{operand}_matrix"] = frame.name_of(int(event.operands[operand].flat[0])) or operand
    of_kind = {
        "softmax": _softmax, "scores": _scores, "weighted_sum": _mix, "linear": _logits, "relu": _relu, "nll": _nll,
        "mean": _mean, "parameter": _parameter,
    }.get(event.kind)  # fmt: skip
    if of_kind is not None:
        found |= of_kind(frame, event)
    if frame.event.is_parameter and frame.backward and not frame.stepping_inside:
        found |= _length("event_length", frame.grad(frame.event.rows).values, True)
    return found


def _length(
    name: str, values: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]], known: bool
) -> Facts:
    size = math.hypot(*map(float, np.ravel(values))) if known else math.nan
    return {name: plain(size)} if math.isfinite(size) else {}


def _lengths(frame: Frame, event: Event) -> Facts:
    """The lengths of what an operation reads and makes, or of what arrives at it and goes on."""
    found: Facts = {}
    operands = {name: rows for name, rows in event.operands.items() if rows.ndim == 1 and rows.size}
    for name, rows in {**operands, "out": np.atleast_1d(event.rows)}.items():
        cells = frame.data(rows)
        found |= _length(f"{name}_length", cells.values, bool(cells.known.all()))
        if frame.backward:
            grads = frame.grad(rows)
            found |= _length(f"{name}_gradient", grads.values, bool(grads.known.all()))
    if "x" in event.operands and event.operands["x"].size:
        found["source"] = frame.name_of(int(event.operands["x"].flat[0])) or "x"
    return found


def _numbers(frame: Frame, rows: Rows, grad: bool = False) -> list[float] | None:
    """The values of some scalars, or their gradients; None unless all are known and finite."""
    cells = (frame.grad if grad else frame.data)(np.atleast_1d(rows))
    return cells.values.tolist() if cells.known.all() and np.isfinite(cells.values).all() else None


def _most(values: Sequence[float]) -> int:
    return max(range(len(values)), key=lambda i: values[i])


def _softmax(frame: Frame, event: Event) -> Facts:
    shares = _numbers(frame, event.rows)
    if shares is None:
        return {}
    best = _most(shares)
    if event.head is not None:
        found = {"best": frame.reader(best), "best_share": percent(shares[best]), "count": str(len(shares))}
        grads = _numbers(frame, event.operands["logits"], True) if frame.backward else None
        if grads is not None and len(grads) > 1:
            found |= {"more": frame.reader(_most([-g for g in grads])), "less": frame.reader(_most(grads))}
        return found
    if event.pos is None or not variant_of(frame):
        return {}
    target = frame.target_id(event.pos)
    if target is None:
        return {}
    found = {
        "best": frame.token_name(best),
        "best_share": percent(shares[best]),
        "target_share": percent(shares[target]),
    }
    grads = _numbers(frame, event.operands["logits"], True) if frame.backward else None
    return found | (_pulls(frame, grads, target) if grads is not None else {})


def _pulls(frame: Frame, grads: list[float], target: int) -> Facts:
    """What the gradients of the logits ask for: the target must rise, and which others must fall most."""
    others = sorted((i for i in range(len(grads)) if i != target and grads[i] > 0), key=lambda i: -grads[i])[:3]
    names = [frame.token_name(i) for i in others]
    found = {"target_pull": number(grads[target])}
    return found | ({"others": ", ".join(names)} if names else {})


def _scores(frame: Frame, event: Event) -> Facts:
    scores = _numbers(frame, event.rows)
    count = {"keys": say("explanations.facts.keys", n=event.rows.size)}
    return count if scores is None else count | {"best": frame.reader(_most(scores)), "best_score": number(max(scores))}


def _mix(frame: Frame, event: Event) -> Facts:
    shares = _numbers(frame, event.operands["weights"])
    if shares is None or _numbers(frame, event.rows) is None:
        return {"values": say("explanations.facts.values", n=event.operands["weights"].size)}
    best = _most(shares)
    return {
        "values": say("explanations.facts.values", n=len(shares)),
        "best": frame.reader(best),
        "best_share": percent(shares[best]),
    }


def _logits(frame: Frame, event: Event) -> Facts:
    if variant_of(frame) != "tokens" or event.pos is None:
        return {}
    target, logits = frame.target_id(event.pos), _numbers(frame, event.rows)
    if target is None:
        return {}
    if frame.backward:
        grads = _numbers(frame, event.rows, True)
        return {} if grads is None else _pulls(frame, grads, target)
    if logits is None:
        return {}
    best = _most(logits)
    return {"best": frame.token_name(best), "best_score": number(logits[best]), "target_score": number(logits[target])}


def _relu(frame: Frame, event: Event) -> Facts:
    values = _numbers(frame, event.rows)
    if values is None:
        return {}
    on = sum(value > 0 for value in values)
    return {"on": str(on), "off": str(len(values) - on), "count": str(len(values))}


def _nll(frame: Frame, event: Event) -> Facts:
    loss = frame.value(int(event.rows.flat[0]))
    if loss is None or event.pos is None:
        return {}
    row = judged(frame, event)
    p = frame.value(row)
    found = {"target_share": percent(p), "target_p": plain(p), "loss": plain(loss)}
    grad = frame.gradient(row)
    return found | ({"p_gradient": number(grad)} if frame.backward and grad else {})


def _mean(frame: Frame, event: Event) -> Facts:
    loss = frame.value(int(event.rows.flat[0]))
    size = frame.program.tokenizer.vocab_size
    return {} if loss is None else {"loss": plain(loss), "guess": plain(math.log(size)), "size": f"{size:,}"}


def _parameter(frame: Frame, event: Event) -> Facts:
    norms = frame.view.norms(event.name)
    rate = frame.view.learning_rate
    found = {"matrix": matrix_name(event.name)} | ({} if rate is None else {"rate": plain(rate)})
    if norms is None or not norms.weight or not math.isfinite(norms.update / norms.weight):
        return found
    return found | {"moved": f"{100 * norms.update / norms.weight:.2f}%"}
