"""Runs recorded from a copy of the model's file, with some texts in the places of others."""

from __future__ import annotations

from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest

from engine.model import gpt, recording
from tests.support.changed_text import replaced

Change = Callable[..., None]
"""Takes pairs of texts: the old one, which the file has, and the new one."""


def change_model(folder: Path, monkeypatch: pytest.MonkeyPatch, *texts: tuple[str, str]) -> None:
    """Record from a changed copy of the model's file, which is written to a folder, until the test ends."""
    path = folder / "changed_gpt.py"
    path.write_text(replaced(Path(gpt.__file__).read_text(encoding="utf-8"), *texts), encoding="utf-8")
    spec = util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(recording, "gpt", module)
    forget_recordings()


def forget_recordings() -> None:
    """Clear the caches of what was recorded from another model."""
    for function in vars(recording).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
