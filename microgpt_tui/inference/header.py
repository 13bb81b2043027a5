"""The lines above and below the pictures: where we are, the tokens so far, the temperature's slider."""

from __future__ import annotations

from rich.cells import cell_len

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import window
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.inference.state import COLDEST, HOTTEST, NOTCH, InferenceState, Position, Temperature


def place(state: InferenceState, width: int, _height: int) -> Picture:
    """One line: the training step whose parameters are used, and which sequence of random numbers."""
    picture = Picture()
    line = picture.line().add(" INFERENCE ", theme.NOW).add(f" parameters of step {state.step:,}", theme.TEXT)
    if state.branch is not None:
        line.most(f" in {state.branch}", width - line.width, theme.NEW)
    numbers = "the run's own numbers" if state.sequence == 0 else f"random sequence {state.sequence}"
    line.most(f"  ·  name {state.walk.index + 1} of {numbers}", width - line.width, theme.DIM)
    if state.pending:
        line.most(f"  ·  {state.pending}", width - line.width, theme.NEW)
    return picture


def tokens(state: InferenceState, width: int, _height: int) -> Picture:
    """Two lines: what was read, the present token in brackets, what comes next; and what happens, in words."""
    picture, walk, here = Picture(), state.walk, state.here
    line = picture.line(" ")
    names = [state.token(token_id) for token_id in walk.ids]
    room = max(4, (width - 24) // (max(cell_len(name) for name in names[1:] or names) + 2))
    first, last = window(len(names), room, len(names) - 1)
    if first:
        line.add("… ", theme.DIM)
    for pos in range(first, last):
        shown, style = (f"[{names[pos]}]", theme.NOW) if pos == here.pos else (f" {names[pos]} ", theme.TEXT)
        line.add(shown, style, Position(pos))
    line.add(" ▸ ", theme.DIM).add(f" {state.token(here.token_id)} ", theme.TARGET, Position(here.pos + 1))
    if walk.ended:
        known = "it stands in the training data ■" if walk.text in state.docs else "it is new"
        line.most(f"  the end: {known if walk.text else 'nothing at all'}; n: next", width - line.width, theme.NEW)
    elif walk.full:
        line.most("  the context is full: the end; n: next", width - line.width, theme.NEW)
    words = f" position {here.pos} reads {names[-1]}; "
    words += f"{state.token(here.token_id)} is " + ("of the prefix" if here.pick is None else "chosen")
    if here.pick is not None:
        words += f", p {here.weights[here.token_id]:.4f}"
    picture.line().most(words, width, theme.DIM)
    return picture


def slider(state: InferenceState, width: int, _height: int) -> Picture:
    """One line: the temperature, to be dragged, and how the next token is chosen."""
    picture, t = Picture(), state.walk.strategy.temperature
    line = picture.line().add(f" temperature {t:.2f} ", theme.STRONG).add("cold ├", theme.DIM)
    right = f"┤ wild   m: {state.mode}"
    notches = round((HOTTEST - COLDEST) / NOTCH)
    cells = max(8, min(width - line.width - cell_len(right) - 1, 2 * notches + 1))
    at = round((min(t, HOTTEST) - COLDEST) / (HOTTEST - COLDEST) * (cells - 1))
    for i in range(cells):
        value = Temperature(round(COLDEST + round(i / (cells - 1) * notches) * NOTCH, 2))
        line.add("●" if i == at else "━" if i < at else "─", theme.NEW if i <= at else theme.DIM, value)
    line.add("┤ wild", theme.DIM).most(f"   m: {state.mode}", width - line.width, theme.STRONG)
    return picture


def keys(state: InferenceState, width: int, _height: int) -> Picture:
    """One line: what can be pressed."""
    picture = Picture()
    line = picture.line()
    s = state.walk.strategy
    more = [("↑↓", "k" if s.top_k else "p")] if s.top_k or s.top_p else []
    hints = [
        ("n p", "step"), ("←→", "temp"), ("m", "mode"), *more, ("r", "anew"), ("e", "prefix"), ("b", "beam"),
        ("g", "names"), ("?", "help"),
    ]  # fmt: skip
    leave = Line().add(" q ", theme.NEW).add("leave ", theme.TEXT)  # the way out: always
    for key, words in hints:
        hint = Line().add(f" {key} ", theme.NEW).add(f"{words} ", theme.TEXT)
        if line.width + hint.width + leave.width <= width:
            line.extend(hint)
    line.extend(leave)
    return picture
