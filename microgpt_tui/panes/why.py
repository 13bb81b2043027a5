"""Why: contributions to the prediction, gradient paths, contributions to an update, depending on the phase."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual import events
from textual.binding import Binding, BindingType

from engine.errors import WhyError
from engine.explain.gradient_paths import Chains, Edge, GradientPath, waypoints
from engine.explain.logit_attribution import Attributor
from engine.explain.update_attribution import pushes
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import window
from microgpt_tui.drawing.numbers import number, share
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.operations.canvas import Board
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.why_tables import draw_parts, draw_pushes

MOST = 8  # chains
FIGURE, SHARE = 9, 7  # cells


class Why(Pane):
    """The answer that the phase has. In the backward phase one chain is chosen, and one link of it."""

    TITLE = "Why"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "chain(1)", "next chain", id="why.next", tooltip="The next weaker chain", show=False),
        Binding("left", "chain(-1)", "chain before", id="why.previous", tooltip="The next stronger chain", show=False),
        Binding("down", "link(1)", "link below", id="why.below", tooltip="Choose the next link", show=False),
        Binding("up", "link(-1)", "link above", id="why.above", tooltip="Choose the link before", show=False),
        Binding("enter", "follow_link", "follow", id="why.follow", tooltip="Follow the chosen link", show=False),
    ]

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.chosen = self.at = 0  # which chain, which link of it
        self._chains: list[tuple[GradientPath, list[Edge]]] = []

    def heading(self, frame: Frame) -> str:
        if frame.phase is Phase.FORWARD:
            return f"{self.TITLE} ─ the prediction at position {frame.pos} {frame.token(frame.pos)}"
        if frame.backward:
            return f"{self.TITLE} ─ the gradient of {frame.explain.name(frame.selected)}"
        return f"{self.TITLE} ─ the update of {frame.explain.name(frame.parameter)}"

    def show(self, frame: Frame) -> None:
        before = self.frame
        if before is None or (before.moment, before.selected) != (frame.moment, frame.selected):
            self.chosen = self.at = 0
        self._chains = []
        super().show(frame)

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        board = Board(frame, width, height)
        try:
            if frame.phase is Phase.FORWARD:
                draw_parts(board, Attributor(frame.view, frame.pos))
            elif frame.backward:
                self._draw_chains(board)
            else:
                draw_pushes(board, pushes(frame.view, frame.parameter))
        except WhyError as error:
            board.note(f"Not to be said: {error}.")
        return board.picture

    # Chains.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Where no chains are shown, the keys do what they do elsewhere."""
        return bool(self._chains) if action in ("chain", "link", "follow_link") else True

    def action_chain(self, way: int) -> None:
        """Choose a stronger or a weaker chain."""
        self.chosen, self.at = (self.chosen + way) % len(self._chains), 0
        self.redraw()

    def action_link(self, way: int) -> None:
        """Choose a link of the chain, nearer to the loss or to the scalar."""
        self.at = (self.at + way) % len(self._ways)
        self.redraw()

    def action_follow_link(self) -> None:
        """Go on to the chains of the chosen link's scalar."""
        self.post_message(self.Followed(self._ways[self.at].row))

    def on_click(self, event: events.Click) -> None:
        """A click on a link follows it; the base class tells what else was pointed at."""
        target = self.target_at(event)
        if isinstance(target, Edge):
            self.post_message(self.Followed(target.row))

    @property
    def _ways(self) -> list[Edge]:
        """The links of the chosen chain."""
        return self._chains[self.chosen][1]

    def _draw_chains(self, board: Board) -> None:
        frame, row = board.frame, board.frame.selected
        gradient, instead = frame.gradient(row), frame.no_gradient(row)
        if not self._chains:
            found = Chains(frame.view).strongest(row, MOST)
            self._chains = [(chain, waypoints(frame.explain, chain)) for chain in found if chain.links]
        board.say("gradient of ", (frame.explain.name(row), theme.STRONG), f" {instead or number(gradient)}")
        if not self._chains:
            board.note(
                "This is the loss: every chain ends here."
                if row == frame.program.loss_row
                else "Every path from it to the loss has a derivative that is 0, or there is none."
            )
            return
        whole = gradient if frame.view.complete(np.array([row])).all() else None
        first, last = window(len(self._chains), max(1, board.height // 3), self.chosen)
        for i in range(first, last):
            chain, ways = self._chains[i]
            line = board.picture.line().add("▸" if i == self.chosen else " ", theme.NEW)
            line.fit(number(chain.product), FIGURE, theme.signed(chain.product), right=True)
            line.fit("" if whole is None else share(chain.product, whole), SHARE, theme.DIM, right=True)
            style = theme.STRONG if i == self.chosen else theme.DIM
            line.add(" ").most(" ".join(frame.explain.name(w.row) for w in ways), board.width - line.width - 1, style)
        self._draw_links(board)

    def _draw_links(self, board: Board) -> None:
        frame = board.frame
        board.say("its links; enter follows one")
        for i, way in enumerate(self._ways):
            here = i == self.at
            line = board.picture.line().add("▸" if here else " ", theme.NEW)
            line.fit(number(way.local), FIGURE, theme.signed(way.local), right=True).add("  ")
            words = f"{frame.explain.name(way.row)}{_elsewhere(frame, way.row)}"
            line.most(words, board.width - line.width, theme.STRONG if here else theme.TEXT, way)
            if here:
                board.picture.focus = board.picture.height - 1


def _elsewhere(frame: Frame, row: int) -> str:
    """The position of a scalar, where it is another than that of the selected one."""
    tensor, own = frame.explain.tensor(row), frame.explain.tensor(frame.selected)
    pos = None if tensor is None else tensor.pos
    return "" if pos is None or (own is not None and pos == own.pos) else f"  position {pos}"
