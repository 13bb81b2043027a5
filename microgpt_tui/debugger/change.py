"""`ChangePlayer`: plays what a key has changed: the rows fill up one after the other, then their frames fade."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from microgpt_tui.debugger.frame import BRIGHT
from microgpt_tui.debugger.state import DebuggerState

PICTURES = 6  # of a tensor that fills up
FILL = 0.25  # seconds that it takes
FADE = 0.4  # seconds that what was written last is framed
REPEAT = 0.3  # seconds within which a move after another one is of a key that is held, or of one who is in a hurry


class Stoppable(Protocol):
    """A timer."""

    def stop(self) -> None:
        """Let it do nothing any more."""


class ChangePlayer:
    """Says what the stage shows of a change, and has it drawn again when that is more, or no longer framed.

    `after` starts a timer, and `clock` says how many seconds have passed; `show` draws the stage; `plays` says whether
    anything is to be played.
    """

    def __init__(
        self,
        state: DebuggerState,
        show: Callable[[], None],
        after: Callable[[float, Callable[[], None]], Stoppable],
        plays: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._state, self._show, self._after, self._plays, self._clock = state, show, after, plays, clock
        self._timer: Stoppable | None = None
        self._moved_at = -REPEAT

    def begin(self, fills: bool) -> None:
        """A key has moved the run; what it made `fills` up, or is there at once."""
        now = self._clock()
        repeated = now - self._moved_at < REPEAT or self._state.filled < 1
        self._moved_at = now
        self.cut()
        if self._plays() and not repeated:
            self._state.play(0.0 if fills else 1.0, BRIGHT)
            self._wait()

    def finish(self) -> None:
        """Show at once all that fills up; its frame stays for its time."""
        if self._timer is not None and self._state.filled < 1:
            self._timer.stop()
            self._fill_to(1.0)

    def cut(self) -> None:
        """Show all of it, without a frame."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._state.play(1.0, 0)

    def _wait(self) -> None:
        filled = self._state.filled >= 1
        self._timer = self._after(FADE / BRIGHT if filled else FILL / PICTURES, self._fade if filled else self._fill)

    def _fill(self) -> None:
        passed = (self._clock() - self._moved_at) / FILL  # a slow terminal gets fewer pictures in the same time
        self._fill_to(max(passed, self._state.filled + 1 / PICTURES))

    def _fill_to(self, filled: float) -> None:
        self._state.play(1.0 if filled > 1 - 0.5 / PICTURES else filled, BRIGHT)
        self._wait()
        self._show()

    def _fade(self) -> None:
        """Make the frame less bright, and in the end let it go."""
        self._timer = None
        self._state.play(1.0, self._state.framed - 1)
        if self._state.framed:
            self._wait()
        self._show()
