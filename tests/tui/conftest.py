"""Fixtures of the tests of speaker notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from microgpt_tui.lectures import speaker_notes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that notes are written to, polled often."""
    monkeypatch.setattr(speaker_notes, "INTERVAL", 0.01)
    return tmp_path / "state"
