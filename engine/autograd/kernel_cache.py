"""numba's cache of compiled kernels on disk, with a checksum for each entry.

numba itself would run changed machine code and raise EOFError for an empty index. Here each failure is reported instead
of raised, a damaged index is begun anew, and the kernel is compiled again. Imports numba, so only `jit` imports this.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from engine.language.say import say

caching: Any = import_module("numba.core.caching")  # numba's types say nothing of its inside

Report = Callable[[str, str, BaseException], None]
"""Called with what failed, "read" or "written", the folder, and why."""


class _CheckedEntries(caching.CompileResultCacheImpl):  # type: ignore[misc]
    """Entries as numba makes them, each in bytes with their SHA-256 in front."""

    def reduce(self, data: Any) -> tuple[bytes, bytes]:
        """What is written for a compiled kernel."""
        content = caching.dumps(super().reduce(data))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target_context: Any, reduced_data: Any) -> Any:
        """The compiled kernel of what was read. Raises ValueError for other bytes than were written."""
        digest, content = reduced_data
        if hashlib.sha256(content).digest() != digest:
            raise ValueError(say("autograd.kernel_cache.wrong_checksum"))
        return super().rebuild(target_context, pickle.loads(content))

    def get_filename_base(self, fullname: str, abiflags: str) -> Any:
        """The name of the files; not the one under which numba writes entries without a checksum."""
        return f"checked-{super().get_filename_base(fullname, abiflags)}"


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """The cache of one kernel. Raises RuntimeError or OSError where there is no folder for it."""

    _impl_class = _CheckedEntries

    def __init__(self, kernel: Callable[..., Any], report: Report) -> None:
        self._report = report
        super().__init__(kernel)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel for these types of arguments; None if there is none that can be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # damaged pickles raise anything
            self._report("read", self.cache_path, error)
            with suppress(OSError):  # then it cannot be written either, which is found out after compiling
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a compiled kernel, where that is possible."""
        try:
            super().save_overload(sig, data)
        except Exception as error:  # the kernel is compiled, and nothing else matters
            self._report("written", self.cache_path, error)
            self.disable()
