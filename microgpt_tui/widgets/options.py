"""`Options`: a list to choose from that also bears keys before it is laid out, and clicks on what has just gone."""

from __future__ import annotations

from typing import Literal

from textual import events
from textual.widgets import OptionList


class Options(OptionList):
    """The base class looks up the line of every option that is painted or wanted, and fails where there is none."""

    def _on_click(self, event: events.Click) -> None:  # type: ignore[override]  # the base class's own comes after it
        option = event.style.meta.get("option")
        if option is not None and option >= self.option_count:
            event.prevent_default()

    def _move_page(self, direction: Literal[-1, 1]) -> None:
        if (self.highlighted or 0) in self._index_to_line:
            super()._move_page(direction)
