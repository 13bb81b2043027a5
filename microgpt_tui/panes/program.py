"""The outline of the step: position, layer, attention and MLP, head, tensor; done, here, to come."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from engine.timeline.events import Event, Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import path
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.tokens import DONE, HERE, TO_COME


class Program(Pane):
    """The outline; blocks that we are not in are folded."""

    TITLE = "Program"

    def heading(self, frame: Frame) -> str:
        return f"Program ─ {frame.phase}"

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
            picture.line("  " * depth).fit(f"{mark} {label}", max(0, width - 2 * depth), style, target)
        return picture


def _outline(frame: Frame, width: int) -> Iterator[tuple[int, str, list[Event]]]:
    """Depth, label and events of every line; the shapes of matrices where they fit."""
    events = frame.program.events(frame.phase)
    if frame.phase is Phase.UPDATE:
        for event in events:
            label = f"{event.name}  {'×'.join(map(str, event.shape))}".rstrip()
            yield 0, label if len(label) + len(f"{HERE} ") <= width else event.name, [event]
        return
    positions = [s for s in events if s.pos is not None]
    order = list(dict.fromkeys(s.pos for s in positions))
    others = [s for s in events if s.pos is None]
    if frame.backward:
        yield from ((0, _leaf(s), [s]) for s in others if not s.is_parameter)
    for pos in order:
        assert pos is not None
        block = [s for s in positions if s.pos == pos]
        yield 0, f"pos {pos}  {frame.token(pos)} → {frame.target(pos)}", block
        if frame.stage_event.pos == pos:
            yield from _inside(frame, block, 1)
    if not frame.backward:
        yield from ((0, _leaf(s), [s]) for s in others)
    elif frame.stage_event.pos in (0, None):
        yield from ((0, _leaf(s), [s]) for s in others if s.is_parameter)


def _inside(frame: Frame, block: list[Event], depth: int) -> Iterator[tuple[int, str, list[Event]]]:
    """The lines of a block: its own tensors, and the blocks in it, unfolded where we are."""
    for inner, group in groupby(block, key=lambda s: path(s)[: depth + 1] if len(path(s)) > depth else None):
        found = list(group)
        if inner is None:
            yield from ((depth, _leaf(s), [s]) for s in found)
            continue
        whole = [s for s in block if path(s)[: depth + 1] == inner]
        if found[0] is not whole[0]:
            continue  # in the backward phase blocks interleave: each is listed once, where it begins
        names = {2: f"layer {inner[1]}", 3: str(inner[-1]), 4: f"head {inner[-1]}"}
        yield depth, names[len(inner)], whole
        if path(frame.stage_event)[: depth + 1] == inner:
            yield from _inside(frame, whole, depth + 1)


def _leaf(event: Event) -> str:
    return f"∂{event.name}" if event.phase is Phase.BACKWARD else event.name
