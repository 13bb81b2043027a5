"""One scalar: its value, the numbers that it is made of and those that use it, and what made its gradient."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from rich.cells import cell_len

from engine.timeline.events import Event, Phase
from engine.timeline.explainer import Term
from engine.timeline.update import AdamStep, UpdateStep
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import exact, number, percent, plain
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.drawing.styled_text import marked, styled
from microgpt_tui.drawing.wrapped_text import wrapped
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.operations.canvas import first_fitting
from microgpt_tui.operations.row_labels import linear_rows
from microgpt_tui.panes.adam import WORDS
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.say import say

FUNCTIONS = ("exp", "log")  # operations whose sign says what they are
PRODUCT = "×"  # what `Explainer.operation` calls a product
FIGURE = 8  # characters for a number
BORDER = 2  # characters of a line that the title has no room for
USUAL = 30  # characters of a line at 120 columns
WIDEST = 64  # characters of a line: names and numbers stay near to each other
FACTORS = 48  # characters of a line from which on products are written out
TERMS = 5  # terms of a gradient that are listed before the rest is only counted
TALL = 20  # lines from which on the value below a gradient is written in full
LEAST_PATH = 4  # lines


class Inspector(Pane):
    """The selected scalar; in the backward phase its gradient comes first."""

    TITLE = pane_title("inspector")

    def heading(self, frame: Frame) -> str:
        title, room = f"{self.TITLE} ─ {_title(frame)}", (self.content_size.width or USUAL) - BORDER
        places = [" · ".join(_places(frame, short)) for short in (None, "h")]
        return next((f"{title} · {p}" for p in places if p and cell_len(title) + cell_len(p) + 3 <= room), title)

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture, row, width = Picture(), frame.selected, min(width, WIDEST)
        if cell_len(f"{self.TITLE} ─ {_title(frame)}") > width - BORDER:  # the border has no room for it
            for part in wrapped(_title(frame), width, "  "):
                picture.line(part, theme.NEW)
        if frame.backward:
            picture.below(_gradient(frame, row, width, height))
            _headed(picture, say("panes.inspector.value"), frame.value(row), width, full=height >= TALL)
            return picture.below(_making(frame, row, width, max(height - 2, 9)))
        _value(picture, frame, row, width)
        if frame.phase is Phase.UPDATE and row < frame.program.n_params:
            update = frame.view.update(row)
            picture.below(_update(update, width) if update else _words(say("panes.inspector.waits"), width))
        picture.below(_making(frame, row, width, height - picture.height - 1))
        return picture.below(_all_terms(frame, row, width))


# What it is called.


def _title(frame: Frame) -> str:
    return ("∂" if frame.backward else "") + frame.explain.name(frame.selected)


def _places(frame: Frame, short: str | None) -> list[str]:
    """Its head, also in `short`, its dimension in the head, and its position where that is not the stage's."""
    event = frame.program.event_of(frame.selected)
    if event is None:
        return []
    found = []
    if event.head is not None:
        found.append(frame.called_head(event.head, event.name, 0 if short else None))
    elif event.kind == "linear":
        heads = sum(bool(head) for head, _ in linear_rows(frame, event))
        place = np.flatnonzero(event.rows == frame.selected)
        if heads and len(place):
            head, dim = divmod(int(place[0]), event.rows.size // heads)
            found.append(say("panes.inspector.dim", head=frame.called("head", head, short), dim=dim))
    if event.pos is not None and event.pos != frame.stage_event.pos:
        found.append(frame.called("pos", event.pos))
    return found


def _name(frame: Frame, row: int, own: Event | None = None) -> str:
    """A scalar's name, with its head and its position where they are others than those of `own`, or of the stage."""
    tensor = frame.program.event_of(row)
    if tensor is None:
        return frame.explain.name(row)
    pos, head = (frame.stage_event.pos, None) if own is None else (own.pos, own.head)
    other = tensor.head is not None and tensor.head != head
    name = frame.explain.name(row) + (f" {frame.called_head(tensor.head or 0, tensor.name, 0)}" if other else "")
    return name if tensor.pos in (None, pos) else say("panes.inspector.at_position", name=name, pos=tensor.pos)


def _role(frame: Frame, row: int, event: Event | None) -> str:
    """A scalar as the operation that makes a tensor speaks of it: x[11], w[0,11]. Its name, if it is no operand."""
    for name, rows in event.operands.items() if event else ():
        place = np.argwhere(rows == row)
        if len(place):
            return f"{name}[{','.join(map(str, place[0]))}]"
    name = frame.explain.name(row)
    return f"({name})" if " " in name else name


# Its value, and the graph around it.


def _value(picture: Picture, frame: Frame, row: int, width: int) -> None:
    value, event = frame.value(row), frame.program.event_of(row)
    share = event is not None and event.kind == "softmax" and bool(np.any(event.rows == row))
    _headed(picture, "", value, width, percent(value) if share else number(value))
    made = frame.view.made(row)
    if made is not None:
        picture.line().most(say("panes.inspector.set", made=number(made), value=number(value)), width, theme.NEW)


def _headed(
    picture: Picture, words: str, value: float | None, width: int, figure: str | None = None, full: bool = True
) -> None:
    """A number in four digits and in full, on one line if it fits; on a second one only with `full`."""
    line = picture.line().add(f"{words} " if words else "", theme.DIM).add(figure or number(value), theme.STRONG)
    if value is None or value == 0:
        return
    digits = exact(value)
    if line.width + 1 + len(digits) <= width:
        line.add(" ").add(digits, theme.DIM)
    elif full:
        picture.line().fit(digits, width, theme.DIM, right=True)


def _words(text: str, width: int) -> Picture:
    picture = Picture()
    for part in wrapped(text, max(1, width), "  "):
        picture.line(part, theme.DIM)
    return picture


def _making(frame: Frame, row: int, width: int, room: int) -> Picture:
    """What it is made of and what it goes into, in so many lines, but at least a few of each."""
    made, uses = _Making(frame, row), _uses(frame, row)
    lines = max(room - 2, 4)
    most = max(lines // 2, lines - len(made.parts))
    if sum(map(len, uses)) <= most:
        uses = [[goal] for goals in uses for goal in goals]
    below = min(len(uses), most)
    picture = made.draw(width, max(2, lines - below))
    if uses:
        picture.below(_words(say("panes.inspector.goes_into"), width))
        _list_uses(picture, frame, uses, width, max(2, below))
    return picture


class _Making:
    """The numbers that a scalar is made of: the terms of a sum, or what its operation reads."""

    def __init__(self, frame: Frame, row: int) -> None:
        self.frame, self.row = frame, row
        explain = frame.explain
        self.event, self.sign = frame.program.event_of(row), explain.operation(row)
        self.sum = explain.terms(row)
        self.parts = self.sum or explain.children(row)

    def _title(self) -> str:
        """What it is made of, in words; empty for an operation that has none of its own."""
        count, sign = len(self.parts), self.sign
        if self.sum:
            products = all(self.frame.explain.operation(part) == PRODUCT for part in self.sum)
            return say("panes.inspector.made.products" if products else "panes.inspector.made.sum", n=count)
        if sign == "+":
            return say("panes.inspector.made.added", n=count)
        if sign == PRODUCT:
            return say("panes.inspector.made.factors", n=count)
        if sign == "−max":
            return say("panes.inspector.made.minus_largest", n=count)
        if sign == "relu":
            return say("panes.inspector.made.relu")
        if sign.startswith("^") and count == 2:
            return say("panes.inspector.made.power")
        return say("panes.inspector.made.function", name=sign) if sign in FUNCTIONS else ""

    def draw(self, width: int, room: int) -> Picture:
        """The parts, largest first where not all have room, as many as there are lines for; the rest together."""
        frame = self.frame
        if not self.parts:
            return self._leaf(width)
        title, values = self._title(), {part: frame.used_value(part) for part in self.parts}
        picture = _words(title or say("panes.inspector.made.unnamed", n=len(self.parts)), width)
        if not title:
            formula = "".join(text for text, _ in frame.explain.names_in_formula(self.row))
            for text in wrapped(f"= {formula}", width, "  "):
                picture.line(text, theme.DIM)
        shown = list(self.parts)
        if len(shown) > room:
            size = float if self.sign == "−max" else abs
            known = sorted((part for part in shown if values[part] is not None), key=lambda p: -size(values[p] or 0.0))
            shown = [*known, *(part for part in shown if values[part] is None)][: room - 1]
        for part in shown:
            self._part(picture, part, values[part], width)
        rest = [values[part] for part in self.parts if part not in shown]
        if rest:
            known_rest = [value for value in rest if value is not None]
            total = _sum(known_rest) if len(known_rest) == len(rest) and self.sum else None
            _entry(picture, say("panes.inspector.more", count=len(rest)), total, width, None)
        inner = [] if self.sum else [p for p in self.parts if frame.explain.terms(p) and not frame.explain.is_named(p)]
        if inner and room > len(self.parts) + 2:
            picture.below(_Making(frame, inner[0]).draw(width, room - len(self.parts) - 1))
        return picture

    def _leaf(self, width: int) -> Picture:
        frame = self.frame
        if self.row >= frame.program.n_params:
            return _words(say("panes.inspector.a_constant"), width)
        picture = _words(say("panes.inspector.parameter"), width)
        state = "  ".join(f"{name} {number(float(value))}" for name, value in frame.view.state(self.row).items())
        if not state:
            return picture
        text = say("panes.inspector.optimizer_state", optimizer=frame.view.optimizer.name, state=state)
        return picture.below(_words(text, width))

    def _part(self, picture: Picture, part: int, value: float | None, width: int) -> None:
        """One part; a product by its factors, which are written out in numbers where there is room."""
        frame, explain = self.frame, self.frame.explain
        kids = explain.children(part) if self.sum and explain.operation(part) == PRODUCT else []
        if not kids or explain.is_named(part):
            names = [_name(frame, part, self.event), _role(frame, part, self.event)]
            if part >= frame.program.n_params and not explain.children(part):
                names = [say("panes.inspector.constant")]
            elif explain.terms(part):
                names[1] = say("panes.inspector.sum")
            fitting = (name for name in names if cell_len(name) + FIGURE + 2 <= width)
            _entry(picture, next(fitting, names[-1]), value, width, part)
            return
        kids = kids[::-1] if kids[0] < frame.program.n_params else kids  # the input, then the weight
        text = " · ".join(_role(frame, kid, self.event) for kid in kids)
        factors = " · ".join(number(frame.used_value(kid)) for kid in kids)
        if cell_len(text) > width - FIGURE - 2:  # the numbers say more than the beginning of the names
            text = factors
        _entry(picture, text, value, width, part, f"{factors} =" if value is not None else "")


def _entry(picture: Picture, text: str, value: float | None, width: int, target: int | None, formula: str = "") -> None:
    """A line with a name and its number, and between them how it is made, where there is room."""
    line = picture.line("  ")
    if formula and width >= FACTORS:
        line.fit(text, width - FIGURE - 22, theme.TEXT, target).fit(formula, 20, theme.DIM, right=True)
    else:
        line.fit(text, max(1, width - FIGURE - 2), theme.TEXT if target is not None else theme.DIM, target)
    style = theme.FAINT if value is None else theme.signed(value)
    line.fit(number(value), FIGURE, style, right=True)


def _sum(values: Sequence[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # infinities of both signs
        return math.nan


Use = list[int]
"""Scalars of one tensor that a scalar goes into."""


def _uses(frame: Frame, row: int) -> list[Use]:
    """The scalars with a name that a scalar goes into, those of a tensor together."""
    found: dict[tuple[int, str], Use] = {}
    constant = row >= frame.program.n_params and not frame.explain.children(row)
    for user in () if constant else frame.explain.users(row):
        goal = frame.explain.goal(user)
        event = frame.program.event_of(goal)
        if event is not None and goal != row:
            rows = found.setdefault((event.index, frame.explain.name(goal).partition("[")[0]), [])
            if goal not in rows:
                rows.append(goal)
    return list(found.values())


def _list_uses(picture: Picture, frame: Frame, uses: list[Use], width: int, room: int) -> None:
    own, rows = frame.program.event_of(frame.selected), len(uses)
    shown = uses if rows <= room else uses[: room - 1]
    for goals in shown:
        first, name = goals[0], _name(frame, goals[0], own)
        if len(goals) == 1:
            _entry(picture, name, frame.used_value(first), width, first)
            continue
        word, bracket, rest = name.partition("[")
        last = frame.explain.name(goals[-1]).partition("[")[2].rstrip("]")
        text = f"{word}[{rest.partition(']')[0]}–{last}]{rest.partition(']')[2]}" if bracket else word
        count = f" {say('panes.inspector.numbers', count=len(goals))}"
        count = count if 2 + cell_len(text) + cell_len(count) <= width else f" {len(goals)}"
        picture.line("  ").fit(text, max(1, width - 2 - cell_len(count)), theme.TEXT, first).add(count, theme.DIM)
    if len(shown) < rows:
        picture.line().most(f"  {say('panes.inspector.more', count=rows - len(shown))}", width, theme.DIM)


# Its gradient.


def _gradient(frame: Frame, row: int, width: int, height: int) -> Picture:
    """The gradient so far, what was added to it last, its terms, and the strongest path from the loss."""
    picture, instead = Picture(), frame.no_gradient(row)
    if instead is not None:
        return _words(say("panes.inspector.no_gradient", instead=instead), width)
    terms = frame.explain.gradient(row)
    _headed(picture, say("panes.inspector.gradient") if width >= FACTORS else "", frame.gradient(row), width)
    if not terms:
        return picture.below(_words(say("panes.inspector.start"), width))
    last = terms[-1]
    latest = last.tick == frame.moment.tick
    line = picture.line().add("+= ", theme.NEW if latest else theme.TEXT)
    line.add(f"{number(last.local)} · {number(last.grad)} = ", theme.TEXT)
    _overflow(picture, number(last.product), width, last)
    was_now = say("panes.inspector.was_now", before=number(last.before), after=marked(number(last.after), 0))
    line = picture.line()
    for text, style in styled(was_now, theme.TEXT, theme.NEW if latest else theme.STRONG):
        line.add(text, style)
    goal, count = frame.explain.goal(last.user), {"done": len(terms), "planned": frame.explain.planned(row)}
    names = _name(frame, last.user), _name(frame, goal), frame.explain.name(last.user), frame.explain.name(goal)
    counts = say("panes.inspector.terms_by", **count), say("panes.inspector.terms_by_short", **count)
    ways = [(f"{words} ", name) for words in counts for name in names]
    by, name = next((way for way in ways if cell_len("".join(way)) <= width), ways[-1])
    picture.line().add(by, theme.DIM).most(name, width - cell_len(by), theme.TEXT, last.user)
    if len(terms) > 1 and (listed := _terms(frame, terms, width)).height + picture.height <= height:
        picture.below(listed)
    _path(picture, frame, width, max(LEAST_PATH, height - picture.height - 1))
    return picture


def _overflow(picture: Picture, figure: str, width: int, term: Term) -> None:
    """Append a result to the last line, or to one of its own."""
    line = picture.lines[-1]
    (line if line.width + len(figure) <= width else picture.line("   ")).add(figure, theme.signed(term.product))


def _path(picture: Picture, frame: Frame, width: int, room: int) -> None:
    """The strongest path from the loss to here, a line a scalar with a name: the product of the derivatives so far."""
    edges = frame.strongest
    if not edges:
        return
    picture.below(_words(say("panes.inspector.strongest_path"), width))
    rows = [edge.row for edge in reversed(edges)] + [frame.selected]
    locals_ = [edge.local for edge in reversed(edges)]
    products = list(accumulate(locals_, lambda product, local: product * local, initial=1.0))
    own = frame.program.event_of(frame.selected)
    left_out = range(1, len(rows) - room + 3) if len(rows) > room - 1 else range(0)
    for i in range(len(rows)):
        if i in left_out:
            if i == left_out[0]:
                picture.line().most(f"▼ {say('panes.inspector.more_between', count=len(left_out))}", width, theme.DIM)
            continue
        line = picture.line().add("▼ " if i else "  ", theme.PHASE_TEXT["backward"])
        here = i == len(rows) - 1
        formula = f"{number(products[i - 1])} · {number(locals_[i - 1])} =" if i and width >= FACTORS else ""
        style = theme.STRONG if here else theme.TEXT
        room = max(1, width - FIGURE - 2 - 20 * bool(formula))
        name = _name(frame, rows[i], own)
        if cell_len(name) > room:
            shorter = frame.explain.name(rows[i]), name.partition("[")[0], re.split(" of | in ", name)[0]
            name = first_fitting(room, *shorter) or name
        line.fit(name, room, style, None if here else rows[i])
        if formula:
            line.fit(formula, 20, theme.DIM, right=True)
        line.fit(number(products[i]), FIGURE, theme.PHASE_TEXT["backward"], right=True)


def _all_terms(frame: Frame, row: int, width: int) -> Picture:
    """The gradient as added up so far, and the terms that made it, latest last."""
    picture, instead = Picture(), frame.no_gradient(row)
    if instead is not None:
        return _words(say("panes.inspector.no_gradient", instead=instead), width)
    grad, terms = frame.gradient(row) or 0.0, frame.explain.gradient(row)
    line = picture.line(f"{say('panes.inspector.gradient')} ", theme.DIM).add(number(grad), theme.signed(grad))
    count = {"done": len(terms), "planned": frame.explain.planned(row)}
    forms = [say("panes.inspector.terms", **count), say("panes.inspector.terms_short", **count)]
    forms = [f"  {form}" for form in (forms if terms else [say("panes.inspector.start")])]
    words = first_fitting(width - line.width, *forms) or forms[-1]
    line.most(words, width - line.width, theme.DIM)
    return picture.below(_terms(frame, terms, width))


def _terms(frame: Frame, terms: Sequence[Term], width: int) -> Picture:
    """The terms that were added to a gradient, latest last."""
    picture, shown = Picture(), terms[-TERMS:]
    if len(terms) > len(shown):
        before = number(shown[0].before)
        earlier = say("panes.inspector.earlier_terms", count=len(terms) - len(shown), sum=before)
        picture.line().most(f"  {earlier}", width, theme.DIM)
    by = f"  {say('panes.inspector.by')} "
    indent = cell_len(by)
    for term in shown:
        text = f"{number(term.local)} · {number(term.grad)} ="
        name = _name(frame, term.user)
        room = width - indent - len(text) - FIGURE - 1
        if cell_len(name) <= room:
            line = picture.line(by, theme.DIM).fit(name, room, theme.TEXT, target=term.user)
            line.add(f" {text}", theme.DIM)
        else:
            picture.line(by, theme.DIM).most(name, max(1, width - indent), theme.TEXT, target=term.user)
            line = picture.line().fit(f"  {text}", max(1, width - FIGURE), theme.DIM)
        line.fit(number(term.product), FIGURE, theme.signed(term.product), right=True)
    return picture


# Its update.


def _update(update: UpdateStep, width: int) -> Picture:
    """The lines of the optimizer with this parameter's numbers."""
    picture = Picture()
    if isinstance(update, AdamStep):
        lines = _adam(update)
    else:
        lines = [(f"{term.name} = {term.formula}", term.value) for term in update.terms]
    for text, result in lines:
        figure = f" = {number(result)}"
        if cell_len(text) + len(figure) <= width:
            picture.line().fit(text, width - len(figure), theme.TEXT).add(figure, theme.signed(result))
        else:
            for part in wrapped(text, width, "  "):
                picture.line(part, theme.TEXT)
            picture.line().fit(figure, width, theme.signed(result), right=True)
    return picture


def _adam(a: AdamStep) -> list[tuple[str, float]]:
    g = f"({number(a.g)})" if a.g < 0 else number(a.g)  # -0.2² would be minus the square
    return [
        (f"m = {a.beta1:g}·{number(a.m_before)} + {1 - a.beta1:.3g}·{number(a.g)}", a.m),
        (f"v = {a.beta2:g}·{number(a.v_before)} + {1 - a.beta2:.3g}·{g}²", a.v),
        (f"m_hat = {a.m_hat_formula}", a.m_hat),
        (f"v_hat = {a.v_hat_formula}", a.v_hat),
        (f"{WORDS['delta'][0]} = −{plain(a.learning_rate)}·m_hat / (√v_hat + 1e-8)", 0.0 - a.delta),
        (f"{WORDS['p'][0]} = {number(a.p_before)} + {WORDS['delta'][0]}", a.p),
    ]
