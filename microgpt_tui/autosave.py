"""`Autosave`: writes the session of one debugger when the user pauses after a change, and when the program ends."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

from textual.worker import Worker

from engine import CheckpointError
from engine.model.dataset import Origin
from microgpt_tui.debugger.annotations import restored
from microgpt_tui.panes import registry
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.saved_session import SavedSession, run_file_stamp, write_session
from microgpt_tui.storage.startup import Start
from microgpt_tui.texts.say import say

if TYPE_CHECKING:  # imported where a run is saved
    from engine.checkpoint.checkpoint import Checkpoint

PAUSE = 1.0  # seconds between two checks for changes; a session that is the same in both is written
MAX_WAIT = 2.0  # seconds to wait at the end for a thread that is writing


class Autosave:
    """Restores a saved session on a debugger's screen, and writes the session from the first change on.

    The first time it is written, the files of another session become those of the earlier one; `displaced` is whether
    there were any, `written` whether anything was written.
    """

    def __init__(self, screen: DebuggerScreen, start: Start) -> None:
        self.screen, session = screen, screen.session
        origin = Origin(session.checksum, start.path, start.split)
        fresh = SavedSession(session.config, origin, screen.state.where, branch=start.branch)
        self._base = replace(start.saved, origin=origin) if start.saved else fresh
        continues = start.saved is not None and not start.earlier  # the session whose files are written again
        self._run_in_file = (self._run_state(), run_file_stamp()) if continues and start.run else None
        self._run_missing = continues and start.run is None  # then it is written even if nothing is changed
        self._displace, self.displaced, self.written = not continues, False, False
        self._first: tuple[SavedSession, Hashable] | None = None  # before anything was changed
        self._previous = self._last_written = self._base
        self._entering: str | None = None  # a branch that the screen is on its way to
        self._files = threading.Lock()  # held while files are written
        self._ended = False
        self._final: SavedSession | None = None
        self._worker: Worker[None] | None = None
        self._warned = False

    def restore(self) -> None:
        """Restore the layout, focus and annotations. The run is at the moment already, or at a fault before it."""
        saved, screen = self._base, self.screen
        annotations, dropped = restored(asdict(saved), screen.stops.scope)
        there = saved.moment == screen.session.moment and _fits(saved, screen)
        screen.grid.zoomed = saved.zoomed if saved.zoomed in registry.ids() else None
        screen.state.restore(saved.where if there else screen.state.where, annotations)
        if saved.pane in registry.ids():
            screen.set_focus(screen.query_one(f"#{saved.pane}", Pane))
        if saved.branch is not None and saved.branch not in screen.what_if.branches:
            dropped.append(say("program.autosave.branch_was_not_kept", branch=saved.branch))
        for sentence in dropped:
            screen.notify(sentence, severity="warning", timeout=12, markup=False)
        screen.what_if.take_up(screen.what_if.branches, saved.branch)
        self._entering = saved.branch if screen.busy else None
        self._previous = self._last_written = self.current()
        self._first = self._last_written, self._run_state()
        screen.set_interval(PAUSE, self.check)

    def current(self) -> SavedSession:
        """The session as it is on the screen."""
        screen = self.screen
        return replace(
            self._base,
            where=screen.state.where,
            zoomed=screen.grid.zoomed,
            pane=screen.focused.id if isinstance(screen.focused, Pane) else None,
            branch=screen.what_if.branch or self._entering,
            **screen.state.annotations.as_dict(),
        )

    def check(self) -> None:
        """Write the session, in a thread, if it has changed and the user has paused."""
        if self.screen.busy or (self._worker is not None and self._worker.is_running):
            return
        self._entering = None
        session = self.current()
        if self._previous == session != self._last_written:
            state = self._run_state()
            in_file = self._run_in_file == (state, run_file_stamp())  # and no other debugger has overwritten it
            run = None if in_file else self.screen.what_if.snapshot(session.origin.path, session.origin.split)
            self._last_written = session
            self._worker = self.screen.run_worker(partial(self._write_in_thread, session, run, state), thread=True)
        self._previous = session

    def _run_state(self) -> Hashable:
        """The training step, and the branches with their changes."""
        branches = self.screen.what_if.branches
        return branches.original.step, tuple((branch.name, branch.changes) for branch in branches.all())

    def capture(self) -> None:
        """Remember the session before Textual unmounts the widgets; `finish` writes it."""
        self._final = self._final or self.current()

    @property
    def touched(self) -> bool:
        """Whether something has been changed or written."""
        if self._first is None:  # not restored yet
            return False
        moving = self.screen.busy and self._entering is None
        return self.written or moving or (self._last(), self._run_state()) != self._first

    def _last(self) -> SavedSession:
        return self._final or replace(self.current(), pane=self._previous.pane)  # after a crash nothing has the focus

    def finish(self) -> None:
        """Write the last session and run, unless nothing was changed. Raises CheckpointError."""
        if not (self.touched or self._run_missing):
            return
        session = self._last()
        # While the screen is busy a thread moves the run; then the moment alone is saved, and reached by training.
        run = None if self.screen.busy else self.screen.what_if.snapshot(session.origin.path, session.origin.split)
        if self._files.acquire(timeout=MAX_WAIT):
            try:
                self._ended = True  # a thread that waits for the lock has an older session
                self._write(session, run)
            finally:
                self._files.release()

    def _write(self, session: SavedSession, run: Checkpoint | None) -> None:
        self.displaced = write_session(session, run, self._displace) or self.displaced
        self._displace, self.written = False, True

    def _write_in_thread(self, session: SavedSession, run: Checkpoint | None, state: Hashable) -> None:
        try:
            with self._files:
                if not self._ended:
                    self._write(session, run)
                    self._run_in_file = state, run_file_stamp()
        except CheckpointError as error:
            if not self._warned:
                self._warned = True
                self.screen.app.notify(f"{error}.", severity="warning", markup=False)  # a message: any thread may post


def _fits(saved: SavedSession, screen: DebuggerScreen) -> bool:
    """Whether the run has the row, layer, head and matrix of the saved focus."""
    where, session = saved.where, screen.session
    return (
        (where.row or 0) < session.program.n_rows
        and (where.layer or 0) < max(session.config.n_layer, 1)
        and (where.head or 0) < session.config.n_head
        and (where.matrix is None or where.matrix in session.program.parameters)
    )
