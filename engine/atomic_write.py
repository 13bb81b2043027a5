"""Writes files whole or not at all: a path holds the old content or the new one. Reads files up to a size."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from engine.language.say import say

BESIDE = ".microgpt-{pid}-{number}.part"  # the temporary file


def write_whole(path: Path, content: bytes, mode: int = 0o666, durable: bool = True) -> None:
    """Put `content` at `path`, by way of a temporary file beside it. A link is followed. Permissions are `mode` less
    the umask. Without `durable` it is faster, and may be lost when the power fails.

    Also removes temporary files of processes that were killed. Raises OSError if it cannot be written, or if something
    else than a file is there; that is then untouched.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, say("engine.atomic_write.not_file"), str(path))
    with temporary_beside(target) as beside:
        with open(beside, "xb", opener=partial(os.open, mode=mode)) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(beside, target)


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """A path beside `target` for a file that is removed at the end; if this process is killed, by the next one."""
    _clear(target.parent)
    beside = target.with_name(BESIDE.format(pid=os.getpid(), number=uuid.uuid4().hex))
    try:
        yield beside
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def read_whole(path: Path, most: int) -> bytes:
    """The content of a file. Raises OSError, also for a pipe or a device, and for more than `most` bytes."""
    about = path.stat()
    if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
        raise OSError(errno.EINVAL, say("engine.atomic_write.pipe_or_device"), str(path))
    if about.st_size > most:
        raise OSError(errno.EFBIG, say("engine.atomic_write.larger_than_bytes", most=most), str(path))
    return path.read_bytes()


def _clear(folder: Path) -> None:
    """Remove temporary files of processes that no longer run."""
    with suppress(OSError):  # another one may be clearing it as well
        for left in folder.glob(BESIDE.format(pid="*", number="*")):
            pid = left.name.split("-")[1]
            if pid.isascii() and pid.isdigit() and len(pid) < 10 and not psutil.pid_exists(int(pid)):
                left.unlink()
