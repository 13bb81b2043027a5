"""A short random use of the program; tests/benchmarks/fuzz.py is the same for any length."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fuzz_run import fuzz


@pytest.mark.parametrize("seed", ["a", "b"])
async def test_after_random_keys_and_clicks_the_screen_is_that_of_a_new_program(seed: str, tmp_path: Path) -> None:
    assert await fuzz(seed, 150, tmp_path, between=150) == 1
