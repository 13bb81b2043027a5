"""The update of one parameter: for Adam its gradient, the step and the weights afterwards; else a map a quantity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.cells import cell_len

from engine.immutable import immutable_by_identity
from engine.text import quoted
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import NUMBER, Cells, as_matrix, half_row, heat_row, heat_under, heatmap, window
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.drawing.picture import Line, Picture, beside
from microgpt_tui.drawing.wrapped_text import wrapped
from microgpt_tui.operations.canvas import Board, Legend, first_fitting
from microgpt_tui.operations.row_labels import both_labels, labels_of
from microgpt_tui.texts.say import say

WIDE, CLOSE, NARROW = (11, 11), (9, 7), (3, 3)
"""Characters between the maps, for the words that lead from one to the next; the least of them; without words."""
WIDEST = 4  # characters of a cell of such a map
MAP_GAP, LEAST_MAP = 3, 6  # characters between two maps of `draw_terms`, and of the narrowest
MOST_CELL = 4  # characters of a cell
MOST_HALVES = 6  # half lines of a row of cells
BESIDE = 18  # characters beside a map from which on its title stands there
LEAST_WORDS = 66  # characters of a picture from which on they have


def terms_legend(frame: Frame) -> Legend:
    """As `update_legend`; the cells of `draw_terms` are wide, and so is their mark."""
    return update_legend(frame, "[ ]")


def update_legend(frame: Frame, mark: str = "◆") -> Legend:
    """Each map has a scale of its own, which stands above it; `mark` is how the chosen cell looks."""
    where = frame.where
    chosen = where.cell is not None or where.row is not None or frame.stepping_inside
    largest = frame.event.is_parameter and not chosen
    marked = say("operations.update.legend.largest" if largest else "operations.update.legend.chosen")
    return Legend(0.0, (f"{mark} {marked}", *_again(frame)))


def _again(frame: Frame) -> tuple[str, ...]:
    after = loss_after(frame)
    if after is None:
        return ()
    return (say("operations.update.legend.again", before=plain(frame.view.loss), after=plain(after)),)


def loss_after(frame: Frame) -> float | None:
    """The loss of the step's document under its new weights; None before the update is complete."""
    copy, done = frame.around.copy, frame.moment.tick == frame.program.ticks(Phase.UPDATE)
    return copy.loss_after() if copy and done and frame.phase is Phase.UPDATE and not frame.around.live else None


def draw_terms(board: Board) -> None:
    """A map for each quantity of the optimizer, side by side where they fit; then the lines for the selected number."""
    frame, rows = board.frame, as_matrix(board.frame.event.rows)
    update = frame.view.update(frame.selected)
    maps, terms = frame.view.update_maps(rows), () if update is None else update.terms
    formulas = [wrapped(f"{t.name} = {t.formula} = {number(t.value)}", board.width, "  ") for t in terms]
    lines = sum(map(len, formulas))
    if 3 * lines > board.height:  # the pane of one weight has them too
        formulas, lines = [], 0
    across, width, height = _arranged(rows.shape, len(maps), board.width, board.height - lines)
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
    for term, formula in zip(terms, formulas, strict=False):
        value = number(term.value)
        for text in formula[:-1]:
            board.picture.line().add(text, theme.TEXT)
        line = board.picture.line().add(formula[-1].removesuffix(value), theme.TEXT)
        line.add(value, theme.signed(term.value))


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


@immutable_by_identity
class _Map:
    """One map: of what, its cells, what fills one of them, the words that lead on, and those `told` under it."""

    what: str
    cells: Cells
    scale: float
    words: tuple[str, ...]
    told: str = ""

    @property
    def titles(self) -> tuple[str, str, str]:
        """Its title: in full, in a word, in a letter."""
        full, word, letter = (say(f"operations.update.title.{self.what}.{size}") for size in ("full", "word", "letter"))
        return full, word, letter

    @property
    def under(self) -> str:
        """The words under it."""
        return self.told or say(f"operations.update.under.{self.what}")


def draw_update(board: Board) -> None:
    """Three maps from left to right (one below the other where the matrix is wide), with one weight marked in all."""
    frame = board.frame
    after = loss_after(frame)
    maps = _maps(frame)
    rows, columns = maps[0].cells.values.shape
    names = labels_of(frame, frame.event.name)
    margin = max(cell_len(name) for name in names) + 2
    height = board.height - (after is not None)
    between = WIDE if board.width >= LEAST_WORDS else NARROW
    each, closer = ((board.width - margin - sum(gaps)) // 3 for gaps in (between, CLOSE))
    if between == WIDE and each // columns < min(closer // columns, MOST_CELL):  # larger cells that way
        between, each = CLOSE, closer
    if between == CLOSE:  # what cells leave over parts the words from the maps
        spare = board.width - margin - sum(between) - 3 * columns * _size(frame, columns, each)
        between = (between[0] + (spare > 0), between[1] + (spare > 1))
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
                leads = part.words if between != NARROW else ()
                picture = beside(picture, _between(leads, between[place], drawn.height), 0)
        line = picture.line()
        top, bottom = window(rows, 2 * (height - 2) // _halves(frame, rows, columns, each, 2 * (height - 2)), i)
        first = maps[0].under
        if (top, bottom) != (0, rows):
            first = say("operations.update.rows", first=top, last=bottom - 1)
        under = [first, *(part.under for part in maps[1:])]
        for words, start, end in zip(under, starts, [*starts[1:], board.width + 1], strict=True):
            if start + cell_len(words) < end:
                line.to(start).add(words, theme.DIM)
        board.picture.below(picture)
    else:
        if after is not None and (height // 3 - 1) * 2 < rows:
            height, told = board.height, _after_words(frame, after)
            maps[-1] = replace(maps[-1], told=told)  # beside a title, where it takes no line of the maps
            after = None
        for part in maps:
            board.picture.below(_drawn(board, part, names, board.width - margin, height // 3 - 1, (i, j), part.under))
    if after is not None:
        before = frame.view.loss
        name, figures = quoted(frame.program.doc), f"{plain(before)} → {plain(after)}"
        texts = (
            say("operations.update.again.full", name=name),
            say("operations.update.again.named", name=name),
            say("operations.update.again.same"),
        )
        text = first_fitting(board.width - len(figures) - 1, *texts) or say("operations.update.again.short")
        line = board.picture.line().add(f"{text} ", theme.TEXT)
        line.add(plain(before), theme.STRONG).add(" → ", theme.DIM)
        line.add(plain(after), theme.DONE if before is not None and after < before else theme.WARNING)


def _after_words(frame: Frame, after: float) -> str:
    again = say("operations.update.again.named", name=quoted(frame.program.doc))
    return f"{again} {plain(frame.view.loss)} → {plain(after)}"


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
        say("operations.update.leads.old", share=old),
        say("operations.update.leads.new", share=100 - old),
        "",
        "v",
        say("operations.update.leads.old", share=new),
        say("operations.update.leads.new_squared", share=100 - new),
        "",
        "──▶",
    )
    return [
        _Map("gradient", g, scales[0], words),
        _Map("step", step, scales[1], ("", "", "", "w +", say("operations.update.leads.step"), "", "──▶")),
        _Map("weight", moved, scales[2], ()),
    ]


def _drawn(
    board: Board, part: _Map, names: list[str], width: int, height: int, at: tuple[int, int], note: str = ""
) -> Picture:
    """One map after its title, in so many lines, cut around the chosen weight to what fits.

    Where much room is left at its right, the title stands there, and the map has its line as well.
    """
    frame, cells = board.frame, part.cells
    rows, columns = cells.values.shape
    size = _size(frame, columns, width)
    beside_it = width - columns * size - 2
    aside = bool(note) and beside_it >= BESIDE
    room = 2 * height + aside  # half lines; beside its title a map has a line more, less a gap before the next one
    halves = _halves(frame, rows, columns, width, room)
    top, bottom = window(rows, max(1, room // halves), at[0])
    left, right = window(columns, max(1, width // size), at[1])
    margin = max(cell_len(name) for name in names) + 2 if names else 0
    shown = _Shown(part, top, bottom, slice(left, right), size, halves, margin)
    cut = []
    if (top, bottom) != (0, rows):
        cut.append(say("operations.update.rows", first=top, last=bottom - 1))
    if (left, right) != (0, columns):
        cut.append(say("operations.update.columns", first=left, last=right - 1))
    which = " · ".join(cut)
    scale, in_short = f" ±{plain(part.scale)}", f" ±{plain(part.scale, 1)}"
    if aside:
        picture = _rows(board, shown, names, at[0])
        title = first_fitting(beside_it, *(f"{title}{scale}" for title in part.titles[:2]))
        told = [title, *wrapped(note, beside_it), which]
        for i, (line, text) in enumerate(zip(picture.lines, told, strict=False)):
            line.to(margin + columns * size + 2).add(text, theme.DIM if i else theme.STRONG)
        picture.lines += [Line() for _ in range(height + 1 - picture.height)]
        return picture
    title = first_fitting(width - len(scale), *part.titles)
    if not title:
        title, scale = part.titles[-1], first_fitting(width - len(part.titles[-1]), scale, in_short)
    picture = Picture()
    line = picture.line(" " * margin).add(title, theme.STRONG).add(scale, theme.DIM)
    for text in (f" · {which}" if which else "", f"   {note}" if note else ""):
        line.add(text if cell_len(text) <= width + margin - line.width else "", theme.DIM)
    return picture.below(_rows(board, shown, names, at[0]))


@immutable_by_identity
class _Shown:
    """What of a map is drawn, and how: rows and columns, characters of a cell, half lines of a row, those of labels."""

    part: _Map
    top: int
    bottom: int
    columns: slice
    size: int
    halves: int
    margin: int


def _rows(board: Board, shown: _Shown, names: list[str], chosen: int) -> Picture:
    """The rows of a map, without its title."""
    selected, picture = board.frame.selected, Picture()
    cells, size, scale = shown.part.cells[:, shown.columns], shown.size, shown.part.scale
    named: set[int] = set()
    for half in range(0, (shown.bottom - shown.top) * shown.halves, 2):
        upper, lower = (shown.top + at // shown.halves for at in (half, half + 1))
        line, inside = picture.line(), lower < shown.bottom
        pair = [row for row in sorted({upper, lower}) if row < shown.bottom]
        if names and (shown.halves == 1 or (upper == lower and upper not in named)):
            here = chosen in pair
            label = _named(names, upper, chosen) if here else both_labels([names[i] for i in pair], shown.margin - 2)
            line.fit(label, shown.margin - 2, theme.NEW if here else theme.DIM, right=True)
            line.add("▸ " if here else "  ", theme.NEW)
        line.to(shown.margin)
        if upper != lower:
            marked = selected if shown.halves == 1 else None
            half_row(line, cells[upper], cells[lower] if inside else None, size, scale, marked)
        elif upper in named:
            heat_under(line, cells[upper], size, scale)
        else:
            heat_row(line, cells[upper], size, selected, scale)
            named.add(upper)
    return picture


def _named(names: list[str], first: int, i: int) -> str:
    """The label of row i in a line that begins with the `first`; the head that this one names stands before it too."""
    head = names[first].removesuffix(str(first))
    return head + names[i] if i != first and head.endswith(" ") and names[i] == str(i) else names[i]


def _size(frame: Frame, columns: int, width: int) -> int:
    """The characters of a cell."""
    if frame.where.digits and columns * NUMBER <= width:
        return NUMBER
    return max(1, min(MOST_CELL, width // columns))


def _halves(frame: Frame, rows: int, columns: int, width: int, room: int) -> int:
    """The half lines of a row of cells, of so many: whole lines where it is told by characters, two for narrow ones."""
    size = _size(frame, columns, width)
    most = MOST_HALVES if size > 1 else 2
    if theme.signs_only or frame.where.digits:
        return 2 * max(1, min(most // 2, room // 2 // rows))
    return max(1, min(most, room // rows))


def _between(words: tuple[str, ...], width: int, height: int) -> Picture:
    """The words between two maps."""
    picture = Picture()
    for word in words[:height]:
        style = theme.PHASE_TEXT["update"] if "▶" in word else theme.STRONG if len(word) == 1 else theme.DIM
        picture.line(" ").fit(word, width - 1, style)
    return picture if picture.lines else Picture([Picture().line(" " * width)])
