"""Whole documents: the likeliest continuations, and names at several training steps; those of the data are marked."""

from __future__ import annotations

from microgpt_tui import palette
from microgpt_tui.inference.seen import Seen
from microgpt_tui.widgets.cells import bar
from microgpt_tui.widgets.picture import Line, Picture, measured

KNOWN = "■ in data"
NARROWEST = 13  # cells of a column of names


def beam(seen: Seen, width: int, height: int) -> Picture:
    """A line a continuation: its probability, a bar, the document, and whether it stands in the training data."""
    del height
    picture = Picture()
    begun = "".join(seen.token(token_id) for token_id in seen.walk.ids[1:])
    said = f"likeliest after {begun}" if seen.look.pos else "likeliest documents"
    picture.line().most(f"{said}, T {seen.walk.strategy.temperature:.2f}", width, palette.DIM)
    if seen.beam is None:
        picture.line("being searched ...", palette.DIM)
        return picture
    room = max(4, min(20, width - 40))
    top = max((found.prob for found in seen.beam), default=0.0)
    for found in seen.beam:
        line = picture.line().fit(f"{found.prob:.2e}" if found.prob < 1e-4 else f"{found.prob:.5f}", 9, palette.TEXT)
        line.fit(bar(found.prob, top, room), room, palette.PLUS).add(" ")
        _name(line, seen, found.text + ("" if found.ended else "…"), width - line.width)
    total = sum(found.prob for found in seen.beam)
    picture.line().most(f"{total:.5f} of all there could be; … the context is full", width, palette.DIM)
    return picture


def names(seen: Seen, width: int, height: int) -> Picture:
    """A column a training step, the parameters as they are first; all from random numbers of their own."""
    del height
    picture = Picture()
    keys: list[int | None] = [None, *sorted(seen.steps[: max(0, width // NARROWEST - 1)])]
    size = width // len(keys)
    line = picture.line()
    for i, key in enumerate(keys):
        line.to(i * size).fit(f"now ({seen.step:,})" if key is None else f"step {key:,}", size - 1, palette.STRONG)
    line = picture.line()
    for i, key in enumerate(keys):
        known = [name in seen.docs for name in seen.names.get(key, ())]
        said = f"■ {sum(known)} of {len(known)}" if known else "training ..."
        line.to(i * size).fit(said, size - 1, palette.DONE if known else palette.DIM)
    for row in range(max((len(seen.names.get(key, ())) for key in keys), default=0)):
        line = picture.line()
        for i, key in enumerate(keys):
            column = seen.names.get(key, ())
            line.to(i * size)
            if row < len(column):
                _name(line, seen, column[row], size - 1)
    picture.line().most("■ stands in the training data; the others are new", width, palette.DIM)
    picture.line().most("each column draws the same random numbers, which are not the walk's", width, palette.DIM)
    return picture


def _name(line: Line, seen: Seen, name: str, room: int) -> None:
    """A document, and whether it stands in the training data: in a word if there is room, by a mark in any case."""
    known = name in seen.docs
    mark = f" {KNOWN}" if measured(name)[1] + len(KNOWN) + 1 <= room else "■"
    line.most(name or "(empty)", room - len(mark) * known, palette.DONE if known else palette.TEXT)
    if known:
        line.add(mark, palette.DONE)
