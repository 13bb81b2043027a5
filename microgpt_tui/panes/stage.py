"""The operation itself, drawn in the way that explains it."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.source import line_at_work
from microgpt_tui.texts.sentences import title_of

LEAST = 10  # lines from which there is room for a line of source


class Stage(Pane):
    """The stage. Arrow keys move the cell cursor on it.

    On a narrow screen, which has no room for the source, the line of it that is at work stands at the bottom.
    """

    TITLE = "Stage"

    def heading(self, frame: Frame) -> str:
        return title_of(frame)

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        return draw(frame, width, height)

    def tooltip_for(self, target: Hashable) -> str | None:
        """The name and the number of a scalar; of a weight also its product with what it is multiplied with."""
        said, product = super().tooltip_for(target), self._product(target)
        return said if product is None else f"{said}\n{product}"

    def _product(self, target: Hashable) -> str | None:
        """The product that a weight has a part in, with its numbers; None where it is not known."""
        frame = self.frame
        if frame is None or frame.phase is not Phase.FORWARD or not {"w", "x"} <= set(frame.operation.operands):
            return None
        operands = frame.operation.operands
        found = np.argwhere(operands["w"] == target)
        if found.shape != (1, 2) or operands["x"].shape != operands["w"].shape[1:]:
            return None
        i, j = found[0].tolist()
        weight, value = frame.used_value(int(operands["w"][i, j])), frame.value(int(operands["x"][j]))
        if weight is None or value is None:
            return None
        return f"w[{i},{j}] {number(weight)} · x[{j}] {number(value)} = {number(weight * value)}"

    def picture_for(self, width: int, height: int) -> Picture | None:
        frame = self.frame
        if frame is None or not self.screen.has_class("-narrow") or height < LEAST:
            return super().picture_for(width, height)
        picture = self.draw(frame, width, height - 1)
        if picture.height < height:
            picture.lines += [Line() for _ in range(height - 1 - picture.height)]
            picture.lines.append(line_at_work(frame, width))
        return picture
