"""What tests of speaker notes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from microgpt_tui.lectures import speaker_notes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where lectures share their notes, and where these are looked for often."""
    monkeypatch.setattr(speaker_notes, "INTERVAL", 0.01)
    return tmp_path / "state"
