"""Dialogs in which something is typed: a line in a frame, a line at the bottom of the screen, a single letter."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ClassVar, TypeVar

from rich.cells import cell_len, set_cell_size
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from engine import EngineError, ExpressionError
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.drawing.error_pointer import pointer
from microgpt_tui.drawing.terminal_text import lines, printable
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.modal import Modal

LONGEST = 500  # characters of a line; whole numbers longer than this are none that Python reads
T = TypeVar("T")


class InputDialog(Modal[T]):
    """A dialog with one line to type in. What is typed or pasted before the line is mounted goes into it."""

    def __init__(self) -> None:
        super().__init__()
        self._early, self._entered = "", False

    def framed(self, title: str, keys: str, text: str, note: str, max_length: int = 0) -> ComposeResult:
        """The line in a frame, and a note below it."""
        with Vertical(classes="box") as box:
            box.border_title, box.border_subtitle = title, keys
            yield Input(text, select_on_focus=False, max_length=max_length)
            yield Static(note, id="note", markup=False)

    def on_key(self, event: events.Key) -> None:
        if isinstance(self.focused, Input) or self._entered:
            return
        if event.key == "enter":
            self._entered = True
        elif event.character and event.is_printable:
            self._early += event.character
        else:
            return
        event.stop()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Input) and (self._early or self._entered):
            event.widget.insert_text_at_cursor(self._early)
            if self._entered:
                self.call_after_refresh(event.widget.action_submit)
            self._early, self._entered = "", False


class AskScreen(InputDialog[T | None]):
    """Asks for a line in a frame. Returns what `read` makes of it, or None after escape.

    `read` raises EngineError for a line that is wrong: the reason is shown below the line, which stays.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(Key("ask.close", "escape", "dismiss"))

    def __init__(self, title: str, hint: str, read: Callable[[str], T], text: str = "") -> None:
        super().__init__()
        self._title, self._hint, self._read, self._text = title, hint, read, text

    def compose(self) -> ComposeResult:
        yield from self.framed(
            self._title, say("dialogs.text_input.enter_takes_esc_does"), self._text, self._hint, LONGEST
        )

    @on(Input.Submitted)
    def submitted(self, message: Input.Submitted) -> None:
        """Return what the line means, or show why it means nothing."""
        note = self.query_one("#note", Static)
        try:
            self.dismiss(self._read(message.value))
        except ExpressionError as error:
            stop = "" if error.reason.endswith("?") else "."
            note.update(f"{printable(error.reason)}{stop}\n{pointer(error, note.size.width)}".rstrip())
        except EngineError as error:
            note.update(printable(f"{error}."))


class LineScreen(InputDialog[T | None]):
    """Asks for a line at the bottom of the screen until one can be read, and returns its meaning; None after escape.

    `sign` stands before the line, and above it `hint`, how the line could go on, or what is wrong with it. `read`
    raises LineError, and gives None for a line that asks for nothing; `complete` gives the ways to go on, `history`
    the lines before. `preview` is a sentence about what enter would do; it is empty where that is not known.
    """

    CSS = """
    LineScreen { background: transparent; }
    LineScreen Vertical { dock: bottom; height: auto; background: $panel; }
    LineScreen Horizontal { height: 1; }
    LineScreen Label { width: 2; padding-left: 1; color: $foreground; text-style: bold; }
    LineScreen Input { width: 1fr; border: none; height: 1; padding: 0; background: $panel; }
    LineScreen Input:focus { border: none; background-tint: $panel 0%; }
    LineScreen #note { height: auto; padding: 0 2; color: $foreground 70%; }
    LineScreen #note.-wrong { color: $error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("line.close", "escape", "dismiss"),
        Key("line.complete", "tab", "complete"),
        Key("line.earlier", "up", "recall(-1)"),
        Key("line.later", "down", "recall(1)"),
    )

    def __init__(
        self, sign: str, hint: str, read: Callable[[str], T | None], complete: Callable[[str], list[str]],
        history: list[str], preview: Callable[[str], str] = lambda _: "",
    ) -> None:  # fmt: skip
        super().__init__()
        self.sign, self.hint = sign, hint
        self._read, self._complete, self._preview = read, complete, preview
        self._history = history
        self._recalled = len(history)  # which line of the history is shown; one beyond it is a new one
        self._draft = ""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(printable(self.hint), id="note", markup=False)
            with Horizontal():
                yield Label(self.sign, markup=False)
                yield Input(suggester=_FirstCompletion(self._complete), select_on_focus=False, max_length=LONGEST)

    @on(Input.Changed)
    def changed(self, message: Input.Changed) -> None:
        """Show what enter would do, and how the line could go on."""
        words = (self._preview(message.value), *(way.split()[-1] for way in self._complete(message.value)))
        self._note("   ".join(filter(None, words)) or self.hint)

    @on(Input.Submitted)
    def submitted(self, message: Input.Submitted) -> None:
        """Return what the line means, or show why it means nothing; it goes into the history either way."""
        line, history = message.value.strip(), self._history
        if line and line not in history[-1:]:
            history.append(line)
        self._recalled = len(history)
        try:
            self.dismiss(self._read(message.value))
        except LineError as error:
            self._note(str(error), wrong=True)

    def action_complete(self) -> None:
        for way in self._complete(self.query_one(Input).value)[:1]:
            self._put(way)

    def action_recall(self, way: int) -> None:
        """Show an earlier or a later line of the history; beyond the last one, what was being typed."""
        history = self._history
        if self._recalled == len(history):
            self._draft = self.query_one(Input).value
        self._recalled = min(max(self._recalled + way, 0), len(history))
        self._put([*history, self._draft][self._recalled])

    def _put(self, text: str) -> None:
        line = self.query_one(Input)
        line.value, line.cursor_position = text, len(text)

    def _note(self, sentence: str, wrong: bool = False) -> None:
        note = self.query_one("#note", Static)
        note.set_class(wrong, "-wrong")
        width, sentence = max(self.size.width - 4, 1), lines(sentence)
        note.update(sentence if wrong or cell_len(sentence) <= width else f"{set_cell_size(sentence, width - 2)} …")


class _FirstCompletion(Suggester):
    """Suggests the first completion that begins with what is typed."""

    def __init__(self, complete: Callable[[str], list[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        return next((way for way in self.complete(value) if way.startswith(value)), None)


class LetterScreen(Modal[str | None]):
    """Asks for the name of a mark: one letter, of `among` if given. Returns None after escape."""

    CSS = """
    LetterScreen { background: transparent; }
    LetterScreen Static { dock: bottom; width: 100%; height: auto; padding: 0 1; background: $panel; }
    """

    def __init__(self, question: str, among: Collection[str] | None = None) -> None:
        super().__init__()
        self.question, self.among = question, among

    def compose(self) -> ComposeResult:
        yield Static(lines(self.question), markup=False)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        letter, wrong = event.character or "", ""
        if event.key == "escape":
            self.dismiss(None)
        elif not letter.isalpha():
            wrong = say("dialogs.text_input.mark_letter_press_one")
        elif self.among is not None and letter not in self.among:
            wrong = say("dialogs.text_input.no_such_mark", letter=letter, letters=" ".join(sorted(self.among)))
        else:
            self.dismiss(letter)
        if wrong:
            self.query_one(Static).update(lines(f"{self.question}\n{wrong}"))
