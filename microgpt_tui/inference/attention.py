"""What the present position listens to: attention to the tokens read, and the keys and values kept for it."""

from __future__ import annotations

import numpy as np
from rich.cells import cell_len

from engine.model.recording import Floats
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import cell, size_for, window
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.inference.state import InferenceState
from microgpt_tui.panes.attention import share_cell

KEPT = 4  # lines of keys and values that are not given up for heads


def inside(seen: InferenceState, width: int, height: int) -> Picture:
    """One layer: a line a head with the attention weights in percent, then a line a position with its k and v."""
    picture, walk = Picture(), seen.walk
    config = walk.sampler.recording.config
    missing = {"attn_weights", "k", "v"} - {tensor.name for tensor in walk.sampler.recording.positions[0].tensors}
    if missing:
        words = f"no tensor called {' or '.join(sorted(missing))}" if config.n_layer else "no layers"
        picture.line().most(f"{words}: no attention, keys and values", width, theme.DIM)
        return picture
    names = [seen.token(token_id) for token_id in walk.ids]
    label = max(8 if config.n_head > 10 else 7, min(8, *(cell_len(name) + 2 for name in names)))
    heads = min(config.n_head, max(1, height - 3 - min(len(names), KEPT)))
    _attention(picture, seen, names, (label, width), heads)
    n, room = config.n_embd, max(2, (width - label - 1) // 2)
    size = size_for(n, room, 2)
    shown = min(n, room // size)
    first, last = window(len(names), max(1, height - picture.height - 1), len(names) - 1)
    cut = f" 0-{shown - 1}" if shown < n else ""
    line = picture.line().fit(f"from {first}" if first else "kept", label, theme.DIM)
    line.fit(f"k{cut}", shown * size + 1, theme.DIM).fit(f"v{cut}", shown * size, theme.DIM)
    kept = {name: [walk.tensor(name, pos, seen.layer) for pos in range(len(names))] for name in ("k", "v")}
    for pos in range(first, last):
        here = pos == len(names) - 1
        line = picture.line().fit(f"{'▸' if here else ' '}{names[pos]}", label, theme.NEW if here else theme.TEXT)
        for name in ("k", "v"):
            _strip(line, kept[name][pos][:shown], size, float(np.abs(np.array(kept[name])).max()), here)
            line.add(" ")
    return picture


def _attention(picture: Picture, seen: InferenceState, names: list[str], sizes: tuple[int, int], heads: int) -> None:
    """A line a head, the first ones; a column a token read, the latest ones."""
    label, width = sizes
    size = 4 if len(names) * 4 <= width - label else 3
    first, last = window(len(names), max(1, (width - label) // size), len(names) - 1)
    pos = len(names) - 1
    config = seen.walk.sampler.recording.config
    words = f"attention of {names[-1]}, percent"
    words += f", layer {seen.layer} (tab: next)" if config.n_layer > 1 else ""
    words += f", from position {first}" if first else ""
    words += f", heads 0-{heads - 1} of {config.n_head}" if heads < config.n_head else ""
    picture.line().most(words, width, theme.DIM)
    line = picture.line().to(label)
    for name in names[first:last]:
        line.fit(name, size, theme.TEXT)
    for head in range(heads):
        line = picture.line().fit(f"head {head}", label, theme.TEXT)
        weights = seen.walk.tensor("attn_weights", pos, seen.layer, head)
        for weight in weights[first:last]:
            text, style = share_cell(float(weight), 3)
            line.add(text, style).add(" " * (size - 3))


def _strip(line: Line, values: Floats, size: int, scale: float, here: bool) -> None:
    for value in values:
        char, style = cell(float(value), True, scale)
        line.add(char, style + theme.FRESH if here else style).add(" " * (size - 1))
