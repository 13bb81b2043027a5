"""The document between its BOS marks: which position is at work, and what it was to say; its loss and the rate."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.style import Style

from engine.text import quoted
from engine.timeline.events import Phase
from engine.timeline.run import ENDLESS
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import at_position
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import window
from microgpt_tui.drawing.numbers import percent, plain
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.drawing.styled_text import marked, styled
from microgpt_tui.explanations.facts import judged
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.say import say

DONE, HERE, TO_COME = "■", "▣", "□"
LONGEST_NAME = 18  # cells of a document that is called by its own text
ROOMY = 100  # cells of the line from which the rate is said whatever the document's length
GAP = 3  # cells before each thing that is said
LEAST = 24  # cells of the tokens, whatever is said after them

Words = list[tuple[str, Style]]
Forms = list[Words]
"""The same said in fewer and fewer words."""


class Tokens(Pane, can_focus=False):
    """The tokens in one line, and after them what this phase does with them."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        picture = Picture()
        line = picture.line(" ")
        says = list(_says(frame))
        *asides, rate = _asides(frame)
        kept = [says[0][:1]] if width < ROOMY else [*says, rate]
        asides = [*(says[1:] if width < ROOMY else ()), *asides]
        room = width - 1 - sum(GAP + _width(forms[-1]) for forms in kept)
        _tokens(line, frame, max(LEAST, room))
        left = room - line.width
        for forms in [*kept, *asides, *([] if rate in kept else [rate])]:
            least = GAP + _width(forms[-1]) if forms in kept else 0  # it is set aside already
            form = next((form for form in forms if GAP + _width(form) - least <= left), None)
            if form is None:
                break
            left -= GAP + _width(form) - least
            line.add(" " * GAP)
            for text, style in form:
                line.add(text, style)
        return picture


def _width(words: Words) -> int:
    return sum(cell_len(text) for text, _ in words)


def _tokens(line: Line, frame: Frame, room: int) -> None:
    """The tokens, a window of them around the present one where there is no room for all."""
    program, pos = frame.program, frame.stage_event.pos
    count = program.n_tokens
    names = [frame.token_name(t) for t in program.first_tokens(program.n + room)]  # no later ones can be seen
    sizes = [max(cell_len(name), 1) + 2 for name in names]
    fits = count if count == len(names) and sum(sizes) <= room else max(3, (room - 4) // max(sizes, default=3))
    first, last = window(count, fits, pos or 0)
    if first:
        line.add("… ", theme.DIM)
    for i in range(first, last):
        target = at_position(program, frame.stage_event, i)
        style = theme.NOW if i == pos else theme.TARGET if pos is not None and i == pos + 1 else theme.TEXT
        if i > program.n:
            style = theme.FAINT
        line.add(f"[{names[i]}]" if i == pos else f" {names[i]} ", style, target)
    if last < count:
        line.add(" …", theme.DIM)


def _says(frame: Frame) -> Iterator[Forms]:
    """What this phase does with the document, the most important first; what is not known yet is left out."""
    pos, loss = frame.stage_event.pos, frame.view.loss
    figure = marked(plain(loss), 0)
    told = styled(say("panes.tokens.loss", loss=figure), theme.DIM, theme.STRONG)
    if frame.phase is Phase.UPDATE:
        of_document = say("panes.tokens.loss_of", name=_called(frame), loss=figure)
        yield [styled(of_document, theme.DIM, theme.STRONG), told]
        return
    if pos is None:
        n, positions = frame.program.n, say("panes.tokens.positions", n=frame.program.n)
        said = f"{_called(frame)}: {positions}" if n and frame.program.n_tokens else frame.event.name
        yield [[(_formula(frame) or said, theme.TEXT)], [(said, theme.TEXT)]]
    elif not frame.target(pos):
        where, formula = frame.called("pos", pos), _formula(frame)
        yield [[(f"{where}   ", theme.TEXT), (formula, theme.DIM)], [(where, theme.TEXT)]]
    else:
        styles = theme.NEW, theme.TARGET, theme.STRONG
        both = {"reads": marked(frame.token(pos), 0), "target": marked(frame.target(pos), 1)}
        forms = [say("panes.tokens.reads" if frame.forward else "panes.tokens.read", **both)]
        given = given_to_target(frame, pos) if frame.backward else None
        if given is not None:
            forms.insert(0, say("panes.tokens.read_and_gave", share=marked(percent(given), 2), **both))
        yield [styled(form, theme.DIM, *styles) for form in forms]
    if loss is not None:
        yield [told]


def _formula(frame: Frame) -> str:
    """How the tensor at work is made, where the run says so."""
    operation = frame.operation
    return f"{operation.name} = {operation.formula}" if operation.formula else ""


def _asides(frame: Frame) -> Iterator[Forms]:
    """What else there is to know where there is room; last the rate."""
    rate = _rate(frame)
    if frame.program.n_tokens - 1 > frame.program.n:
        holds = say("panes.tokens.context_holds", positions=frame.program.n)
        full = say("panes.tokens.context_holds_rest", positions=frame.program.n)
        yield [[(full, theme.DIM)], [(holds, theme.DIM)]]
    yield [rate, rate[:-1]] if frame.phase is Phase.UPDATE else [rate[:-1]]


def _rate(frame: Frame) -> Words:
    """The learning rate of the step, and how it comes about where the configuration says so; empty if it is unknown."""
    config, step, rate = frame.config, frame.moment.step, frame.view.learning_rate
    if rate is None:
        return []
    formula = f" = {config.learning_rate:g}·(1 − {step}/{config.num_steps})"
    words: Words = [(f"{say('panes.tokens.rate')} ", theme.DIM), (plain(rate), theme.STRONG)]
    follows = config.num_steps < ENDLESS and rate == config.learning_rate_at(step)
    return [*words, (formula if follows else "", theme.DIM)]


def _called(frame: Frame) -> str:
    """The document by its own text where that is short."""
    if not frame.program.doc:
        return say("panes.tokens.this_step")
    text = quoted(frame.program.doc)
    return text if cell_len(text) <= LONGEST_NAME else say("panes.tokens.this_document")


def given_to_target(frame: Frame, pos: int) -> float | None:
    """The probability that a position has given to the token that really came; None where it is not known."""
    made = next((s for s in frame.program.events(Phase.FORWARD) if s.kind == "nll" and s.pos == pos), None)
    if made is None or "probs" not in made.operands:
        return None
    return frame.value(judged(frame, made))
