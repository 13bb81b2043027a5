"""The outline of the step: position, layer, attention and MLP, head, tensor; done, here, to come."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.cells import cell_len

from engine.timeline.events import Event, Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import Block, has_own_words, path
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.tokens import DONE, HERE, TO_COME
from microgpt_tui.texts.say import say

ROOMY, NAMES = 60, 26  # columns from which formulas are shown; those of the names before them


class Program(Pane):
    """The outline; blocks that we are not in are folded."""

    TITLE = pane_title("program")

    def heading(self, frame: Frame) -> str:
        return f"{self.TITLE} ─ {say(f'explanations.phase.{frame.phase}')}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        picture = Picture()
        here = frame.stage_event
        for depth, label, events in _outline(frame, width):
            first, last = events[0], max(events, key=lambda s: s.last)
            inside = here.index in {s.index for s in events}
            mark = HERE if inside else DONE if last.last <= frame.moment.tick else TO_COME
            leaf = len(events) == 1
            style = theme.NOW if inside and leaf else theme.NEW if inside else theme.TEXT if mark == DONE else theme.DIM
            if inside:
                picture.focus = picture.height
            target = Moment(frame.moment.step, frame.phase, first.last)
            formula = f"  {first.formula}" if leaf and not inside and width >= ROOMY else ""
            line = picture.line("  " * depth).fit(
                f"{mark} {label}", max(0, (NAMES if formula else width) - 2 * depth), style, target
            )
            line.most(formula, width - line.width, theme.FAINT, target)
        return picture


def _outline(frame: Frame, width: int) -> Iterator[tuple[int, str, list[Event]]]:
    """Depth, label and events of every line; the shapes of matrices where they fit."""
    events = frame.program.events(frame.phase)
    if frame.phase is Phase.UPDATE:
        for event in events:
            label = f"{event.name}  {'×'.join(map(str, event.shape))}".rstrip()
            yield 0, label if cell_len(label) + len(f"{HERE} ") <= width else event.name, [event]
        return
    if has_own_words(frame.program):
        yield from _inside(frame, events, 0)
        return
    positions = [s for s in events if s.pos is not None]
    order = list(dict.fromkeys(s.pos for s in positions))
    others = [s for s in events if s.pos is None]
    if frame.backward:
        yield from ((0, _leaf(s), [s]) for s in others if not s.is_parameter)
    for pos in order:
        assert pos is not None
        block = [s for s in positions if s.pos == pos]
        yield 0, block_name(frame, ("pos", pos)), block
        if frame.stage_event.pos == pos:
            yield from _inside(frame, block, 1)
    if not frame.backward:
        yield from ((0, _leaf(s), [s]) for s in others)
    elif frame.stage_event.pos in (0, None):
        yield from ((0, _leaf(s), [s]) for s in others if s.is_parameter)


def _inside(frame: Frame, block: list[Event], depth: int) -> Iterator[tuple[int, str, list[Event]]]:
    """The lines of a block: its own tensors, and the blocks in it, unfolded where we are."""
    own = has_own_words(frame.program)
    level = depth

    def lies_in(s: Event) -> tuple[Block, ...] | None:
        way = path(s, own)
        return way[: level + 1] if len(way) > level else None

    here = lies_in(frame.stage_event)
    for inner, group in groupby(block, key=lies_in):
        found = list(group)
        if inner is None:
            yield from ((depth, _leaf(s), [s]) for s in found)
            continue
        whole = [s for s in block if lies_in(s) == inner]
        if found[0] is not whole[0]:
            continue  # in the backward phase blocks interleave: each is listed once, where it begins
        yield depth, block_name(frame, inner[-1]), whole
        if here == inner:
            yield from _inside(frame, whole, depth + 1)


def block_name(frame: Frame, block: Block) -> str:
    """What a block is called: a position with its tokens, a layer or a head by its number, a function by its name."""
    what, which = block
    if isinstance(which, str):
        return which
    if what != "pos":
        return frame.called(what, which)
    reads = f"  {frame.token(which)}" if which < len(frame.program.inputs) else ""
    leads = f" → {frame.target(which)}" if frame.target(which) else ""
    return f"{frame.called('pos', which)}{reads}{leads}"


def _leaf(event: Event) -> str:
    return f"∂{event.name}" if event.phase is Phase.BACKWARD else event.name
