"""`InferenceState`: what the pictures of inference are drawn from, and what their spots stand for."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import field

from engine.immutable import immutable, immutable_by_identity
from engine.sampling.beam import Continuation
from engine.sampling.stepper import SampleStep, SampleStepper
from microgpt_tui.debugger.frame import token_name
from microgpt_tui.texts.say import say

COLDEST, HOTTEST, NOTCH = 0.05, 2.0, 0.05  # the slider of the temperature


@immutable
class Temperature:
    """A spot on the slider."""

    value: float


@immutable
class Position:
    """A position of the walk, to go to."""

    pos: int


@immutable_by_identity
class InferenceState:
    """One position of a walk, by parameters of a training step, with `docs` to compare what is made up with.

    `branch` is the one of the run that they are of, None for the original.
    `names` are those of some training `steps`, the most wanted first, and under the key None those of the parameters
    as they are; `printed` are those that microgpt.py prints after its last step, None while they are not known;
    `pending` says what is being worked out; `judged`, whether it is told if a document of that kind was in the `docs`;
    `lists`, whether whole documents are shown in the place of what is inside the position.
    """

    walk: SampleStepper
    step: int
    sequence: int
    layer: int
    docs: Set[str]
    branch: str | None = None
    names: Mapping[int | None, list[str]] = field(default_factory=dict)
    steps: tuple[int, ...] = ()
    printed: list[str] | None = None
    beam: list[Continuation] | None = None
    pending: str = ""
    judged: bool = True
    lists: bool = False

    @property
    def here(self) -> SampleStep:
        return self.walk.here

    def token(self, token_id: int) -> str:
        """How a token is written."""
        return token_name(self.walk.tokenizer, token_id)

    @property
    def mode(self) -> str:
        """How the next token is chosen, in words."""
        s = self.walk.strategy
        if s.greedy:
            return say("inference.state.greedy")
        return (
            f"top-k {s.top_k}"
            if s.top_k
            else f"top-p {s.top_p:.2f}"
            if s.top_p
            else say("inference.state.temperature_alone")
        )
