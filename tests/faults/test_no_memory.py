"""Memory runs out while a model is recorded: the system has no more of it to give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness import SMALL, until

from engine import recording, session
from microgpt_tui.app import MicrogptApp
from microgpt_tui.start import from_seed
from tests.cli.support import error_of, invoke


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(config: Any, vocab_size: int, progress: Callable[[float], bool] | None = None) -> Any:
        recorded = recording.record(config, vocab_size, progress)
        bytearray(2**60)
        return recorded

    monkeypatch.setattr(session, "record", record)


def test_a_command() -> None:
    assert error_of(invoke("train", "--until", 1)).startswith("there is not enough memory for this; choose a smaller")


async def test_the_debugger() -> None:
    app = MicrogptApp(from_seed(SMALL, 1, None))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.return_value is not None)
    assert str(app.return_value).startswith("there is not enough memory for this; give less data, or choose a smaller")
