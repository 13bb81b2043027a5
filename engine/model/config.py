"""`Config`: the hyperparameters of one run, checked. Knows nothing of data or of the tape."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields

from engine.errors import ConfigError
from engine.text import shortened_repr

SIZES = ("n_layer", "n_embd", "n_head", "block_size", "num_steps")
LARGEST = 2**53  # up to which a float is exact to the unit, as the schedule needs


def _option(default: float, text: str) -> float:
    """A field whose help text travels with it, so that a command line can be made from the fields."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Config:
    """Hyperparameters, with the defaults of `microgpt.py`.

    Raises ConfigError, naming the field and the value, for anything a model cannot be built with.
    """

    n_layer: int = _option(1, "transformer layers, one after the other; with 0 the embeddings alone predict")  # type: ignore[assignment]
    n_embd: int = _option(16, "width of the residual stream")  # type: ignore[assignment]
    block_size: int = _option(16, "longest context, in tokens")  # type: ignore[assignment]
    n_head: int = _option(4, "attention heads a layer; must divide n_embd")  # type: ignore[assignment]
    num_steps: int = _option(1000, "length of the learning-rate schedule, in steps")  # type: ignore[assignment]
    learning_rate: float = _option(0.01, "Adam's step size at the start of the schedule")
    beta1: float = _option(0.85, "decay of Adam's first moment")
    beta2: float = _option(0.99, "decay of Adam's second moment")
    seed: int = _option(42, "seed of the one random generator")  # type: ignore[assignment]
    val_fraction: float = _option(0.0, "share of the documents, after shuffling the last, that is kept from training")
    val_every: int = _option(50, "steps from one look at the documents kept aside to the next")  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name in (*SIZES, "seed", "val_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"{name} is {shortened_repr(value)}; give a whole number")
        for name in ("learning_rate", "beta1", "beta2", "val_fraction"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{name} is {shortened_repr(value)}; give a number")
        for name in (*SIZES, "val_every"):
            value = getattr(self, name)
            least = 0 if name == "n_layer" else 1  # without layers, the embeddings alone predict
            if value < least:
                raise ConfigError(f"{name} is {shortened_repr(value)}; give a whole number of at least {least}")
            if value > LARGEST:
                raise ConfigError(f"{name} is {shortened_repr(value)}; give a whole number of at most {LARGEST:,}")
        if self.n_embd % self.n_head:
            raise ConfigError(
                f"n_head {self.n_head} does not divide n_embd {self.n_embd}; "
                f"choose a number of heads that does ({_divisors(self.n_embd)})"
            )
        for name in ("beta1", "beta2", "val_fraction"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise ConfigError(f"{name} is {shortened_repr(value)}; give a number from 0 up to, but below, 1")
        if not 0.0 <= self.learning_rate <= sys.float_info.max:  # nan is not either
            raise ConfigError(
                f"learning_rate is {shortened_repr(self.learning_rate)}; give a finite number of at least 0"
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


def _divisors(n: int) -> str:
    return ", ".join(str(d) for d in range(1, min(n, 64) + 1) if n % d == 0)
