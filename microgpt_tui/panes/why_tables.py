"""The tables of the pane Why: contributions to a prediction, and to the update of a parameter."""

from __future__ import annotations

from rich.style import Style

from engine.explain.logit_attribution import Attribution, Attributor
from engine.explain.update_attribution import PositionContribution, Step, UpdateAttribution
from engine.text import quoted
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.numbers import number, share
from microgpt_tui.drawing.picture import Line
from microgpt_tui.operations.canvas import Board
from microgpt_tui.texts.say import say

LABEL, SHORT, FIGURE, SHARE = 15, 7, 9, 9  # cells
LEAST_BAR = 4


def opponents(frame: Frame, attributor: Attributor) -> tuple[int, int]:
    """The tokens that are compared: the one that comes, and the selected one or else the largest other one."""
    target = attributor.target
    span = frame.program.span(attributor.pos)
    for tensor in (span.logits, span.probs) if span else ():
        found = (tensor.rows == frame.selected).nonzero()[0].tolist()
        if found and found[0] != target:
            return target, int(found[0])
    return target, attributor.rival(target)


def draw_parts(board: Board, attributor: Attributor) -> None:
    """One line a part: what it gave to the target's logit, to the rival's, and which of them it favoured."""
    frame = board.frame
    target, rival = opponents(frame, attributor)
    mine, its = attributor.logit(target), attributor.logit(rival)
    names = [f"◎{frame.token_name(target)}", frame.token_name(rival)]
    gaps = [a - b for a, b in zip(mine.values, its.values, strict=True)]
    label = _label_width(board)
    bars = (board.width - label - 3 * FIGURE - 1) // 2
    size = _size(board)
    line = board.picture.line().fit(say(f"panes.why_tables.logit_of.{size}"), label, theme.DIM)
    for name, style in zip((*names, f"{names[0]}−{names[1]}"), (theme.TARGET, theme.TEXT, theme.DIM), strict=True):
        line.fit(name, FIGURE, style, right=True)
    if bars >= LEAST_BAR:
        rivals, ours = (say("panes.why_tables.for", token=name) for name in reversed(names))
        line.add(" ").fit(rivals, bars, theme.DIM, right=True).add("│", theme.FAINT).fit(ours, bars, theme.DIM)
    scale = max(map(abs, gaps))
    for i, part in enumerate(attributor.parts):
        row = int(part.rows[0])
        line = board.picture.line()
        words = part.label if size == "full" else part.short
        line.fit(words, label, theme.CURSOR if row == frame.selected else theme.TEXT, row)
        for value in (mine.values[i], its.values[i], gaps[i]):
            _figure(line, value)
        if bars >= LEAST_BAR:
            _two_sided(line.add(" "), gaps[i], scale, bars)
    _sums(board, mine, its, attributor.altered)


def _size(board: Board) -> str:
    """How what stands on the left is written: where there is not enough room for all figures, short."""
    return "full" if board.width >= LABEL + 3 * FIGURE else "short"


def _label_width(board: Board) -> int:
    """Cells for what stands on the left."""
    return LABEL if _size(board) == "full" else SHORT


def _two_sided(line: Line, value: float, scale: float, room: int) -> None:
    """A bar to the right for what favours the target, to the left for what favours the rival."""
    halves = round(-2 * value / scale * room) if value < 0 else 0
    left = "▐" * (halves % 2) + "█" * (halves // 2)
    line.add(left.rjust(room), theme.MINUS).add("│", theme.FAINT)
    line.add(bar(value, scale, room), theme.PLUS)


def _sums(board: Board, mine: Attribution, its: Attribution, altered: bool) -> None:
    """What is left over, the whole, and what that means."""
    size = _size(board)
    left = say(f"panes.why_tables.set_rounding.{size}" if altered else f"panes.why_tables.rounding.{size}")
    for label, a, b, whole in (
        (left, mine.rounding, its.rounding, False),
        (say("panes.why_tables.logit"), mine.logit, its.logit, True),
    ):
        line = board.picture.line()
        line.fit(label, _label_width(board), theme.STRONG if whole else theme.DIM)
        for value in (a, b, a - b):
            _figure(line, value, None if whole else theme.DIM)
    if altered:
        board.note(say("panes.why_tables.set_in_branch"))
    board.note(say("panes.why_tables.difference"))


def _figure(line: Line, value: float, style: Style | None = None) -> None:
    line.fit(number(value, 3), FIGURE, style or theme.signed(value), right=True)


def draw_update_attribution(board: Board, found: UpdateAttribution) -> None:
    """One line a position, in the order in which they were added; then what Adam made of their sum."""
    if not found.contributions:
        board.note(say("panes.why_tables.does_not_depend", doc=quoted(found.doc)))
    else:
        board.say(say("panes.why_tables.order_adding", doc=quoted(found.doc)))
    scale = max((abs(part.term.product) for part in found.contributions), default=0.0)
    for part in found.contributions:
        _contribution(board, part, found.gradient, scale)
    for label, value, style in (
        (say("panes.why_tables.rounding.full"), found.rounding, theme.DIM),
        (say("panes.why_tables.gradient"), found.gradient, theme.STRONG),
    ):
        _figure(board.picture.line().fit(label, _label_width(board) + 2, style), value)
    if found.step is None:
        board.note(say("panes.why_tables.not_yet"))
    else:
        _step(board, found.step)


def _contribution(board: Board, part: PositionContribution, gradient: float, scale: float) -> None:
    frame = board.frame
    line = board.picture.line()
    leads = f"→{frame.target(part.pos)}" if frame.target(part.pos) else ""
    words = f"{frame.numbered_token(part.pos)}{leads}"
    line.fit(words, _label_width(board) + 2, theme.TEXT)
    _figure(line, part.term.product)
    line.fit(share(part.term.product, gradient), SHARE, theme.DIM, right=True)
    room = board.width - line.width - 1
    if room >= LEAST_BAR:
        line.add(" ").add(bar(abs(part.term.product), scale, room), theme.signed(part.term.product))


def _step(board: Board, step: Step) -> None:
    """m as the decayed old moment and the new part, and the step likewise."""
    board.say(say("panes.why_tables.m_is"))
    adam = step.adam
    rows = (
        ("momentum", step.kept, step.by_momentum, theme.TEXT), ("document", step.fresh, step.by_document, theme.TEXT),
        ("together", adam.m, adam.delta, theme.STRONG),
    )  # fmt: skip
    line = board.picture.line().fit("", _label_width(board) + 2)
    for word, size in (
        ("m", FIGURE),
        (say("panes.why_tables.moved_by"), FIGURE),
        (say("panes.why_tables.share"), SHARE),
    ):
        line.fit(word, size, theme.DIM, right=True)
    for part, m, delta, style in rows:
        line = board.picture.line().fit(say(f"panes.why_tables.part.{part}"), _label_width(board) + 2, style)
        _figure(line, m)
        _figure(line, 0.0 - delta)
        line.fit(share(delta, adam.delta), SHARE, theme.DIM, right=True)
    if adam.unmoved is not None:
        board.note(say("panes.why_tables.not_moved", why=adam.unmoved))
