"""Waiting, by polling, for a process that is not a child, a line in a list, a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil

PATIENCE = 60.0  # seconds until a condition counts as never met
LOOK = 0.01  # seconds between two looks


async def met(condition: Callable[[], bool]) -> None:
    """Wait until a condition is met. Raises TimeoutError if it never is."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(LOOK)


def ended(process: psutil.Process) -> None:
    """Wait until a process has ended that need not be a child. Raises TimeoutError if it never does."""
    if psutil.wait_procs([process], timeout=PATIENCE)[1]:
        raise TimeoutError(f"{process} goes on")


def gone(pid: int) -> bool:
    """Whether a process has ended, though perhaps nobody has asked for its status."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
