"""One weight: its gradient, what Adam remembers of it, the step that is added, the weight; and their past."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from engine.immutable import immutable
from engine.timeline.events import Phase
from engine.timeline.update import ADAM, AdamStep, UpdateStep
from engine.timeline.view import View
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.series import Series
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.curve import each, sparkline
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.operations.canvas import first_fitting
from microgpt_tui.operations.row_labels import linear_rows
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.say import say

TALL = 10  # lines from which on the past of each number is shown
NAME, BEFORE, VALUE = 14, 10, 10  # characters for a number's name, what it was, and what it is now
NUMBERS = NAME + BEFORE + VALUE
LABEL = 7  # the same where the weight is told in three lines
FORMULA = 30  # characters for how a number is made; behind it stands what that means
LONGEST = 36  # the same for that of the step too; behind it stands the past
SHORT = 18  # the same of the weight, whose axis stands behind it
LEAST_COURSE = 10  # characters from which on the past is shown
MOST_WIDE = 2  # characters that a step of the past takes at most
AXIS = 24  # the least characters of the axis from the weight before to the weight after, its ends included
MOST_DIGITS = 10
MOST_LISTED = 8  # recorded steps that are named one by one


class Adam(Pane):
    """What an update does with the chosen parameter."""

    TITLE = pane_title("adam")

    def heading(self, frame: Frame) -> str:
        return "   ".join([f"{self.TITLE} ─ {frame.explain.name(frame.parameter)}", *_about(frame)])

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        course = frame.course() if _has_course(frame, width, height) else None
        a: UpdateStep | None = frame.view.update(frame.parameter)
        picture, waits = Picture(), () if a else _waits(frame)
        if waits:
            picture.line().most(first_fitting(width, *waits) or waits[-1], width, theme.DIM)
            a = course.known.get(frame.moment.step - 1) if course else None
        rows = _rows(frame, a, bool(waits))
        rows = _shortened(rows, height - picture.height - bool(course))
        for row in rows:
            _draw(picture, frame, row, width, course)
        picture.lines[0].spots.append((0, NAME, frame.parameter))
        if course:
            words = (
                span(course, _course_room(width), width) if frame.view.replays else _recorded(course, frame.moment.step)
            )
            picture.line().most(words, width, theme.DIM)
        if height - picture.height >= 3 and frame.moment.step:
            picture.below(_norms(frame, width))
        return picture

    def series(self, frame: Frame, width: int, height: int) -> list[Series[UpdateStep]]:
        return [frame.course()] if _has_course(frame, width, height) else []


def in_brief(frame: Frame, width: int) -> Picture:
    """The chosen weight in three lines: what pushes it and its memories, as far as they fit, the step, the weight."""
    update = frame.view.update(frame.parameter)
    rows = [row for row in _rows(frame, update, update is None) if not row.field.endswith("_hat")]
    picture = Picture()
    line = picture.line().most(frame.explain.name(frame.parameter), width, theme.NEW)
    for row in rows[:-2]:
        was = "" if row.before is None else f"{number(row.before)} → "
        value = number(row.value)
        label = f"  {row.sign or row.words} "
        if line.width + cell_len(label + was + value) <= width:
            line.add(label, theme.TEXT).add(was, theme.DIM).add(value, _style(row))
    for row in rows[-2:]:
        was = "" if row.before is None else f"{number(row.before, row.digits)} → "
        line = picture.line("  ").fit(row.words or row.sign, LABEL, theme.STRONG).add(was, theme.DIM)
        line.add(number(row.value, row.digits), _style(row))
        if line.width + 2 + cell_len(row.formula) <= width:
            line.add(f"  {row.formula}", theme.DIM)
    return picture


def _about(frame: Frame) -> list[str]:
    """What the weight does: the head and the dimension that its row makes, and which number it multiplies."""
    row = frame.parameter
    name, place = frame.program.parameter_of(row) or ("", ())
    if len(place) != 2:
        return []
    i, j = place
    event = next((e for e in frame.program.events(Phase.FORWARD) if e.matrix == name and e.kind == "linear"), None)
    if event is None:
        return []
    labels = linear_rows(frame, event)
    heads = sum(bool(head) for head, _ in labels)
    if heads:
        head, dim = divmod(i, len(labels) // heads)
        return [say("panes.adam.head_reads_x", head=head, dim=dim, j=j)]
    return [say("panes.adam.row_reads_x", row=labels[i][1], j=j)]


def _has_course(frame: Frame, width: int, height: int) -> bool:
    """Whether there is a past to show, and room for it."""
    return frame.moment.step > 0 and height >= TALL and width >= NUMBERS + LEAST_COURSE


def _course_room(width: int) -> int:
    """The characters that are left for the past of a number."""
    return max(width - NUMBERS - (LONGEST if width >= NUMBERS + LONGEST + LEAST_COURSE else 0), LEAST_COURSE)


def _waits(frame: Frame) -> tuple[str, ...]:
    """Why there is no update yet, at length and in short."""
    before = frame.moment.step - 1
    state = frame.view.optimizer.state
    if before >= 0:
        left = say("panes.adam.as_step_left", before=before)
    elif state:
        names = say("panes.adam.joint").join(state)
        left = say("panes.adam.no_step_yet_state", n=len(state), names=names)
    else:
        left = say("panes.adam.no_step_yet")
    return (say("panes.adam.waits_its_turn", left=left), left) if frame.phase is Phase.UPDATE else (left,)


@immutable
class _Row:
    """A line: words, the sign of a number in formulas, what it was and is, how it is made, what that means.

    `short` is what it means in fewer words. `field` is that of an `AdamStep`, whose past can be shown.
    """

    words: str
    sign: str
    before: float | None
    value: float | None
    formula: str
    means: str
    field: str
    digits: int = 4
    short: str = ""


_SIGNS = {"g": "g", "m": "m", "v": "v", "m_hat": "m_hat", "v_hat": "v_hat", "delta": "", "p": ""}
WORDS = {name: (say(f"panes.adam.quantity.{name}"), sign) for name, sign in _SIGNS.items()}
"""Quantities of an update in words, and their signs in formulas; others are called by their names."""


def _words(name: str, view: View) -> tuple[str, str]:
    """A quantity in words, and its sign; those of Adam are meant only where an optimizer remembers both m and v."""
    if name == "m_hat" and not view.corrects_bias:
        return say("panes.adam.not_corrected"), _SIGNS[name]
    if name in ("g", "p") or set(ADAM.state) <= set(view.optimizer.state):
        return WORDS.get(name, (name, ""))
    return name, ""


def _rows(frame: Frame, a: UpdateStep | None, waits: bool) -> list[_Row]:
    """The lines of an update; of one that is to come, what is known without it."""
    if a is None:
        row = frame.parameter
        known = {name: float(value) for name, value in frame.view.state(row).items()}
        known_values: dict[str, float | None] = (
            known | {"p": frame.value(row)} | ({"g": frame.gradient(row)} if waits else {})
        )
        names = frame.view.optimizer.quantities
        return [_Row(*_words(name, frame.view), None, known_values.get(name), "", "", name) for name in names]
    if not isinstance(a, AdamStep):
        return [_Row(*_words(t.name, frame.view), t.before, t.value, f"= {t.formula}", "", t.name) for t in a.terms]
    shares = [say("panes.adam.old_new", old=100 * beta, new=100 * (1 - beta)) for beta in (a.beta1, a.beta2)]
    if a.g:
        way = "grows" if a.g < 0 else "shrinks"
        loss = say(f"panes.adam.loss_falls_if_weight.{way}")
    else:
        loss = say("panes.adam.nothing_pushes")
    began = say("panes.adam.began_at_0") if a.corrected else ""
    rate = plain(a.learning_rate)
    kept = say("panes.adam.not_moved", unmoved=a.unmoved) if a.unmoved and not waits else ""
    return [
        _Row(*WORDS["g"], None, a.g, loss, "", "g"),
        _Row(*WORDS["m"], a.m_before, a.m, f"= {a.beta1:g}·m + {1 - a.beta1:.3g}·g", shares[0], "m"),
        _Row(*WORDS["v"], a.v_before, a.v, f"= {a.beta2:g}·v + {1 - a.beta2:.3g}·g²", f"√v = {_root(a.v)}", "v"),
        _Row(*_words("m_hat", frame.view), None, a.m_hat, f"= {a.m_hat_formula}", began, "m_hat"),
        _Row(*WORDS["v_hat"], None, a.v_hat, f"= {a.v_hat_formula}", "", "v_hat"),
        _Row(*WORDS["delta"], None, 0.0 - a.delta, f"= −{rate}·m_hat / (√v_hat + 1e-8)",
             say("panes.adam.rate", rate=rate), "delta"),
        _Row(*WORDS["p"], a.p_before, a.p, "" if kept else f"= {WORDS['p'][0]} + {WORDS['delta'][0]}", kept, "p",
             _digits(a.p_before, a.p), a.unmoved or ""),
    ]  # fmt: skip


def _root(v: float) -> str:
    return plain(math.sqrt(v)) if v >= 0 else "nan"


def _shortened(rows: list[_Row], room: int) -> list[_Row]:
    """The lines where there is room for few: both corrected numbers in one; then without them, and the last ones."""
    if room >= len(rows):
        return rows
    if room < len(rows) - 1 or len(rows) < 5 or not rows[4].sign.startswith("v"):
        return [row for row in rows if not row.field.endswith("_hat")][-max(room, 1) :]
    m, v = rows[3], rows[4]
    means = f"{v.sign} {number(v.value)} {v.formula}" if v.formula else ""
    return [*rows[:3], _Row(m.words, m.sign, m.before, m.value, m.formula, means, m.field), *rows[5:]]


def _digits(before: float, after: float) -> int:
    """How many digits it takes to see that a weight has changed."""
    return next((d for d in range(4, MOST_DIGITS) if number(before, d) != number(after, d)), 4)


def _draw(picture: Picture, frame: Frame, row: _Row, width: int, course: Series[UpdateStep] | None) -> None:
    """One line: name, what it was and is, and where there is room how it is made, what that means, or its past."""
    weight, step = row.field == "p", row.field == "delta"
    line, style = picture.line(), theme.STRONG if weight or step else theme.TEXT
    names = NAME if width >= NUMBERS else max(1, width - BEFORE - VALUE)
    if width >= NUMBERS:
        line.fit(row.words, NAME - 2, style).add(row.sign)  # where it is long, nothing was before
    else:
        line.fit(row.sign or row.words, names, style)
    before = "" if row.before is None else f"{number(row.before, row.digits)} →"
    line.fit(before, names + BEFORE - line.width, theme.DIM, right=True)
    target = frame.parameter if weight else None
    line.add(" ").fit(number(row.value, row.digits), VALUE - 1, _style(row), target)
    room = width - line.width
    formula = LONGEST if room >= LONGEST + LEAST_COURSE else 0
    if cell_len(row.formula) + 1 <= (formula if course else room):
        line.add(f" {row.formula}", theme.DIM)
    if course and course.known:
        sign = -1.0 if step else 1.0
        values = [
            sign * term.value for update in course.known.values() for term in update.terms if term.name == row.field
        ]
        room = _course_room(width)
        wide = max(1, min(MOST_WIDE, room // len(values)))  # characters a step
        steps = [step for step in course.known for _ in range(wide)]
        _spark(line.to(NUMBERS + formula), frame, [v for v in values for _ in range(wide)], steps, room)
    elif weight and row.means:
        means = first_fitting(width - line.width - 3, row.means, row.short) or row.means
        line.most("   ", width - line.width).most(means, width - line.width, theme.WARNING)
    elif weight and row.before is not None and width >= NUMBERS + SHORT + AXIS:
        start = max(NUMBERS + SHORT, line.width + 2)
        _axis(line.to(start), row.before, row.value or 0.0, min(width - start, 2 * AXIS))
    else:
        start = max(line.width + 2, min(NUMBERS + FORMULA, width - cell_len(row.means)))
        if row.means and width >= NUMBERS + FORMULA and start + cell_len(row.means) <= width:
            line.to(start).add(row.means, theme.DIM)


def _style(row: _Row) -> Style:
    if row.value is None:
        return theme.FAINT
    if row.field == "delta":
        return theme.PHASE_TEXT["update"]
    return theme.STRONG if row.field == "p" else theme.signed(row.value)


def _axis(line: Line, before: float, after: float, width: int) -> None:
    """A small axis around a move, with its ends in numbers: ○ is before, ● after."""
    step = after - before
    if not math.isfinite(step) or not step:
        return
    unit = 10.0 ** math.floor(math.log10(abs(step) * 4))
    low, high = (math.floor(min(before, after) / unit - 1) * unit, math.ceil(max(before, after) / unit + 1) * unit)
    ends = f"{low:.{_places(unit)}f}", f"{high:.{_places(unit)}f}"
    room = width - sum(map(len, ends)) - 4
    if room < 4:
        return
    first, last = (round((value - low) / (high - low) * (room - 1)) for value in (before, after))
    line.add(f"{ends[0]} ├", theme.DIM)
    for i in range(room):
        between = min(first, last) < i < max(first, last)
        here = i in (first, last)
        text = "●" if i == last else "○" if i == first else "━" if between else "─"
        line.add(text, theme.PHASE_TEXT["update"] if here or between else theme.FAINT)
    line.add(f"┤ {ends[1]}", theme.DIM)


def _places(unit: float) -> int:
    return max(0, -math.floor(math.log10(unit)))


def span(course: Series[Any], cells: int, width: int) -> str:
    """Which steps a course in so many cells on the right is about."""
    steps = list(course.known)
    if course.missing:
        return say("panes.adam.replaying", done=len(steps), steps=len(steps) + len(course.missing))
    late = next((a for a, b in pairwise(steps) if b == a + 1), steps[-1])
    if late:
        text = say("panes.adam.on_right.some", apart=steps[1] - steps[0], late=late, last=steps[-1])
    else:
        text = say("panes.adam.on_right.each", last=steps[-1])
    means = say("panes.adam.means", each=each(len(steps), cells)) if len(steps) > cells else ""
    return text + means if cell_len(text + means) <= width else text


def _recorded(course: Series[Any], now: int) -> str:
    """Which steps the course of a run is about that keeps those which were looked at."""
    steps = list(course.known)
    if not any(step < now for step in steps):
        return say("panes.adam.recorded.none")
    if len(steps) == 1:
        return say("panes.adam.recorded.one", step=steps[0])
    if len(steps) <= MOST_LISTED:
        return say("panes.adam.recorded.few", steps=", ".join(map(str, steps[:-1])), last=steps[-1])
    return say("panes.adam.recorded.many", count=len(steps), first=steps[0], last=steps[-1])


def _norms(frame: Frame, width: int) -> Picture:
    """The norms of its matrix's gradient and step, over all steps that they are known of."""
    picture, now, step = Picture(), frame.view.norms(frame.matrix), frame.moment.step
    before = np.asarray(frame.view.norms_before(frame.matrix))
    steps = [i for i in range(step) if frame.view.replays or not np.isnan(before[i]).all()]
    rows = [before[i] for i in steps] + ([np.asarray(now)] if now else [])
    steps += [step] if now else []
    which = "every" if len(steps) >= step else "recorded"
    picture.line().most(say(f"panes.adam.norms.{which}", matrix=frame.matrix), width, theme.DIM)
    for place, name in enumerate(("|∂|", say("panes.adam.step_norm")) if rows else ()):
        values = [float(row[place]) for row in rows]
        line, figure = picture.line().fit(name, NAME, theme.TEXT), f" {plain(values[-1])}"
        room = max(1, width - NAME - len(figure))
        _spark(line, frame, values, steps, room, unsigned=True).add(figure, theme.DIM)
    return picture


def _spark(
    line: Line, frame: Frame, values: list[float], steps: Sequence[int], room: int, unsigned: bool = False
) -> Line:
    """Append a number over these steps; cells lead there."""

    def target(i: int) -> Hashable:
        return frame.in_step(steps[i])

    return sparkline(line, values, room, target, unsigned=unsigned)
