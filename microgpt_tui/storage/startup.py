"""`Start`: what the debugger opens (a run from its seed, a saved run or the saved session), and at which moment.

`ScriptStart` is the same for a script of the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine import Config
from engine.hangul import SYLLABLES
from engine.immutable import immutable
from engine.model.dataset import kept_path, load_docs
from engine.timeline.events import Moment, StepProgram
from microgpt_tui.debugger.navigation import first_moment
from microgpt_tui.storage.saved_session import SavedSession, load_run, load_session

if TYPE_CHECKING:  # imported where a script, a copy of microgpt.py or a file is opened: the first frame needs none
    from engine.checkpoint.checkpoint import Checkpoint
    from engine.interventions.syntax import Change
    from engine.run.address import Address
    from engine.script.run import ScriptOptions

MOST_READ_AT_ONCE = 100_000  # characters


@immutable
class Start:
    """Documents, their file (None: a bundled one) and their split, with the saved run and session if there are any.

    The moment is that of the `saved` session, else that of the `run`, else the first event of `step` or, in that step,
    the `address`. With `changes` a branch is opened that has them. `earlier` is whether the session is the one before
    the last. `notice` is a sentence for the user about what could not be opened. `source` is a copy of microgpt.py
    whose lines are to be shown (None: the one in the current folder, or the fetched).
    """

    config: Config
    docs: list[str]
    path: str | None = None
    step: int = 0
    run: Checkpoint | None = None
    saved: SavedSession | None = None
    earlier: bool = False
    notice: str | None = None
    source: Path | None = None
    split: str = SYLLABLES
    address: Address | None = None
    changes: tuple[Change, ...] = ()

    @property
    def branch(self) -> str | None:
        """The branch to open; None for the original."""
        source = self.saved or self.run
        return source.branch if source is not None else None

    @property
    def short(self) -> bool:
        """Whether it opens in a moment: the first step of a model no larger than the usual one, on few documents."""
        usual, config = Config(), self.config
        larger = any(getattr(config, name) > getattr(usual, name) for name in ("n_layer", "n_embd", "block_size"))
        return (
            not (larger or self.step or self.run or self.saved or self.address)
            and sum(map(len, self.docs)) < MOST_READ_AT_ONCE
        )

    def moment(self, program: StepProgram) -> Moment:
        """The moment to open at, or the beginning of the step in which the address is found."""
        if self.saved is not None:
            return self.saved.moment
        return self.run.here if self.run is not None else first_moment(program, self.step)


@immutable
class ScriptStart:
    """A script, how it is run, and the training step to open at."""

    path: Path
    options: ScriptOptions
    step: int = 0


def from_seed(config: Config, step: int, data: Path | None, split: str = SYLLABLES) -> Start:
    """A run from its beginning, at the start of a step. Raises DataError."""
    return Start(config, load_docs(data, split), kept_path(data), step, split=split)


def at_moment(start: Start, text: str) -> Start:
    """The same, opened at a moment as it is typed. Raises AddressError."""
    from engine.expressions.scope import Scope
    from engine.model.tokenizer import Tokenizer
    from engine.run.address import Address

    address = Address.parse(text, Scope(start.config, Tokenizer(start.docs)))
    return replace(start, step=address.step, address=address)


def with_changes(start: Start, texts: Sequence[str]) -> Start:
    """The same, opened in a branch with these changes, as they are typed. Raises ChangeError."""
    from engine.expressions.scope import Scope
    from engine.interventions.syntax import parse
    from engine.model.tokenizer import Tokenizer

    scope = Scope(start.config, Tokenizer(start.docs))
    return replace(start, changes=tuple(parse(text, scope) for text in texts))


def from_file(file: Path, data: Path | None) -> Start:
    """A saved run. Raises CheckpointError for a file that holds none, DataError without the documents of the run."""
    from engine.checkpoint.checkpoint import load

    run = load(file)
    docs, origin = run.origin.find(data)
    return Start(run.config, docs, origin.path, run=run, split=origin.split)


def from_saved_session(data: Path | None, earlier: bool = False) -> Start:
    """The last session, or the one before it.

    Raises CheckpointError if there is none, DataError without the documents of the run.
    """
    saved = load_session(earlier)
    docs, origin = saved.origin.find(data)
    run, notice = load_run(saved, earlier)
    return Start(
        saved.config, docs, origin.path, run=run, saved=saved, earlier=earlier, notice=notice, split=origin.split
    )
