"""One scalar, whole: value, formula, formula with numbers, children, users, and what made its gradient."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.style import Style

from engine.timeline.events import Phase
from engine.timeline.explainer import Term
from engine.timeline.update import AdamStep, UpdateStep
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import exact, number
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane

LIST = 5  # children and users that are listed before the rest is only counted


class Inspector(Pane):
    """The selected scalar."""

    TITLE = "Inspector"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        picture, row = Picture(), frame.selected
        value = frame.value(row)
        name = frame.explain.name(row)
        figure = number(value)
        picture.line().fit(name, max(1, width - len(figure) - 1), theme.NEW).add(f" {figure}", theme.STRONG)
        if value is not None and value != 0:
            picture.line().fit(exact(value), width, theme.FAINT, right=True)
        made = frame.view.made(row)
        if made is not None:
            picture.line().most(f"made as {number(made)}, set to {number(value)}", width, theme.NEW)
        update = frame.view.update(row)
        if frame.phase is Phase.UPDATE and row < frame.program.n_params:
            picture.below(_update(update, width) if update else _waits(width))
        elif frame.backward:  # what this phase is about comes first, where it is seen without scrolling
            return picture.below(_gradient(frame, row, width)).below(self._making(frame, row, width))
        else:
            picture.below(self._making(frame, row, width))
        return picture.below(_gradient(frame, row, width))

    @staticmethod
    def _making(frame: Frame, row: int, width: int) -> Picture:
        picture = Picture()
        if frame.explain.formula(row):
            picture.below(_wrapped([("= ", theme.DIM, None), *_names(frame, row)], width))
            if frame.value(row) is not None:
                picture.below(_wrapped([("= ", theme.DIM, None), *_numbers(frame, row)], width))
        elif row < frame.program.n_params:
            picture.line().fit("a parameter: training moves it", width, theme.DIM)
            state = "  ".join(f"{name} {number(float(value))}" for name, value in frame.view.state(row).items())
            if state:
                picture.line().fit(f"{frame.view.optimizer.name}'s {state}", width, theme.DIM)
        else:
            picture.line().fit("a constant", width, theme.DIM)
        children = frame.explain.children(row)
        users = frame.explain.users(row) if children or row < frame.program.n_params else []  # not of constants
        for title, rows in (("made from", children), ("used by", users)):
            if rows:
                picture.below(_list(frame, title, rows, width))
        return picture


def _list(frame: Frame, title: str, rows: Sequence[int], width: int) -> Picture:
    picture = Picture()
    picture.line().fit(f"{title} ({len(rows)})" if len(rows) > 1 else title, width, theme.DIM)
    for child in rows[:LIST]:
        value = frame.used_value(child)
        figure = number(value)
        line = picture.line("  ")
        line.fit(_name(frame, child), max(1, width - len(figure) - 3), theme.TEXT, target=child)
        line.add(f" {figure}", theme.signed(value or 0.0))
    if len(rows) > LIST:
        picture.line().fit(f"  and {len(rows) - LIST} more", width, theme.FAINT)
    return picture


def _name(frame: Frame, row: int) -> str:
    """A scalar's name, with its position where that is another one than the stage's."""
    tensor = frame.program.event_of(row)
    elsewhere = tensor is not None and tensor.pos is not None and tensor.pos != frame.stretch.pos
    return frame.explain.name(row) + (f", pos {tensor.pos}" if tensor and elsewhere else "")


def _gradient(frame: Frame, row: int, width: int) -> Picture:
    """The gradient as accumulated so far, and the terms that made it, latest last."""
    picture = Picture()
    line, instead = picture.line("gradient ", theme.DIM), frame.no_gradient(row)
    if instead is not None:
        line.fit(instead, max(0, width - line.width), theme.FAINT)
        return picture
    grad, terms = frame.gradient(row) or 0.0, frame.explain.gradient(row)
    line.add(number(grad), theme.signed(grad))
    line.fit(
        f"  {len(terms)} of {frame.explain.planned(row)} terms" if terms else "  the start: dL/dL",
        max(0, width - line.width),
        theme.DIM,
    )
    shown = terms[-LIST:]
    if len(terms) > len(shown):
        picture.line().fit(f"  {len(terms) - len(shown)} earlier terms: {number(shown[0].before)}", width, theme.FAINT)
    for term in shown:
        _term(frame, picture, term, width, latest=frame.backward and term.tick == frame.moment.tick)
    return picture


def _term(frame: Frame, picture: Picture, term: Term, width: int, latest: bool) -> None:
    style = theme.NEW if latest else theme.TEXT
    picture.line("  via ", theme.DIM).fit(_name(frame, term.user), max(1, width - 6), style, target=term.user)
    arithmetic = f"    {number(term.local)} · {number(term.grad)} = {number(term.product)}"
    picture.line().fit(arithmetic, width, theme.signed(term.product))
    if latest:
        picture.line().fit(f"    += {number(term.before)} → {number(term.after)}", width, theme.NEW)


def _waits(width: int) -> Picture:
    picture = Picture()
    picture.line().fit("waits for its turn", width, theme.DIM)
    return picture


def _update(update: UpdateStep, width: int) -> Picture:
    """The lines of the optimizer with this parameter's numbers."""
    picture = Picture()
    if isinstance(update, AdamStep):
        lines = _adam(update)
    else:
        lines = [(f"{term.name} = {term.formula}", term.value) for term in update.terms]
    for text, result in lines:
        figure = f" = {number(result)}"
        if len(text) + len(figure) <= width:
            picture.line().fit(text, width - len(figure), theme.TEXT).add(figure, theme.signed(result))
        else:
            picture.line().fit(text, width, theme.TEXT)
            picture.line().fit(figure, width, theme.signed(result), right=True)
    return picture


def _adam(a: AdamStep) -> list[tuple[str, float]]:
    g = f"({number(a.g)})" if a.g < 0 else number(a.g)  # -0.2² would be minus the square
    return [
        (f"m = {a.beta1:g}·{number(a.m_before)} + {1 - a.beta1:.3g}·{number(a.g)}", a.m),
        (f"v = {a.beta2:g}·{number(a.v_before)} + {1 - a.beta2:.3g}·{g}²", a.v),
        (f"m_hat = m / {a.fix1:.4g}", a.m_hat),
        (f"v_hat = v / {a.fix2:.4g}", a.v_hat),
        (f"Δ = {a.learning_rate:.4g}·m_hat / (√v_hat + 1e-8)", a.delta),
        (f"p = {number(a.p_before)} − Δ", a.p),
    ]


Token = tuple[str, Style, int | None]


def _cut(tokens: list[Token], most: int = 11) -> list[Token]:
    """Long sums are shown by their first terms and their last one."""
    if len(tokens) <= 2 * most:
        return tokens
    joints = [i for i, (text, _, _) in enumerate(tokens) if text == " + "]
    if len(joints) <= 3:
        return tokens
    return [*tokens[: joints[2]], (" + … + ", theme.DIM, None), *tokens[joints[-1] + 1 :]]


def _names(frame: Frame, row: int) -> list[Token]:
    return _cut(
        [(text, theme.DIM if of is None else theme.TEXT, of) for text, of in frame.explain.names_in_formula(row)]
    )


def _numbers(frame: Frame, row: int) -> list[Token]:
    tokens: list[Token] = []
    for piece in frame.explain.formula(row):
        if isinstance(piece, str):
            tokens.append((piece, theme.DIM, None))
        else:
            value = frame.used_value(piece)
            tokens.append((number(value), theme.signed(value or 0.0), piece))
    return _cut(tokens)


def _wrapped(tokens: list[Token], width: int) -> Picture:
    """Tokens flowed over as many lines as they need."""
    picture, line = Picture(), Line()
    picture.lines.append(line)
    for token, style, target in tokens:
        fits = not line.width or line.width + cell_len(token.rstrip()) <= width
        line, text = (line, token) if fits else (picture.line("  "), token.lstrip())
        bare = line.width + cell_len(text) > width  # the blank before a break is not seen
        line.most(text.rstrip() if bare else text, width - line.width, style, target)
    return picture
