"""`ChangePlayer`: plays what a key has changed: the rows fill up one after the other, then their frames fade."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from microgpt_tui.debugger.state import DebuggerState

PICTURES = 6  # of a tensor that fills up
FILL = 0.25  # seconds that it takes
FADE = 0.4  # seconds that what was written last is framed; a key within them is one of several, and nothing is played


class Stoppable(Protocol):
    """A timer."""

    def stop(self) -> None:
        """Let it do nothing any more."""


class ChangePlayer:
    """Says what the stage shows of a change, and has it drawn again when that is more, or no longer framed.

    `after` starts a timer; `show` draws the stage; `plays` says whether anything is to be played.
    """

    def __init__(
        self,
        state: DebuggerState,
        show: Callable[[], None],
        after: Callable[[float, Callable[[], None]], Stoppable],
        plays: Callable[[], bool],
    ) -> None:
        self._state, self._show, self._after, self._plays = state, show, after, plays
        self._timer: Stoppable | None = None

    def begin(self, fills: bool) -> None:
        """A key has moved the run; what it made `fills` up, or is there at once."""
        repeated = self._timer is not None
        self.cut()
        if not self._plays():
            return
        if not repeated:
            self._state.play(0.0 if fills else 1.0, True)
        self._wait()

    def cut(self) -> None:
        """Show all of it, without a frame."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._state.play(1.0, False)

    def _wait(self) -> None:
        filled = self._state.filled >= 1
        self._timer = self._after(FADE if filled else FILL / PICTURES, self._fade if filled else self._fill)

    def _fill(self) -> None:
        filled = self._state.filled + 1 / PICTURES
        self._state.play(1.0 if filled > 1 - 0.5 / PICTURES else filled, True)
        self._wait()
        self._show()

    def _fade(self) -> None:
        self._timer = None
        if self._state.framed:
            self._state.play(1.0, False)
            self._show()
