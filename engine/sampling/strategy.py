"""How the next token is chosen from its probabilities: drawn as the original does, from the likeliest only, or greedy.

Knows nothing of models, only of lists of probabilities.
"""

from __future__ import annotations

import math
from bisect import bisect
from itertools import accumulate

from engine.errors import ConfigError
from engine.immutable import immutable
from engine.language.say import say
from engine.numerics import sum_in_order


@immutable
class DecodingStrategy:
    """Temperature, and which tokens may be drawn. The defaults are what the original does.

    `top_k` leaves the k likeliest tokens (Fan et al. 2018); `top_p` the fewest likeliest that have at least the share p
    together (Holtzman et al. 2020), of what top_k has left. `greedy` takes the likeliest. Lower ids win ties.

    Raises ConfigError for values out of range and for top_k or top_p with `greedy`.
    """

    temperature: float = 0.5
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool = False

    def __post_init__(self) -> None:
        t = self.temperature
        if not (t > 0.0 and math.isfinite(t) and math.isfinite(1.0 / t)):
            raise ConfigError(say("sampling.strategy.temperature_give_finite_number", t=t))
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(say("sampling.strategy.top_k_give_number", top_k=self.top_k))
        if self.top_p is not None and not 0.0 < self.top_p <= 1.0:
            raise ConfigError(say("sampling.strategy.top_p_give_share", top_p=self.top_p))
        if self.greedy and not (self.top_k is None and self.top_p is None):
            raise ConfigError(say("sampling.strategy.greedy_always_takes_likeliest"))

    def weights(self, probs: list[float]) -> list[float]:
        """What to draw by, (vocab_size,): 0 for tokens that are left out, the others' shares of what is left."""
        if self.greedy:
            likeliest = ranked(probs)[0]
            return [float(i == likeliest) for i in range(len(probs))]
        if self.top_k is not None and self.top_k < len(probs):
            probs = _only(probs, ranked(probs)[: self.top_k])
        if self.top_p is not None and self.top_p < 1.0:
            order = ranked(probs)
            reached = list(accumulate(probs[i] for i in order))
            probs = _only(probs, order[: next((n for n, sum_ in enumerate(reached, 1) if sum_ >= self.top_p), None)])
        return probs


@immutable
class Pick:
    """A draw: running sums of the weights, the random number (0 to 1; None where none is needed), the token it hit."""

    cumulative: list[float]
    number: float | None
    token_id: int

    @property
    def bounds(self) -> tuple[float, float]:
        """The running sums before and after the token."""
        return (self.cumulative[self.token_id - 1] if self.token_id else 0.0), self.cumulative[self.token_id]


def pick(weights: list[float], number: float) -> Pick:
    """Draw by `weights` with a number from `random()`: what `random.choices` makes of it, bit for bit."""
    cumulative = list(accumulate(weights))
    return Pick(cumulative, number, bisect(cumulative, number * cumulative[-1], 0, len(weights) - 1))


def ranked(probs: list[float]) -> list[int]:
    """The ids of all tokens, the likeliest first."""
    return sorted(range(len(probs)), key=lambda i: (-probs[i], i))


def _only(probs: list[float], token_ids: list[int]) -> list[float]:
    total, chosen = sum_in_order(probs[i] for i in sorted(token_ids)), set(token_ids)
    return [p / total if i in chosen else 0.0 for i, p in enumerate(probs)]
