"""Inference: new documents, one token after the other, drawn as the original draws them.

`Sampler` computes the probabilities of the next token; `SampleStepper` and `beam` use it as well.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from engine.autograd.jit import Kernels
from engine.autograd.kernels import FINE
from engine.autograd.overrides import Overrides
from engine.autograd.tape import Tensor
from engine.errors import ConfigError, EngineError
from engine.language.say import say
from engine.model.recording import Floats, Recording, Workspace
from engine.model.tokenizer import Tokenizer
from engine.sampling.strategy import DecodingStrategy, pick
from engine.text import spelled


class Sampler:
    """Computes the probabilities of the next token from a copy of `params`, (n_params,), in a workspace of its own.

    `overrides` are scalars that take other values. Positions already read are cached, as keys and values are: of
    another list of tokens, only the part after the common beginning is computed.
    """

    def __init__(
        self, recording: Recording, loops: Kernels, params: Floats, overrides: Overrides | None = None
    ) -> None:
        self.recording, self._params = recording, params.copy()
        self.workspace = Workspace.beside(recording, loops)
        self.workspace.overrides = overrides
        self._ids: list[int] = []  # read by the positions so far

    def beside(self) -> Sampler:
        """Another one with the same parameters, for another thread. Raises ConfigError if there is no memory for it."""
        return Sampler(self.recording, self.workspace.loops, self._params, self.workspace.overrides)

    def let_go(self) -> None:
        """Give back the memory of all that was read: of the next tokens, every position is computed again."""
        self._ids.clear()
        self.workspace.let_go()

    def after(self, ids: Sequence[int], temperature: float) -> list[float]:
        """The probabilities, (vocab_size,), of what comes after these tokens: BOS first, at most block_size of them.

        Raises EngineError if they cannot be computed, or cannot be drawn from.
        """
        same = next((i for i, (a, b) in enumerate(zip(ids, self._ids, strict=False)) if a != b), len(self._ids))
        del self._ids[same:]
        if not self._ids:
            self.workspace.params[:] = self._params
        for pos in range(len(self._ids), len(ids)):
            self.workspace.read(pos, [ids[pos]])
            span = self.recording.positions[pos]
            self._compute(span.first, span.probs.first, pos)  # up to the logits
            self._ids.append(ids[pos])
        pos = len(ids) - 1
        self.workspace.data[self.recording.reciprocal] = temperature**-1
        tail = self.recording.samplers[pos]
        self._compute(tail.first, tail.last, pos)
        probs: list[float] = self.workspace.data[tail.tensors[-1].rows].tolist()
        if not math.isfinite(sum(probs)):
            raise _no_probabilities(pos)
        return probs

    def untempered(self, pos: int) -> Floats:
        """The softmax of a position's logits as they are, (vocab_size,), after the position was read."""
        tensor = self.recording.positions[pos].probs
        self._compute(tensor.first, tensor.last, pos)
        return self.values(tensor)

    def values(self, tensor: Tensor) -> Floats:
        """The numbers of a tensor of a position that was read, (n,)."""
        return self.workspace.data[tensor.rows]

    def _compute(self, first: int, last: int, pos: int) -> None:
        if self.workspace.forward((first, last)) != FINE:
            raise _no_probabilities(pos)


def _no_probabilities(pos: int) -> EngineError:
    return EngineError(say("sampling.sampler.position_sample_has_no", pos=pos))


def beginning(prefix: str, tokenizer: Tokenizer, block_size: int) -> list[int]:
    """BOS and the ids of a prefix: what is read before anything is drawn. Raises ConfigError for one that cannot be."""
    prefix = spelled(prefix, set(tokenizer.uchars))
    strange = sorted(set(prefix) - set(tokenizer.uchars))
    if strange:
        raise ConfigError(say("sampling.sampler.prefix_has_which_no", strange=strange[0]))
    if len(prefix) >= block_size:
        raise ConfigError(
            say(
                "sampling.sampler.prefix_too_long",
                n_prefix=len(prefix),
                block_size=block_size,
                most=block_size - 1,
            )
        )
    return tokenizer.encode(prefix)[:-1]


def draw_documents(
    sampler: Sampler, tokenizer: Tokenizer, generator: random.Random, strategy: DecodingStrategy, prefix: str = ""
) -> Iterator[str]:
    """Documents without end, each drawn from BOS and `prefix` on until BOS comes again or the context is full.

    Raises ConfigError for a prefix that cannot be read, EngineError if a probability cannot be computed.
    """
    block_size = sampler.recording.config.block_size
    given = beginning(prefix, tokenizer, block_size)
    while True:
        ids = given.copy()
        while len(ids) <= block_size:
            weights = strategy.weights(sampler.after(ids, strategy.temperature))
            token_id = weights.index(1.0) if strategy.greedy else pick(weights, generator.random()).token_id
            if token_id == tokenizer.bos:
                break
            ids.append(token_id)
        yield tokenizer.decode(ids[1:])


def sample(
    sampler: Sampler, tokenizer: Tokenizer, generator: random.Random, n: int, strategy: DecodingStrategy,
    prefix: str = "",
) -> list[str]:  # fmt: skip
    """The next `n` documents that `draw_documents` draws."""
    return list(itertools.islice(draw_documents(sampler, tokenizer, generator, strategy, prefix), n))
