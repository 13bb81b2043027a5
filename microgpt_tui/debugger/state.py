"""`DebuggerState`: the run that the debugger shows, the focus in it, and the annotations around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine import NumericFault, Session
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.frame import Choice, Focus
from microgpt_tui.debugger.run_controller import Live


class DebuggerState:
    """What one debugger shows. Everyone reads it; only its methods write.

    Methods that change what is shown of a run that stands still call `on_change` once. `depart`, `report`, `stand`,
    `meet` and `take_run` are for whoever moves the run, and shows it when it stands still.
    """

    def __init__(
        self, session: Session, kept: Annotations | None = None, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._session, self._where, self._kept = session, Focus(session.moment), kept or Annotations()
        self._fault: NumericFault | None = None
        self._live: Live | None = None
        self._trail: list[Focus] = []
        self.on_change = on_change

    @property
    def session(self) -> Session:
        """The run that is shown."""
        return self._session

    @property
    def where(self) -> Focus:
        """The moment, and the focus in it."""
        return self._where

    @property
    def kept(self) -> Annotations:
        """Breakpoints, health checks, watches and marks."""
        return self._kept

    @property
    def fault(self) -> NumericFault | None:
        """The fault that the last move met, if any."""
        return self._fault

    @property
    def live(self) -> Live | None:
        """How a moving run is doing, while it rests for a frame."""
        return self._live

    @property
    def trail(self) -> tuple[Focus, ...]:
        """Where values were followed from, the latest last."""
        return tuple(self._trail)

    # While the run stands still.

    def choose(self, row: int, cell: int | None = None, matrix: str | None = None) -> None:
        """Select a scalar, with its index in the tensor on the stage or the matrix that panes show for it."""
        where = self._where if matrix is None else self._where.choosing(Choice(matrix=matrix))
        self._where = replace(where, row=row, cell=where.cell if cell is None else cell)
        self.on_change()

    def look_at(self, choice: Choice) -> None:
        """Select a layer, head or matrix."""
        self._where = self._where.choosing(choice)
        self.on_change()

    def show_digits(self, digits: bool) -> None:
        """Ask for numbers in the cells of pictures, or for none."""
        self._where = replace(self._where, digits=digits)
        self.on_change()

    def annotate(self, kept: Annotations) -> None:
        """Replace the annotations."""
        self._kept = kept
        self.on_change()

    def restore(self, where: Focus, kept: Annotations) -> None:
        """Take up the focus and the annotations of another session."""
        self._where, self._kept = where, kept
        self.on_change()

    # While the run moves.

    def depart(self) -> None:
        """The run begins to move."""
        self._fault = self._live = None

    def report(self, live: Live) -> None:
        """The run rests for a frame."""
        self._live = live

    def stand(self, where: Focus) -> None:
        """The run stands at the moment of `where`, or is about to."""
        self._where = where

    def meet(self, fault: NumericFault | None) -> None:
        """The move has ended at a fault, or at none."""
        self._fault = fault

    def take_run(self, session: Session) -> None:
        """Show another run from now on."""
        self._session = session

    def follow_from(self, row: int) -> None:
        """Remember the present focus, with a scalar that is followed from here."""
        self._trail.append(replace(self._where, row=row))

    def follow_back(self) -> Focus | None:
        """Where the last scalar was followed from, which is forgotten; None if there is none."""
        return self._trail.pop() if self._trail else None
