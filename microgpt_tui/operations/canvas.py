"""`Board`: what every drawing of an operation is made with: strips of bars, tables, sums, and where to look."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.style import Style

from engine.autograd.tape import Rows
from engine.immutable import immutable
from engine.timeline.events import Event
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import Cells, bar, signed_strip, window
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.drawing.wrapped_text import wrapped
from microgpt_tui.texts.say import say

FIGURE = 9  # cells for a number
Piece = tuple[str, Style, Hashable]  # of a calculation: its text, and what it stands for
MOST_TERMS = 4  # of a gradient, before the last one
LEAST_FORMULA = 24  # cells that a formula has beside a name
ARRIVES, LEAVES = say("operations.canvas.arrives"), say("operations.canvas.leaves")
"""What is said of a gradient that comes to an operation, and of one that goes on from it."""


@immutable
class Legend:
    """How to read the colours of a picture: the magnitude of a full one, and what else its signs mean, in few words.

    `bar` says what a full bar is, in a picture of bars that have no sign, and `bar_style` how they look, if not as
    positive numbers do; `shares` that colours are shares of 1. Of a
    picture without a scale, `words` are all that there is to say, each as it looks.
    """

    scale: float
    notes: tuple[str, ...] = ()
    bar: str = ""
    bar_style: Style | None = None
    shares: bool = False
    words: tuple[tuple[str, Style], ...] = ()


@dataclass(eq=False)
class Board:
    """A picture in the making of a frame's operation, for so many cells. `scale` fills a cell of it."""

    frame: Frame
    width: int
    height: int
    scale: float = 0.0
    picture: Picture = field(default_factory=Picture)

    @property
    def operation(self) -> Event:
        """What is drawn: what made the event's tensor or, in the backward phase, what its gradient came through."""
        return self.frame.operation

    @property
    def room(self) -> int:
        """Lines that are left."""
        return self.height - self.picture.height

    def style(self, row: int, otherwise: Style) -> Style:
        """How a scalar's number is drawn: under the cursor, or as it would be otherwise."""
        return theme.CURSOR if row == self.frame.selected else otherwise

    def say(self, *parts: str | tuple[str, Style]) -> Line:
        """A new line of words."""
        line = self.picture.line()
        for part in parts:
            text, style = (part, theme.DIM) if isinstance(part, str) else part
            line.most(text, self.width - line.width, style)
        return line

    def more(self, *parts: str | tuple[str, Style]) -> None:
        """Words at the end of the last line, if all of them fit."""
        line = self.picture.lines[-1]
        pairs = [(part, theme.DIM) if isinstance(part, str) else part for part in parts]
        if line.width + sum(cell_len(text) for text, _ in pairs) <= self.width:
            for text, style in pairs:
                line.add(text, style)

    def note(self, text: str, style: Style | None = None) -> None:
        """A remark, over as many lines as it needs and as there are."""
        for line in wrapped(text, self.width)[: max(self.room, 1)]:
            self.picture.line(line, style or theme.DIM)

    def signed_strip(
        self, words: tuple[str, str], rows: Rows, margin: int, size: int, notes: tuple[str, str] = ("", ""),
        grad: bool = False, scale: float | None = None, style: Style | None = None,
    ) -> None:  # fmt: skip
        """Two lines of bars on one axis, with two lines of words before and after them.

        The bars fill the scale of their own tensor: their heights are compared with each other, not with colours.
        """
        cells = self.frame.grad(rows) if grad else self.frame.data(rows)
        upper, lower = self.picture.line(), self.picture.line()
        upper.fit(words[0], margin, style or theme.STRONG)
        lower.fit(words[1], margin, theme.DIM)
        full = self.frame.scale(rows, grad) if scale is None else scale
        signed_strip((upper, lower), cells, size, full, self.frame.selected)
        for line, note in zip((upper, lower), notes, strict=True):
            if note:
                line.add(" ").most(note, self.width - line.width, theme.DIM)

    def table(
        self, columns: Sequence[tuple[str, Cells]], names: Sequence[str], index: int, room: int, bars: bool = False
    ) -> None:
        """One line an element, a number a column; cut around `index` to `room` lines. The last column may get bars.

        Where not all columns fit, those between the first and the last go.
        """
        widest = names_width(names)
        while len(columns) > 2 and widest + sum(max(FIGURE, cell_len(title) + 2) for title, _ in columns) > self.width:
            columns = [columns[0], *columns[2:]]
        titles = [max(FIGURE, cell_len(title) + 2) for title, _ in columns]
        header = self.picture.line().fit("", widest)
        for (title, _), size in zip(columns, titles, strict=True):
            header.fit(title, size, theme.DIM, right=True)
        room -= len(names) > room - 1  # a line says which of them are shown
        first, last = window(len(names), max(1, room - 1), index)
        left = self.width - widest - sum(titles) - 2
        for i in range(first, last):
            line = self.picture.line()
            chosen = i == index
            if chosen:
                self.picture.focus = self.picture.height - 1
            line.fit(f"{'▸' if chosen else ' '}{names[i]}", widest, theme.NEW if chosen else theme.TEXT)
            for (_, cells), size in zip(columns, titles, strict=True):
                self._figure(line, cells, i, size)
            cells = columns[-1][1]
            if bars and left > 3 and cells.known[i]:
                value = float(cells.values[i])
                line.add("  ").add(
                    bar(abs(value), cells.scale, min(left, 24)), theme.signed(value), int(cells.targets[i])
                )
        if (first, last) != (0, len(names)):
            self.say(f"  {say('operations.canvas.lines', first=first, last=last - 1, count=len(names))}")

    def _figure(self, line: Line, cells: Cells, i: int, size: int) -> None:
        known, target = bool(cells.known[i]), int(cells.targets[i])
        value = float(cells.values[i])
        style = self.style(target, theme.signed(value) if known else theme.FAINT)
        line.fit("", 1).fit(number(value if known else None), size - 1, style, target, right=True)

    def figure(self, row: int) -> Piece:
        """A scalar's number, as a piece of a calculation."""
        return number(self.frame.value(row)), self.style(row, theme.TEXT), row

    def calculation(self, out: int, *pieces: Piece) -> None:
        """A scalar's name, how it is calculated, and what it comes to; where there is little room, without the name, in
        two lines, or only what it comes to.
        """
        name, value = self.frame.explain.name(out), number(self.frame.value(out))
        whole = sum(cell_len(text) for text, _, _ in pieces) + cell_len(f"=  = {value}")
        if whole > self.width and self.room < 2:
            pieces = ()
        line = self.picture.line()
        if not pieces or cell_len(name) + 1 + whole <= self.width:
            line.most(name, self.width - cell_len(f" = {value}"), theme.NEW, out).add(" ")
        if pieces:
            line.add("= ", theme.DIM)
            for text, style, target in pieces:
                line.add(text, style, target)
            line = self.picture.line(" ") if whole > self.width else line.add(" ")
        line.add("= ", theme.DIM).add(value, self.style(out, theme.STRONG), out)

    def equation(self, row: int, name: str = "") -> None:
        """A scalar's formula in numbers, and what it comes to, after its name if there is room for one."""
        frame = self.frame
        pieces = frame.explain.formula(row)
        if len(frame.explain.terms(row)) > 1:  # of a running sum, what the last tick did
            before, term = frame.explain.children(row)
            pieces = [before, " + ", term]
        parts = [p if isinstance(p, str) else number(frame.value(p)) for p in pieces]
        value, formula = number(frame.value(row)), "".join(parts)
        name = name if cell_len(name) + len(value) + min(len(formula), LEAST_FORMULA) + 7 <= self.width else ""
        room = self.width - len(value) - 6 - cell_len(name)
        line = self.picture.line().add(f"{name} " if name else "", theme.NEW, row).add("= ", theme.DIM)
        if room > 5:
            line.add(_whole_terms(formula, room), theme.TEXT).add(" = ", theme.DIM)
        line.add(value, self.style(row, theme.STRONG), row)

    def latest(self) -> None:
        """In the backward phase: the last `+=`, with its numbers."""
        frame = self.frame
        if not frame.backward:
            return
        terms = frame.explain.gradient(frame.selected)
        name = frame.explain.name(frame.selected)
        if not terms:
            instead = frame.no_gradient(frame.selected)
            words = say("operations.canvas.of_loss") if instead is None else f"∂{name}: {instead}"
            self.picture.line().most(words, self.width, theme.TEXT, frame.selected)
            return
        term = terms[-1]
        before, after = number(term.before), number(term.after)
        room = self.width - cell_len(f"{before} → {after}")
        line = self.picture.line().most(f"∂{name} ", room, theme.NEW, frame.selected)
        line.add(before, theme.TEXT).add(" → ", theme.DIM).add(after, theme.STRONG)
        place = say("operations.canvas.term", place=len(terms), count=frame.explain.planned(frame.selected))
        self.more(f"   {place}")
        via = f" {say('operations.canvas.via')} "
        self.picture.line("  += ", theme.DIM).add(f"{number(term.local)} · {number(term.grad)}", theme.TEXT)
        self.more(via, (frame.explain.name(term.user), theme.TEXT))
        for term in terms[-2::-1][: min(MOST_TERMS, self.room - 2)] if self.room > 3 else ():
            product = f"+= {number(term.local)} · {number(term.grad)}"
            self.picture.line(f"  {say('operations.canvas.before')} {product}", theme.DIM)
            self.more(via, frame.explain.name(term.user))


def _whole_terms(formula: str, room: int) -> str:
    """A formula in numbers in so many cells: no number is cut, what does not fit is left out."""
    if len(formula) <= room:
        return formula
    joint = ", " if formula.startswith("−max(") else " + "
    end = formula.rfind(joint, 0, max(0, room - 2))
    left_out = f"{joint}…{')' if joint == ', ' else ''}"
    while end > 0 and end + len(left_out) > room:
        end = formula.rfind(joint, 0, end)
    return formula[:end] + left_out if end > 0 else "…"


def names_width(names: Sequence[str]) -> int:
    """Cells for the column of names of a table."""
    return max([cell_len(name) for name in names] + [3]) + 2


def element_labels(n: int) -> list[str]:
    """Element names 0, 1, 2, ..."""
    return [str(i) for i in range(n)]


def first_fitting(width: int, *texts: str) -> str:
    """The first of some texts that fits into `width` characters; nothing if none does."""
    return next((text for text in texts if cell_len(text) <= width), "")
