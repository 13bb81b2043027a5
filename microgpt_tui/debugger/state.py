"""`DebuggerState`: the run that the debugger shows, the focus in it, and the annotations around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine import NumericFault, Run
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.frame import Choice, Focus, PathChoice, PathStep
from microgpt_tui.debugger.run_controller import Live


class DebuggerState:
    """What one debugger shows. Everyone reads it; only its methods write.

    Methods that change what is shown of a run that stands still call `on_change` once. `depart`, `report`, `stand`,
    `meet` and `take_run` are for whoever moves the run, and shows it when it stands still.
    """

    def __init__(
        self, session: Run, annotations: Annotations | None = None, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._session, self._where, self._annotations = session, Focus(session.moment), annotations or Annotations()
        self._fault: NumericFault | None = None
        self._live: Live | None = None
        self._path: PathChoice | None = None
        self._watch = 0
        self._trail: list[Focus] = []
        self._filled, self._framed = 1.0, 0
        self.on_change = on_change

    @property
    def session(self) -> Run:
        """The run that is shown."""
        return self._session

    @property
    def where(self) -> Focus:
        """The moment, and the focus in it."""
        return self._where

    @property
    def annotations(self) -> Annotations:
        """Breakpoints, health checks, watches and marks."""
        return self._annotations

    @property
    def fault(self) -> NumericFault | None:
        """The fault that the last move met, if any."""
        return self._fault

    @property
    def live(self) -> Live | None:
        """How a moving run is doing, while it rests for a frame."""
        return self._live

    @property
    def path(self) -> PathChoice | None:
        """The gradient path that was chosen, until the moment or the scalar changes."""
        return self._path

    @property
    def watch(self) -> int:
        """The line of the chosen watch, counted from 0."""
        return self._watch

    @property
    def trail(self) -> tuple[Focus, ...]:
        """Where values were followed from, the latest last."""
        return tuple(self._trail)

    @property
    def filled(self) -> float:
        """The share of the present tensor that the stage shows; 1 unless it is filling up."""
        return self._filled

    @property
    def framed(self) -> int:
        """How bright the stage frames what the last key has made or changed; 0 if it does not."""
        return self._framed

    # While the run stands still.

    def choose(self, row: int, cell: int | None = None, matrix: str | None = None) -> None:
        """Select a scalar, with its index in the tensor on the stage or the matrix that panes show for it."""
        where = self._where if matrix is None else self._where.choosing(Choice(matrix=matrix))
        self.stand(replace(where, row=row, cell=where.cell if cell is None else cell))
        self.on_change()

    def choose_path(self, step: PathStep) -> None:
        """Select another gradient path of a scalar, or another edge of the path."""
        path = self._path if self._path is not None and self._path.row == step.row else PathChoice(step.row)
        self._path = replace(path, path=path.path + step.path, edge=0 if step.path else path.edge + step.edge)
        self.on_change()

    def choose_watch(self, line: int) -> bool:
        """Select a watch by its line. Returns False, and changes nothing, if there is no such line."""
        if not 0 <= line < len(self._annotations.watches):
            return False
        self._watch = line
        self.on_change()
        return True

    def look_at(self, choice: Choice) -> None:
        """Select a layer, head or matrix."""
        self._where = self._where.choosing(choice)
        self.on_change()

    def show_digits(self, digits: bool) -> None:
        """Ask for numbers in the cells of pictures, or for none."""
        self._where = replace(self._where, digits=digits)
        self.on_change()

    def fold(self, folding: int | None) -> None:
        """Let the map fold so much of the network; None: as much as there is no room for."""
        self._where = replace(self._where, folding=folding)
        self.on_change()

    def keep(self, row: int) -> None:
        """Tell the updates of this parameter where none of its matrix is chosen."""
        self._where = replace(self._where, kept=(*self._where.kept, row))

    def annotate(self, annotations: Annotations) -> None:
        """Replace the annotations."""
        self._annotations = annotations
        self._watch = max(0, min(self._watch, len(annotations.watches) - 1))
        self.on_change()

    def restore(self, where: Focus, annotations: Annotations) -> None:
        """Take up the focus and the annotations of another session."""
        self.stand(where)
        self.annotate(annotations)

    def play(self, filled: float, framed: int) -> None:
        """How the stage shows what the last key has made; whoever plays it has it drawn."""
        self._filled, self._framed = filled, framed

    # While the run moves.

    def depart(self) -> None:
        """The run begins to move."""
        self._fault = self._live = None

    def report(self, live: Live) -> None:
        """The run rests for a frame."""
        self._live = live

    def stand(self, where: Focus) -> None:
        """The run stands at the moment of `where`, or is about to."""
        if where.moment != self._where.moment or (self._path and where.row not in (None, self._path.row)):
            self._path = None
        self._where = where

    def meet(self, fault: NumericFault | None) -> None:
        """The move has ended at a fault, or at none."""
        self._fault = fault

    def take_run(self, session: Run) -> None:
        """Show another run from now on."""
        self._session = session

    def follow_from(self, row: int) -> None:
        """Remember the present focus, with a scalar that is followed from here."""
        self._trail.append(replace(self._where, row=row))

    def follow_back(self) -> Focus | None:
        """Where the last scalar was followed from, which is forgotten; None if there is none."""
        return self._trail.pop() if self._trail else None
