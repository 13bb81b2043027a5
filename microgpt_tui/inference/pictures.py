"""The pictures of one position of a sample: where it is, the tokens, the temperature, what may come next, the draw, and
what the position attends to.
"""

from __future__ import annotations

import textwrap
from itertools import groupby

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from engine.hangul import syllables
from engine.model.recording import Floats
from engine.model.tensors import AttentionNames, attention_names
from engine.sampling.strategy import ranked
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar, heat, size_for, window
from microgpt_tui.drawing.numbers import brief, percent
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.drawing.swatch import share_swatch, signed_swatch
from microgpt_tui.inference.state import COLDEST, HOTTEST, NOTCH, InferenceState, Position, Temperature
from microgpt_tui.panes.attention import share_cell
from microgpt_tui.texts.say import say

NARROWEST, ROOMY = 16, 48  # cells of a column of bars; from ROOMY on, both bars and the logit have their own
SHARE, LOGIT = 7, 8  # cells of a number
BEFORE = "╎"  # how long the bar is before the temperature
CACHED = 4  # lines of keys and values that are not given up for heads


def place(state: InferenceState, width: int, _height: int) -> Picture:
    """One line: the training step whose parameters are used, and which sequence of random numbers."""
    picture = Picture()
    line = (
        picture.line()
        .add(say("inference.pictures.title"), theme.NOW)
        .add(say("inference.pictures.parameters_step", step=state.step), theme.TEXT)
    )
    if state.branch is not None:
        line.most(say("inference.pictures.in_branch", branch=state.branch), width - line.width, theme.STRONG)
    numbers = (
        say("inference.pictures.run_s_own_numbers")
        if state.sequence == 0
        else say("inference.pictures.random_sequence", sequence=state.sequence)
    )
    line.most(
        say("inference.pictures.name_of", name=state.walk.index + 1, numbers=numbers), width - line.width, theme.DIM
    )
    if state.pending:
        line.most(f"  ·  {state.pending}", width - line.width, theme.STRONG)
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
    if (made := syllables(walk.text)) != walk.text:
        line.most(f" {made} ", width - line.width, theme.TEXT)
    if walk.ended:
        what = "known" if walk.text in state.docs else "new"
        ending = "empty" if not walk.text else what if state.judged else "unjudged"
        words = say(f"inference.pictures.ended.{ending}")
        line.most(words, width - line.width, theme.STRONG)
    elif walk.over:
        line.most(say("inference.pictures.full"), width - line.width, theme.STRONG)
    said = {"pos": here.pos, "reads": names[-1], "token": state.token(here.token_id)}
    if here.pick is None:
        words = say("inference.pictures.reads_prefix", **said)
    else:
        how = "takes" if walk.strategy.greedy else "draws"
        words = say(f"inference.pictures.reads_and_{how}", p=percent(here.weights[here.token_id]), **said)
    picture.line().most(words, width, theme.DIM)
    return picture


def slider(state: InferenceState, width: int, _height: int) -> Picture:
    """One line: the temperature, to be dragged, and how the next token is chosen."""
    picture, t = Picture(), state.walk.strategy.temperature
    line = (
        picture.line()
        .add(say("inference.pictures.temperature", t=t), theme.STRONG)
        .add(say("inference.pictures.cold"), theme.DIM)
    )
    wild, mode = say("inference.pictures.wild"), say("inference.pictures.mode", mode=state.mode)
    notches = round((HOTTEST - COLDEST) / NOTCH)
    cells = max(8, min(width - line.width - cell_len(wild + mode) - 1, 2 * notches + 1))
    at = round((min(t, HOTTEST) - COLDEST) / (HOTTEST - COLDEST) * (cells - 1))
    for i in range(cells):
        value = Temperature(round(COLDEST + round(i / (cells - 1) * notches) * NOTCH, 2))
        line.add("●" if i == at else "━" if i < at else "─", theme.STRONG if i <= at else theme.DIM, value)
    line.add(wild, theme.DIM).most(mode, width - line.width, theme.STRONG)
    return picture


def keys(state: InferenceState, width: int, _height: int) -> Picture:
    """One line: what can be pressed."""
    picture = Picture()
    line = picture.line()
    s = state.walk.strategy
    more = [("↑↓", "k" if s.top_k else "p")] if s.top_k or s.top_p else []
    hints = [
        ("n p", "step"), ("←→", "temperature"), ("m", "mode"), *more, ("r", "anew"), ("e", "prefix"), ("b", "beam"),
        ("g", "names"), ("?", "help"),
    ]  # fmt: skip
    leave = Line().add(" q ", theme.STRONG).add(say("inference.hint.leave") + " ", theme.TEXT)  # the way out: always
    for key, what in hints:
        hint = Line().add(f" {key} ", theme.STRONG).add(say(f"inference.hint.{what}") + " ", theme.TEXT)
        if line.width + hint.width + leave.width <= width:
            line.extend(hint)
    line.extend(leave)
    return picture


def share_text(value: float) -> str:
    """A share of 1 in at most six characters, such as 18.1%."""
    return percent(value) if value >= 0.0005 or value == 0 else "<0.1%"


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
        line.to(label).fit(say("inference.pictures.logit"), LOGIT - 1, theme.DIM, right=True).add(" ")
        half = (size - 1 - label - LOGIT) // 2
        line.fit(say("inference.pictures.as_it_is"), half, theme.DIM).add(
            say("inference.pictures.as_drawn_from"), theme.DIM
        )
    else:
        line.add(say("inference.pictures.heading", before=BEFORE), theme.DIM)
    if shown < n:
        line.add(say("inference.pictures.shown_of", shown=shown, n=n), theme.DIM)


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
        line.fit(_figure(share_text(plain)), SHARE, theme.DIM).add(bar(plain, scale, half - SHARE - 1), theme.DIM)
        line.to(begun + half)
        line.fit(_weight_text(here.probs[token_id], weight), SHARE, style)
        line.add(bar(weight, scale, end - line.width), theme.TARGET if chosen else theme.PLUS)
    else:
        line.fit(_weight_text(here.probs[token_id], weight), SHARE, style)
        _both(line, (weight, plain), scale, end - line.width, theme.TARGET if chosen else theme.PLUS)


def _weight_text(prob: float, weight: float) -> str:
    return _figure(say("inference.pictures.left_out") if prob and not weight else share_text(weight))


def _figure(text: str) -> str:
    """To the right of its column, but for a space before the bar."""
    return " " * (SHARE - 1 - cell_len(text)) + text


def _both(line: Line, shares: tuple[float, float], scale: float, room: int, style: Style) -> None:
    """The bar after the temperature, and a tick where the one before ends; nothing where there is no room."""
    if room < 1:
        return
    after = bar(shares[0], scale, room)
    tick = min(room - 1, round(shares[1] / scale * room))
    if tick < len(after):
        mark = Style(color=theme.BACKGROUND, bgcolor=style.color and style.color.name)  # no hole in the bar
        line.add(after[:tick], style)
        line.add(BEFORE, theme.STRONG if after[tick] != "█" else mark).add(after[tick + 1 :], style)
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
        return say("inference.pictures.prefix_s_next_character", token=token)
    if strategy.greedy:
        return say("inference.pictures.greedy_takes_likeliest_no", token=token)
    low, high = here.pick.bounds
    assert here.pick.number is not None
    return say("inference.pictures.random_number_falls_into", number=here.pick.number, token=token, low=low, high=high)


def _sums(line: Line, state: InferenceState, room: int, at: int | None) -> Line:
    """Each cell belongs to the token whose stretch holds its middle; a stretch begins with the token's name.

    The cell `at` belongs to the token that the number falls into, however narrow its stretch.
    """
    here, sums = state.here, np.cumsum(state.here.weights)
    middles = (np.arange(room) + 0.5) / room * sums[-1]
    owners = np.minimum(sums.searchsorted(middles, side="right"), len(sums) - 1)
    if at is not None:
        owners[at] = here.token_id
    shaded = False
    for token, group in groupby(owners.tolist()):
        cells = len(list(group))
        name = state.token(token)
        name = name if cell_len(name) <= cells else name[:1] if cell_len(name[:1]) <= cells else ""
        style = theme.NOW if token == here.token_id else theme.BOXED if shaded else theme.RAN
        line.add(name + "─" * (cells - cell_len(name)), style)
        shaded = not shaded
    return line


def inside(state: InferenceState, width: int, height: int) -> Picture:
    """One layer: a line a head with the attention weights in percent, then a line a position with its k and v."""
    picture, walk = Picture(), state.walk
    config, tensors = walk.sampler.recording.config, attention_names(walk.sampler.recording.specs)
    if tensors is None:
        why = "no_heads" if config.n_layer else "no_layers"
        picture.line().most(say(f"inference.pictures.nothing_inside.{why}"), width, theme.DIM)
        return picture
    names = [state.token(token_id) for token_id in walk.ids]
    label = max(8 if config.n_head > 10 else 7, min(8, *(cell_len(name) + 2 for name in names)))
    heads = min(config.n_head, max(1, height - 3 - min(len(names), CACHED)))
    _attention(picture, state, tensors.weights, names, (label, width), heads)
    n, room = config.n_embd, max(2, (width - label - 1) // 2)
    size = size_for(n, room, 2)
    shown = min(n, room // size)
    first, last = window(len(names), max(1, height - picture.height - 1), len(names) - 1)
    cut = f" 0-{shown - 1}" if shown < n else ""
    line = picture.line().fit(
        say("inference.pictures.kept_from", first=first) if first else say("inference.pictures.kept"), label, theme.DIM
    )
    both = tensors.key, tensors.value
    line.fit(f"{tensors.key}{cut}", shown * size + 1, theme.DIM).fit(f"{tensors.value}{cut}", shown * size, theme.DIM)
    cached, scale = _kept(state, tensors), _scale(state, tensors)
    for pos in range(first, last):
        here = pos == len(names) - 1
        line = picture.line().fit(f"{'▸' if here else ' '}{names[pos]}", label, theme.NEW if here else theme.TEXT)
        for name in both:
            for value in cached[name][pos][:shown].tolist():
                line.add(*heat(value, True, scale, size, here or not theme.signs_only))
            line.add(" ")
    return picture


def _kept(state: InferenceState, names: AttentionNames) -> dict[str, list[Floats]]:
    """The keys and the values of all positions so far, of the layer that is shown."""
    walk, both = state.walk, (names.key, names.value)
    return {name: [walk.tensor(name, pos, state.layer) for pos in range(len(walk.ids))] for name in both}


def _scale(state: InferenceState, names: AttentionNames) -> float:
    """The largest magnitude of the keys and values."""
    return max((float(np.abs(np.array(each)).max(initial=0.0)) for each in _kept(state, names).values()), default=0.0)


def legend(state: InferenceState, width: int, _height: int) -> Picture:
    """One line: how to read the colours and signs of the pictures above, as much of it as fits."""
    picture = Picture()
    chosen = Line().add(
        say(f"inference.pictures.chosen.{'taken' if state.walk.strategy.greedy else 'drawn'}"), theme.TARGET
    )
    before = Line().add(say("inference.pictures.p_at_temperature", before=BEFORE), theme.DIM)
    parts = [chosen, before]
    names = None if state.lists else attention_names(state.walk.sampler.recording.specs)
    if names is not None:
        attention = share_swatch(Line().add(say("inference.pictures.attention"), theme.DIM))
        kept = signed_swatch(Line().add(f"   {names.key} {names.value} ", theme.DIM), _scale(state, names))
        parts = [chosen, attention, kept, Line().add(say("inference.pictures.here"), theme.NEW), before]
    line = picture.line()
    for part in parts:
        if line.width + part.width + 1 <= width:
            line.extend(part)
    return picture


def _attention(
    picture: Picture, state: InferenceState, tensor: str, names: list[str], sizes: tuple[int, int], heads: int
) -> None:
    """A line a head with its attention weights, `tensor`, the first ones; a column a token read, the latest ones."""
    label, width = sizes
    size = 4 if len(names) * 4 <= width - label else 3
    first, last = window(len(names), max(1, (width - label) // size), len(names) - 1)
    pos = len(names) - 1
    config = state.walk.sampler.recording.config
    words = say("inference.pictures.attention_percent", names=names[-1])
    words += say("inference.pictures.layer_tab_next", layer=state.layer) if config.n_layer > 1 else ""
    words += say("inference.pictures.attention_from", first=first) if first else ""
    words += (
        say("inference.pictures.heads_shown", last=heads - 1, n_head=config.n_head) if heads < config.n_head else ""
    )
    picture.line().most(words, width, theme.DIM)
    line = picture.line().to(label)
    for name in names[first:last]:
        line.fit(name, size, theme.TEXT)
    for head in range(heads):
        line = picture.line().fit(say("inference.pictures.head", head=head), label, theme.TEXT)
        weights = state.walk.tensor(tensor, pos, state.layer, head)
        for weight in weights[first:last]:
            text, style = share_cell(float(weight), 3)
            line.add(text, style).add(" " * (size - 3))
