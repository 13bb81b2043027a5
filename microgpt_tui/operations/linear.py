"""A linear layer: every row of the weights times the input, one output a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from engine.autograd.tape import Rows
from engine.immutable import immutable
from engine.timeline.events import Event
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import matrix_name
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import (
    NUMBER,
    Cells,
    diverging,
    edges,
    half_diverging,
    half_row,
    heat_row,
    heat_under,
    window,
)
from microgpt_tui.drawing.numbers import exponent, number, plain, scaled
from microgpt_tui.drawing.picture import Line
from microgpt_tui.operations.canvas import ARRIVES, LEAVES, Board, Legend, first_fitting
from microgpt_tui.operations.row_labels import both_labels, heads_of_columns, linear_rows, over_tokens
from microgpt_tui.texts.say import say

LEAST_BAR, MOST_BAR = 2, 12  # characters on either side of a bar's middle


def linear_legend(frame: Frame) -> Legend:
    """Colours are weights; the scale is that of the matrix."""
    event = frame.operation
    w, x = event.operands["w"], event.operands["x"]
    if frame.backward:
        added = frame.data(x).scale * frame.final_gradient(event.rows)
        return Legend(max(added, frame.scale(w, True, event.matrix)), (say("operations.linear.legend.added"),))
    notes = say("operations.linear.legend.bright_row"), say("operations.linear.legend.strips")
    return Legend(frame.scale(w, False, event.matrix), notes)


@immutable
class _Plan:
    """Where the columns of the picture stand, and how many lines its parts have."""

    margin: int  # characters before the matrix
    size: int  # characters a weight
    half: int  # characters on either side of the outputs' bars
    tall: int  # lines a row of weights; 0: two rows a line
    gaps: bool  # whether a blank line stands between the rows of two heads
    first: int  # rows of weights that are drawn, up to `last`
    last: int
    left: int  # columns that are drawn, up to `right`
    right: int
    sums: bool  # whether the running sum has lines of its own
    brief: bool  # whether the sum stands beside its products, not in a line of its own
    heads: bool  # whether a line names the heads that the input comes from

    @property
    def columns(self) -> slice:
        return slice(self.left, self.right)


def draw_linear(board: Board) -> None:
    """The layer forward, or what it hands back."""
    (_backward if board.frame.backward else _forward)(board)


def _forward(board: Board) -> None:
    """Input above, weights as colour with the row at work lit, outputs on the right; products and their sum below."""
    frame, event = board.frame, board.operation
    w, x, out = event.operands["w"], event.operands["x"], event.rows
    labels = linear_rows(frame, event)
    i = row_at_work(frame, w, out)
    plan = _plan(board, labels, w, i, frame)
    source = frame.program.event_of(int(x[0]))
    size = "" if source is None else source.name
    if plan.heads:
        _heads(board, plan, x)
    board.signed_strip(("x", ""), x[plan.columns], plan.margin, plan.size, (size, _columns(plan, w)))
    _matrix(board, plan, labels, i)
    terms = _terms(frame, out, i)
    if len(terms) == w.shape[1]:
        products = np.array(terms, dtype=np.int32)
        full = max(frame.data(products).scale, frame.data(products + 1).scale)
        figure = number(frame.value(int(out[i])))
        words = ("w·x", first_fitting(plan.margin - 1, say("operations.linear.row", label=labels[i][1]), labels[i][1]))
        notes = (
            (f"Σ = {figure}", "")
            if plan.brief
            else (say("operations.linear.note.upper"), say("operations.linear.note.lower"))
        )
        board.signed_strip(words, products[plan.columns], plan.margin, plan.size, notes, scale=full)
        if plan.sums:  # a running sum is made right after the term that it adds
            sums = (products + 1)[plan.columns]
            board.signed_strip(
                ("Σ", say("operations.linear.so_far")), sums, plan.margin, plan.size, ("", f"= {figure}"), scale=full
            )
    if board.room > 3:
        board.picture.line()
    if not plan.brief:
        _sum(board, w, x, i, terms)


def _backward(board: Board) -> None:
    """From the gradient of the outputs to what each weight and the input get; below, one row of weights so far."""
    frame, event = board.frame, board.operation
    w, x, out = event.operands["w"], event.operands["x"], event.rows
    labels = linear_rows(frame, event)
    target = target_row(frame)
    heads = max(cell_len(head) for head, _ in labels)
    name = max(4, max(cell_len(text) for _, text in labels) + heads + 2)
    rest = board.width - name - NUMBER - 2 * LEAST_BAR - 3
    size = max(1, min(4, rest // w.shape[1]))
    margin_most = board.width - size * min(w.shape[1], rest // size)
    half = max(LEAST_BAR, min(MOST_BAR, (margin_most - name - NUMBER - 3) // 2))
    margin = name + NUMBER + 2 * half + 3
    left, right = window(w.shape[1], max(1, (board.width - margin) // size), _column_at_work(frame, w))
    columns = slice(left, right)
    roomy = board.height >= 22
    room = board.height - (13 if roomy else 6)
    order, left_out, more = _rows_shown(frame, out, w, target, max(1, room))
    chosen = row_at_work(frame, w, out) if _is_chosen(frame, w, out) else order[0]
    source = frame.name_of(int(x[0])) or "x"
    power = exponent(frame.scale(out, True, event.name))
    gradient = f"∂{event.name}" + (f" ×1e{power}" if power else "")
    if roomy:
        line = board.picture.line().add(f"{ARRIVES} ▼", theme.PHASE_TEXT["backward"])
        texts = (
            f"1  {say('operations.linear.each_weight_gets', product=f'∂{event.name} · x')}",
            f"1  {say('operations.linear.each_weight_gets', product='∂ · x')}",
            "1  ∂w = ∂ · x",
        )
        line.to(margin).add(first_fitting(board.width - margin, *texts), theme.TEXT)
    words = (
        (gradient, f"{source} ▸".rjust(margin - 1))
        if roomy
        else (first_fitting(margin - 1, f"{ARRIVES} ▼ {gradient}", gradient), f"x {source} ▸".rjust(margin - 1))
    )
    board.signed_strip(words, x[columns], margin, size)
    added, outs, full = frame.contributed(w), frame.grad(out), frame.scale(out, True, event.name)
    for i in order:
        line = board.picture.line()
        head = next((labels[k][0] for k in range(i, -1, -1) if labels[k][0]), "")
        line.add(f"{head} " if head else "◎" if i == target else " ", theme.TARGET if i == target else theme.DIM)
        style = theme.NEW if i == chosen else theme.TARGET if i == target else theme.TEXT
        line.fit(labels[i][1], name - line.width, style)
        known, row = bool(outs.known[i]), int(out[i])
        value = float(outs.values[i]) if known else 0.0
        sign = theme.signed(value) if known else theme.FAINT
        line.fit(scaled(value if known else None, power), NUMBER, board.style(row, sign), row, right=True)
        diverging(line.add(" "), value, known, full, half, row)
        heat_row(line.add(" "), added[i, columns], size, frame.selected, board.scale)
        if i == chosen:
            board.picture.focus = board.picture.height - 1
    if more and roomy:
        board.say(f"   {more}")
    if roomy:
        board.picture.line()
    words = (
        (f"2  {say('operations.linear.input_gets')}", f"   {say('operations.linear.over_all_rows')}")
        if roomy
        else (first_fitting(margin - 1, f"{LEAVES} ▼ ∂x = Σ w·∂", "∂x = Σ w·∂", "∂x"), left_out)
    )
    board.signed_strip(words, x[columns], margin, size, grad=True)
    if roomy:
        _leaves(board, frame.grad(x), margin, source)
    _row_so_far(board, w[chosen], labels[chosen][1], (margin, size, columns), roomy)


def _leaves(board: Board, back: Cells, margin: int, source: str) -> None:
    """How large the gradient of the input is, and to which tensor it goes, once it is whole."""
    if back.known.all():
        line = board.picture.line().add(f"{LEAVES} ▼", theme.PHASE_TEXT["backward"]).to(margin)
        norm = f"|∂x| {plain(float(np.sqrt(np.sum(back.values**2))))}"
        full = say("operations.linear.goes_to", norm=norm, name=source)
        line.add(first_fitting(board.width - margin, full, norm), theme.DIM)


def target_row(frame: Frame) -> int | None:
    """The row of the token that really came, where the rows stand for tokens."""
    event = frame.operation
    return frame.target_id(event.pos) if over_tokens(frame, event) else None


def _rows_shown(frame: Frame, out: Rows, w: Rows, target: int | None, room: int) -> tuple[list[int], str, str]:
    """Which outputs are drawn: all in order, or those with the largest gradients, the target first.

    With them how many more there are, and the same with how large those are at most.
    """
    if len(out) <= room:
        return list(range(len(out))), "", ""
    grads = frame.grad(out)
    sizes = np.abs(frame.final_gradients(out))  # so that no row moves when a gradient arrives
    sizes = np.where(np.isfinite(sizes), sizes, 0.0)
    order = [int(i) for i in np.argsort(-sizes, kind="stable")]
    if target is not None:
        order = [target, *(i for i in order if i != target)]
    shown, hidden = order[:room], order[room:]
    if _is_chosen(frame, w, out) and (chosen := row_at_work(frame, w, out)) not in shown:
        shown[-1] = chosen
        hidden = [i for i in order if i not in shown]
    more = full = say("operations.linear.more_rows", count=len(hidden))
    if grads.known[hidden].all():
        most = plain(float(sizes[hidden].max()))
        full = say("operations.linear.more_rows_below", count=len(hidden), most=most)
    return shown, more, full


def _is_chosen(frame: Frame, w: Rows, out: Rows) -> bool:
    return bool((w == frame.selected).any() or (out == frame.selected).any())


def _is_of(frame: Frame, row: int, event: Event) -> bool:
    """Whether a row is made in the course of an event."""
    made = frame.program.event_of(row)
    return made is not None and made.place == event.place


def _row_so_far(board: Board, row: Rows, label: str, place: tuple[int, int, slice], roomy: bool) -> None:
    """One row of weights: its gradient before this position, what this position adds, and both together."""
    frame, event = board.frame, board.operation
    margin, size, columns = place
    if not len(row):
        return
    cells = row[columns]
    terms = [[t for t in frame.explain.gradient(int(r)) if _is_of(frame, t.user, event)] for r in cells]
    known = np.array([bool(t) for t in terms])
    parts = [
        (title, np.array([getattr(t[-1], name) if t else 0.0 for t in terms]))
        for title, name in ((say(f"operations.linear.part.{name}"), name) for name in ("before", "product", "after"))
    ]
    matrix = matrix_name(event.matrix or event.name)
    if roomy and board.room >= 4:
        if board.room > 4:
            board.picture.line()
        line = board.picture.line().add(
            first_fitting(
                margin - 1, say("operations.linear.this_step", row=f"{matrix}[{label}]"), f"{matrix}[{label}]"
            ),
            theme.STRONG,
        )
        line.to(margin)
        if known.any():
            words = _positions(frame.program.n, event.pos, frame.view.carried)
            line.add(first_fitting(board.width - line.width, *words), theme.DIM)
        for title, values in parts:
            norm = f"|∂| {plain(float(np.sqrt(np.sum(values**2))))}" if known.all() and margin >= 20 else ""
            line = (
                board.picture.line(f"  {title}", theme.TEXT).to(margin - len(norm) - 2).add(norm, theme.DIM).to(margin)
            )
            heat_row(line, replace(frame.grad(cells), values=values, known=known), size, frame.selected, board.scale)
        return
    j = next((j for j, r in enumerate(cells) if r == frame.selected), int(np.argmax(np.abs(parts[1][1]))))
    if terms[j] and board.room > 0:
        t = terms[j][-1]
        factors, before = f"{number(t.local)} · {number(t.grad)}", f"   {number(t.before)} → "
        product, after, name = number(t.product), number(t.after), frame.explain.name(int(cells[j]))
        room = board.width - sum(map(len, (factors, before, product, after))) - 8
        board.say(
            (f"∂{first_fitting(room, name, name.rpartition('.')[2])} += ", theme.NEW), (factors, theme.TEXT), " = ",
            (product, theme.signed(t.product)), before, (after, theme.STRONG),
        )  # fmt: skip


def _positions(n: int, pos: int | None, carried: str) -> tuple[str, ...]:
    """Which of `n` positions have contributed to the parameters before this one, in more and in fewer words.

    `carried`: what the gradients began with.
    """
    if pos is None:
        return (say("operations.linear.summed.this", before=carried), carried) if carried else ()
    alone = say("operations.linear.summed.alone", pos=pos)
    before = range(n - 1, pos, -1)
    listed = ", ".join(map(str, before))
    if len(listed) > 12:
        listed = say("operations.linear.range", first=before[0], last=before[-1])
    if not listed:
        if carried:
            return say("operations.linear.summed.full", before=carried, pos=pos), alone
        return say("operations.linear.first.full", pos=pos), say("operations.linear.first.short", pos=pos)
    begun = f"{carried}, " if carried else ""
    each, first_to_last = (
        f"{begun}{say('operations.linear.positions', listed=numbers)}"
        for numbers in (listed, say("operations.linear.range", first=before[0], last=before[-1]))
    )
    return (
        say("operations.linear.summed.full", before=each, pos=pos),
        say("operations.linear.summed.short", before=first_to_last, pos=pos),
        alone,
    )  # fmt: skip


def row_at_work(frame: Frame, w: Rows, out: Rows) -> int:
    """The row of the matrix that the selection lies in, or that is being worked on."""
    for rows in (w, out):
        found = np.argwhere(rows == frame.selected)
        if len(found):
            return int(found[0][0])
    return min(frame.element(), len(out) - 1)


def _plan(board: Board, labels: list[tuple[str, str]], w: Rows, i: int, frame: Frame) -> _Plan:
    rows, columns = w.shape
    margin = max(7, max(cell_len(head) + cell_len(name) for head, name in labels) + 2)
    rest = board.width - margin - (NUMBER + 2) - 2 * LEAST_BAR - 1
    size = max(1, min(4, rest // columns))
    if frame.where.digits and columns * NUMBER <= rest:
        size = NUMBER
    left, right = window(columns, max(1, rest // size), _column_at_work(frame, w))
    half = max(1, min(MOST_BAR, (board.width - margin - (right - left) * size - NUMBER - 3) // 2))
    room = board.height - 5  # the input, the products, and the sum in one line at least
    heads = board.height >= 20 and heads_of_columns(frame, board.operation.operands["x"])[0] is not None
    room -= heads
    tall = 2 if 2 * rows <= room and size > 2 else 1
    sums = board.height >= 20 and tall * rows + 2 <= room
    room = max(1, room - 2 * sums)
    if rows > room and not theme.signs_only and not frame.where.digits:
        tall = 0
    parts = sum(bool(head) for head, _ in labels)
    gaps = parts > 1 and tall * rows + parts + 2 <= room and tall > 0
    brief = tall == 0 and room * 2 < rows <= (room + 1) * 2
    room += brief
    if rows > room * (2 if tall == 0 else 1):
        room = max(1, room - 1)  # a line says which rows are drawn
    first, last = window(rows, room * 2 if tall == 0 else room // tall, i)
    return _Plan(margin, size, half, tall, gaps, first, last, left, right, sums, brief, heads)


def _heads(board: Board, plan: _Plan, x: Rows) -> None:
    """Above the input: which head each part of it comes from."""
    line = board.picture.line().add(" " * plan.margin)
    heads = heads_of_columns(board.frame, x)[plan.columns]
    start = 0
    for j in range(1, len(heads) + 1):
        if j == len(heads) or heads[j] != heads[start]:
            width = (j - start) * plan.size
            name, head = "", heads[start]
            maker = board.frame.program.event_of(int(x[plan.columns][start]))
            if head is not None and maker is not None:
                name = board.frame.called_head(head, maker.name, None if width > 7 else 0)
            line.fit(name if width > len(name) else "", width, theme.TEXT)
            start = j


def _column_at_work(frame: Frame, w: Rows) -> int:
    found = np.argwhere(w == frame.selected)
    return int(found[0][1]) if len(found) else 0


def _columns(plan: _Plan, w: Rows) -> str:
    """Which columns are drawn, where not all are."""
    cut = (plan.left, plan.right) != (0, w.shape[1])
    return say("operations.linear.columns", first=plan.left, last=plan.right - 1, count=w.shape[1]) if cut else ""


def _matrix(board: Board, plan: _Plan, labels: list[tuple[str, str]], i: int) -> None:
    frame, event = board.frame, board.operation
    weights = frame.data(event.operands["w"])[:, plan.columns]
    outputs = frame.data(event.rows)
    full = frame.scale(event.rows, name=event.name)
    if plan.tall == 0:
        _half_lines(board, plan, labels, i)
        return
    for r in range(plan.first, plan.last):
        if plan.gaps and r > plan.first and labels[r][0]:
            board.picture.line()
        line = board.picture.line()
        _label(line, labels[r], plan.margin, r == i)
        if r == i:
            board.picture.focus = board.picture.height - 1
        heat_row(line, weights[r], plan.size, frame.selected, board.scale, r == i)
        known, value, target = bool(outputs.known[r]), float(outputs.values[r]), int(outputs.targets[r])
        style = theme.signed(value) if known else theme.FAINT
        left, right = edges(outputs.fresh[r])
        line.add(left, outputs.edge)
        line.fit(number(value if known else None), NUMBER, board.style(target, style), target, right=True)
        diverging(line.add(right, outputs.edge), value, known, full, plan.half, target)
        for _ in range(plan.tall - 1):
            under = board.picture.line().add(" " * plan.margin)
            heat_under(under, weights[r], plan.size, board.scale, r == i)
            diverging(under.add(left + " " * NUMBER + right, outputs.edge), value, known, full, plan.half, target)
    _which_rows(board, plan, len(labels))


def _half_lines(board: Board, plan: _Plan, labels: list[tuple[str, str]], i: int) -> None:
    """Two rows of the matrix in each line, with both outputs' bars; the number is that of the row at work."""
    frame, event = board.frame, board.operation
    weights = frame.data(event.operands["w"])[:, plan.columns]
    outputs = frame.data(event.rows)
    full = frame.scale(event.rows, name=event.name)
    for r in range(plan.first, plan.last, 2):
        pair = range(r, min(r + 2, plan.last))
        line, at = board.picture.line(), i if i in pair else r
        both = labels[r][0], both_labels([labels[k][1] for k in pair], plan.margin - 2)
        _label(line, (labels[r][0], labels[at][1]) if i in pair else both, plan.margin, at == i)
        lower = weights[r + 1] if len(pair) > 1 else None
        half_row(line, weights[r], lower, plan.size, board.scale, frame.selected, (r == i, pair[-1] == i))
        target = int(outputs.targets[at])
        line.add(" ")
        if i in pair:
            board.picture.focus = board.picture.height - 1
            value = frame.value(target)
            style = theme.FAINT if value is None else theme.signed(value)
            line.fit(number(value), NUMBER, board.style(target, style), target, right=True)
        else:
            line.add(" " * NUMBER, None, target)
        values = [float(outputs.values[k]) if outputs.known[k] else None for k in pair]
        half_diverging(line.add(" "), values, full, plan.half, target)
    _which_rows(board, plan, len(labels))


def _which_rows(board: Board, plan: _Plan, n: int) -> None:
    """Which rows are drawn, where not all are."""
    if (plan.first, plan.last) != (0, n):
        board.say(say("operations.linear.rows", first=plan.first, last=plan.last - 1, count=n))


def _label(line: Line, label: tuple[str, str], margin: int, here: bool) -> None:
    head, name = label
    style: Style = theme.NEW if here else theme.DIM
    line.add(head, theme.TEXT).fit(name, margin - cell_len(head) - 1, style, right=True)
    line.add("▸" if here else " ", theme.NEW)


def _terms(frame: Frame, out: Rows, i: int) -> list[int]:
    """The products of a row of weights, in the order of its columns; empty where they cannot be told from the rest."""
    operands, terms = frame.operation.operands, frame.explain.terms(int(out[i]))
    w, x = operands["w"], operands["x"].ravel()
    if len(terms) == w.shape[1] and "b" not in operands:
        return terms
    found = {frozenset(frame.program.children(term)): term for term in terms}
    products = [found.get(frozenset((int(w[i, j]), int(x[j])))) for j in range(w.shape[1])]
    return [product for product in products if product is not None] if None not in products else []


def _sum(board: Board, w: Rows, x: Rows, i: int, terms: list[int]) -> None:
    """The sum of the row at work in words, and its largest products."""
    frame, out = board.frame, int(board.operation.rows[i])
    value = frame.value(out)
    line = board.picture.line().add(frame.explain.name(out), theme.NEW, out).add(" = Σ w·x", theme.DIM)
    bias = board.operation.operands.get("b")
    if bias is not None:
        line.add(" + ", theme.DIM).add(f"b[{i}]", theme.TEXT, int(bias.ravel()[i]))
    line.add(" = ", theme.DIM)
    line.add(number(value), board.style(out, theme.STRONG), out)
    products = frame.data(np.array(terms, dtype=np.int32)) if terms else None
    if products is None or not products.known.any():
        return
    sums = np.array([t + 1 for t in terms if t in frame.program.children(t + 1)], dtype=np.int32)  # after each product
    if value is None and (so_far := frame.data(sums)).known.any():
        made = int(so_far.known.sum())
        last = float(so_far.values[so_far.known][-1])
        made_of = say("operations.linear.sum_so_far", sum=number(last), made=made, count=len(terms))
        board.more(f"   {made_of}")
    largest = np.argsort(-np.abs(np.where(products.known, products.values, 0.0)), kind="stable").tolist()
    order = [j for j in largest if products.known[j]][: max(0, min(4, board.room))]
    if order:
        board.more(f"   {say('operations.linear.most_from')}")
    for j in order:
        a, b, product = frame.used_value(int(w[i, j])), frame.value(int(x[j])), float(products.values[j])
        line = board.picture.line().add(f"  w[{i},{j}]·x[{j}]".ljust(17), theme.DIM)
        line.add(f"{number(a)} · {number(b)} = ", theme.TEXT).add(number(product), theme.signed(product), int(terms[j]))
