"""Memory that is not needed any more, given back to the system at once; nothing happens where it cannot be."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy.typing as npt


def take_large_arrays_apart() -> None:
    """From now on, take each array of a megabyte or more from the system by itself, and hand it back once free."""
    _ask_libc("mallopt", -3, 2**20)  # M_MMAP_THRESHOLD
    _ask_libc("mallopt", -1, 2**21)  # M_TRIM_THRESHOLD: else room that is kept is found for them, and is touched


def give_back_freed() -> None:
    """Give back what was freed and is kept for later."""
    _ask_libc("malloc_trim", 0)


def give_back(numbers: npt.NDArray[Any]) -> None:
    """Give back the memory of numbers that nobody reads any more; they are 0 afterwards, or what they were."""
    page = mmap.PAGESIZE
    first, last = -(-numbers.ctypes.data // page) * page, (numbers.ctypes.data + numbers.nbytes) // page * page
    if first < last:
        _drop(first, last)


def give_back_code(library: str) -> None:
    """Give back the pages of a library's machine code that were read so far; what runs again is read again."""
    for first, last in _code_of(library):
        _drop(first, last)


def _code_of(library: str) -> Iterator[tuple[int, int]]:
    """The addresses at which the code of libraries with this word in their path lies, which is never written to."""
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
            addresses, rights, *_ = line.split()
            if rights == "r-xp" and library in line:
                first, last = (int(address, 16) for address in addresses.split("-"))
                yield first, last


def _drop(first: int, last: int) -> None:
    """Let the system have whole pages; it gives them again as they are in their file, or else full of zeros."""
    if sys.platform == "linux":
        _ask_libc("madvise", ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_DONTNEED)


def _ask_libc(function: str, *numbers: int | ctypes.c_void_p | ctypes.c_size_t) -> None:
    """Call a function of the C library; does nothing where that has none of this name."""
    with suppress(Exception):
        getattr(ctypes.CDLL(None), function)(*numbers)
