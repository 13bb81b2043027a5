"""The Textual app: it opens a run, then shows the debugger or a lecture."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from rich.console import RenderableType
from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.notifications import Notify
from textual.screen import Screen
from textual.theme import Theme, ThemeProvider
from textual.worker import WorkerFailed

from engine import DataError, EngineError, Session
from engine.errors import is_out_of_memory, is_out_of_threads
from engine.model.dataset import checksum
from engine.run.branches import Branches
from microgpt_tui.autosave import Autosave
from microgpt_tui.debugger.keys import KEYS
from microgpt_tui.debugger.run_controller import RunController
from microgpt_tui.dialogs.chapters import ChaptersScreen
from microgpt_tui.dialogs.save import SaveScreen
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.terminal_text import lines
from microgpt_tui.lectures.lecture import Lecture
from microgpt_tui.lectures.library import load_course
from microgpt_tui.lectures.page import Course
from microgpt_tui.lectures.speaker_notes import SharedNotes
from microgpt_tui.panes import registry
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.lecture import LectureScreen
from microgpt_tui.screens.loading import OpeningScreen
from microgpt_tui.storage.paths import in_browser, state_folder
from microgpt_tui.storage.startup import Start
from microgpt_tui.storage.threads import NO_THREADS, check_threads
from microgpt_tui.texts.languages import usual_language
from microgpt_tui.widgets.modal import Passing
from microgpt_tui.widgets.textual_fixes import LastingNotification, PrintableFilter, SafeCommandPalette


class Palette(SafeCommandPalette, Passing[None]):
    """The command palette. It closes as every other dialog does."""


class ThemedApp(App[EngineError | None]):
    """An app that draws in one of the project's themes; pictures follow when it is changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, "suspend_process", key.description, id=key.id, tooltip=key.tooltip, show=False, priority=True)
        for key in KEYS
        if key.id == "app.suspend"
    ]
    ALLOW_SELECT = False  # Textual's way to mark text breaks off where a note that was clicked away has just been

    def __init__(self) -> None:
        super().__init__()
        for registered in theme.textual_themes():
            self.register_theme(registered)
        self.theme = "microgpt-dark"
        theme.use(self.theme)
        self._gate = PrintableFilter()

    def get_driver_class(self) -> type[Driver]:
        """Textual's own, but for a terminal of Linux or macOS one that can be stopped and continued."""
        driver = super().get_driver_class()
        if sys.platform != "win32":
            from textual.drivers.linux_driver import LinuxDriver

            from microgpt_tui.widgets.terminal_driver import TerminalDriver

            if driver is LinuxDriver:
                return TerminalDriver
        return driver

    def action_suspend_process(self) -> None:
        """Stop the program until the shell continues it."""
        if in_browser():
            self.notify("There is no shell to return to in a browser; q leaves.", timeout=4)
        elif sys.platform != "win32":
            from microgpt_tui.widgets.terminal_driver import TerminalDriver

            if isinstance(self._driver, TerminalDriver) and not self._driver.suspend():
                self.notify("There is no shell to return to, which could continue the program; q leaves it.", timeout=4)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, behind the one that lets nothing past that a terminal would obey."""
        return [self._gate, *super().get_line_filters()]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Literal["information", "warning", "error"] = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Say something in passing, but not twice at a time; it may quote documents and files, whatever they hold."""
        seconds = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        same = f"{abs(hash((message, title)))}"  # Textual shows one of an identity
        self.post_message(Notify(LastingNotification(lines(message), title, severity, seconds, markup, identity=same)))

    def begin_in(self, name: str) -> None:
        """The theme to begin with: dark, light or contrast."""
        self.theme = f"microgpt-{name}"
        theme.use(self.theme)

    def on_mount(self) -> None:
        """Hear of changes. (Textual calls this beside the one of a subclass.)"""
        self.theme_changed_signal.subscribe(self, self._recolour)

    def action_next_theme(self) -> None:
        """Dark, light, high contrast, and round again."""
        names = list(theme.THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]

    def action_command_palette(self) -> None:
        """Find a command by its name; there is none while a run is opened."""
        if self.use_command_palette and not isinstance(self.screen, Palette | OpeningScreen):
            self.push_screen(Palette(id="--command-palette"))

    def search_themes(self) -> None:
        """Choose any theme by its name."""
        self.push_screen(Palette(providers=[ThemeProvider], placeholder="Search for themes…"))

    def _recolour(self, chosen: Theme) -> None:
        theme.use(theme.nearest(chosen))
        for screen in self.screen_stack:
            if isinstance(screen, DebuggerScreen):
                screen.show()


class MicrogptApp(ThemedApp):
    """A debugger for one run. It returns the error if the run could not be opened.

    `shared` shares the notes of lectures with other terminals.
    """

    TITLE = "microgpt-tui"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, start: Start, lecture: Lecture | None = None, shared: SharedNotes | None = None) -> None:
        super().__init__()
        self.start = start
        self._shared = shared
        self.keeper: Autosave | None = None
        self._lecture = lecture  # what the run that is being opened is for
        self._turning = False  # whether another chapter is about to come in the place of the present one

    def get_default_screen(self) -> Screen[None]:
        """Show that something is happening, at once."""
        return OpeningScreen(self.start)

    def on_mount(self) -> None:
        """Be ready for being ended from outside."""
        end_on_signals(self)

    def on_unmount(self) -> None:
        """End the lecture."""
        self._end_sharing()

    @on(OpeningScreen.Ready)
    async def ready(self, message: OpeningScreen.Ready) -> None:
        """Show the debugger, and what was left on its screen; or the lecture that the run is for."""
        settle()
        if message.warning and not in_browser():  # who looks at it there cannot mend this computer
            words = f"{message.warning[:1].upper()}{message.warning[1:]}."
            self.notify(words, severity="warning", timeout=20, markup=False)
        if self._lecture is not None:
            await self.give(self._lecture, message.session)
            return
        if self.keeper is not None:
            return  # it was for a lecture that was given up at this very moment
        screen = DebuggerScreen(message.session)
        if self.start.run is not None:
            screen.what_if.take_up(Branches(message.session, self.start.run.branches))
        self.keeper = Autosave(screen, self.start)
        await self.push_screen(screen)
        self.keeper.lay_out()
        if screen.session.val_docs:
            trained, aside = len(screen.session.docs), len(screen.session.val_docs)
            words = (
                f"{trained:,} documents are trained on, {aside:,} kept aside; ◆ on the loss curve is what those cost."
            )
            self.notify(words, timeout=8)
        if self.start.notice:
            self.notify(self.start.notice, severity="warning", timeout=20, markup=False)

    def exit(
        self, result: EngineError | None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        """Leave, for whatever reason; what is on the screen is noted first."""
        if self.keeper is not None:
            self.keeper.screen.motion.halt(wait=True)
            self.keeper.leave()
        super().exit(result, return_code, message)

    def _handle_exception(self, error: Exception) -> None:
        """Leave with a sentence when memory or threads run out; other errors are the program's, and are shown whole."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        kept = self.keeper is not None and self.keeper.touched and not in_browser()
        way = "; microgpt-tui --resume returns to where you were" if kept else ""
        if is_out_of_memory(cause):
            self.exit(DataError(f"there is not enough memory to go on; a smaller model needs less{way}"))
        elif is_out_of_threads(cause):
            self.exit(DataError(f"{NO_THREADS}{way}"))
        else:
            super()._handle_exception(error)

    @on(OpeningScreen.Failed)
    async def failed(self, message: OpeningScreen.Failed) -> None:
        """Leave with the sentence that says why; a lecture that cannot be given leads back to the debugger."""
        if self.keeper is None:
            self.exit(message.error)
        else:
            await self._return()
            self.notify(f"{message.error}.", severity="error", timeout=12, markup=False)

    @on(OpeningScreen.Cancelled)
    async def given_up(self) -> None:
        """Leave, or return to the debugger that a lecture was called from, while a run is being opened."""
        if self.keeper is None:
            self.exit()
        else:
            await self._return()

    def action_save_run(self) -> None:
        """Ask for a file, and save the run on the screen there."""
        screen = self.screen
        if in_browser():
            self.notify("Files cannot be written from the browser; run microgpt-tui on your own computer to save.")
            return
        if not isinstance(screen, DebuggerScreen) or screen.busy:
            self.notify("The run is on its way to another moment; save it when it has arrived.", timeout=3)
            return
        given = screen.player.lecture.chapter.data if isinstance(screen, LectureScreen) else self.start.path
        self.push_screen(SaveScreen(screen.what_if.snapshot(str(given) if given else None)))

    # Lectures.

    def action_lectures(self) -> None:
        """Show the chapters of the course that comes with the program, and begin one."""
        if self.keeper is not None and self.keeper.screen.busy:
            self.notify("The run is on its way to another moment; open a lecture when it has arrived.", timeout=3)
            return
        self.push_screen(ChaptersScreen(load_course(usual_language()), 0), self._chosen)

    def _chosen(self, chosen: tuple[Course, int] | None) -> None:
        if chosen is not None:
            self.begin(Lecture(*chosen))

    def begin(self, lecture: Lecture) -> bool:
        """Give a lecture, or another chapter of it: on a run that is there, or one that is opened for it.

        Whether it can be given; a mistake in it is shown.
        """
        try:
            config, docs = lecture.run(registry.screen_names())
        except EngineError as error:
            self.notify(str(error), severity="error", timeout=12, markup=False)
            return False
        for screen in reversed(self.screen_stack):
            if isinstance(screen, DebuggerScreen):
                session = screen.what_if.branches.original
                if session.config == config and session.checksum == checksum(docs):
                    try:
                        fresh = session if isinstance(screen, LectureScreen) else session.restart_copy()
                    except EngineError as error:  # no memory for one more run
                        self.notify(f"{error}.", severity="error", timeout=12, markup=False)
                        return False
                    self._turning = True
                    self.run_worker(self.give(lecture, fresh, screen.motion if fresh is session else None))
                    return True
        self._lecture = lecture
        self.push_screen(OpeningScreen(Start(config, docs)))
        return True

    async def give(self, lecture: Lecture, session: Session, motion: RunController | None = None) -> None:
        """Show a chapter in the place of the one before, on a run of its own.

        `motion` is what the chapter before moved this run with. If its thread does not halt, the run is left to it.
        """
        await self._clear()
        self._turning = False
        if self._shared is not None:
            self._shared.open()
        try:
            session = session.restart_copy() if motion is not None and motion.busy else session
            screen = LectureScreen(session, lecture, self._shared)
        except EngineError as error:  # no memory for one more run
            if self.keeper is None:
                self.exit(error)
            self.notify(f"{error}.", severity="error", timeout=12, markup=False)
        else:
            await self.push_screen(screen)

    @on(LectureScreen.ChapterLeft)
    async def left(self, message: LectureScreen.ChapterLeft) -> None:
        """A chapter is left: for another, for the debugger that it was called from, or for good."""
        if message.screen is not self.screen or self._turning:
            return  # of several presses the first has done it
        if message.to is not None:
            lecture = copy(message.screen.player.lecture)  # the screen has its own until the other one is there
            lecture.course, (lecture.place, lecture.page) = message.course, message.to
            self.begin(lecture)
        elif self.keeper is not None:
            await self._return()
        else:
            self.exit()

    async def _return(self) -> None:
        """Be in the debugger again."""
        await self._clear()
        self._end_sharing()

    async def _clear(self) -> None:
        """Take the present lecture away, and the opening of the next one, with all that has come up over them."""
        self._lecture = None
        while any(isinstance(screen, OpeningScreen | LectureScreen) for screen in self.screen_stack[1:]):
            await self.pop_screen()

    def _end_sharing(self) -> None:
        if self._shared is not None:
            self._shared.close()


def settle() -> None:
    """Have the garbage collector pass over a run that is ready: walking its recording time and again makes keys wait.

    To be called before a screen is made, since what it passes over is never collected; so earlier garbage goes first.
    """
    if gc.get_freeze_count():
        gc.collect()
    gc.freeze()


GRACE = 5.0  # seconds to end in good order


def end_on_signals(app: ThemedApp) -> None:
    """Quit in good order when the system ends the program, or its terminal goes away."""
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")):
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not on this system, or not in this thread
                asyncio.get_running_loop().add_signal_handler(number, partial(_end, app, 128 + number))


def _end(app: ThemedApp, status: int) -> None:
    """Leave; and if that takes too long, for want of a terminal that takes what is written to it, leave anyway."""

    def leave_anyway() -> None:
        with suppress(EngineError):
            if isinstance(app, MicrogptApp) and app.keeper is not None:
                app.keeper.finish()
        os._exit(status)

    late = threading.Timer(GRACE, leave_anyway)
    late.daemon = True  # it does not keep a program alive that has ended by then
    late.start()
    app.exit(return_code=status)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the app has ended: its exit status, and whether --resume returns to this session.

    `displaced` is whether another session was there before, to which --resume-earlier returns by now.
    """

    status: int
    written: bool = False
    displaced: bool = False


def run_debugger(start: Start, lecture: Lecture | None = None, theme: str = "dark") -> Ended:
    """Open the debugger, or give a lecture instead, in a theme, and return how it has ended.

    Where the user was in the debugger is kept by then, unless nothing was changed.

    Raises EngineError if the run cannot be opened or kept; the terminal is as it was by then.
    """
    check_threads()
    app = MicrogptApp(start, lecture, None if in_browser() else SharedNotes(state_folder()))
    app.begin_in(theme)
    try:
        error = app.run()
    finally:
        if app.keeper is not None:
            app.keeper.finish()
    if error is not None:
        raise error
    status = app.return_code or 0
    return Ended(status) if app.keeper is None else Ended(status, app.keeper.written, app.keeper.displaced)
