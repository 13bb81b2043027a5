"""Files are written whole or not at all: whatever happens, a path holds the old content or the new one."""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` at `path`, by way of a file beside it. A link is followed. `mode` less the umask are its rights.

    Raises OSError if it cannot be written, or if something else than a file stands there; that is then untouched.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "not a file", str(path))
    beside = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with open(beside, "xb", opener=partial(os.open, mode=mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
