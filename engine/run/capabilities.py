"""What a run may lack: a run that has one of these protocols offers more than `engine.timeline.run.Run`.

The app says in a sentence what cannot be done with a run that has not.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Protocol, Self, TypeGuard, runtime_checkable

from engine.errors import ChangeError, CheckpointError, ConfigError, GradCheckError
from engine.interventions.syntax import Change
from engine.language.say import say
from engine.model.recording import Recording, Workspace
from engine.sampling.sampler import Sampler
from engine.timeline.events import TapeProgram
from engine.timeline.history import History
from engine.timeline.keyframes import Keyframe
from engine.timeline.run import Run
from engine.timeline.view import TapeView


@runtime_checkable
class BranchingRun(Run, Protocol):
    """A run that can be branched off with changes: what if."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is otherwise in this run than its configuration and seed say; empty but in a branch."""

    def branch(self, changes: Iterable[Change]) -> Self:
        """Another run that is as this one up to where the first change begins that they do not share.

        Raises ChangeError for a change that has no place in its step.
        """

    def check(self, change: Change) -> None:
        """Raises ChangeError for a change of the present step that has no place in it."""

    @property
    def is_large(self) -> bool:
        """Whether its numbers take so much memory that they are put away while another screen covers it."""

    def put_away(self) -> None:
        """Give back the memory of the numbers of the present moment until they are wanted; something else is shown."""


@runtime_checkable
class TapeRun(Run, Protocol):
    """A run of the built-in model, whose scalars can be computed again with other values: for gradient checks."""

    recording: Recording

    @property
    def workspace(self) -> Workspace:
        """The numbers of the present moment."""

    @property
    def program(self) -> TapeProgram:
        """What the present step does."""

    def view(self) -> TapeView:
        """What can be seen at this moment."""


@runtime_checkable
class SavableRun(TapeRun, Protocol):
    """A run that can be saved in a file, and taken up again from it."""

    history: History

    def start_of_step(self) -> Keyframe:
        """What the present step started from, and the generator as it is now."""


@runtime_checkable
class RepeatableRun(SavableRun, Protocol):
    """A run whose present step can be repeated beside it, at moments of its own."""

    def step_copy(self) -> Self:
        """Another run at the start of the same step, without a history."""

    def adopt_step(self, other: Self) -> None:
        """Stand at the start of the other run's step, as it began there."""

    def loss_again(self) -> float:
        """The loss of the step's document under the parameters as they are."""


@runtime_checkable
class SamplingRun(Run, Protocol):
    """A run that documents can be drawn from."""

    generator: random.Random

    @property
    def temperature(self) -> float:
        """The temperature of samples, unless one is given."""

    def sample(
        self, n: int = 20, temperature: float | None = None, generator: random.Random | None = None
    ) -> list[str]:
        """`n` new documents from the parameters as they are. Raises ConfigError for a temperature not above 0."""

    def sampler(self) -> Sampler:
        """What reads tokens with the parameters as they are, and says what comes next."""


@runtime_checkable
class SlowedRun(Run, Protocol):
    """A run that may be slower for a while than it is usually."""

    @property
    def slowed(self) -> str:
        """What makes it slow at present, in a few words; empty if nothing does."""


def can_be_slowed(run: Run) -> TypeGuard[SlowedRun]:
    """Whether a run may be slower for a while. Its attributes are not looked at, as in `is_scripted`."""
    return hasattr(type(run), "slowed")


class ScriptedRun(Run, Protocol):
    """A run of somebody's own script, in a process of its own. `is_scripted` tells it from others.

    `warning` is a sentence on what makes the run less than repeatable, `ending` one on how the script ended if it has
    stopped with an error; None where there is nothing to say. `close` ends the process; it may be called again.
    """

    @property
    def warning(self) -> str | None:
        """Such as that a repeated step differed."""

    @property
    def ending(self) -> str | None:
        """Such as that the script stopped with an IndexError in line 40."""

    def close(self) -> None:
        """End the process that runs the script."""


def is_scripted(run: Run) -> TypeGuard[ScriptedRun]:
    """Whether a run is that of a script. Its attributes are not looked at: that may take recording a step."""
    return hasattr(type(run), "ending")


def can_branch(run: Run) -> TypeGuard[BranchingRun]:
    """Whether a run can be branched off. Its attributes are not looked at: its numbers may be put away."""
    return hasattr(type(run), "branch")


def can_repeat(run: Run) -> TypeGuard[RepeatableRun]:
    """Whether the present step of a run can be repeated beside it."""
    return hasattr(type(run), "step_copy")


def _can_sample(run: Run) -> TypeGuard[SamplingRun]:
    return hasattr(type(run), "sampler")


def _has_tape(run: Run) -> TypeGuard[TapeRun]:
    return hasattr(type(run), "workspace")


def _can_save(run: Run) -> TypeGuard[SavableRun]:
    return hasattr(type(run), "start_of_step")


def branching(run: Run) -> BranchingRun:
    """The run, to be branched. Raises ChangeError if it cannot be."""
    if can_branch(run):
        return run
    if is_scripted(run):
        raise ChangeError(say("run.capabilities.script_cannot_be_changed"))
    raise ChangeError(say("run.capabilities.cannot_be_changed"))


def sampling(run: Run) -> SamplingRun:
    """The run, to be sampled from. Raises ConfigError if it cannot be."""
    if _can_sample(run):
        return run
    if is_scripted(run):
        raise ConfigError(say("run.capabilities.script_cannot_be_sampled"))
    raise ConfigError(say("run.capabilities.cannot_be_sampled"))


def on_tape(run: Run) -> TapeRun:
    """The run, to check gradients of. Raises GradCheckError if they cannot be checked."""
    if _has_tape(run):
        return run
    if is_scripted(run):
        raise GradCheckError(say("run.capabilities.script_cannot_be_checked"))
    raise GradCheckError(say("run.capabilities.cannot_be_checked"))


def savable(run: Run) -> SavableRun:
    """The run, to be saved. Raises CheckpointError if it cannot be."""
    if _can_save(run):
        return run
    if is_scripted(run):
        raise CheckpointError(say("run.capabilities.script_cannot_be_saved"))
    raise CheckpointError(say("run.capabilities.cannot_be_saved"))
