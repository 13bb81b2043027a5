"""Whole documents: the likeliest continuations, and names at several training steps; those of the data are marked."""

from __future__ import annotations

from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.picture import Line, Picture, measured
from microgpt_tui.inference.state import InferenceState

KNOWN = "■ in data"
NARROWEST = 13  # cells of a column of names
PRINTED = "as the original prints"


def draw_beam(seen: InferenceState, width: int, height: int) -> Picture:
    """A line a continuation: its probability, a bar, the document, and whether it stands in the training data."""
    del height
    picture = Picture()
    begun = "".join(seen.token(token_id) for token_id in seen.walk.ids[1:])
    said = f"likeliest after {begun}" if seen.look.pos else "likeliest documents"
    picture.line().most(f"{said}, T {seen.walk.strategy.temperature:.2f}", width, theme.DIM)
    if seen.beam is None:
        picture.line("being searched ...", theme.DIM)
        return picture
    room = max(4, min(20, width - 40))
    top = max((found.prob for found in seen.beam), default=0.0)
    for found in seen.beam:
        line = picture.line().fit(f"{found.prob:.2e}" if found.prob < 1e-4 else f"{found.prob:.5f}", 9, theme.TEXT)
        line.fit(bar(found.prob, top, room), room, theme.PLUS).add(" ")
        _name(line, seen, found.text + ("" if found.ended else "…"), width - line.width)
    total = sum(found.prob for found in seen.beam)
    picture.line().most(f"{total:.5f} of all there could be; … the context is full", width, theme.DIM)
    return picture


def draw_names(seen: InferenceState, width: int, height: int) -> Picture:
    """A column a training step, the parameters as they are first, all from the same random numbers; and the names that
    microgpt.py prints.
    """
    del height
    picture = Picture()
    last = len(PRINTED) + 2
    keys: list[int | None] = [None, *sorted(seen.steps[: max(0, (width - last) // NARROWEST - 1)])]
    size = (width - last) // len(keys)
    titles = [f"now ({seen.step:,})" if key is None else f"step {key:,}" for key in keys]
    printed = PRINTED if seen.branch is None else "as this branch prints"
    columns = [(title, seen.names.get(key, [])) for title, key in zip(titles, keys, strict=True)]
    columns.append((printed, seen.printed or []))
    line = picture.line()
    for i, (title, _) in enumerate(columns):
        line.to(i * size).fit(title, _room(i, size, width, columns), theme.STRONG)
    line = picture.line()
    for i, (_, column) in enumerate(columns):
        known = [name in seen.docs for name in column]
        said = f"■ {sum(known)} of {len(known)}" if known else "training ..."
        line.to(i * size).fit(said, _room(i, size, width, columns), theme.DONE if known else theme.DIM)
    for row in range(max(len(column) for _, column in columns)):
        line = picture.line()
        for i, (_, column) in enumerate(columns):
            line.to(i * size)
            if row < len(column):
                _name(line, seen, column[row], _room(i, size, width, columns))
    picture.line().most("■ stands in the training data; the others are new", width, theme.DIM)
    picture.line().most("each step draws with the same random numbers, which are not the walk's", width, theme.DIM)
    end = seen.walk.sampler.recording.config.num_steps
    words = f"on the right: after all {end:,} steps, with the run's own temperature and random numbers"
    picture.line().most(words, width, theme.DIM)
    return picture


def _room(column: int, size: int, width: int, columns: list[tuple[str, list[str]]]) -> int:
    """Cells of a column of names; the last one has what is left."""
    return size - 1 if column < len(columns) - 1 else width - column * size


def _name(line: Line, seen: InferenceState, name: str, room: int) -> None:
    """A document, and whether it stands in the training data: in a word if there is room, by a mark in any case."""
    known = name in seen.docs
    mark = f" {KNOWN}" if measured(name)[1] + len(KNOWN) + 1 <= room else "■"
    line.most(name or "(empty)", room - len(mark) * known, theme.DONE if known else theme.TEXT)
    if known:
        line.add(mark, theme.DONE)
