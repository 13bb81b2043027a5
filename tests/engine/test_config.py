"""Hyperparameters: the defaults are the original's, and every refusal names the field and the value."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from engine import Config, ConfigError, Session
from engine.model.config import help_on
from tests.support.float_bits import DOCS, tiny


def test_defaults_are_the_originals() -> None:
    assert Config().as_dict() == {
        "n_layer": 1, "n_embd": 16, "block_size": 16, "n_head": 4, "num_steps": 1000,
        "learning_rate": 0.01, "beta1": 0.85, "beta2": 0.99, "seed": 42,
            "val_fraction": 0.0, "val_every": 50,
    }  # fmt: skip
    assert Config().head_dim == 4
    assert all(help_on(field.name) for field in fields(Config))


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().seed = 1  # type: ignore[misc]


SIZES = ("n_layer", "n_embd", "block_size", "n_head", "num_steps")
BAD: list[tuple[str, Any]] = [
    *((name, value) for name in SIZES for value in (0, -3) if (name, value) != ("n_layer", 0)),
    *((name, value) for name in (*SIZES, "seed") for value in (1.5, "2", None, True)),
    *((name, value) for name in ("beta1", "beta2") for value in (1.0, 1.5, -0.1, math.nan, math.inf)),
    *(("learning_rate", value) for value in (-0.01, math.nan, math.inf, -math.inf)),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=str)
def test_bad_values(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**{name: value})
    text = str(caught.value)
    assert text.startswith(f"{name} is {value!r}; give a")


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match=r"n_head 5 does not divide n_embd 12; .*\(1, 2, 3, 4, 6, 12\)"):
        Config(n_embd=12, n_head=5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf, 1e-320])
def test_bad_temperatures(temperature: float) -> None:
    with pytest.raises(ConfigError, match=r"temperature is .*; give a finite number above 0") as caught:
        Session(tiny(), DOCS).sample(1, temperature)
    assert str(temperature) in str(caught.value)


def test_learning_rate_falls_to_zero_in_a_line() -> None:
    config = Config(num_steps=4, learning_rate=0.02)
    assert [config.learning_rate_at(step) for step in range(4)] == [0.02, 0.02 * 0.75, 0.02 * 0.5, 0.02 * 0.25]


def test_num_steps_sets_the_learning_rate_schedule() -> None:
    long, short = Session(tiny(num_steps=1000), DOCS), Session(tiny(num_steps=5), DOCS)
    for session in (long, short):
        session.run(until=3)
    assert long.losses[0] == short.losses[0]
    assert long.losses[2] != short.losses[2]
