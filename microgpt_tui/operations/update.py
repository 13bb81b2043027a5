"""The update of one parameter: for Adam its gradient, the step and the weights afterwards; else a map a quantity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rich.cells import cell_len

from engine.text import quoted
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import NUMBER, Cells, as_matrix, half_row, heat_row, heat_under, heatmap, window
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.drawing.picture import Picture, beside
from microgpt_tui.operations.canvas import Board, Legend
from microgpt_tui.operations.row_labels import both_labels, labels_of

BETWEEN, CLOSE = 11, 9  # characters between two maps, for the words that lead from one to the next; the least of them
NARROW = 3  # where these words have no room
WIDEST = 4  # characters of a cell of such a map
MAP_GAP, LEAST_MAP = 3, 6  # characters between two maps of `draw_terms`, and of the narrowest
MOST_CELL = 4  # characters of a cell
LEAST_WORDS = 66  # characters of a picture from which on they have


def update_legend(frame: Frame) -> Legend:
    """Each map has a scale of its own, which stands above it."""
    where = frame.where
    chosen = where.cell is not None or where.row is not None or frame.stepping_inside
    rule = "" if chosen or not frame.event.is_parameter else ": the largest step when first shown"
    return Legend(0.0, (f"◆ the weight below{rule}", *_again(frame)))


def _again(frame: Frame) -> tuple[str, ...]:
    after = loss_after(frame)
    return () if after is None else (f"same document again: {plain(frame.view.loss)} → {plain(after)}",)


def loss_after(frame: Frame) -> float | None:
    """The loss of the step's document under its new weights; None before the update is complete."""
    copy, done = frame.around.copy, frame.moment.tick == frame.program.ticks(Phase.UPDATE)
    return copy.loss_after() if copy and done and frame.phase is Phase.UPDATE and not frame.around.live else None


def draw_terms(board: Board) -> None:
    """A map for each quantity of the optimizer, side by side where they fit; then the lines for the selected number."""
    frame, rows = board.frame, as_matrix(board.frame.event.rows)
    update = frame.view.update(frame.selected)
    maps, terms = frame.view.update_maps(rows), () if update is None else update.terms
    terms = terms if 3 * len(terms) <= board.height else ()  # the pane of one weight has them too
    across, width, height = _arranged(rows.shape, len(maps), board.width, board.height - len(terms))
    size = max(2, min(WIDEST, width // max(rows.shape[1], 1)))
    names = list(maps)
    for first in range(0, len(names), across):
        band = Picture()
        for place, name in enumerate(names[first : first + across]):
            own = Picture()
            own.line().most(name, width, theme.STRONG)
            own.below(heatmap(frame.cells(maps[name], rows), size, width, height, frame.selected))
            for line in own.lines:
                line.to(width)
            band = beside(band, own, MAP_GAP) if place else own
        board.picture.below(band)
    for term in terms:
        line = board.picture.line().most(f"{term.name} = {term.formula} = ", board.width, theme.TEXT)
        line.most(number(term.value), board.width - line.width, theme.signed(term.value))


def _arranged(shape: tuple[int, ...], count: int, width: int, height: int) -> tuple[int, int, int]:
    """How many maps stand side by side so that most of each is seen, and the cells that each gets for its numbers."""
    rows, columns = shape
    best = (0, 0, 0, 0)
    for across in range(1, count + 1):
        each = (width - (across - 1) * MAP_GAP) // across
        high = height // -(-count // across) - 1
        if each < 2 or high < 1:
            continue
        seen = min(each // 2, columns) * min(high, rows)
        best = max(best, (seen, across, min(each, max(WIDEST * columns, LEAST_MAP)), high))
    return best[1:] if best[0] else (1, width, 2)


@dataclass(frozen=True, slots=True, eq=False)
class _Map:
    """One map: its title, its cells, what fills one of them, the words under it and those that lead to the next."""

    title: str
    cells: Cells
    scale: float
    under: str
    words: tuple[str, ...]


def draw_update(board: Board) -> None:
    """Three maps from left to right (one below the other where the matrix is wide), with one weight marked in all."""
    frame = board.frame
    after = loss_after(frame)
    maps = _maps(frame)
    rows, columns = maps[0].cells.values.shape
    names = labels_of(frame, frame.event.name)
    margin = max(cell_len(name) for name in names) + 2
    height = board.height - (after is not None)
    between = BETWEEN if board.width >= LEAST_WORDS else NARROW
    each = (board.width - margin - 2 * between) // 3
    closer = (board.width - margin - 2 * CLOSE) // 3
    if between == BETWEEN and each // columns < min(closer // columns, MOST_CELL):  # larger cells that way
        between, each = CLOSE, closer
    across = min(each, columns) * min((height - 2) * 2, rows)
    down = min(board.width - margin, columns) * min((height // 3 - 1) * 2, rows)
    chosen = np.argwhere(maps[0].cells.targets == frame.selected)
    i, j = (int(chosen[0][0]), int(chosen[0][1])) if len(chosen) else (0, 0)
    if across >= down:
        picture, starts = Picture(), []
        for place, part in enumerate(maps):
            starts.append(picture.width if place else margin)
            drawn = _drawn(board, part, names if place == 0 else [], each, height - 2, (i, j))
            picture = beside(picture, drawn, 0) if place else drawn
            if place < 2:
                picture = beside(picture, _between(part.words if between >= CLOSE else (), between, drawn.height), 0)
        line = picture.line()
        _, top, bottom = _rows_shown(frame, rows, height - 2, i)
        first = maps[0].under if (top, bottom) == (0, rows) else f"rows {top}–{bottom - 1}"
        under = [first, *(part.under for part in maps[1:])]
        for words, start, end in zip(under, starts, [*starts[1:], board.width + 1], strict=True):
            if start + cell_len(words) < end:
                line.to(start).add(words, theme.DIM)
        board.picture.below(picture)
    else:
        if after is not None and (height // 3 - 1) * 2 < rows:
            height, told = board.height, _after_words(frame, after)
            maps[-1] = replace(maps[-1], under=told)  # beside a title, where it takes no line of the maps
            after = None
        for part in maps:
            board.picture.below(_drawn(board, part, names, board.width - margin, height // 3 - 1, (i, j), part.under))
    if after is not None:
        before = frame.view.loss
        name, figures = quoted(frame.program.doc), f"{plain(before)} → {plain(after)}"
        texts = (f"{name} again, with the new weights: loss ", f"{name} again: loss ", "the same again: loss ")
        fitting = [text for text in texts if cell_len(text + figures) <= board.width]
        line = board.picture.line().add(fitting[0] if fitting else "again: ", theme.TEXT)
        line.add(plain(before), theme.STRONG).add(" → ", theme.DIM)
        line.add(plain(after), theme.DONE if before is not None and after < before else theme.WARNING)


def _after_words(frame: Frame, after: float) -> str:
    return f"{quoted(frame.program.doc)} again: loss {plain(frame.view.loss)} → {plain(after)}"


def _maps(frame: Frame) -> list[_Map]:
    rows, name = as_matrix(frame.event.rows), frame.event.name
    found = frame.view.update_maps(rows)
    g, delta, p = (frame.cells(found[key], rows) for key in ("g", "delta", "p"))
    step = Cells(-delta.values, delta.known, delta.targets, delta.fresh, delta.digits, delta.fading)
    moved = Cells(p.values, delta.known, p.targets, p.fresh, p.digits, p.fading)
    copy = frame.around.copy
    extents = None if copy is None or frame.around.live else copy.extents()
    extent = None if extents is None else extents.get(name)
    scales = (g.scale, step.scale, p.scale) if extent is None else (extent.grad, extent.step, extent.data + extent.step)
    config = frame.config
    old, new = 100 * config.beta1, 100 * config.beta2
    words = (
        "",
        "m",
        f"{old:g} % old",
        f"{100 - old:.3g} % new",
        "",
        "v",
        f"{new:g} % old",
        f"{100 - new:.3g} % new²",
        "",
        "──▶",
    )
    return [
        _Map("gradient g", g, scales[0], "sum over positions", words),
        _Map("step", step, scales[1], "−rate · m^/√v^", ("", "", "", "w + step", "", "──▶")),
        _Map("weight", moved, scales[2], "used from now on", ()),
    ]


def _drawn(
    board: Board, part: _Map, names: list[str], width: int, height: int, at: tuple[int, int], note: str = ""
) -> Picture:
    """One map in so many lines after its title, cut around the chosen weight to what fits."""
    frame, cells = board.frame, part.cells
    rows, columns = cells.values.shape
    size = max(1, min(MOST_CELL, width // columns))
    if frame.where.digits and columns * NUMBER <= width:
        size = NUMBER
    tall = 2 if size > 1 and 2 * rows <= height else 1
    halves, top, bottom = _rows_shown(frame, rows, height, at[0])
    left, right = window(columns, max(1, width // size), at[1])
    margin = max(cell_len(name) for name in names) + 2 if names else 0
    picture = Picture()
    cut = "" if (top, bottom) == (0, rows) else f" · rows {top}–{bottom - 1}"
    cut += "" if (left, right) == (0, columns) else f" · columns {left}–{right - 1}"
    scale = f" ±{plain(part.scale)}"
    title = next((t for t in (part.title, part.title.split()[0]) if len(t) + len(scale) <= width), part.title[0])
    line = picture.line(" " * margin).add(title, theme.STRONG).add(scale, theme.DIM)
    for text in (cut, f"   {note}" if note else ""):
        line.add(text if cell_len(text) <= width + margin - line.width else "", theme.DIM)
    for r in range(top, bottom, 2 if halves else 1):
        line = picture.line()
        here = at[0] in ((r, r + 1) if halves else (r,))
        if names:
            pair = names[r : min(r + 2, bottom)] if halves else names[r : r + 1]
            label = _named(names, r, at[0]) if here else both_labels(pair, margin - 2)
            line.fit(label, margin - 2, theme.NEW if here else theme.DIM, right=True)
            line.add("▸ " if here else "  ", theme.NEW)
        if halves:
            lower = cells[r + 1, left:right] if r + 1 < bottom else None
            half_row(line, cells[r, left:right], lower, size, part.scale, frame.selected)
        else:
            heat_row(line, cells[r, left:right], size, frame.selected, part.scale)
        for _ in range(tall - 1):
            heat_under(picture.line(" " * margin), cells[r, left:right], size, part.scale)
    return picture


def _named(names: list[str], first: int, i: int) -> str:
    """The label of row i in a line that begins with the `first`; the head that this one names stands before it too."""
    head = names[first].removesuffix(str(first))
    return head + names[i] if i != first and head.endswith(" ") and names[i] == str(i) else names[i]


def _rows_shown(frame: Frame, rows: int, height: int, i: int) -> tuple[bool, int, int]:
    """Whether a line holds two rows of a map, and which rows are drawn in so many lines: those around row i."""
    halves = rows > height and not theme.signs_only and not frame.where.digits
    return halves, *window(rows, height * 2 if halves else height, i)


def _between(words: tuple[str, ...], width: int, height: int) -> Picture:
    """The words between two maps."""
    picture = Picture()
    for word in words[:height]:
        style = theme.PHASE_TEXT["update"] if "▶" in word else theme.STRONG if len(word) == 1 else theme.DIM
        picture.line(" ").fit(word, width - 1, style)
    return picture if picture.lines else Picture([Picture().line(" " * width)])
