"""`Run`: what a run is to the app. `engine.run.session.Session` is one; others bring what stands here.

What a run may lack is in `engine.run.capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, Self

from engine.model.config import LARGEST, Config
from engine.model.tokenizer import Tokenizer
from engine.timeline.events import Moment, StepProgram
from engine.timeline.view import View

OnStep = Callable[[int, float], bool | None]
"""Told a finished step and its loss; returning True asks the run to stop."""


ENDLESS = LARGEST
"""`num_steps` of a run that does not say how many steps it has."""


class Run(Protocol):
    """A training run that can be moved to any of its moments and seen there."""

    config: Config  # sizes and hyperparameters; a size that the model has not is 0, and `num_steps` ends the run
    tokenizer: Tokenizer
    checksum: str  # tells the documents from others

    @property
    def docs(self) -> Sequence[str]:
        """The documents that it trains on: step i reads number i, after the last the first again."""

    @property
    def val_docs(self) -> Sequence[str]:
        """The documents that are kept aside, if any are."""

    @property
    def moment(self) -> Moment:
        """Where the run stands."""

    @property
    def step(self) -> int:
        """The training step that the run stands in, counted from 0."""

    @property
    def program(self) -> StepProgram:
        """What the present step does."""

    @property
    def first_step(self) -> int:
        """The earliest step that the run can go back to."""

    @property
    def losses(self) -> Sequence[float]:
        """The loss of every step done so far, also while the run stands at an earlier one."""

    def run(self, until: int, on_step: OnStep | None = None) -> None:
        """Go on to the start of step `until`; does nothing if the run is there or beyond.

        Raises NumericFault where the arithmetic fails; the run then stands at that very scalar.
        """

    def seek(self, moment: Moment, on_step: OnStep | None = None) -> None:
        """Stand at `moment`, before or after. Ticks beyond the phase's last are cut to it.

        Raises Stopped if `on_step` asks for it on a long way, NumericFault if a fault lies on the way.
        """

    def start_towards(self, step: int) -> int:
        """The latest step, not after `step`, from whose start `seek` can begin without running others again."""

    def seconds_a_step(self) -> float:
        """About how long running a step takes, to tell near moments from far ones."""

    def view(self) -> View:
        """What can be seen at this moment, and nothing that is not yet computed."""

    def replay_copy(self) -> Self:
        """Another run with the same past, that may be moved in another thread, for looking back.

        Raises ConfigError if there is no memory for it.
        """

    def restart_copy(self) -> Self:
        """Another run of the same model and documents, from its beginning, with a history of its own."""

    def forget_future(self) -> None:
        """Forget the figures of every step that is not finished at this moment, as if none had ever been run."""
