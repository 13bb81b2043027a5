"""What tests of speaker notes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from microgpt_tui.lectures import following


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a lecture's call is looked for, and often."""
    monkeypatch.setattr(following, "LOOK", 0.01)
    return tmp_path / "state" / "lecture.json"
