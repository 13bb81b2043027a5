"""The document between its BOS marks: which position is at work, which are done, what each should predict."""

from __future__ import annotations

from rich.cells import cell_len

from engine.text import quoted
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import at_position
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import window
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.panes.base import Pane

DONE, HERE, TO_COME = "■", "▣", "□"


class Tokens(Pane, can_focus=False):
    """The tokens, and below each the state of its position."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        picture, program, pos = Picture(), frame.program, frame.stretch.pos
        names = [frame.token_name(t) for t in program.tokens]
        tokens, marks = picture.line(" "), picture.line(" ")
        states = self._states(frame)
        says = self._says(frame)
        room = max(6, (width - cell_len(says) - 4) // 4)
        first, last = window(len(names), room, pos or 0)
        if first:
            tokens.add("… ", theme.DIM)
            marks.add("  ")
        for i in range(first, last):
            size = max(cell_len(names[i]), 1) + 2
            target = at_position(program, frame.stretch, i)
            style = theme.NOW if i == pos else theme.TARGET if pos is not None and i == pos + 1 else theme.TEXT
            if i > program.n:
                style = theme.FAINT
            tokens.add(f"[{names[i]}]" if i == pos else f" {names[i]} ", style, target)
            mark = states[i] if i < program.n else ""
            marks.fit(
                f" {mark}", size, theme.NEW if mark == HERE else theme.DONE if mark == DONE else theme.DIM, target
            )
        if last < len(names):
            tokens.add(" …", theme.DIM)
        column = max(tokens.width, marks.width) + 2
        tokens.to(column).fit(says, max(0, width - column), theme.TEXT)
        legend = f"{DONE} done  {HERE} here  {TO_COME} to come"
        if len(program.tokens) - 1 > program.n:
            legend += f"  (the context holds {program.n} positions; the rest is not read)"
        marks.to(column).fit(legend, max(0, width - column), theme.DIM)
        return picture

    @staticmethod
    def _says(frame: Frame) -> str:
        pos = frame.stretch.pos
        if pos is None:
            return f"{quoted(frame.program.doc)}: {frame.program.n} positions"
        verb = "should predict" if frame.phase is Phase.FORWARD else "should have predicted"
        return f"reads {frame.token(pos)}, {verb} {frame.target(pos)}"

    @staticmethod
    def _states(frame: Frame) -> list[str]:
        stretches = [s for s in frame.program.stretches(frame.phase) if s.pos is not None]
        if not stretches:
            return [DONE] * frame.program.n
        ends = [0] * frame.program.n
        for stretch in stretches:
            assert stretch.pos is not None
            ends[stretch.pos] = max(ends[stretch.pos], stretch.last)
        here = frame.stretch.pos
        return [HERE if i == here else DONE if end <= frame.moment.tick else TO_COME for i, end in enumerate(ends)]
