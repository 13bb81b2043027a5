"""The Textual app: it opens a run, then shows the debugger or a lecture."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rich.console import RenderableType
from textual import on
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.notifications import Notify
from textual.screen import Screen
from textual.theme import Theme, ThemeProvider
from textual.widgets._toast import ToastRack
from textual.worker import WorkerFailed

from engine import DataError, EngineError, Run, Stopped
from engine.autograd.jit import Kernels
from engine.errors import is_out_of_memory, is_out_of_threads
from engine.hangul import SYLLABLES
from engine.immutable import immutable
from engine.language.chosen import language
from engine.model.dataset import checksum, kept_path
from engine.run.branches import Branches
from engine.run.capabilities import is_scripted
from engine.run.compilation import Compilation
from microgpt_tui.autosave import Autosave
from microgpt_tui.debugger.keys import SUSPEND, bindings
from microgpt_tui.debugger.run_controller import RunController
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.terminal_text import lines
from microgpt_tui.panes import registry
from microgpt_tui.screens.debugger import STYLES, DebuggerScreen
from microgpt_tui.screens.loading import LoadingScreen, OpeningScreen, ScriptLoadingScreen
from microgpt_tui.storage.paths import compiled_mark, in_browser, state_folder
from microgpt_tui.storage.startup import ScriptStart, Start
from microgpt_tui.storage.threads import NO_THREADS, check_threads
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.textual_fixes import LastingNotification, PrintableFilter, SafeCommandPalette, call_later

if TYPE_CHECKING:  # imported where a copy of microgpt.py is opened, or a lecture: the first frame needs none
    from microgpt_tui.audience.audience import LiveAudience
    from microgpt_tui.audience.screen_frame import FramePacer
    from microgpt_tui.lectures.lecture import Lecture
    from microgpt_tui.lectures.page import Course
    from microgpt_tui.lectures.speaker_notes import SharedNotes
    from microgpt_tui.screens.lecture import LectureScreen
    from microgpt_tui.storage.original import Found

MOST_NOTIFICATIONS = 2  # at once: they cover what they speak of
COMMAND_NAMES = {  # of Textual's commands, by the first word of what Textual says of them
    "change": "theme",
    "quit": "quit",
    "show": "keys_show",
    "hide": "keys_hide",
    "maximize": "maximize",
    "minimize": "minimize",
    "save": "screenshot",
}
FEW_COLOURS = (None, "standard", "windows")  # rich's names of what terminals have, up to sixteen colours


class ThemedApp(App[EngineError | None]):
    """An app in one of the project's themes; pictures are drawn again when the theme changes.

    Cells of pictures tell sign and size by characters where the terminal has too few colours, and with `signs`.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(*SUSPEND)
    ALLOW_SELECT = False  # Textual's text selection fails where a notification was just closed

    def __init__(self, theme_name: str = "microgpt-dark", signs: bool = False) -> None:
        super().__init__()
        for registered in theme.textual_themes():
            self.register_theme(registered)
        self.theme = theme_name
        theme.use(theme_name)
        self._signs = signs
        self._printable = PrintableFilter()

    @property
    def few_colours(self) -> bool:
        """Whether what is shown has no colours, or at most sixteen of them. A browser has all, and so have pictures."""
        if in_browser():
            return False
        return self.no_color or (not self.is_headless and self.console.color_system in FEW_COLOURS)

    def get_driver_class(self) -> type[Driver]:
        """Textual's own; for a terminal of Linux or macOS one that can be stopped and continued."""
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
            self.notify(say("program.app.no_shell.in_browser"), timeout=4)
        elif sys.platform != "win32":
            from microgpt_tui.widgets.terminal_driver import TerminalDriver

            if isinstance(self._driver, TerminalDriver) and not self._driver.suspend():
                self.notify(say("program.app.no_shell.here"), timeout=4)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, after the one that replaces control characters."""
        return [self._printable, *super().get_line_filters()]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Literal["information", "warning", "error"] = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notification, unless the same one is shown already. Control characters in it are written out."""
        seconds = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        same = f"{abs(hash((message, title)))}"  # Textual shows one notification of an identity
        self.post_message(Notify(LastingNotification(lines(message), title, severity, seconds, markup, identity=same)))

    def _on_notify(self, event: Notify) -> None:
        """Show it beside the one before: of more, the oldest go, what is only told before what is warned of."""
        others = [note for note in self._notifications if note.identity != event.notification.identity]
        others.sort(key=lambda note: note.severity != "information")
        for note in others[: max(0, len(others) + 1 - MOST_NOTIFICATIONS)]:
            self._unnotify(note, refresh=False)
        super()._on_notify(event)

    def _refresh_notifications(self) -> None:
        """On the screen that lies above all others, and only there."""
        for below in self.screen_stack[:-1]:
            for rack in below.query_children(ToastRack):
                rack.display = False
        super()._refresh_notifications()

    def on_mount(self) -> None:
        """See how many colours there are, and follow changes of the theme. Textual also calls a subclass's method."""
        theme.few_colours(self._signs or self.few_colours)
        self.theme_changed_signal.subscribe(self, self._recolour)

    def action_next_theme(self) -> None:
        """Change from dark to light to high contrast to dark."""
        names = list(theme.THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]

    def action_command_palette(self) -> None:
        """Open the palette, except while a run is opened."""
        if self.use_command_palette and not isinstance(self.screen, SafeCommandPalette | LoadingScreen):
            self.push_screen(SafeCommandPalette(id="--command-palette", placeholder=say("program.app.search.commands")))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Textual's own, in the program's language; what is not known of them stays as it is."""
        for command in super().get_system_commands(screen):
            name = COMMAND_NAMES.get(command.help.partition(" ")[0].lower())
            if name is None:
                yield command
            else:
                title, what = say(f"program.command.{name}.title"), say(f"program.command.{name}.what")
                yield command._replace(title=title, help=what)

    def search_themes(self) -> None:
        """Open the palette of themes."""
        self.push_screen(SafeCommandPalette(providers=[ThemeProvider], placeholder=say("program.app.search.themes")))

    def _recolour(self, chosen: Theme) -> None:
        theme.use(theme.nearest(chosen))
        for screen in self.screen_stack:
            if isinstance(screen, DebuggerScreen):
                screen.show()


class MicrogptApp(ThemedApp):
    """A debugger for one run. It returns the error if the run could not be opened.

    Lectures share their notes with other terminals in the folder `notes`, if there is one, and are seen by the
    `audience`, if there is one.
    """

    TITLE = "microgpt-tui"
    CSS_PATH = STYLES  # read with the app's own: a screen that brings another file has all of it parsed anew
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        start: Start | ScriptStart,
        lecture: Lecture | None = None,
        notes: Path | None = None,
        theme_name: str = "microgpt-dark",
        audience: LiveAudience | None = None,
    ) -> None:
        super().__init__(theme_name)
        self.start = start
        self._audience = audience
        self._frames: FramePacer | None = None  # when the audience is shown the screen
        self._notes = notes
        self._shared: SharedNotes | None = None  # once there was a lecture
        self.debugger: DebuggerScreen | None = None
        self.autosave: Autosave | None = None  # of a debugger whose run can be saved
        self._compilation: Compilation | None = None
        self._lecture = lecture  # the lecture that the run is opened for
        self._replacing = False  # whether another chapter is about to replace the present one
        self._next: Start | None = None  # a run that is opened in place of the one on the screen

    def get_default_screen(self) -> Screen[None]:
        """The screen that shows the progress of opening, where that takes longer than a moment."""
        start = self.start
        return ScriptLoadingScreen(start) if isinstance(start, ScriptStart) else OpeningScreen(start, start.short)

    def on_mount(self) -> None:
        """Handle signals that end the program; begin to show the screen to the audience."""
        end_on_signals(self)
        if self._audience is not None:
            from microgpt_tui.audience.screen_frame import FramePacer

            self._frames = FramePacer(self, self._show_audience)
            self._audience.on_news = lambda: call_later(self, self._hear_audience)

    def on_unmount(self) -> None:
        """Remove the shared notes, and end the process that compiles loops."""
        if self._frames is not None:
            self._frames.stop()
        if self._compilation is not None:
            self._compilation.stop()
        if self._shared is not None:
            self._shared.close()

    @on(LoadingScreen.Ready)
    async def ready(self, message: LoadingScreen.Ready) -> None:
        """Show the debugger, with its saved session; or the lecture that the run is for."""
        self._warn(message.warning)
        if message.loops is not None:
            self.call_after_refresh(self._compile, message.loops)
        if self._lecture is not None:
            settle()
            await self.give(self._lecture, message.session)
            return
        if self.debugger is not None:
            if self._next is None:
                return  # it was for a lecture, or another run, that was cancelled at this moment
            await self._leave_run(self.debugger)
            self.start, self._next, self.debugger = self._next, None, None
        settle()
        self.debugger = screen = DebuggerScreen(message.session)
        if isinstance(self.start, ScriptStart):
            await self.push_screen(screen)
            return
        if self.start.run is not None:
            screen.what_if.take_up(Branches(message.session, self.start.run.branches))
        self.autosave = Autosave(screen, self.start)
        await self.push_screen(screen)
        self.autosave.restore()
        if not in_browser():
            screen.call_after_refresh(self._begin_finding_lines, screen, self.start.source)
        if self.start.changes:
            try:
                screen.what_if.open(self.start.changes, screen.session.moment)
            except EngineError as error:
                self._show_error(f"{error}.")
        if screen.session.val_docs:
            trained, aside = len(screen.session.docs), len(screen.session.val_docs)
            self.notify(say("program.app.held_out", trained=trained, aside=aside), timeout=8)
        if self.start.notice:
            self.notify(self.start.notice, severity="warning", timeout=20, markup=False)

    @on(DebuggerScreen.Replaced)
    def open_other(self, message: DebuggerScreen.Replaced) -> None:
        """Open another run, which takes the place of the one on the screen when it is ready."""
        self._next = message.start
        self.push_screen(OpeningScreen(message.start))

    async def _leave_run(self, screen: DebuggerScreen) -> None:
        """Save the session on the screen as if the program ended, and take the screen away."""
        screen.motion.halt(wait=True)
        if self.autosave is not None:
            self.autosave.capture()
            try:
                self.autosave.finish()
            except EngineError as error:
                self._show_error(f"{error}.")
        while screen in self.screen_stack:
            await self.pop_screen()

    def _compile(self, plain: Kernels) -> None:
        """Let the loops of the run on the screen be compiled, now that its first frame is drawn."""

        def done(sentence: str | None) -> None:
            call_later(self, self._warn, sentence)

        self._compilation = Compilation(plain, compiled_mark())
        self._compilation.start(done)

    def _warn(self, sentence: str | None) -> None:
        if sentence and not in_browser():  # in a browser the user cannot repair this computer
            words = f"{sentence[:1].upper()}{sentence[1:]}."
            self.notify(words, severity="warning", timeout=20, markup=False)

    def _begin_finding_lines(self, screen: DebuggerScreen, given: Path | None) -> None:
        finder = threading.Thread(
            target=self._find_lines, args=(screen, given), daemon=True
        )  # nobody waits for its end
        with suppress(RuntimeError):  # the system allows no more threads; the engine's lines are shown
            finder.start()

    def _find_lines(self, screen: DebuggerScreen, given: Path | None) -> None:
        """In a thread: the lines of the user's copy of microgpt.py, which may have to be run for that."""
        from microgpt_tui.storage.original import lines_to_show  # here, since the first frame needs none of it

        found = lines_to_show(given, self._check_running)
        call_later(self, self._show_lines, screen, found)

    def _check_running(self, *_: object) -> None:
        if not self.is_running:
            raise Stopped(say("program.app.ended"))

    def _show_lines(self, screen: DebuggerScreen, found: Found) -> None:
        screen.lines, screen.lines_hint, screen.lines_known = found.lines, found.hint, True
        if found.error:
            self.notify(found.error, severity="warning", timeout=20, markup=False)
        screen.show()

    def exit(
        self, result: EngineError | None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        """End the app, after the session on the screen is captured."""
        if self.debugger is not None:
            self.debugger.motion.halt(wait=True)
        if self.autosave is not None:
            self.autosave.capture()
        super().exit(result, return_code, message)

    def _handle_exception(self, error: Exception) -> None:
        """Exit with a sentence when memory or threads run out; Textual shows other errors with their traceback."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        saved = self.autosave is not None and self.autosave.touched and not in_browser()
        if is_out_of_memory(cause):
            reason = say("program.app.out_of_memory")
        elif is_out_of_threads(cause):
            reason = NO_THREADS
        else:
            super()._handle_exception(error)
            return
        self.exit(DataError(say("program.app.resumable", reason=reason) if saved else reason))

    @on(LoadingScreen.Failed)
    async def failed(self, message: LoadingScreen.Failed) -> None:
        """Exit with the error, or show it in the debugger that a lecture was called from."""
        await self._end_lecture(message.error)

    @on(LoadingScreen.Cancelled)
    async def cancelled(self) -> None:
        """Cancel opening a run: exit, or return to the debugger that a lecture was called from."""
        await self._end_lecture()

    def action_save_run(self) -> None:
        """Open the dialog that saves the run on the screen."""
        from microgpt_tui.dialogs.save import SaveScreen
        from microgpt_tui.screens.lecture import LectureScreen

        screen = self.screen
        if in_browser():
            self.notify(say("program.app.save_in_browser"))
            return
        if not isinstance(screen, DebuggerScreen) or screen.busy:
            self.notify(say("program.app.moving.save"), timeout=3)
            return
        given, split = (self.start.path, self.start.split) if isinstance(self.start, Start) else (None, SYLLABLES)
        if isinstance(screen, LectureScreen):
            chapter = screen.player.lecture.chapter
            given, split = kept_path(chapter.data), chapter.split
        try:
            saved = screen.what_if.snapshot(given, split)
        except EngineError as error:
            self.notify(f"{error}.", severity="warning", timeout=8, markup=False)
        else:
            self.push_screen(SaveScreen(saved))

    # Lectures.

    def action_lectures(self) -> None:
        """Open the list of chapters of the bundled course."""
        from microgpt_tui.dialogs.chapters import ChaptersScreen
        from microgpt_tui.lectures.lecture import Lecture
        from microgpt_tui.lectures.library import load_course
        from microgpt_tui.lectures.outline import CodeFinder

        if self.debugger is not None and self.debugger.busy:
            self.notify(say("program.app.moving.lecture"), timeout=3)
            return
        code = CodeFinder(self.debugger.lines if self.debugger is not None else None)

        def begin(chosen: tuple[Course, int, int] | None) -> None:
            if chosen is not None:
                self.begin(Lecture(*chosen, code=code))

        self.push_screen(ChaptersScreen(load_course(language()), 0, 0, code), begin)

    def begin(self, lecture: Lecture) -> bool:
        """Start a lecture, or another chapter of it, on a run that exists or one that is opened for it.

        The result is whether it starts; otherwise the error is shown.
        """
        from microgpt_tui.screens.lecture import LectureScreen

        try:
            config, docs = lecture.run(registry.screen_names())
        except EngineError as error:
            self._show_error(f"{error}")
            return False
        for screen in reversed(self.screen_stack):
            if isinstance(screen, DebuggerScreen):
                session = screen.what_if.branches.original
                if session.config == config and session.checksum == checksum(docs):
                    try:
                        fresh = session if isinstance(screen, LectureScreen) else session.restart_copy()
                    except EngineError as error:  # no memory for one more run
                        self._show_error(f"{error}.")
                        return False
                    self._replacing = True
                    self.run_worker(self.give(lecture, fresh, screen.motion if fresh is session else None))
                    return True
        self._lecture = lecture
        self.push_screen(OpeningScreen(Start(config, docs)))
        return True

    async def give(self, lecture: Lecture, session: Run, motion: RunController | None = None) -> None:
        """Show a chapter in place of the one before, on a run of its own.

        `motion` is the controller of the chapter before. While its thread still moves the run, a copy is used.
        """
        from microgpt_tui.lectures.speaker_notes import SharedNotes
        from microgpt_tui.screens.lecture import LectureScreen

        await self._clear()
        self._replacing = False
        if self._notes is not None:
            self._shared = self._shared or SharedNotes(self._notes)
            self._shared.open()
        try:
            session = session.restart_copy() if motion is not None and motion.busy else session
            screen = LectureScreen(session, lecture, self._shared, self._audience)
        except EngineError as error:  # no memory for one more run
            if self.debugger is None:
                self.exit(error)
            self._show_error(f"{error}.")
        else:
            await self.push_screen(screen)
            screen.show_address()

    async def on_lecture_screen_chapter_left(self, message: LectureScreen.ChapterLeft) -> None:
        """Go from a chapter to another one, or to the debugger that it was called from, or exit."""
        if message.screen is not self.screen or self._replacing:
            return  # the first of several key presses was handled
        if message.to is not None:
            lecture = copy(message.screen.player.lecture)  # the screen uses its own until the other one is shown
            lecture.course, (lecture.place, lecture.page) = message.course, message.to
            self.begin(lecture)
        else:
            await self._end_lecture()

    # The audience.

    def post_display_hook(self) -> None:
        """The screen was painted: soon after, the audience is shown it."""
        if self._frames is not None:
            self._frames.painted()

    def _show_audience(self) -> None:
        lecture = self._lecture_screen
        if self._audience is not None and self.is_running:
            self._audience.show(self, {} if lecture is None else lecture.for_audience())

    def _hear_audience(self) -> None:
        """Show what is new of the audience."""
        if self._audience is None or self._frames is None:
            return
        for report in self._audience.news():
            self.notify(report, timeout=8, markup=False)
        if (lecture := self._lecture_screen) is not None:
            lecture.hear_audience()
        self._frames.painted()  # answers may be new that no one sees on this screen

    @property
    def _lecture_screen(self) -> LectureScreen | None:
        """The lecture, whatever lies above it."""
        from microgpt_tui.screens.lecture import LectureScreen

        return next((screen for screen in self.screen_stack if isinstance(screen, LectureScreen)), None)

    async def _end_lecture(self, error: EngineError | None = None) -> None:
        """Return to the debugger, and show an error there; without a debugger exit."""
        if self.debugger is None:
            self.exit(error)
            return
        await self._clear()
        if self._shared is not None:
            self._shared.close()
        if error is not None:
            self._show_error(f"{error}.")

    def _show_error(self, sentence: str) -> None:
        self.notify(sentence, severity="error", timeout=12, markup=False)

    async def _clear(self) -> None:
        """Close the lecture and the opening of the next one, with the dialogs over them."""
        from microgpt_tui.screens.lecture import LectureScreen

        self._lecture = self._next = None
        while any(isinstance(screen, LoadingScreen | LectureScreen) for screen in self.screen_stack[1:]):
            await self.pop_screen()


def settle() -> None:
    """Exclude all objects from garbage collection: walking a run's recording delays keys.

    To be called before a screen is made, since these objects are not collected until it is called again, for another
    run. Garbage collection is on from then on.
    """
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()
    gc.freeze()
    gc.enable()


GRACE = 5.0  # seconds until the process exits without waiting for Textual


def end_on_signals(app: ThemedApp) -> None:
    """Exit the app when the system ends the program, or its terminal is closed."""
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")):
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not on this system, or not in this thread
                asyncio.get_running_loop().add_signal_handler(number, partial(_end, app, 128 + number))


def _end(app: ThemedApp, status: int) -> None:
    """Exit; and if that takes too long, because the terminal takes no output, end the process."""

    def end_process() -> None:
        with suppress(EngineError):
            if isinstance(app, MicrogptApp) and app.autosave is not None:
                app.autosave.finish()
        os._exit(status)

    late = threading.Timer(GRACE, end_process)
    late.daemon = True  # so that it does not keep the process alive
    late.start()
    app.exit(return_code=status)


@immutable
class Ended:
    """The exit status, whether the session was `written`, and whether that `displaced` an earlier one."""

    status: int
    written: bool = False
    displaced: bool = False


def run_debugger(
    start: Start | ScriptStart,
    lecture: Lecture | None = None,
    theme: str = "dark",
    audience: LiveAudience | None = None,
) -> Ended:
    """Run the debugger, or a lecture, until it ends; the session is saved, unless nothing was changed.

    Raises EngineError, after the terminal is restored, if the run cannot be opened or saved.
    """
    check_threads()
    app = MicrogptApp(start, lecture, None if in_browser() else state_folder(), f"microgpt-{theme}", audience)
    try:
        error = app.run()
    finally:
        if app.autosave is not None:
            app.autosave.finish()
        if app.debugger is not None and is_scripted(app.debugger.session):
            app.debugger.session.close()
    if error is not None:
        raise error
    status = app.return_code or 0
    return Ended(status) if app.autosave is None else Ended(status, app.autosave.written, app.autosave.displaced)
