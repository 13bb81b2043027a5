"""Whole documents: the likeliest continuations, and names at several training steps; those of the data are marked."""

from __future__ import annotations

from rich.cells import cell_len

from engine.hangul import syllables
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.numbers import small_percent
from microgpt_tui.drawing.picture import Line, Picture, measured
from microgpt_tui.inference.state import InferenceState
from microgpt_tui.texts.say import say

KNOWN = say("inference.lists.known")
NARROWEST = 13  # cells of a column of names
PRINTED = say("inference.lists.printed_by_original")


def draw_beam(state: InferenceState, width: int, _height: int) -> Picture:
    """A line a continuation: its probability, a bar, the document, and whether it stands in the training data."""
    picture = Picture()
    begun = "".join(state.token(token_id) for token_id in state.walk.ids[1:])
    title = (
        say("inference.lists.likeliest_after", begun=begun)
        if state.here.pos
        else say("inference.lists.likeliest_documents")
    )
    picture.line().most(f"{title}, T {state.walk.strategy.temperature:.2f}", width, theme.DIM)
    if state.beam is None:
        picture.line(say("inference.lists.being_searched"), theme.DIM)
        return picture
    room = max(4, min(20, width - 40))
    top = max((each.prob for each in state.beam), default=0.0)
    for each in state.beam:
        line = picture.line().fit(small_percent(each.prob), 11, theme.TEXT)
        line.fit(bar(each.prob, top, room), room, theme.PLUS).add(" ")
        _name(line, state, each.text + ("" if each.ended else "…"), width - line.width)
    total = sum(each.prob for each in state.beam)
    picture.line().most(say("inference.lists.all_there_could_be", total=small_percent(total)), width, theme.DIM)
    return picture


def draw_names(state: InferenceState, width: int, _height: int) -> Picture:
    """A column a training step, the parameters as they are first, all from the same random numbers; and the names that
    microgpt.py prints.
    """
    picture = Picture()
    last = len(PRINTED) + 2
    keys: list[int | None] = [None, *sorted(state.steps[: max(0, (width - last) // NARROWEST - 1)])]
    size = (width - last) // len(keys)
    columns = [
        (
            say("inference.lists.at_now", step=state.step) if key is None else say("inference.lists.at_step", step=key),
            state.names.get(key, []),
        )
        for key in keys
    ]
    columns.append((PRINTED if state.branch is None else say("inference.lists.printed_by_branch"), state.printed or []))
    rooms = [size - 1] * len(keys) + [width - len(keys) * size]  # the last column has all that remains
    titles, counts = picture.line(), picture.line()
    for i, ((title, names), room) in enumerate(zip(columns, rooms, strict=True)):
        titles.to(i * size).fit(title, room, theme.STRONG)
        known = sum(name in state.docs for name in names)
        count = (
            say("inference.lists.known_of", known=known, n_names=len(names))
            if names
            else say("inference.lists.training")
        )
        counts.to(i * size).fit(count, room, theme.DONE if names else theme.DIM)
    for row in range(max(len(names) for _, names in columns)):
        line = picture.line()
        for i, ((_, names), room) in enumerate(zip(columns, rooms, strict=True)):
            line.to(i * size)
            if row < len(names):
                _name(line, state, names[row], room)
    picture.line().most(say("inference.lists.stands_training_data_others"), width, theme.DIM)
    picture.line().most(say("inference.lists.each_step_draws_with"), width, theme.DIM)
    end = state.walk.sampler.recording.config.num_steps
    words = say("inference.lists.on_right_after_all", end=end)
    picture.line().most(words, width, theme.DIM)
    return picture


def with_syllables(text: str, room: int) -> str:
    """A text of Korean letters and what they make put together; the latter alone where there is no room for both."""
    made = syllables(text)
    both = f"{text} {made}"
    return text if made == text else both if measured(both)[1] <= room else made


def _name(line: Line, state: InferenceState, name: str, room: int) -> None:
    """A document, and whether it stands in the training data: in a word if there is room, by a mark in any case."""
    known = name in state.docs
    words = with_syllables(name, room - known)
    mark = f" {KNOWN}" if measured(words)[1] + cell_len(KNOWN) + 1 <= room else "■"
    style = theme.DONE if known else theme.TEXT
    line.most(words or say("inference.lists.empty"), room - cell_len(mark) * known, style)
    if known:
        line.add(mark, theme.DONE)
