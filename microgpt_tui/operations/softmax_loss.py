"""From scores to shares to a loss: softmax, -log p, and the mean over positions."""

from __future__ import annotations

import math

import numpy as np

from engine.text import quoted
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, bar
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.operations.canvas import FIGURE, ROOMY, Board, names_width


def softmax(board: Board) -> None:
    """Minus the largest, exp, sum, quotient: one line a score."""
    frame, stretch = board.frame, board.operation
    logits, exps = stretch.operands["logits"], np.atleast_1d(stretch.parts["exp"])
    shifted = np.array([frame.explain.children(int(e))[0] for e in exps], dtype=np.int32)
    over_tokens = frame.program.specs[stretch.name].tokens
    if over_tokens:
        assert stretch.pos is not None
        target = frame.program.targets[stretch.pos]
        mark = " ◎ target" if board.width >= ROOMY else " ◎"
        names = [f"{frame.token_name(i)}{mark if i == target else ''}" for i in range(len(logits))]
    else:
        names = [f"{t} {frame.token(t)}" for t in range(len(logits))]
    score, share = ("logit", "p") if over_tokens else ("score", "weight")
    if frame.backward:
        columns: list[tuple[str, Cells]] = [
            (share, frame.data(stretch.rows)), (f"∂{share}", frame.grad(stretch.rows)), ("∂exp", frame.grad(exps)),
            (f"∂{score}", frame.grad(logits)),
        ]  # fmt: skip
    else:
        columns = [
            (score, frame.data(logits)), ("− max", frame.data(shifted)), ("exp", frame.data(exps)),
            (share, frame.data(stretch.rows)),
        ]  # fmt: skip
    board.latest()
    board.table(
        columns,
        names,
        _line(board, (stretch.rows, exps, logits, shifted)),
        board.room - (1 if frame.backward else 3),
        bars=True,
    )
    total = int(stretch.parts["total"])
    if not frame.backward:
        line = board.picture.line().fit("", names_width(names))
        line.fit("sum of exps", 2 * FIGURE, theme.DIM, right=True).add(" ")
        line.fit(plain(frame.value(total)), FIGURE - 1, board.style(total, theme.STRONG), total, right=True)
        board.note(f"{share} = exp / sum of exps")


def _line(board: Board, columns: tuple[np.ndarray[tuple[int, ...], np.dtype[np.int32]], ...]) -> int:
    """The line of the selected scalar, or of the element in the making."""
    for rows in columns:
        found = np.flatnonzero(rows == board.frame.selected)
        if len(found):
            return int(found[0])
    return board.frame.element()


def nll(board: Board) -> None:
    """How surprised the model is by the token that really came."""
    frame, stretch = board.frame, board.operation
    assert stretch.pos is not None
    target = frame.program.targets[stretch.pos]
    row = int(stretch.operands["probs"][target])
    p, loss, out = frame.value(row), frame.value(int(stretch.rows[0])), int(stretch.rows[0])
    vocab = frame.program.tokenizer.vocab_size
    name = frame.target(stretch.pos)
    board.say(("after ", theme.DIM), (frame.token(stretch.pos), theme.STRONG), " really came ", (name, theme.TARGET))
    board.say("")
    line = (
        board.picture.line("  p(target)  ", theme.TEXT)
        .add(f"{plain(p):>9}", board.style(row, theme.STRONG), row)
        .add("  ")
    )
    line.add(bar(p or 0.0, 1.0, max(0, board.width - line.width - 2)), theme.TARGET, row)
    line = (
        board.picture.line("  −log p     ", theme.NEW)
        .add(f"{plain(loss):>9}", board.style(out, theme.STRONG), out)
        .add("  ")
    )
    line.add(
        bar(loss or 0.0, max(loss or 0.0, 2 * math.log(vocab)), max(0, board.width - line.width - 2)), theme.PLUS, out
    )
    line = board.picture.line("  guessing   ", theme.DIM).add(f"{math.log(vocab):9.4f}", theme.DIM).add("  ")
    line.add(
        bar(math.log(vocab), max(loss or 0.0, 2 * math.log(vocab)), max(0, board.width - line.width - 2)), theme.FAINT
    )
    board.say(f"  (all {vocab} tokens alike would give log {vocab})")
    if frame.backward:
        board.say("")
        for label, scalar in ((f"∂ {stretch.name}", out), ("∂ p(target)", row)):
            grad = frame.gradient(scalar)
            line = board.picture.line(f"  {label:<12}", theme.TEXT)
            line.add(f"{number(grad):>9}", theme.signed(grad or 0.0), scalar)
        board.say("  the derivative of −log p is −1/p: the smaller p, the harder the push")
        board.latest()


def mean(board: Board) -> None:
    """One surprise a position, and their mean."""
    frame, stretch = board.frame, board.operation
    losses = stretch.operands["losses"]
    names = [f"{t}  {frame.token(t)} → {frame.target(t)}" for t in range(len(losses))]
    cells = frame.data(losses)
    span = frame.program.span(0)
    columns = [(span.loss.name if span else "losses", cells)]
    if frame.backward:
        columns.append(("∂", frame.grad(losses)))
    board.latest()
    found = np.flatnonzero(losses == frame.selected)
    board.table(
        columns, names, int(found[0]) if len(found) else len(names) - 1, board.room - 3, bars=not frame.backward
    )
    out = int(stretch.rows[0])
    line = board.picture.line("mean ", theme.NEW).add(plain(frame.value(out)), board.style(out, theme.STRONG), out)
    line.add(f"  = sum / {len(losses)}: the loss of {quoted(frame.program.doc)}", theme.DIM)
    if frame.backward:
        board.say(f"each position gets 1/{len(losses)} of the blame")
