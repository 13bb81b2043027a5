"""What the debugger is to open: a run from its seed, from a file, or as it was left; and where it is to stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine import Config
from engine.checkpoint.checkpoint import Checkpoint, load
from engine.model.dataset import load_docs
from engine.timeline.events import Moment, StepProgram
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.storage.saved_session import SavedSession, left, left_run


@dataclass(frozen=True, slots=True)
class Start:
    """Documents and where they were read from (None: the bundled names), and what is known of the run besides.

    The moment is that of the `desk`, else that of the `run`, else the first event of `step`. `before` is whether the
    desk is the one before the last. `notice` is a sentence for the user about what could not be opened.
    """

    config: Config
    docs: list[str]
    path: str | None = None
    step: int = 0
    run: Checkpoint | None = None
    desk: SavedSession | None = None
    before: bool = False
    notice: str | None = None

    @property
    def branch(self) -> str | None:
        """The branch to stand in; None for the original."""
        if self.desk is not None:
            return self.desk.branch
        return self.run.branch if self.run is not None else None

    def moment(self, program: StepProgram) -> Moment:
        """Where to stand."""
        if self.desk is not None:
            return self.desk.moment
        return self.run.here if self.run is not None else first_moment(program, self.step)


def from_seed(config: Config, step: int, data: Path | None) -> Start:
    """A run from its beginning, at the start of a step. Raises DataError."""
    return Start(config, load_docs(data), str(data.absolute()) if data else None, step)


def from_file(file: Path, data: Path | None) -> Start:
    """A saved run. Raises CheckpointError for a file that holds none, DataError without the documents of the run."""
    run = load(file)
    docs, origin = run.origin.find(data)
    return Start(run.config, docs, origin.path, run=run)


def from_desk(data: Path | None, before: bool = False) -> Start:
    """What was left last, or `before` that.

    Raises CheckpointError if there is nothing, DataError without the documents of the run.
    """
    desk = left(before)
    docs, origin = desk.origin.find(data)
    run, notice = left_run(desk, before)
    return Start(desk.config, docs, origin.path, run=run, desk=desk, before=before, notice=notice)
