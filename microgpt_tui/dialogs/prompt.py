"""Asking for one line of text that has to be understood: what is wrong is said below it, and what was typed stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from engine import EngineError, ExpressionError
from microgpt_tui.dialogs.text_input import LONGEST, Typing
from microgpt_tui.drawing.error_pointer import pointer
from microgpt_tui.drawing.terminal_text import printable

T = TypeVar("T")


class AskScreen(Typing[T | None], Generic[T]):
    """Returns what `read` makes of the line, None if the user gives up. `read` raises EngineError for what is wrong."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", tooltip="Change nothing")]

    def __init__(self, title: str, hint: str, read: Callable[[str], T], text: str = "") -> None:
        super().__init__()
        self._title, self._hint, self._read, self._text = title, hint, read, text

    def compose(self) -> ComposeResult:
        """A line to type in, and one below it that answers."""
        with Vertical(classes="box") as box:
            box.border_title = self._title
            box.border_subtitle = "enter takes it, esc does not"
            yield Input(self._text, select_on_focus=False, max_length=LONGEST)
            yield Static(self._hint, id="note", markup=False)

    @on(Input.Submitted)
    def submitted(self, message: Input.Submitted) -> None:
        """Understood, or say why not."""
        note = self.query_one("#note", Static)
        try:
            read = self._read(message.value)
        except ExpressionError as error:
            stop = "" if error.reason.endswith("?") else "."
            note.update(f"{printable(error.reason)}{stop}\n{pointer(error, note.size.width)}".rstrip())
        except EngineError as error:
            note.update(printable(f"{error}."))
        else:
            self.dismiss(read)

    def action_close(self) -> None:
        """Escape: nothing is taken."""
        self.dismiss(None)
