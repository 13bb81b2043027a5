"""Inference: new documents, one token after the other, drawn as the original draws them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

from engine.compiled import Loops
from engine.errors import ConfigError, EngineError
from engine.kernels import FINE
from engine.overrides import Overrides
from engine.recording import Floats, Recording, Span, Workspace
from engine.tokenizer import Tokenizer


def draw(
    recording: Recording, loops: Loops, params: Floats, tokenizer: Tokenizer, generator: random.Random,
    temperature: float, overrides: Overrides | None = None,
) -> Iterator[str]:  # fmt: skip
    """Documents without end from `params` (n_params,), each from BOS until BOS comes again or the context is full.

    `overrides` says what is otherwise than the parameters make it.

    Raises ConfigError for a temperature that is not above 0, EngineError if a probability cannot be computed.
    """
    if not (temperature > 0.0 and math.isfinite(temperature) and math.isfinite(1.0 / temperature)):
        raise ConfigError(f"temperature is {temperature}; give a finite number above 0 (0.5 is usual)")
    workspace = Workspace(recording, loops, recording.child.copy())
    workspace.params[:] = params
    workspace.overrides = overrides
    workspace.data[recording.reciprocal] = temperature**-1
    while True:
        yield _document(workspace, tokenizer, generator)


def sample(
    recording: Recording, loops: Loops, params: Floats, tokenizer: Tokenizer, generator: random.Random, n: int,
    temperature: float, overrides: Overrides | None = None,
) -> list[str]:  # fmt: skip
    """The next `n` documents that `draw` draws."""
    return list(itertools.islice(draw(recording, loops, params, tokenizer, generator, temperature, overrides), n))


def _document(workspace: Workspace, tokenizer: Tokenizer, generator: random.Random) -> str:
    recording, token_id, ids = workspace.recording, tokenizer.bos, list[int]()
    for pos in range(recording.config.block_size):
        workspace.read(pos, [token_id])
        span, sampler = recording.positions[pos], recording.samplers[pos]
        up_to_logits = Span(span.first, span.tensor("probs").first, ())
        rows = recording.computed(up_to_logits, sampler)
        try:
            if workspace.forward(rows, 0, len(rows)) != FINE:
                raise ValueError
            weights = workspace.data[sampler.tensor("next_probs").rows].tolist()
            token_id = generator.choices(range(tokenizer.vocab_size), weights=weights)[0]
        except ValueError:
            raise EngineError(
                f"position {pos} of a sample has no probabilities that can be drawn from; "
                "train with a smaller --learning-rate, or sample at a higher --temperature"
            ) from None
        if token_id == tokenizer.bos:
            break
        ids.append(token_id)
    return tokenizer.decode(ids)
