"""`LoadingScreen` and its subclasses: open a run of the model or of a script, and show how far that is."""

from __future__ import annotations

import time
from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from engine import DataError, EngineError, NumericFault, Run, Session, Stopped
from engine.autograd.jit import Kernels, can_compile, loops_at_hand, take_warning
from engine.run.compilation import Compilation
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.storage.paths import compiled_mark
from microgpt_tui.storage.startup import ScriptStart, Start
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.textual_fixes import AbstractMeta

WIDTH = 60
BETWEEN = 0.1  # seconds from one report to the next
PATIENCE = 1.0  # seconds; what takes longer with plain loops, such as a large model, waits for the compiled ones


class LoadingScreen(Screen[None], metaclass=AbstractMeta):
    """Works in a thread, shows how far it is, and hands the ready run to the app. q or escape stops it.

    What is done `at_once`, in a moment, needs no thread, and nothing is shown of it.
    """

    DEFAULT_CSS = f"""
    LoadingScreen {{ align: center middle; background: $background; color: $foreground; }}
    LoadingScreen Static {{ width: {WIDTH}; height: 3; }}
    """
    doing = "…"
    BINDINGS: ClassVar[list[BindingType]] = bindings(Key("opening.stop", "q,escape", "stop"))

    @dataclass
    class Ready(Message):
        """The run stands at its moment, or at a fault on the way. `warning` is a sentence for the user.

        `loops` are those that it uses, of a run of the built-in model.
        """

        session: Run
        warning: str | None
        loops: Kernels | None = None

    @dataclass
    class Failed(Message):
        """The session cannot be opened."""

        error: EngineError

    class Cancelled(Message):
        """The user does not want to wait."""

    @dataclass
    class Progress(Message):
        """What is done at present, and which share of it is done."""

        doing: str
        share: float

    def __init__(self, at_once: bool = False) -> None:
        super().__init__()
        self._at_once = at_once
        self._stopped = False
        self._reported_at = 0.0

    def compose(self) -> ComposeResult:
        if not self._at_once:
            yield Static(self._words(self.doing, 0.0))  # one widget, since the first frame should be there at once

    def _words(self, doing: str, share: float) -> Text:
        done = f"{bar(share, 1.0, WIDTH - 5):─<{WIDTH - 5}} {share:4.0%}"
        return Text.assemble(("microgpt-tui\n", theme.STRONG), doing + "\n", done)

    def on_mount(self) -> None:
        self._reported_at = time.monotonic()
        if self._at_once:
            self._open()
        else:
            self.run_worker(self._open, thread=True)

    def on_unmount(self) -> None:
        self.halt()

    def action_stop(self) -> None:
        self.halt()
        self.post_message(self.Cancelled())

    def halt(self) -> None:
        """Let the work end as soon as it can."""
        self._stopped = True

    def _open(self) -> None:
        try:
            ready = self.open_run()
        except Stopped:
            return
        except MemoryError:
            error = DataError(say("screens.loading.there_not_enough_memory"))
            self.post_message(self.Failed(error))
            return
        except EngineError as error:
            self.post_message(self.Failed(error))
            return
        self.post_message(ready)

    @abstractmethod
    def open_run(self) -> Ready:
        """The run at its moment, or at a fault before it; in a thread, or at once. Raises EngineError, Stopped."""

    def _report(self, doing: str, share: float, at_once: bool = False) -> None:
        """Say what is done, now and then; `at_once` where it goes on for long without another report."""
        if self._stopped:
            raise Stopped(say("screens.loading.opening_was_stopped"))
        now = time.monotonic()
        if at_once or now - self._reported_at > BETWEEN:
            self._reported_at = now
            with suppress(RuntimeError):  # the app has ended in the meantime
                self.post_message(self.Progress(doing, share))

    @on(Progress)
    def show_progress(self, message: Progress) -> None:
        """Show how far the work is."""
        for text in self.query(Static):  # it is gone while the screen goes away
            text.update(self._words(message.doing, message.share))


class OpeningScreen(LoadingScreen):
    """Opens a run of the built-in model: recording, compiling, training up to its moment."""

    doing = say("screens.loading.shuffling_documents_recording_model")

    def __init__(self, start: Start, at_once: bool = False) -> None:
        super().__init__(at_once)
        self.start = start
        self._compilation: Compilation | None = None

    def halt(self) -> None:
        """Let the work end as soon as it can, and the process that compiles loops."""
        super().halt()
        if self._compilation is not None:
            self._compilation.stop()

    def open_run(self) -> LoadingScreen.Ready:
        """The run at its moment, or at a fault before it. Raises EngineError, Stopped."""
        start = self.start
        session = Session(start.config, start.docs, self._recorded, loops_at_hand())
        try:
            if start.run is not None:
                from engine.checkpoint.checkpoint import take_up  # here, since a run from its seed needs none of it

                take_up(start.run, session)
            target = start.moment(session.program)
            steps = max(target.step - session.step, 0) + 1
            if not session.loops.compiled and can_compile() and session.seconds_a_step() * steps > PATIENCE:
                self._compilation = Compilation(session.loops, compiled_mark())
                doing = say("screens.loading.getting_loops_ready_compiled")
                self._report(doing, 0.0, at_once=True)
                self._compilation.finish()
                self._report(doing, 1.0)
            session.seek(target, on_step=partial(self._trained, target.step))
            if start.address is not None:
                session.seek(start.address.moment(session.program))
        except NumericFault:
            pass  # the session stands at the fault, which can be inspected
        return self.Ready(session, take_warning(), session.loops)

    def _recorded(self, share: float) -> bool:
        self._report(self.doing, share)
        return self._stopped

    def _trained(self, until: int, step: int, loss: float) -> bool:
        if step % 10 == 0:
            self._report(say("screens.loading.training_step_loss", step=step, until=until, loss=loss), step / until)
        return self._stopped


class ScriptLoadingScreen(LoadingScreen):
    """Starts a script, lets it run to a training step, and records that."""

    doing = say("screens.loading.starting_script")

    def __init__(self, start: ScriptStart) -> None:
        super().__init__()
        self.start = start

    def open_run(self) -> LoadingScreen.Ready:
        """The run of the script at the first event of its step; where the script stopped in it, at the last one."""
        from engine.script.run import ScriptRun  # here, since a run of the built-in model needs none of it
        from engine.script.source_file import ScriptFile

        start = self.start
        file = ScriptFile.read(start.path)
        run = ScriptRun(file, start.options, start.step, self._step_done, self._made)
        if run.moment.tick == 0:
            run.seek(first_moment(run.program, run.step))
        return self.Ready(run, "; ".join(file.notes) or None)

    def _made(self, scalars: int) -> None:
        doing = say("screens.loading.recording_training_step_scalars", step=self.start.step, scalars=scalars)
        self._report(doing, 1.0, at_once=True)

    def _step_done(self, step: int, loss: float) -> bool:
        until = self.start.step
        share = (step + 1) / until if until else 0.0
        self._report(say("screens.loading.running_script_step_loss", step=step, until=until, loss=loss), share)
        return self._stopped
