"""`Config`: the hyperparameters of one run, checked. Knows nothing of data or of the tape."""

from __future__ import annotations

import sys
from dataclasses import fields

from engine.errors import ConfigError
from engine.immutable import immutable
from engine.language.say import say
from engine.text import shortened_repr

SIZES = ("n_layer", "n_embd", "n_head", "block_size", "num_steps")
LARGEST = 2**53  # up to which a float is exact to the unit, as the schedule needs


@immutable
class Config:
    """Hyperparameters, with the defaults of `microgpt.py`.

    Raises ConfigError, naming the field and the value, for anything a model cannot be built with.
    """

    n_layer: int = 1
    n_embd: int = 16
    block_size: int = 16
    n_head: int = 4
    num_steps: int = 1000
    learning_rate: float = 0.01
    beta1: float = 0.85
    beta2: float = 0.99
    seed: int = 42
    val_fraction: float = 0.0
    val_every: int = 50

    def __post_init__(self) -> None:
        for name in (*SIZES, "seed", "val_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(say("model.config.give_whole_number", name=name, value=shortened_repr(value)))
        for name in ("learning_rate", "beta1", "beta2", "val_fraction"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(say("model.config.give_number", name=name, value=shortened_repr(value)))
        for name in (*SIZES, "val_every"):
            value = getattr(self, name)
            least = 0 if name == "n_layer" else 1  # without layers, the embeddings alone predict
            if value < least:
                raise ConfigError(say("model.config.too_small", name=name, value=shortened_repr(value), least=least))
            if value > LARGEST:
                raise ConfigError(
                    say("model.config.too_large", name=name, value=shortened_repr(value), largest=LARGEST)
                )
        if self.n_embd % self.n_head:
            raise ConfigError(
                say(
                    "model.config.heads_do_not_divide",
                    n_head=self.n_head,
                    n_embd=self.n_embd,
                    divisors=_divisors(self.n_embd),
                )
            )
        for name in ("beta1", "beta2", "val_fraction"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise ConfigError(say("model.config.give_number_from_up", name=name, value=shortened_repr(value)))
        if not 0.0 <= self.learning_rate <= sys.float_info.max:  # nan is not either
            raise ConfigError(
                say("model.config.learning_rate_give_finite", learning_rate=shortened_repr(self.learning_rate))
            )

    @property
    def head_dim(self) -> int:
        """Width of one head: n_embd / n_head."""
        return self.n_embd // self.n_head

    def learning_rate_at(self, step: int) -> float:
        """The linearly decaying rate of training step `step` (counted from 0)."""
        return self.learning_rate * (1 - step / self.num_steps)

    def matrices(self, vocab_size: int) -> dict[str, tuple[int, int]]:
        """Shapes (rows, columns) of the parameter matrices, in the order of `state_dict`."""
        c = self.n_embd
        shapes = {"wte": (vocab_size, c), "wpe": (self.block_size, c), "lm_head": (vocab_size, c)}
        for li in range(self.n_layer):
            for part in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
                shapes[f"layer{li}.{part}"] = (c, c)
            shapes[f"layer{li}.mlp_fc1"] = (4 * c, c)
            shapes[f"layer{li}.mlp_fc2"] = (c, 4 * c)
        return shapes

    def as_dict(self) -> dict[str, float]:
        """The fields by name, as a checkpoint stores them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def help_on(name: str) -> str:
    """What the field of this name is, in a few words, so that a command line can be made from the fields."""
    return say(f"model.config.option.{name}")


def _divisors(n: int) -> str:
    return ", ".join(str(d) for d in range(1, min(n, 64) + 1) if n % d == 0)
