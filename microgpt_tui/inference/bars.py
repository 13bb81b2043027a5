"""What may come next: a bar a token, before and after temperature and strategy; and the draw on the running sums."""

from __future__ import annotations

import textwrap

from rich.cells import cell_len
from rich.style import Style

from engine.sampling.strategy import ranked
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.numbers import brief
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.inference.state import InferenceState

NARROWEST, ROOMY = 15, 48  # cells of a column of bars; from ROOMY on, both bars and the logit have their own
SHARE, LOGIT = 6, 8  # cells of a number
BEFORE = "╎"  # how long the bar is before the temperature


def share_text(value: float) -> str:
    """A share of 1 in five characters."""
    return f"{value:.3f}" if value >= 0.0005 or value == 0 else "<.001"


def probabilities(state: InferenceState, width: int, height: int) -> Picture:
    """A line a token, in as many columns as it takes; if not all fit, the likeliest."""
    picture, here = Picture(), state.here
    n = len(here.weights)
    columns = max(1, min(-(-n // max(1, height - 1)), width // NARROWEST))
    per = max(1, min(height - 1, -(-n // columns)))
    ids = list(range(n)) if per * columns >= n else _likeliest(state, per * columns)
    size = width // columns
    label = min(6, max(cell_len(state.token(i)) for i in ids)) + 2
    _heading(picture.line(), size, label, len(ids), n)
    for row in range(per):
        line = picture.line()
        for column, token_id in enumerate(ids[row::per]):
            line.to(column * size)
            _token(line, state, token_id, label, size - 1)
    return picture


def _likeliest(state: InferenceState, room: int) -> list[int]:
    """So many of the likeliest tokens, the chosen one among them."""
    order = ranked(state.here.probs)
    order.remove(state.here.token_id)
    return sorted([state.here.token_id, *order[: room - 1]])


def _heading(line: Line, size: int, label: int, shown: int, n: int) -> None:
    if size >= ROOMY:
        line.to(label).fit("logit", LOGIT - 1, theme.DIM, right=True).add(" ")
        half = (size - 1 - label - LOGIT) // 2
        line.fit("as it is", half, theme.DIM).add("as it is drawn from", theme.DIM)
    else:
        line.add(f"p; {BEFORE} is p at temperature 1", theme.DIM)
    if shown < n:
        line.add(f"  {shown} of {n}", theme.DIM)


def _token(line: Line, state: InferenceState, token_id: int, label: int, size: int) -> None:
    here, end = state.here, line.width + size
    weight, plain = here.weights[token_id], float(here.plain[token_id])
    chosen = token_id == here.token_id
    scale = max(*here.weights, float(here.plain.max()))
    style = theme.TARGET if chosen else theme.TEXT if weight else theme.FAINT
    line.fit(f"{'▸' if chosen else ' '}{state.token(token_id)}", label, style)
    if size + 1 >= ROOMY:
        half = (size - label - LOGIT) // 2
        line.fit(brief(float(here.logits[token_id]), LOGIT - 1), LOGIT - 1, theme.DIM, right=True).add(" ")
        begun = line.width
        line.fit(share_text(plain), SHARE, theme.DIM).add(bar(plain, scale, half - SHARE - 1), theme.DIM)
        line.to(begun + half)
        line.fit(_weight_text(here.probs[token_id], weight), SHARE, style)
        line.add(bar(weight, scale, end - line.width), theme.TARGET if chosen else theme.PLUS)
    else:
        line.fit(_weight_text(here.probs[token_id], weight), SHARE, style)
        _both(line, (weight, plain), scale, end - line.width, theme.TARGET if chosen else theme.PLUS)


def _weight_text(prob: float, weight: float) -> str:
    return "out" if prob and not weight else share_text(weight)


def _both(line: Line, shares: tuple[float, float], scale: float, room: int, style: Style) -> None:
    """The bar after the temperature, and a tick where the one before ends."""
    after = bar(shares[0], scale, room)
    tick = min(room - 1, round(shares[1] / scale * room))
    if tick < len(after):
        line.add(after[:tick], style).add(BEFORE, theme.STRONG).add(after[tick + 1 :], style)
    else:
        line.add(after, style).add(" " * (tick - len(after))).add(BEFORE, theme.DIM)


def draw_bar(state: InferenceState, width: int, height: int) -> Picture:
    """The running sums as one bar from 0 to 1, a stretch a token, and the random number that points into it."""
    picture, here, room = Picture(), state.here, max(8, width - 2)
    number = None if here.pick is None else here.pick.number
    at = None if number is None else min(room - 1, int(number * room))
    for words in textwrap.wrap(_words(state), width)[: max(1, height - 3)]:
        picture.line(words, theme.TEXT)
    marks = picture.line()
    if at is not None:
        marks.to(1 + at).add("▼", theme.NEW)
    _sums(picture.line("▕", theme.FAINT), state, room, at).add("▏", theme.FAINT)
    scale = picture.line(" 0", theme.DIM)
    for tenth in (0.25, 0.5, 0.75):
        scale.to(1 + round(tenth * room)).add(f"{tenth}", theme.DIM)
    scale.to(room).add("1", theme.DIM)
    return picture


def _words(state: InferenceState) -> str:
    here, strategy = state.here, state.walk.strategy
    token = state.token(here.token_id)
    if here.pick is None:
        return f"{token} is the prefix's next character: nothing is drawn."
    if strategy.greedy:
        return f"Greedy takes the likeliest, {token}: no random number is needed."
    low, high = here.pick.bounds
    assert here.pick.number is not None
    return f"The random number {here.pick.number:.6f} falls into {token}, which has {low:.6f} to {high:.6f}."


def _sums(line: Line, state: InferenceState, room: int, at: int | None) -> Line:
    """Each cell belongs to the token whose stretch holds its middle; a stretch begins with the token's name.

    The cell `at` belongs to the token that the number falls into, however narrow its stretch.
    """
    here = state.here
    sums = [0.0]
    for weight in here.weights:
        sums.append(sums[-1] + weight)
    token_id, shaded = 0, False
    stretches: list[list[int]] = []  # token, cells
    for cell in range(room):
        while token_id < len(here.weights) - 1 and sums[token_id + 1] <= (cell + 0.5) / room * sums[-1]:
            token_id += 1
        owner = here.token_id if cell == at else token_id
        if stretches and stretches[-1][0] == owner:
            stretches[-1][1] += 1
        else:
            stretches.append([owner, 1])
    for token, cells in stretches:
        name = state.token(token)
        name = name if cell_len(name) <= cells else name[:1] if cell_len(name[:1]) <= cells else ""
        style = theme.NOW if token == here.token_id else theme.BOXED if shaded else theme.RAN
        line.add(name + "─" * (cells - cell_len(name)), style)
        shaded = not shaded
    return line
