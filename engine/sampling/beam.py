"""Beam search: the likeliest continuations of a prefix, with their probabilities."""

from __future__ import annotations

import math

from engine.errors import ConfigError
from engine.immutable import immutable
from engine.language.say import say
from engine.model.tokenizer import Tokenizer
from engine.sampling.sampler import Sampler, beginning

WIDEST = 10_000  # each of them is read through the model after every character: some seconds


@immutable
class Continuation:
    """A document, prefix and all. `log_prob` (nats) adds up what each token after the prefix has, BOS included.

    `ended`: by BOS; else the context was full.
    """

    text: str
    log_prob: float
    ended: bool

    @property
    def prob(self) -> float:
        """How likely it is that sampling goes on in this very way."""
        return math.exp(self.log_prob)


@immutable
class _Path:
    ids: tuple[int, ...]
    log_prob: float
    over: bool = False


def check_width(width: int) -> None:
    """Raise ConfigError for a width that no beam can have."""
    if not 1 <= width <= WIDEST:
        raise ConfigError(say("sampling.beam.beam_wide_give", width=width, widest=WIDEST))


def beam(
    sampler: Sampler, tokenizer: Tokenizer, width: int, temperature: float, prefix: str = ""
) -> list[Continuation]:
    """At most `width` continuations, the likeliest first: after each token, only so many are gone on with.

    A search this narrow may miss the likeliest of all; one as wide as there are documents is exhaustive. Raises
    ConfigError for a width that is not 1 to WIDEST or a prefix that cannot be read, EngineError where there are no
    probabilities.
    """
    check_width(width)
    block_size = sampler.recording.config.block_size
    paths = [_Path(tuple(beginning(prefix, tokenizer, block_size)), 0.0)]
    while not all(path.over for path in paths):
        grown = [path for path in paths if path.over]
        for path in sorted((path for path in paths if not path.over), key=lambda path: path.ids):  # shares what is read
            for token_id, p in enumerate(sampler.after(path.ids, temperature)):
                if p > 0.0:  # what is too small for a float cannot be drawn either
                    ids = (*path.ids, token_id)
                    over = token_id == tokenizer.bos or len(ids) > block_size
                    grown.append(_Path(ids, path.log_prob + math.log(p), over))
        paths = sorted(grown, key=lambda path: (-path.log_prob, path.ids))[:width]
    finished = ((path, path.ids[-1] == tokenizer.bos) for path in paths)
    return [
        Continuation(tokenizer.decode(p.ids[1 : -1 if ended else None]), p.log_prob, ended) for p, ended in finished
    ]
