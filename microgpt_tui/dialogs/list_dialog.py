"""`ListDialog`: a framed list with one entry highlighted, the base of the lists to choose from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from microgpt_tui.drawing.picture import Line
from microgpt_tui.widgets.modal import Modal
from microgpt_tui.widgets.textual_fixes import AbstractMeta, SafeOptionList

T = TypeVar("T")


class ListDialog(Modal[T], metaclass=AbstractMeta):
    """Subclasses give the title, the keys in the lower border and the options."""

    TITLE_ABOVE: ClassVar[str]
    WIDEST: ClassVar[int]  # cells of the frame

    @abstractmethod
    def keys_below(self) -> str:
        """The keys, for the lower border."""

    @abstractmethod
    def options(self) -> Iterable[Option | None]:
        """The list as it is now; None is a line across."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.styles.width = self.WIDEST
            box.border_title, box.border_subtitle = self.TITLE_ABOVE, self.keys_below()
            yield SafeOptionList(markup=False)

    def fill(self, highlighted: int | None = None) -> None:
        """Show the options, with that one highlighted; None keeps the place."""
        shown = self.query_one(OptionList)
        place = shown.highlighted or 0 if highlighted is None else highlighted
        shown.clear_options()
        shown.add_options(self.options())
        shown.highlighted = min(place, shown.option_count - 1)

    @property
    def chosen(self) -> str | None:
        """The id of the highlighted option."""
        option = self.query_one(OptionList).highlighted_option
        return option.id if option else None

    @property
    def room(self) -> int:
        """Cells of an option."""
        return min(self.WIDEST, self.app.size.width * 96 // 100) - 6


def option(line: Line, option_id: str | None = None) -> Option:
    """An option that is one line."""
    parts = ((segment.text, segment.style or "") for segment in line.segments)
    return Option(Text.assemble(*parts, no_wrap=True), option_id)
