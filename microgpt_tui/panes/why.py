"""Why: contributions to the prediction, gradient paths, contributions to an update, depending on the phase."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual.binding import BindingType

from engine.errors import WhyError
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame, PathStep
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import window
from microgpt_tui.drawing.numbers import number, share
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.drawing.styled_text import marked, styled
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.operations.canvas import Board
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.say import say

FIGURE, SHARE = 9, 9  # cells


class Why(Pane):
    """Explains what the phase computes. In the backward phase one gradient path is chosen, and one edge of it."""

    TITLE = pane_title("why")
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("why.next", "right", "path(1)"),
        Key("why.previous", "left", "path(-1)"),
        Key("why.below", "down", "edge(1)"),
        Key("why.above", "up", "edge(-1)"),
        Key("why.follow", "enter", "follow"),
    )

    def heading(self, frame: Frame) -> str:
        if frame.phase is Phase.FORWARD:
            return say("panes.why.of.prediction", title=self.TITLE, position=frame.numbered_token(frame.pos))
        if frame.backward:
            return say("panes.why.of.gradient", title=self.TITLE, name=frame.explain.name(frame.selected))
        return say("panes.why.of.update", title=self.TITLE, name=frame.explain.name(frame.parameter))

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        board = Board(frame, width, height)
        try:
            if frame.backward:
                self._draw_paths(board)
            else:
                self._draw_table(board)
        except WhyError as error:
            board.note(say("panes.why.not_to_be_said", error=error))
        return board.picture

    def _draw_table(self, board: Board) -> None:
        # Imported here, since the first frame needs none of it.
        from engine.explain.logit_attribution import Attributor
        from engine.explain.update_attribution import attribute_update
        from microgpt_tui.panes.why_tables import draw_parts, draw_update_attribution

        frame = board.frame
        if frame.phase is Phase.FORWARD:
            draw_parts(board, Attributor(frame.view, frame.pos))
        else:
            draw_update_attribution(board, attribute_update(frame.view, frame.parameter))

    # Gradient paths.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Where no gradient paths are shown, the keys do what they do elsewhere."""
        return action not in ("path", "edge", "follow") or self._shows_paths()

    def _shows_paths(self) -> bool:
        try:
            return self.frame is not None and self.frame.backward and bool(self.frame.paths)
        except WhyError:
            return False

    def action_path(self, way: int) -> None:
        """Choose a stronger or a weaker gradient path."""
        if self.frame is not None:
            self.post_message(self.Chosen(self, PathStep(self.frame.selected, path=way)))

    def action_edge(self, way: int) -> None:
        """Choose an edge of the path, nearer to the loss or to the scalar."""
        if self.frame is not None:
            self.post_message(self.Chosen(self, PathStep(self.frame.selected, edge=way)))

    def action_follow(self) -> None:
        """Go on to the gradient paths of the chosen edge's scalar."""
        if self.frame is not None:
            self.post_message(self.Chosen(self, self.frame.edge))

    def _draw_paths(self, board: Board) -> None:
        frame, row = board.frame, board.frame.selected
        gradient, instead, paths = frame.gradient(row), frame.no_gradient(row), frame.paths
        name = marked(frame.explain.name(row), 0)
        text = say("panes.why.gradient_of", name=name, figure=instead or number(gradient))
        board.say(*styled(text, theme.DIM, theme.STRONG))
        if not paths:
            board.note(say("panes.why.is_the_loss") if row == frame.program.loss_row else say("panes.why.no_chain"))
            return
        whole = gradient if frame.view.complete(np.array([row])).all() else None
        chosen = frame.path.path % len(paths)
        first, last = window(len(paths), max(1, board.height // 3), chosen)
        for i in range(first, last):
            path, edges = paths[i]
            line = board.picture.line().add("▸" if i == chosen else " ", theme.NEW)
            line.fit(number(path.product), FIGURE, theme.signed(path.product), right=True)
            line.fit("" if whole is None else share(path.product, whole), SHARE, theme.DIM, right=True)
            style = theme.STRONG if i == chosen else theme.DIM
            line.add(" ").most(" ".join(frame.explain.name(e.row) for e in edges), board.width - line.width - 1, style)
        self._draw_edges(board)

    def _draw_edges(self, board: Board) -> None:
        frame = board.frame
        board.say(say("panes.why.links"))
        for edge in frame.edges:
            here = edge is frame.edge
            line = board.picture.line().add("▸" if here else " ", theme.NEW)
            line.fit(number(edge.local), FIGURE, theme.signed(edge.local), right=True).add("  ")
            words = f"{frame.explain.name(edge.row)}{_elsewhere(frame, edge.row)}"
            line.most(words, board.width - line.width, theme.STRONG if here else theme.TEXT, edge)
            if here:
                board.picture.focus = board.picture.height - 1


def _elsewhere(frame: Frame, row: int) -> str:
    """The position of a scalar, where it is another than that of the selected one."""
    tensor, own = frame.program.event_of(row), frame.program.event_of(frame.selected)
    pos = None if tensor is None else tensor.pos
    return "" if pos is None or (own is not None and pos == own.pos) else f"  {say('panes.why.position', pos=pos)}"
