"""What happens, why, and how to read it: the sentences of the present event, as many as fit."""

from __future__ import annotations

import textwrap

from microgpt_tui import palette
from microgpt_tui.frame import Frame
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts import sentences
from microgpt_tui.widgets.picture import Picture


class Explanation(Pane, can_focus=False):
    """The sentences; a fault speaks instead of them."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        picture = Picture()
        if frame.fault:
            for text in textwrap.wrap(frame.fault, width - 2)[:height]:
                picture.line(f" {text}", palette.WARNING)
            return picture
        styles = (palette.STRONG, palette.TEXT, palette.DIM)
        for sentence, style in zip(sentences(frame), styles, strict=True):
            lines = textwrap.wrap(sentence, width - 2)
            if picture.height + len(lines) > height and picture.height:
                break
            for text in lines[:height]:
                picture.line(f" {text}", style)
        return picture
