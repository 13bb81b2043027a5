"""Why: contributions to the prediction, gradient paths, contributions to an update, depending on the phase."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual.binding import Binding, BindingType

from engine.errors import WhyError
from engine.explain.logit_attribution import Attributor
from engine.explain.update_attribution import attribute_update
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame, PathStep
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import window
from microgpt_tui.drawing.numbers import number, share
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.operations.canvas import Board
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.why_tables import draw_parts, draw_update_attribution

FIGURE, SHARE = 9, 9  # cells


class Why(Pane):
    """Explains what the phase computes. In the backward phase one gradient path is chosen, and one edge of it."""

    TITLE = "Why"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "path(1)", "next chain", id="why.next", tooltip="The next weaker chain", show=False),
        Binding("left", "path(-1)", "chain before", id="why.previous", tooltip="The next stronger chain", show=False),
        Binding("down", "edge(1)", "link below", id="why.below", tooltip="Choose the next link", show=False),
        Binding("up", "edge(-1)", "link above", id="why.above", tooltip="Choose the link before", show=False),
        Binding("enter", "follow", "follow", id="why.follow", tooltip="Follow the chosen link", show=False),
    ]

    def heading(self, frame: Frame) -> str:
        if frame.phase is Phase.FORWARD:
            return f"{self.TITLE} ─ the prediction at position {frame.numbered_token(frame.pos)}"
        if frame.backward:
            return f"{self.TITLE} ─ the gradient of {frame.explain.name(frame.selected)}"
        return f"{self.TITLE} ─ the update of {frame.explain.name(frame.parameter)}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        board = Board(frame, width, height)
        try:
            if frame.phase is Phase.FORWARD:
                draw_parts(board, Attributor(frame.view, frame.pos))
            elif frame.backward:
                self._draw_paths(board)
            else:
                draw_update_attribution(board, attribute_update(frame.view, frame.parameter))
        except WhyError as error:
            board.note(f"Not to be said: {error}.")
        return board.picture

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
        board.say("gradient of ", (frame.explain.name(row), theme.STRONG), f" {instead or number(gradient)}")
        if not paths:
            board.note(
                "This is the loss: every chain ends here."
                if row == frame.program.loss_row
                else "Every path from it to the loss has a derivative that is 0, or there is none."
            )
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
        board.say("its links; enter follows one")
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
    return "" if pos is None or (own is not None and pos == own.pos) else f"  position {pos}"
