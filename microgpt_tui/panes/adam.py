"""The optimizer on one parameter, with its numbers and its course so far, and how far each matrix was moved."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any

from engine.timeline.events import Phase
from engine.timeline.history import Norms
from engine.timeline.update import UpdateStep, UpdateTerm
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.series import Series
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar, window
from microgpt_tui.drawing.curve import each, sparkline
from microgpt_tui.drawing.numbers import number, plain
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.gradients import label, label_width

LEAST_RATIO = -6.0  # where the bars of the ratios begin
TALL = 10  # lines from which each number of the arithmetic gets its own
NAME, BEFORE, VALUE = 7, 11, 10  # cells for a number's name, what it was, and what it is now
NUMBERS = NAME + BEFORE + VALUE + 2  # and a gap
FORMULA = 34  # cells for how it is made, and a gap
LEAST_COURSE = 10  # cells from which its course is shown
SIGNS = {"delta": "Δ"}  # of quantities whose name is not their sign


class Adam(Pane):
    """The optimizer."""

    TITLE = "Adam"

    def heading(self, frame: Frame) -> str:
        return f"{frame.view.optimizer.name} ─ {frame.explain.name(frame.parameter)}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture = _now(frame, width, height)
        if height - picture.height >= 14 and frame.moment.step:
            picture.below(_norms(frame, width))
        if height - picture.height >= 2:
            picture.below(_ratios(frame, width, height - picture.height))
        return picture

    def series(self, frame: Frame, width: int, height: int) -> list[Series[UpdateStep]]:
        return [frame.course()] if _has_course(frame, width, height) else []


def _has_course(frame: Frame, width: int, height: int) -> bool:
    """Whether there is a past to show, and room for it."""
    return frame.moment.step > 0 and height >= TALL and width >= NUMBERS + LEAST_COURSE


def _now(frame: Frame, width: int, height: int) -> Picture:
    """The parameter at this moment, and its course so far where there is room."""
    row = frame.parameter
    picture, step = Picture(), frame.view.update(row)
    new = step is not None and row >= (frame.moment.tick - 1 if frame.stepping_inside else frame.event.first)
    line = picture.line().most(frame.explain.name(row), width, theme.NEW if new else theme.STRONG, row)
    state = _state(frame, step)
    if line.width + len(state) + 2 <= width:
        line.add(f"  {state}", theme.DIM)
    elif height >= 8:
        picture.line().most(state, width, theme.DIM)
    if height >= TALL and (step or frame.moment.step):
        return picture.below(_arithmetic(frame, step, width, height))
    if step is not None:
        terms = [term for term in step.terms if height >= 8 or not term.name.endswith("_hat")]
        parts = [(SIGNS.get(term.name, term.name), term.value) for term in terms]
    else:
        parts = [(name, float(value)) for name, value in frame.view.state(row).items()]
        parts.append(("weight", frame.value(row) or 0.0))
    line = picture.line()
    for i, (name, value) in enumerate(parts):
        arrow = " → " if step and i else "   " if i else ""
        if line.width + len(arrow) + len(name) + 1 + len(number(value)) > width:
            line = picture.line()
        style = theme.NEW if new and name == "p" else theme.signed(value)
        line.add(arrow if line.width else arrow.lstrip(), theme.DIM)
        line.add(f"{name} ", theme.TEXT).add(number(value), style)
    return picture


def _state(frame: Frame, step: UpdateStep | None) -> str:
    if step is not None:
        moved, unmoved = f"moved in step {frame.moment.step}", step.unmoved
        return moved if unmoved is None else f"not {moved}: {unmoved}"
    before = frame.moment.step - 1
    left = f"as step {before} left it" if before >= 0 else "no step yet"
    state = frame.view.optimizer.state
    if before < 0 and state:
        left += f": {' and '.join(state)} {'is' if len(state) == 1 else 'are'} 0"
    return f"waits for its turn; {left}" if frame.phase is Phase.UPDATE else left


def _numbers(frame: Frame, update: UpdateStep | None) -> list[tuple[str, UpdateTerm | None, float | None]]:
    """The lines of an update: name, term, value. What the parameter stands at is known without an update."""
    if update is not None:
        return [(term.name, term, term.value) for term in update.terms]
    state = {name: float(value) for name, value in frame.view.state(frame.parameter).items()}
    known = {**state, "p": frame.value(frame.parameter)}
    return [(name, None, known.get(name)) for name in frame.view.optimizer.quantities]


def _arithmetic(frame: Frame, now: UpdateStep | None, width: int, height: int) -> Picture:
    """The lines of this step's update, else of the last one's: what each number was, is, how it is made, its course."""
    picture, course = Picture(), frame.course() if _has_course(frame, width, height) else None
    step = now or (course.known.get(frame.moment.step - 1) if course else None)
    room = width - NUMBERS
    formulas = FORMULA if room >= FORMULA + LEAST_COURSE or not course else 0
    past = [[term.value for term in update.terms] for update in course.known.values()] if course else []
    for i, (name, term, value) in enumerate(_numbers(frame, step)):
        before, formula = (None, "") if term is None else (term.before, term.formula)
        new = name == "p" and now is not None
        line = picture.line().fit(SIGNS.get(name, name), NAME, theme.NEW if new else theme.TEXT)
        line.fit(f"{number(before)} →" if before is not None else "", BEFORE, theme.DIM, right=True)
        line.fit(number(value), VALUE, theme.NEW if new else theme.signed(value or 0.0), right=True)
        if len(formula) + 2 <= min(room, formulas):
            line.add(f"  {formula}", theme.DIM)
        if course and course.known:
            values = [update[i] for update in past]
            _spark(line.to(NUMBERS + formulas), frame, values, list(course.known), room - formulas)
    if course:
        picture.line().most(span(course, room - formulas, width), width, theme.DIM)
    return picture


def span(course: Series[Any], cells: int, width: int) -> str:
    """Which steps a course in so many cells on the right is about."""
    steps = list(course.known)
    if course.missing:
        return f"replaying the past: {len(steps)} of {len(steps) + len(course.missing)} steps"
    late = next((a for a, b in pairwise(steps) if b == a + 1), steps[-1])
    often = f"every {steps[1] - steps[0]}th step, each from {late}" if late else "each step"
    text = f"on the right: {often} to {steps[-1]}"
    means = f"; means of {each(len(steps), cells)}" if len(steps) > cells else ""
    return text + means if len(text + means) <= width else text


def _norms(frame: Frame, width: int) -> Picture:
    """Sparklines of the norms of its matrix, over all steps."""
    picture, now = Picture(), frame.view.norms(frame.matrix)
    norms = [column.tolist() for column in frame.view.norms_before(frame.matrix).T]
    picture.line().most(f"norms of {frame.matrix}, every step", width, theme.DIM)
    for place, name in enumerate(("|∂|", "|Δ|")):
        values = norms[place] + ([now[place]] if now else [])
        line, figure = picture.line().fit(name, NAME, theme.TEXT), f" {plain(values[-1])}"
        _spark(line, frame, values, range(len(values)), max(1, width - NAME - len(figure))).add(figure, theme.DIM)
    return picture


def _spark(line: Line, frame: Frame, values: list[float], steps: Sequence[int], room: int) -> Line:
    """Append a number over these steps; cells lead there."""

    def target(i: int) -> Hashable:
        return frame.in_step(steps[i])

    return sparkline(line, values, room, target)


def _ratios(frame: Frame, width: int, height: int) -> Picture:
    """How far each matrix was moved, relative to its size: in this step, or in the last one while none is moved yet."""
    picture, view = Picture(), frame.view
    names, updating = list(view.program.parameters), frame.phase is Phase.UPDATE
    step = frame.moment.step - (not updating)
    if step < 0:
        picture.line().most("no matrix has been moved yet", width, theme.DIM)
        return picture
    title = f"log10 |Δ|/|weight|, step {step}"
    more = f"; bars from {LEAST_RATIO:g} to 0"
    picture.line().most(title + (more if len(title + more) <= width else ""), width, theme.DIM)
    first, last = window(len(names), height - 1, names.index(frame.matrix))
    size = label_width(frame, width)
    for name in names[first:last]:
        norms = view.norms(name) if updating else Norms(*view.norms_before(name, step)[0].tolist())
        here = updating and name == frame.matrix
        if name == frame.matrix:
            picture.focus = picture.height
        line = picture.line()
        label(line, frame, name, size, here and norms is not None)
        if norms is None:
            line.most("· at work" if here else "·", width - size, theme.FAINT)
            continue
        line.fit(ratio(norms), 7, theme.NEW if here else theme.TEXT, right=True).add(" ")
        line.add(bar(_log(norms) - LEAST_RATIO, -LEAST_RATIO, min(30, width - line.width)), theme.TEXT)
    return picture


def _log(norms: Norms) -> float:
    """log10 of how far a matrix was moved over its size; minus infinity if it was not."""
    if math.isnan(norms.update) or math.isnan(norms.weight):
        return math.nan
    if norms.update == 0 or math.isinf(norms.weight):
        return math.nan if math.isinf(norms.update) else -math.inf
    return math.log10(norms.update) - math.log10(norms.weight) if norms.weight else math.inf


def ratio(norms: Norms) -> str:
    """The log as text: two digits, or a word where there is none."""
    value = _log(norms)
    return f"{value:+.2f}" if math.isfinite(value) else "unmoved" if value < 0 else plain(value)
