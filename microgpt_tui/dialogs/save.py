"""Saving the run: which file, whether an older one may go, and the writing, in a thread."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.markup import escape
from textual.message import Message
from textual.widgets import Input, Static

from engine import CheckpointError
from engine.checkpoint.checkpoint import Checkpoint, write
from microgpt_tui.dialogs.text_input import Typing
from microgpt_tui.drawing.terminal_text import lines, shell_word

SUFFIX = ".safetensors"
LONGEST_SAID = 40  # characters of a name that is none


class SaveScreen(Typing[Path | None]):
    """Asks for a file, saves the run there, returns the file or None. What is wrong is said where it can be mended."""

    CSS = "SaveScreen .box { width: 72; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", tooltip="Do not save")]

    class Written(Message):
        """The file is there, or it is said why not."""

        def __init__(self, path: Path, error: CheckpointError | None = None) -> None:
            self.path, self.error = path, error
            super().__init__()

    def __init__(self, run: Checkpoint) -> None:
        super().__init__()
        self.run = run
        self._may_replace: Path | None = None

    def compose(self) -> ComposeResult:
        """A line to type in, and one below it that answers."""
        with Vertical(classes="box") as box:
            inside = "" if self.run.branch is None else escape(f", in {self.run.branch}")
            box.border_title = f"Save the run, at training step {self.run.here.step}{inside}"
            box.border_subtitle = "enter saves, esc does not"
            yield Input(f"run-{self.run.here.step}{SUFFIX}", select_on_focus=False)
            aside = f"; sample takes the original, at step {self.run.step}" if inside else ""
            yield Static(f"microgpt-tui open FILE goes on from it{aside}.", id="note", markup=False)

    @on(Input.Submitted)
    def save(self, message: Input.Submitted) -> None:
        """Save, unless there is something to be asked or mended first."""
        name = message.value.strip()
        if not name:
            self._say(f"Type the name of a file, for example run{SUFFIX}.")
            return
        try:
            path = Path(name).expanduser()
            if not path.name.strip("."):
                raise ValueError("this folder, or the one above")
            if path.suffix.lower() != SUFFIX:  # what stands after another dot belongs to the name, as in run-lr0.01
                path = path.with_name(path.name + SUFFIX)
            exists = path.resolve().is_file()
        except (OSError, ValueError, RuntimeError):  # too long, a folder alone, a home that is nobody's
            self._say(f"{name[:LONGEST_SAID]} cannot be the name of a file; type another one.")
            return
        if exists and path != self._may_replace:
            self._may_replace = path
            self._say(f"{path} exists. Enter again replaces it; type another name to keep it.")
            return
        self.query_one(Input).disabled = True
        self._say("saving …")
        self._write(self.run, path)

    @on(Input.Changed)
    def changed(self) -> None:
        """Another name is another question."""
        self._may_replace = None

    def action_close(self) -> None:
        """Escape: save nothing. A file that is being written is waited for."""
        if not self.query_one(Input).disabled:
            self.dismiss(None)

    @work(thread=True)
    def _write(self, run: Checkpoint, path: Path) -> None:
        try:
            write(run, path)
        except CheckpointError as error:
            self.post_message(self.Written(path, error))
        else:
            self.post_message(self.Written(path))

    @on(Written)
    def written(self, message: Written) -> None:
        """Close, or let the user name another place."""
        if message.error is None:
            self.app.notify(f"Saved. microgpt-tui open {shell_word(message.path)} goes on from here.", markup=False)
            self.dismiss(message.path)
            return
        self._say(f"{message.error}.")
        line = self.query_one(Input)
        line.disabled = False
        line.focus()

    def _say(self, sentence: str) -> None:
        self.query_one("#note", Static).update(lines(sentence))
