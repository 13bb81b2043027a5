"""`Autosave`: writes the session of one debugger when the user pauses after a change, and when the program ends."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import asdict, replace
from functools import partial

from textual.worker import Worker

from engine import CheckpointError
from engine.checkpoint.checkpoint import Checkpoint
from engine.model.dataset import Origin
from microgpt_tui.debugger.annotations import restored
from microgpt_tui.panes import registry
from microgpt_tui.panes.base import Pane
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.storage.saved_session import SavedSession, keep, written_run
from microgpt_tui.storage.startup import Start

PAUSE = 1.0  # seconds between two looks; what is the same in both is kept
LONGEST = 2.0  # seconds to wait at the end for what is being written


class Autosave:
    """Lays out on a debugger's screen what was left, and keeps what is on it from the first change on.

    What was there before that, of another session, is kept as the earlier one; `displaced` says whether there was any.
    """

    def __init__(self, screen: DebuggerScreen, start: Start) -> None:
        self.screen, session = screen, screen.session
        origin = Origin(session.checksum, start.path)
        fresh = SavedSession(session.config, origin, screen.state.where, branch=start.branch)
        self._desk = replace(start.desk, origin=origin) if start.desk else fresh
        last = start.desk is not None and not start.before  # the one whose files are written on
        self._saved = (self._state(), written_run()) if last and start.run else None  # what is in the run's file
        self._lacking = last and start.run is None  # the run is to be written even if nothing is changed
        self._displace, self.displaced, self.written = not last, False, False
        self._first: tuple[SavedSession, Hashable] | None = None  # what there was before anything was changed
        self._seen = self._kept = self._desk
        self._entering: str | None = None  # a branch that the screen is on its way to
        self._file = threading.Lock()  # held while files are written
        self._ended = False
        self._leaving: SavedSession | None = None
        self._writing: Worker[None] | None = None
        self._complained = False

    def lay_out(self) -> None:
        """Put everything where it was left; the run stands at the moment already, or at a fault on the way there."""
        desk, screen = self._desk, self.screen
        kept, dropped = restored(asdict(desk), screen.stops.scope)
        there = desk.moment == screen.session.moment and _fits(desk, screen)
        screen.grid.zoomed = desk.zoomed if desk.zoomed in registry.ids() else None
        screen.state.restore(desk.where if there else screen.state.where, kept)
        if desk.pane in registry.ids():
            screen.set_focus(screen.query_one(f"#{desk.pane}", Pane))
        if desk.branch is not None and desk.branch not in screen.what_if.branches:
            dropped.append(f"The branch {desk.branch} was not kept with the run; this is the original.")
        for sentence in dropped:
            screen.notify(sentence, severity="warning", timeout=12, markup=False)
        screen.what_if.take_up(screen.what_if.branches, desk.branch)
        self._entering = desk.branch if screen.busy else None
        self._seen = self._kept = self.now()
        self._first = self._kept, self._state()
        screen.set_interval(PAUSE, self.look)

    def now(self) -> SavedSession:
        """The desk as it is."""
        screen = self.screen
        pane = screen.focused.id if isinstance(screen.focused, Pane) else None
        return replace(
            self._desk,
            where=screen.state.where,
            zoomed=screen.grid.zoomed,
            pane=pane,
            branch=screen.what_if.branch or self._entering,
            **screen.state.annotations.as_dict(),
        )

    def look(self) -> None:
        """Keep the desk, in a thread, if it has changed and the user has paused."""
        if self.screen.busy or (self._writing is not None and self._writing.is_running):
            return
        self._entering = None
        now = self.now()
        if self._seen == now != self._kept:
            state = self._state()
            saved = self._saved == (state, written_run())  # and no other debugger has written over it
            run = None if saved else self.screen.what_if.snapshot(now.origin.path)
            self._kept = now
            self._writing = self.screen.run_worker(partial(self._write, now, run, state), thread=True)
        self._seen = now

    def _state(self) -> Hashable:
        """Where the run stands, and what its branches are."""
        branches = self.screen.what_if.branches
        return branches.original.step, tuple((branch.name, branch.changes) for branch in branches.all())

    def leave(self) -> None:
        """The program is about to end: remember what is on the screen before it is taken apart."""
        self._leaving = self._leaving or self.now()

    @property
    def touched(self) -> bool:
        """Whether there is anything to keep: something has been changed, or was written already."""
        if self._first is None:  # nothing was laid out yet
            return False
        moving = self.screen.busy and self._entering is None
        return self.written or moving or (self._last(), self._state()) != self._first

    def _last(self) -> SavedSession:
        return self._leaving or replace(self.now(), pane=self._seen.pane)  # a screen that broke off has no chosen pane

    def finish(self) -> None:
        """Keep the desk and the run as they are in the end, unless nothing was changed.

        Raises CheckpointError if that cannot be done.
        """
        if not (self.touched or self._lacking):
            return
        now = self._last()
        # While the screen is busy a thread moves the run; then the moment alone is kept, and reached by training.
        run = None if self.screen.busy else self.screen.what_if.snapshot(now.origin.path)
        if self._file.acquire(timeout=LONGEST):
            try:
                self._ended = True  # what a thread was about to write is older
                self._keep(now, run)
            finally:
                self._file.release()

    def _keep(self, desk: SavedSession, run: Checkpoint | None) -> None:
        self.displaced = keep(desk, run, self._displace) or self.displaced
        self._displace, self.written = False, True

    def _write(self, desk: SavedSession, run: Checkpoint | None, state: Hashable) -> None:
        try:
            with self._file:
                if not self._ended:
                    self._keep(desk, run)
                    self._saved = state, written_run()
        except CheckpointError as error:
            if not self._complained:
                self._complained = True
                self.screen.app.notify(f"{error}.", severity="warning", markup=False)  # a message: any thread may post


def _fits(desk: SavedSession, screen: DebuggerScreen) -> bool:
    """Whether what was looked at exists."""
    where, session = desk.where, screen.session
    return (
        (where.row or 0) < len(session.recording)
        and (where.layer or 0) < max(session.config.n_layer, 1)
        and (where.head or 0) < session.config.n_head
        and (where.matrix is None or where.matrix in session.recording.matrices)
    )
