"""Somebody who may write nowhere: root, who runs some tests, may do anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)


@contextmanager
def nobody() -> Iterator[None]:
    """This process as a user who owns nothing."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def anyone_may_enter(folder: Path) -> Iterator[Path]:
    """A folder that others may look into, and write nothing in."""
    folder.chmod(0o755)
    yield folder
