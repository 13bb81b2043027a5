"""The system refuses memory while a model is recorded."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from engine.model import recording
from engine.run import session
from microgpt_tui.app import MicrogptApp
from microgpt_tui.storage.startup import from_seed
from tests.support.commands import COMMAND, environment, error_of, invoke
from tests.support.commands import SMALL as OPTIONS
from tests.support.harness import SMALL, until
from tests.support.terminal import COMPILED


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(config: Any, vocab_size: int, progress: Callable[[float], bool] | None = None) -> Any:
        recorded = recording.record(config, vocab_size, progress)
        bytearray(2**60)
        return recorded

    monkeypatch.setattr(session, "record", record)


@pytest.mark.usefixtures("little_memory")
def test_a_command() -> None:
    assert error_of(invoke("train", "--until", 1)).startswith("there is not enough memory for this; choose a smaller")


@pytest.mark.parametrize("megabytes", [160, 256, 328, 380])
def test_an_address_space_that_is_too_small_to_compile(megabytes: int) -> None:
    """Without room for numba and LLVM the loops run uncompiled; without room for these, a sentence says so."""
    pytest.importorskip("resource")
    limited = ["sh", "-c", f'ulimit -v {megabytes * 1024}; exec "$0" "$@"', *COMMAND, "train", "--until", "1", *OPTIONS]
    done = subprocess.run(limited, env=environment() | COMPILED, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        assert done.stdout == invoke("train", "--until", 1, *OPTIONS).stdout
        warning = "warning: numba cannot be loaded (there is not enough memory), so the loops run uncompiled"
        assert done.stderr.startswith(warning if done.stderr else "")
    else:
        assert done.returncode == 2
        assert done.stderr.startswith("error: there is not enough memory")
    assert done.stderr.count("\n") <= 1


@pytest.mark.usefixtures("little_memory")
async def test_the_debugger() -> None:
    app = MicrogptApp(from_seed(SMALL, 1, None))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.return_value is not None)
    assert str(app.return_value).startswith("there is not enough memory for this; give less data, or choose a smaller")
