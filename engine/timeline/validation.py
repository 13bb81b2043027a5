"""Documents kept aside from training, and how well a model does on them: forward phases on numbers of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from engine.autograd.jit import Kernels
from engine.autograd.kernels import FINE
from engine.autograd.overrides import Overrides
from engine.model.config import Config
from engine.model.recording import Floats, Recording, Workspace
from engine.model.tokenizer import Tokenizer
from engine.numerics import sum_in_order


class Validation(NamedTuple):
    """What held-out documents cost. `loss` is the mean of their losses, each as the model computes it, in nats.

    `perplexity` is exp of the mean of -log p over all their positions: between how many equally likely tokens the
    model wavers at each (Jelinek et al., "Perplexity, a measure of the difficulty of speech recognition tasks", 1977).
    """

    loss: float
    perplexity: float


def kept_aside(config: Config, n_docs: int) -> int:
    """How many of the shuffled documents, the last of them, are kept aside; at least one is left to train on."""
    return min(round(config.val_fraction * n_docs), n_docs - 1)


class Validator:
    """Measures parameters on documents, without touching a run's own numbers."""

    def __init__(self, recording: Recording, loops: Kernels, tokenizer: Tokenizer, docs: Sequence[str]) -> None:
        self._docs = [tokenizer.encode(doc) for doc in docs]
        self._workspace = Workspace.beside(recording, loops)

    def measure(self, params: Floats, overrides: Overrides | None = None) -> Validation:
        """Losses and perplexity of the documents with `params` (n_params,); nan where one cannot be computed.

        `overrides` says what is otherwise than the parameters make it.
        """
        workspace, recording = self._workspace, self._workspace.recording
        workspace.params[:] = params
        workspace.overrides = overrides
        losses, surprise, positions = [], 0.0, 0
        for tokens in self._docs:
            n = min(recording.config.block_size, len(tokens) - 1)
            workspace.read(0, tokens[:n], tokens[1 : n + 1])
            if workspace.forward_whole(n, keep=False) != FINE:
                return Validation(math.nan, math.nan)
            loss = float(workspace.data[recording.mean_rows[n - 1][-1]])
            losses.append(loss)
            surprise += loss * n
            positions += n
        mean = surprise / positions
        return Validation(sum_in_order(losses) / len(losses), math.inf if mean > 700 else math.exp(mean))
