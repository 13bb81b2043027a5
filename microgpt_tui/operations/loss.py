"""The loss of one position as a point on the curve of −log p, and the mean of the losses of all positions."""

from __future__ import annotations

import math

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import EIGHTHS, NUMBER, bar, window
from microgpt_tui.drawing.numbers import number, percent, plain
from microgpt_tui.drawing.picture import Line
from microgpt_tui.drawing.styled_text import marked, styled
from microgpt_tui.explanations.facts import judged
from microgpt_tui.operations.canvas import ARRIVES, LEAVES, Board, Legend
from microgpt_tui.texts.say import say

AXIS = 7  # characters for the numbers on the curve's axis
MOST_TALL = 3  # lines of a bar
ROOMY_WIDTH = 50  # characters from which on words are spelt out
ROOMY = 20  # lines from which on the picture has room between its parts
SHARE = 8  # characters of a share in percent, with a blank


def nll_legend(frame: Frame) -> Legend:
    """The columns of the curve stand on 0."""
    scale = _highest(frame)
    full = say("operations.loss.legend.full", scale=plain(scale))
    return Legend(scale, (say("operations.loss.legend.curve"),), full, theme.FAINT)


def mean_legend(frame: Frame) -> Legend:
    """Bars are losses, from 0 on."""
    scale = frame.scale(frame.operation.operands["losses"])
    return Legend(scale, (say("operations.loss.legend.mean"),), plain(scale))


def _highest(frame: Frame) -> float:
    """The loss at the top of the axis: that of guessing and those of all positions lie below it."""
    guessing = math.log(max(2, frame.program.tokenizer.vocab_size))
    return 1.15 * max(guessing, frame.scale(frame.operation.rows, name=frame.operation.name))


def nll(board: Board) -> None:
    """The probability of the target as a bar of 100%, and above it the curve of −log p with its point."""
    frame, event = board.frame, board.operation
    out = int(event.rows.flat[0])
    row = judged(frame, event)
    p, loss = frame.value(row), frame.value(out)
    target = frame.target_id(event.pos)
    name = frame.token_name(target) if target is not None else frame.explain.name(row)
    roomy = board.height >= ROOMY
    if event.pos is not None and target is not None:
        text = say("operations.loss.came", token=marked(frame.token(event.pos), 0), target=marked(f"◎ {name}", 1))
        board.say(*styled(text, theme.DIM, theme.NEW, theme.TARGET))
    if roomy:
        board.picture.line()
    below = (2 if not frame.backward else 4) + 2 * roomy
    p_of = say("operations.loss.p_of", name=name)
    axis = max(AXIS, cell_len(p_of))
    _curve(board, p, loss, axis, max(3, board.room - 2 - below))
    line = board.picture.line().fit("", axis).add("└", theme.FAINT)
    width = board.width - axis - 1
    line.fit("0%", width - 4, theme.DIM).fit("100%", 4, theme.DIM)
    line = board.picture.line().fit(p_of, axis + 1, theme.TARGET)
    text = bar(p or 0.0, 1.0, width - SHARE)
    line.add(text, theme.TARGET, row).fit(percent(p), SHARE, board.style(row, theme.STRONG), row, right=True)
    if roomy:
        board.picture.line()
    line = board.picture.line().add(event.name, theme.NEW, out).add(" = −log(", theme.DIM)
    line.add(plain(p), theme.TARGET, row).add(") = ", theme.DIM)
    line.add(plain(loss), board.style(out, theme.STRONG), out)
    if frame.backward:
        _slope(board, row, out, name)


def _curve(board: Board, p: float | None, loss: float | None, axis: int, height: int) -> None:
    """Columns as high as −log p at their place from 0 to 100%; that of the target is lit, that of guessing marked."""
    frame, highest = board.frame, _highest(board.frame)
    vocab, width = frame.program.tokenizer.vocab_size, board.width - axis - 1
    out = int(board.operation.rows.flat[0])
    values = [-math.log((x + 0.5) / width) for x in range(width)]
    here = None if p is None or loss is None else min(width - 1, int(p * width))
    guess = min(width - 1, int(width / vocab))
    if here is not None and loss is not None:
        values[here] = loss
    tops = [min(height * 8, round(value / highest * height * 8)) for value in values]
    guessing = math.log(vocab)
    level = min(height - 1, int(guessing / highest * height))
    at_loss = None if loss is None else min(height - 1, max(0, int(loss / highest * height)))
    words = say("operations.loss.guessing", count=vocab, loss=plain(guessing))
    for floor in reversed(range(height)):
        line = board.picture.line()
        if floor == at_loss:
            line.fit(plain(loss), axis, theme.NEW, right=True).add("┤", theme.NEW)
        elif floor == level:
            line.fit(plain(guessing), axis, theme.TEXT, right=True).add("┤", theme.DIM)
        elif floor == height - 1:
            line.fit("−log p", axis, theme.DIM, right=True).add("│", theme.FAINT)
        else:
            line.add(" " * axis).add("│", theme.FAINT)
        x = 0
        while x < width:
            fill = min(8, max(0, tops[x] - floor * 8))
            if floor == level and fill == 0 and x > max(guess, here or 0) + 1 and width - x >= cell_len(words) + 3:
                line.add(" ◂ ", theme.TEXT).add(words, theme.TEXT)
                x = width
                continue
            style = theme.HERE_BAR if x == here else theme.TEXT if x == guess else theme.FAINT
            line.add(EIGHTHS[fill - 1] if fill else " ", style, out if x == here else None)
            x += 1


def _slope(board: Board, row: int, out: int, name: str) -> None:
    """The gradient of the probability: the slope of the curve, times the gradient of the loss."""
    frame = board.frame
    p, arrives, leaves = frame.value(row), frame.gradient(out), frame.gradient(row)
    line = board.picture.line().add(f"{ARRIVES} ▼ ", theme.PHASE_TEXT["backward"])
    line.add(f"∂{board.operation.name} = ", theme.TEXT).add(number(arrives), theme.signed(arrives or 0.0), out)
    line = board.picture.line().add(f"{LEAVES} ▼ ", theme.PHASE_TEXT["backward"])
    line.add(f"∂{say('operations.loss.p_of', name=name)} = −1/p · ∂{board.operation.name}", theme.TEXT)
    line = board.picture.line().add("  −1 / ", theme.DIM).add(plain(p), theme.TARGET, row).add(" · ", theme.DIM)
    line.add(number(arrives), theme.TEXT, out).add(" = ", theme.DIM)
    line.add(number(leaves), board.style(row, theme.signed(leaves or 0.0)), row)
    words = f"   {say('operations.loss.steeper')}"
    line.add(words if line.width + cell_len(words) <= board.width else "", theme.DIM)


def mean(board: Board) -> None:
    """A bar a position, and their mean as a line through all of them."""
    frame, event = board.frame, board.operation
    losses, out = event.operands["losses"].ravel(), int(event.rows.flat[0])
    n, value = len(losses), frame.value(out)
    cells = frame.grad(losses) if frame.backward else frame.data(losses)
    found = np.flatnonzero(losses == frame.selected)
    chosen = int(found[0]) if len(found) else _added(frame, losses.tolist())
    has_positions = n == frame.program.n
    targets = [f"◎{frame.target(t)}" if has_positions and frame.target(t) else "" for t in range(n)]
    names = [f"{frame.numbered_token(t)} → " if targets[t] else f"{t} " for t in range(n)]
    label = max(cell_len(a + b) for a, b in zip(names, targets, strict=True)) + 3
    below = 2 if frame.backward else 1
    tall, gap, first, last = _layout(n, board.height - 1 - below, chosen or 0)
    width = max(1, board.width - label - NUMBER - 2)
    data = frame.data(losses)
    kind = frame.name_of(int(losses[0])) or "losses"
    line = board.picture.line().add(" " * label).fit(f"∂{kind}" if frame.backward else kind, NUMBER, theme.DIM)
    if frame.backward:
        line.most(f"  {say('operations.loss.bars', name=kind)}", board.width - line.width, theme.DIM)
    marked = None if value is None else min(width - 1, int(value / board.scale * width)) if board.scale else None
    for t in range(first, last):
        here = t == chosen and frame.stepping_inside
        line = board.picture.line().add("▸" if t == chosen else " ", theme.NEW)
        line.add(names[t], theme.NEW if here else theme.TEXT).add(targets[t], theme.TARGET).to(label)
        known, number_, row = bool(cells.known[t]), float(cells.values[t]), int(losses[t])
        text = (number(number_) if frame.backward else plain(number_)) if known else "·"
        line.fit(text, NUMBER, board.style(row, theme.STRONG), row, right=True).add(" ")
        if t == chosen:
            board.picture.focus = board.picture.height - 1
        for k in range(tall):
            if k:
                line = board.picture.line().add(" " * (label + NUMBER + 1))
            text = bar(float(data.values[t]), board.scale, width) if data.known[t] else ""
            _bar(line, text, width, marked, row)
        if gap and t < last - 1:
            line = board.picture.line().add(" " * (label + NUMBER + 1))
            _bar(line, "", width, marked, None)
    if (first, last) != (0, n):
        board.say(say("operations.loss.positions", first=first, last=last - 1, count=n))
    if board.room > below:
        board.picture.line()
    _mean_of(board, out, n)
    if frame.backward and frame.selected == out:
        board.latest()
    elif frame.backward:
        sent = int(losses[-1 if chosen is None else chosen])
        grad = frame.gradient(sent)
        line = board.picture.line().add(f"{LEAVES} ▼ ", theme.PHASE_TEXT["backward"])
        line.add(f"∂{kind} = 1 / {n} · ∂{event.name} = ", theme.TEXT)
        line.add(number(grad), theme.signed(grad or 0.0), sent)


def _layout(n: int, room: int, chosen: int) -> tuple[int, bool, int, int]:
    """How many lines each of `n` bars has, whether a line parts them, and the first and the last that are shown.

    There is room between them, and below them, only where all are shown.
    """
    tall = max(1, min(MOST_TALL, (room - 1) // n - 1))
    first, last = (0, n) if n <= room else window(n, max(1, room - 1), chosen)
    return tall, (tall + 1) * n <= room, first, last


def _added(frame: Frame, losses: list[int]) -> int | None:
    """The loss that was added last to the sum; None if all were."""
    terms = frame.explain.terms(frame.view.last_row) if frame.forward and frame.stepping_inside else []
    return losses.index(terms[-1]) if terms and terms[-1] in losses else None


def _bar(line: Line, text: str, width: int, marked: int | None, target: int | None) -> None:
    """A bar with the mark of the mean on it."""
    plus: Style = theme.PLUS
    if marked is None:
        line.add(text, plus, target)
        return
    padded = text.ljust(width)
    line.add(padded[:marked], plus, target).add("│", theme.NEW, target).add(padded[marked + 1 :], plus, target)


def _mean_of(board: Board, out: int, n: int) -> None:
    """The mean in numbers: the sum over the positions, divided by how many there are."""
    frame = board.frame
    children = frame.explain.children(out)
    total = next((row for row in children if frame.explain.terms(row)), None)
    line = board.picture.line().add(board.operation.name, theme.NEW, out).add(" = ", theme.DIM)
    line.add(f"Σ / {say('operations.loss.count')} = " if board.width >= ROOMY_WIDTH else "Σ = ", theme.DIM)
    if total is not None:
        line.add(plain(frame.value(total)), theme.TEXT, total).add(f" / {n} = ", theme.DIM)
    line.add(plain(frame.value(out)), board.style(out, theme.STRONG), out)
