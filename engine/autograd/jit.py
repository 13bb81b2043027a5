"""Chooses how the kernels run: compiled by numba where it is installed, else by numpy and plain Python. Same bits."""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import psutil

from engine.autograd import array_kernels, dot_products, kernels
from engine.errors import first_cause, is_out_of_memory
from engine.language.say import say

_LOCK = threading.Lock()
SQUARE, ROOT = 2.0, 0.5  # exponents, handed to the kernels at run time so that they stay powers
COMPARED = 800_000  # numbers that are looked at to compare about 100,000 powers
NUMBA_NEEDS = 320e6  # bytes of address space to load numba and compile: LLVM ends the process if it gets no more


@dataclass(slots=True, eq=False)
class Kernels:
    """The kernels, ready to call with numpy arrays; `compiled` says which kind they are.

    All kinds have the same bits, so one may take the place of another in the middle of a run.
    """

    forward: Callable[..., int]
    backward: Callable[..., tuple[int, int, float]]
    adam: Callable[..., int]
    strongest: Callable[..., None]
    squares: Callable[..., None]
    post_order: Callable[..., int]
    forward_whole: Callable[..., int]
    backward_whole: Callable[..., None]
    clear_between: Callable[..., None]
    pass_step: Callable[..., int]
    fold: Callable[..., int]
    route: Callable[..., int]
    grouped_route: Callable[..., int]
    keeps_sums: Callable[..., bool]
    split_segments: Callable[..., int]
    unfold: Callable[..., None]
    patch: Callable[..., None]
    powers_agree: Callable[..., int]
    compiled: bool
    awaiting: bool = False  # whether compiled ones are on their way, to take the place of these

    def become(self, other: Kernels) -> None:
        """Be what the other is, for all who hold this one."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))


# Called by kernels of the same file, the only file whose changes numba's cache notices.
_CALLED = (
    kernels.forward, kernels.backward, kernels.residual, kernels.is_sure, kernels.to_squares, kernels.to_roots,
    kernels.straight_sums, dot_products.add_segment,
)  # fmt: skip


def plain_loops() -> Kernels:
    """The kernels uncompiled: those that numpy is good at, and all others as plain Python.

    To these, arrays go in as memoryviews, whose items are Python's own floats.
    """
    return _loops(lambda name, kernel: getattr(array_kernels, name, None) or _with_views(kernel), compiled=False)


def _loops(prepare: Callable[[str, Callable[..., Any]], Any], compiled: bool) -> Kernels:
    names = [each.name for each in fields(Kernels) if each.name not in ("compiled", "awaiting", "pass_step")]
    found = {name: getattr(kernels, name, None) or getattr(dot_products, name) for name in names}
    made = {name: prepare(name, kernel) for name, kernel in found.items()}
    # The same code, that calls the kernels as they are made here.
    pass_step = FunctionType(kernels.pass_step.__code__, vars(kernels) | made, kernels.pass_step.__name__)
    return Kernels(**made, pass_step=_jitted(pass_step) if compiled else pass_step, compiled=compiled)


def power_band(kernels_used: Kernels) -> float:
    """The band of `kernels.BAND` for `Kernels.adam`: infinite, so that pow computes all powers, where this machine's
    pow returns anything else than is assumed of it.
    """
    return _proven_band(kernels_used.powers_agree)


@functools.cache
def _proven_band(powers_agree: Callable[..., int]) -> float:
    return kernels.BAND if powers_agree(COMPARED, SQUARE, ROOT) >= 0 else math.inf


def _with_views(kernel: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(kernel)
    def call(*args: Any) -> Any:
        return kernel(*(memoryview(a) if isinstance(a, np.ndarray) else a for a in args))  # type: ignore[arg-type]

    return call


_WARNINGS: dict[str, str] = {}  # sentences for the user, by what went wrong, worst first: "numba", "written", "read"


def _warn_of_cache(what: str, folder: str, error: BaseException) -> None:
    """The cache in a folder could not be "read" or "written"."""
    if what == "read":
        reason = first_cause(error) if isinstance(error, OSError) else say("autograd.jit.damaged")
        sentence = say("autograd.jit.unreadable", folder=folder, reason=reason)
    else:
        told = {"folder": folder, "error": first_cause(error)}
        sentence = say("autograd.jit.not_kept_in" if folder else "autograd.jit.not_kept", **told)
    _WARNINGS.setdefault(what, sentence)


def take_warning() -> str | None:
    """What went wrong while the kernels were made ready, in a sentence for the user; None if nothing did.

    Gives each sentence once. To be called after every kernel has run, as in `engine.run.compilation.warm_up`.
    """
    sentences = [_WARNINGS.pop(what, None) for what in ("numba", "written", "read")]
    return next((sentence for sentence in sentences if sentence), None)


@functools.cache
def _numba() -> Any:
    """The module numba; None where it is not installed, or, with a warning, where it cannot be imported."""
    reason: Exception
    try:
        if _address_space_left() < NUMBA_NEEDS and find_spec("numba") is not None:
            raise MemoryError
        import numba
    except ModuleNotFoundError as error:
        if error.name == "numba":
            return None
        reason = error
    except Exception as error:  # a library that cannot be loaded, versions that do not fit, no memory
        reason = error
    else:
        return numba
    way = say("autograd.jit.free_memory") if is_out_of_memory(reason) else say("autograd.jit.install_again")
    _WARNINGS["numba"] = say("autograd.jit.no_numba", reason=first_cause(reason), way=way)
    return None


def _address_space_left() -> float:
    """How many bytes this process may still ask for, by its own limit (ulimit -v); infinite where there is none."""
    try:
        import resource
    except ImportError:  # this system has no such limits
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if limit == resource.RLIM_INFINITY else limit - psutil.Process().memory_info().vms


@functools.cache
def _compile() -> Kernels:
    from numba.extending import overload, register_jitable

    @overload(kernels.power)
    def _power(x, y):  # type: ignore[no-untyped-def]  # noqa: ARG001 - numba compares this signature with the one below
        return lambda x, y: x**y

    for kernel in _CALLED:
        register_jitable(error_model="numpy")(kernel)
    return _loops(lambda _, kernel: _jitted(kernel), compiled=True)


def _jitted(kernel: Callable[..., Any]) -> Any:
    """A kernel that is compiled when it is first called, or read from the cache where there is one."""
    jitted = _numba().njit(nogil=True, error_model="numpy")(kernel)
    try:
        from engine.autograd.kernel_cache import KernelCache

        jitted._cache = KernelCache(kernel, _warn_of_cache)
    except Exception as error:  # no folder that can be written to, or a numba that keeps its cache in another way
        _warn_of_cache("written", "", error)
    return jitted


def cache_files() -> list[Path]:
    """The files by which numba finds the compiled kernels in its cache, as far as there is one."""
    caches = [getattr(getattr(loops(), each.name), "_cache", None) for each in fields(Kernels)]
    folders = {cache.cache_path for cache in caches if cache is not None and cache.cache_path}
    return sorted(file for folder in folders for file in Path(folder).glob("*.nbi"))


def can_compile() -> bool:
    """Whether the loops are to be compiled: numba is installed, and not switched off. Does not import it."""
    return not _switched_off() and find_spec("numba") is not None


def loops_at_hand() -> Kernels:
    """The compiled kernels if this process has them already, else the plain ones."""
    return loops() if _compile.cache_info().currsize else plain_loops()


def _switched_off() -> bool:
    return os.environ.get("NUMBA_DISABLE_JIT", "0").strip() not in ("", "0")


def loops() -> Kernels:
    """The compiled kernels if numba is installed and switched on, else the plain ones."""
    # Vectorised maths libraries round differently from C's, which the original calls; numba decides when imported.
    os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")
    if _switched_off():
        return plain_loops()  # without waiting for numba to be imported
    with _LOCK:
        numba = _numba()
        if numba is None or numba.config.DISABLE_JIT:
            return plain_loops()
        return _compile()
