"""A short use by a seeded hand; tests/benchmarks/fuzz.py is the same for as long as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fuzz_run import fuzz


@pytest.mark.parametrize("seed", ["a", "b"])
async def test_random_keys_and_clicks_end_in_what_a_program_begun_anew_shows(seed: str, tmp_path: Path) -> None:
    assert await fuzz(seed, 150, tmp_path, between=150) == 1
