"""`SampleStepper`: one sample, position by position, on and back, with everything that goes into each of its draws."""

from __future__ import annotations

import random

from engine.errors import EngineError
from engine.immutable import immutable_by_identity
from engine.model.recording import Floats
from engine.model.tokenizer import Tokenizer
from engine.sampling.sampler import Sampler, beginning
from engine.sampling.strategy import DecodingStrategy, Pick, pick


@immutable_by_identity
class SampleStep:
    """One position of a sample. All lists and arrays are (vocab_size,).

    `logits` become `plain` by a softmax as they are, and `probs` by one at the temperature; `weights` are what the
    strategy leaves of these. `token_id` is what follows: drawn by `pick`, or, where `pick` is None, of the prefix.
    """

    pos: int
    reads: int
    logits: Floats
    plain: Floats
    probs: list[float]
    weights: list[float]
    pick: Pick | None
    token_id: int


class RandomNumbers:
    """The random numbers of a generator by index, each drawn when it is first read."""

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator
        self._drawn: list[float] = []

    def __getitem__(self, place: int) -> float:
        while len(self._drawn) <= place:
            self._drawn.append(self._generator.random())
        return self._drawn[place]


class SampleStepper:
    """A sample in the making. It begins at the first position that draws; `looks` are those up to the present one.

    The random number of a position is drawn once, when it is first come to, and kept: going back and on again, or
    changing the strategy, does not change it. `before` is the sample whose random numbers come before this one's, None
    for the first. Raises ConfigError for a prefix that cannot be read, EngineError where there are no probabilities.
    """

    def __init__(
        self,
        sampler: Sampler,
        tokenizer: Tokenizer,
        generator: random.Random | RandomNumbers,
        strategy: DecodingStrategy,
        prefix: str = "",
        before: SampleStepper | None = None,
    ) -> None:
        self.sampler, self.tokenizer, self.strategy, self.prefix = sampler, tokenizer, strategy, prefix
        self._numbers = generator if isinstance(generator, RandomNumbers) else RandomNumbers(generator)
        self.before = before
        self._first: int = 0 if before is None else before._first + before._draws  # among the numbers
        self.index: int = 0 if before is None else before.index + 1  # how many samples came before
        self._given = beginning(prefix, tokenizer, sampler.recording.config.block_size)
        self.looks: list[SampleStep] = []
        while len(self.looks) < len(self._given):
            self._go_on()

    @property
    def here(self) -> SampleStep:
        """The present position."""
        return self.looks[-1]

    @property
    def ids(self) -> list[int]:
        """The tokens read so far, BOS first."""
        return [look.reads for look in self.looks]

    @property
    def text(self) -> str:
        """The document so far, with the token that is drawn at the present position unless it is BOS."""
        following = [] if self.here.token_id == self.tokenizer.bos else [self.here.token_id]
        return self.tokenizer.decode([*self.ids[1:], *following])

    @property
    def ended(self) -> bool:
        """Whether the present position draws BOS: the document is over."""
        return self.here.pick is not None and self.here.token_id == self.tokenizer.bos

    @property
    def over(self) -> bool:
        """Whether the document is finished, by BOS or by the end of the context."""
        return self.ended or len(self.looks) == self.sampler.recording.config.block_size

    def following(self) -> SampleStepper:
        """The sample after this one, if this one is over: its random numbers are those that come next.

        If each is stepped to its end, the samples are those that `draw_documents` draws. Raises EngineError where there
        are no probabilities.
        """
        return SampleStepper(self.sampler, self.tokenizer, self._numbers, self.strategy, self.prefix, self)

    @property
    def _draws(self) -> int:
        """How many random numbers belong to the positions so far."""
        return max(0, len(self.looks) - len(self._given) + 1)

    def next(self) -> bool:
        """Read the token that was drawn, at the next position; False if the document is over or the context full."""
        if self.over:
            return False
        self._go_on()
        return True

    def back(self) -> bool:
        """Return to the position before, also into the prefix; False at the first."""
        if len(self.looks) == 1:
            return False
        self.looks.pop()
        return True

    def change(self, strategy: DecodingStrategy) -> None:
        """Choose in another way from the present position on, with the same random numbers.

        Also needed after another stepper has used the same sampler. Raises EngineError if there are no probabilities
        then; the sample stays as it was.
        """
        before, self.strategy = self.strategy, strategy
        try:
            self.looks[-1] = self._look(self.ids)
        except EngineError:
            self.strategy = before
            raise

    def tensor(self, name: str, pos: int, layer: int | None = None, head: int | None = None) -> Floats:
        """The numbers of a tensor of a position of `looks`, (n,), by the names that training has; KeyError if none."""
        for tensor in self.sampler.recording.positions[pos].tensors:
            if (tensor.name, tensor.layer, tensor.head) == (name, layer, head):
                return self.sampler.values(tensor)
        raise KeyError(name)

    def _go_on(self) -> None:
        reads = self.here.token_id if self.looks else self.tokenizer.bos
        self.looks.append(self._look([*self.ids, reads]))

    def _look(self, ids: list[int]) -> SampleStep:
        """Compute the position that reads the last of these tokens."""
        pos, strategy = len(ids) - 1, self.strategy
        probs = self.sampler.after(ids, strategy.temperature)
        logits = self.sampler.values(self.sampler.recording.positions[pos].logits)
        weights = strategy.weights(probs)
        picked = None if pos + 1 < len(self._given) else self._pick(weights, pos + 1 - len(self._given))
        token_id = self._given[pos + 1] if picked is None else picked.token_id
        return SampleStep(pos, ids[-1], logits, self.sampler.untempered(pos), probs, weights, picked, token_id)

    def _pick(self, weights: list[float], place: int) -> Pick:
        if self.strategy.greedy:
            return Pick(pick(weights, 0.0).cumulative, None, weights.index(1.0))
        return pick(weights, self._numbers[self._first + place])
