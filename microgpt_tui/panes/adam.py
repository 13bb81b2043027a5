"""Adam on one parameter, with its numbers and its course so far, and how far each matrix was moved."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np

from engine.events import Phase
from engine.history import Norms
from engine.view import AdamStep
from microgpt_tui import palette
from microgpt_tui.frame import Frame
from microgpt_tui.navigation import first_moment
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.gradients import label, label_width
from microgpt_tui.widgets.cells import bar, window
from microgpt_tui.widgets.curve import sparkline
from microgpt_tui.widgets.numbers import number, plain
from microgpt_tui.widgets.picture import Picture

LEAST_RATIO = -6.0  # where the bars of the ratios begin
TALL = 10  # lines from which each number of the arithmetic gets its own
NAME = 7  # cells for the names of numbers


class Adam(Pane):
    """The optimizer."""

    TITLE = "Adam"

    def heading(self, frame: Frame) -> str:
        return f"Adam ─ {frame.explain.name(parameter(frame))}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        row = parameter(frame)
        picture = _now(frame, row, width, height)
        room = height - picture.height
        if room >= 8 and frame.moment.step:
            picture.below(_course(frame, row, width))
        if room >= 14 and frame.moment.step:
            picture.below(_norms(frame, width))
        if height - picture.height >= 2:
            picture.below(_ratios(frame, width, height - picture.height))
        return picture


def parameter(frame: Frame) -> int:
    """The selected parameter, else that of the chosen matrix with the largest gradient or, before that, moment."""
    if frame.selected < frame.view.recording.n_params:
        return frame.selected
    rows = frame.view.recording.matrices[frame.matrix].ravel()
    grads = frame.grad(rows)
    values = grads.values if grads.known.any() else frame.view.moments(rows)[0]
    known = grads.known if grads.known.any() else np.ones(rows.shape, dtype=np.bool_)
    return int(rows[np.argmax(np.where(known & np.isfinite(values), np.abs(values), 0.0))])


def _now(frame: Frame, row: int, width: int, height: int) -> Picture:
    """The parameter at this moment: its update, or what the last step has left."""
    picture, step = Picture(), frame.view.adam(row)
    new = step is not None and row >= (frame.moment.tick - 1 if frame.stepping_inside else frame.event.first)
    line = picture.line().most(frame.explain.name(row), width, palette.NEW if new else palette.STRONG, row)
    state = _state(frame, step)
    if line.width + len(state) + 2 <= width:
        line.add(f"  {state}", palette.DIM)
    elif height >= 8:
        picture.line().most(state, width, palette.DIM)
    if step is not None and height >= TALL:
        return picture.below(_arithmetic(step, width))
    if step is not None:
        a = step
        parts = [("g", a.g), ("m", a.m), ("v", a.v), ("m_hat", a.m_hat), ("v_hat", a.v_hat), ("Δ", a.delta), ("p", a.p)]
        parts = parts if height >= 8 else parts[:3] + parts[5:]
    else:
        m, v = frame.view.moments(row)
        parts = [("m", float(m)), ("v", float(v)), ("weight", frame.value(row) or 0.0)]
    line = picture.line()
    for i, (name, value) in enumerate(parts):
        arrow = " → " if step and i else "   " if i else ""
        if line.width + len(arrow) + len(name) + 1 + len(number(value)) > width:
            line = picture.line()
        style = palette.NEW if new and name == "p" else palette.signed(value)
        line.add(arrow if line.width else arrow.lstrip(), palette.DIM)
        line.add(f"{name} ", palette.TEXT).add(number(value), style)
    return picture


def _state(frame: Frame, step: AdamStep | None) -> str:
    if step is not None:
        return f"moved in step {frame.moment.step}"
    if frame.phase is Phase.UPDATE:
        return "waits for its turn"
    before = frame.moment.step - 1
    return f"as step {before} left it" if before >= 0 else "no step yet: m and v are 0"


def _arithmetic(a: AdamStep, width: int) -> Picture:
    """The lines of Adam, each with its number and, where there is room, what it was before and how it is made."""
    picture = Picture()
    for name, before, value, formula in (
        ("g", None, a.g, "the gradient"),
        ("m", a.m_before, a.m, f"{a.beta1:g}·m + {1 - a.beta1:.3g}·g"),
        ("v", a.v_before, a.v, f"{a.beta2:g}·v + {1 - a.beta2:.3g}·g²"),
        ("m_hat", None, a.m_hat, f"m / {a.fix1:.4g}"),
        ("v_hat", None, a.v_hat, f"v / {a.fix2:.4g}"),
        ("Δ", None, a.delta, f"{a.learning_rate:.4g}·m_hat / (√v_hat + 1e-8)"),
        ("p", a.p_before, a.p, "p − Δ"),
    ):
        line = picture.line().fit(name, NAME, palette.NEW if name == "p" else palette.TEXT)
        line.fit(f"{number(before)} →" if before is not None else "", 11, palette.DIM, right=True).add(" ")
        line.fit(number(value), 9, palette.NEW if name == "p" else palette.signed(value), right=True)
        if line.width + len(formula) + 2 <= width:
            line.add(f"  {formula}", palette.DIM)
    return picture


def _course(frame: Frame, row: int, width: int) -> Picture:
    """Sparklines of the parameter, over the steps that were kept."""
    picture, course = Picture(), frame.view.course(row)
    picture.line().most(f"after each of {len(course.steps)} kept steps", width, palette.DIM)
    for name, values in (("m", course.m), ("v", course.v), ("weight", course.p)):
        _spark(picture, frame, name, values, course.steps, width)
    return picture


def _norms(frame: Frame, width: int) -> Picture:
    """Sparklines of the norms of its matrix, over all steps."""
    picture, norms = Picture(), _finished(frame, frame.matrix)
    picture.line().most(f"norms of {frame.matrix}, every step", width, palette.DIM)
    steps = list(range(len(norms)))
    _spark(picture, frame, "|∂|", [n.gradient for n in norms], steps, width)
    _spark(picture, frame, "|Δ|", [n.update for n in norms], steps, width)
    return picture


def _spark(picture: Picture, frame: Frame, name: str, values: list[float], steps: list[int], width: int) -> None:
    def target(i: int) -> Hashable:
        return first_moment(frame.program, min(steps[i], frame.moment.step))

    line = picture.line().fit(name, NAME, palette.TEXT)
    figure = f" {plain(values[-1]) if name.startswith('|') else number(values[-1])}"
    sparkline(line, values, max(1, width - NAME - len(figure)), target).add(figure, palette.DIM)


def _finished(frame: Frame, name: str) -> list[Norms]:
    """Norms of a matrix in every step that has moved it up to this moment."""
    now = frame.view.norms(name)
    return frame.view.norms_before(name) + ([now] if now else [])


def _ratios(frame: Frame, width: int, height: int) -> Picture:
    """How far each matrix was moved, relative to its size: in this step, or in the last one while none is moved yet."""
    picture, view = Picture(), frame.view
    names, updating = list(view.recording.matrices), frame.phase is Phase.UPDATE
    step = frame.moment.step - (not updating)
    if step < 0:
        picture.line().most("no matrix has been moved yet", width, palette.DIM)
        return picture
    title = f"log10 |Δ|/|weight|, step {step}"
    more = f"; bars from {LEAST_RATIO:g} to 0"
    picture.line().most(title + (more if len(title + more) <= width else ""), width, palette.DIM)
    first, last = window(len(names), height - 1, names.index(frame.matrix))
    size = label_width(frame, width)
    for name in names[first:last]:
        norms = view.norms(name) if updating else view.norms_before(name, step)[0]
        here = updating and name == frame.matrix
        if name == frame.matrix:
            picture.focus = picture.height
        line = picture.line()
        label(line, frame, name, size, here and norms is not None)
        if norms is None:
            line.most("· at work" if here else "·", width - size, palette.FAINT)
            continue
        line.fit(ratio(norms), 7, palette.NEW if here else palette.TEXT, right=True).add(" ")
        line.add(bar(_log(norms) - LEAST_RATIO, -LEAST_RATIO, min(30, width - line.width)), palette.TEXT)
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
