"""`SaveScreen`: asks for the file of a saved run, and whether an older one may be replaced; writes it in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.markup import escape
from textual.message import Message
from textual.widgets import Input, Static

from engine import CheckpointError
from engine.checkpoint.checkpoint import Checkpoint, write
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.dialogs.text_input import InputDialog
from microgpt_tui.drawing.terminal_text import lines, shell_word
from microgpt_tui.texts.say import say

SUFFIX = ".safetensors"
LONGEST_QUOTED = 40  # characters of a wrong name


class SaveScreen(InputDialog[Path | None]):
    """Returns the file in which the run is saved; None after escape.

    The reason why it cannot be saved stands below the line, which can be corrected.
    """

    CSS = "SaveScreen .box { width: 72; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings(Key("save.close", "escape", "close"))

    @dataclass
    class Written(Message):
        """The file is written, or there is an error."""

        path: Path
        error: CheckpointError | None = None

    def __init__(self, run: Checkpoint) -> None:
        super().__init__()
        self.run = run
        self._may_replace: Path | None = None

    def compose(self) -> ComposeResult:
        step, branch = self.run.here.step, self.run.branch
        if branch is None:
            title, about = say("dialogs.save.title", step=step), say("dialogs.save.goes_on")
        else:
            title = say("dialogs.save.title_in_branch", step=step, branch=escape(branch))
            about = say("dialogs.save.goes_on_from_branch", step=self.run.step)
        yield from self.framed(title, say("dialogs.save.enter_saves_esc_does"), f"run-{step}{SUFFIX}", about)

    @on(Input.Submitted)
    def save(self, message: Input.Submitted) -> None:
        """Save, unless the name has to be corrected or confirmed first."""
        name = message.value.strip()
        if not name:
            self._note(say("dialogs.save.type_name_file_example", suffix=SUFFIX))
            return
        try:
            path = Path(name).expanduser()
            if not path.name.strip("."):
                raise ValueError(say("dialogs.save.folder_or_one_above"))
            if path.suffix.lower() != SUFFIX:  # what stands after another dot belongs to the name, as in run-lr0.01
                path = path.with_name(path.name + SUFFIX)
            exists = path.resolve().is_file()
        except (OSError, ValueError, RuntimeError):  # too long, a folder alone, the home of an unknown user
            self._note(say("dialogs.save.cannot_be_name_file", name=name[:LONGEST_QUOTED]))
            return
        if exists and path != self._may_replace:
            self._may_replace = path
            self._note(say("dialogs.save.exists_enter_again_replaces", path=path))
            return
        self.query_one(Input).disabled = True
        self._note(say("dialogs.save.saving"))
        self._write(path)

    @on(Input.Changed)
    def changed(self) -> None:
        """Ask again before another file is replaced."""
        self._may_replace = None

    def action_close(self) -> None:
        """Save nothing; but wait for a file that is being written."""
        if not self.query_one(Input).disabled:
            self.dismiss(None)

    @work(thread=True)
    def _write(self, path: Path) -> None:
        error = None
        try:
            write(self.run, path)
        except CheckpointError as failure:
            error = failure
        self.post_message(self.Written(path, error))

    @on(Written)
    def written(self, message: Written) -> None:
        """Close, or let the user name another file."""
        if message.error is None:
            self.app.notify(say("dialogs.save.saved_microgpt_tui_open", path=shell_word(message.path)), markup=False)
            self.dismiss(message.path)
            return
        self._note(f"{message.error}.")
        line = self.query_one(Input)
        line.disabled = False
        line.focus()

    def _note(self, sentence: str) -> None:
        self.query_one("#note", Static).update(lines(sentence))
