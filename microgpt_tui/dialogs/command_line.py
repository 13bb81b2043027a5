"""One line to type in, at the bottom of the screen: completion, history, and above it what is wrong or could follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from microgpt_tui.debugger.completion import LineError
from microgpt_tui.dialogs.text_input import LONGEST, Typing
from microgpt_tui.drawing.terminal_text import lines, printable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Prompt(Generic[T]):
    """What a line is for: the sign before it, examples, what reads it, what completes it, and the lines before it.

    `read` raises LineError, and gives None for a line that asks for nothing. `preview` says what enter would do; it is
    empty where that cannot be said.
    """

    sign: str
    hint: str
    read: Callable[[str], T | None]
    complete: Callable[[str], list[str]]
    history: list[str] = field(default_factory=list)
    preview: Callable[[str], str] | None = None


class LineScreen(Typing[T | None], Generic[T]):
    """Asks for a line until one can be read, and returns what it was read as; None if it was left."""

    CSS = """
    LineScreen { background: transparent; }
    LineScreen Vertical { dock: bottom; height: auto; background: $panel; }
    LineScreen Horizontal { height: 1; }
    LineScreen Label { width: 2; padding-left: 1; color: $accent; text-style: bold; }
    LineScreen Input { width: 1fr; border: none; height: 1; padding: 0; background: $panel; }
    LineScreen Input:focus { border: none; background-tint: $panel 0%; }
    LineScreen #note { height: auto; padding: 0 2; color: $foreground 70%; }
    LineScreen #note.-wrong { color: $error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", tooltip="Leave the line"),
        Binding("tab", "complete", "complete", tooltip="Complete the word"),
        Binding("up", "recall(-1)", "earlier", tooltip="The line before"),
        Binding("down", "recall(1)", "later", tooltip="The line after"),
    ]

    def __init__(self, prompt: Prompt[T]) -> None:
        super().__init__()
        self.prompt = prompt
        self._recalled = len(prompt.history)  # which line of the history is shown; one beyond it is a new one
        self._draft = ""

    def compose(self) -> ComposeResult:
        """What helps, above the line."""
        with Vertical():
            yield Static(printable(self.prompt.hint), id="note", markup=False)
            with Horizontal():
                yield Label(self.prompt.sign, markup=False)
                yield Input(suggester=_FirstWay(self.prompt.complete), select_on_focus=False, max_length=LONGEST)

    @on(Input.Changed)
    def changed(self, message: Input.Changed) -> None:
        """Say what enter would do, and how the line could go on."""
        ways = (way.split()[-1] for way in self.prompt.complete(message.value))
        preview = self.prompt.preview(message.value) if self.prompt.preview else ""
        said = (preview, *ways)
        self._say("   ".join(word for word in said if word) or self.prompt.hint)

    @on(Input.Submitted)
    def submitted(self, message: Input.Submitted) -> None:
        """Close if the line can be read, else say why not; either way it can be had again."""
        line, history = message.value.strip(), self.prompt.history
        if line and line not in history[-1:]:
            history.append(line)
        self._recalled = len(history)
        try:
            self.dismiss(self.prompt.read(message.value))
        except LineError as error:
            self._say(str(error), wrong=True)

    def action_complete(self) -> None:
        """Take the first way in which the line could go on."""
        line = self.query_one(Input)
        for way in self.prompt.complete(line.value)[:1]:
            self._put(way)

    def action_recall(self, way: int) -> None:
        """Show an earlier or a later line of the history; beyond the last one, what was being typed."""
        line, history = self.query_one(Input), self.prompt.history
        if self._recalled == len(history):
            self._draft = line.value
        self._recalled = min(max(self._recalled + way, 0), len(history))
        self._put([*history, self._draft][self._recalled])

    def _put(self, text: str) -> None:
        line = self.query_one(Input)
        line.value = text
        line.cursor_position = len(text)

    def _say(self, sentence: str, wrong: bool = False) -> None:
        note = self.query_one("#note", Static)
        note.set_class(wrong, "-wrong")
        width, sentence = max(self.size.width - 4, 1), lines(sentence)
        note.update(sentence if wrong or len(sentence) <= width else f"{sentence[: width - 2]} …")


class _FirstWay(Suggester):
    """Shows the first way in which the line could go on."""

    def __init__(self, complete: Callable[[str], list[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        """The line as it could become, if what is typed is its beginning."""
        return next((way for way in self.complete(value) if way.startswith(value)), None)
