"""A user who may write nowhere, for tests that are run by root."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


def _others_may_enter(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not _others_may_enter(Path(sys.prefix)),
    reason="only root can become somebody else, who has to be able to read this Python",
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
