"""Fixtures of the tests of the app."""

from __future__ import annotations

from pathlib import Path

import pytest

from microgpt_tui.lectures import speaker_notes
from microgpt_tui.panes import arrangement


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that notes are written to, polled often."""
    monkeypatch.setattr(speaker_notes, "INTERVAL", 0.01)
    return tmp_path / "state"


@pytest.fixture
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the arrangement of panes in a folder of the test."""
    monkeypatch.setattr(arrangement, "settings_folder", lambda: tmp_path)
