"""The progress of work that takes long."""

from __future__ import annotations

import io

import pytest
from waiting import met

from microgpt_tui.cli import waiting


class Screen(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


async def test_what_is_said_last_is_shown_however_soon_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with waiting.Waiting("Training", 6, screen) as progress:
        for step in range(4):
            progress.update(step, f"step {step} of 6")
        await met(lambda: "step 3 of 6" in screen.getvalue())
