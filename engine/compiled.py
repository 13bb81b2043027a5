"""Chooses how the kernels run: compiled by numba where it is installed, else as plain Python. Same bits both ways."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import kernels, runs

_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Loops:
    """The kernels, ready to call with numpy arrays; `compiled` says which kind they are."""

    forward: Callable[..., int]
    backward: Callable[..., None]
    adam: Callable[..., int]
    strongest: Callable[..., None]
    squares: Callable[..., None]
    post_order: Callable[..., int]
    forward_whole: Callable[..., int]
    backward_whole: Callable[..., None]
    fold: Callable[..., int]
    route: Callable[..., int]
    unfold: Callable[..., int]
    patch: Callable[..., None]
    compiled: bool


_KERNELS = (
    kernels.forward, kernels.forward_whole, kernels.backward, kernels.backward_whole, kernels.adam, kernels.squares,
    kernels.strongest, kernels.post_order, runs.fold, runs.route, runs.unfold, runs.patch,
)  # fmt: skip
# Called by kernels. They stand in the callers' file, because numba's cache looks at nothing else for changes.
_CALLED = (kernels.forward, kernels.backward, runs.add_leg)


def plain_loops() -> Loops:
    """The kernels uncompiled. Arrays go in as memoryviews, whose items are Python's own floats."""
    return _loops(_with_views, compiled=False)


def _loops(prepare: Callable[[Callable[..., Any]], Any], compiled: bool) -> Loops:
    return Loops(**{kernel.__name__: prepare(kernel) for kernel in _KERNELS}, compiled=compiled)


def _with_views(kernel: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(kernel)
    def call(*args: Any) -> Any:
        return kernel(*(memoryview(a) if isinstance(a, np.ndarray) else a for a in args))  # type: ignore[arg-type]

    return call


@functools.cache
def _compile() -> Loops:
    import numba
    from numba.extending import overload, register_jitable

    @overload(kernels.power)
    def _power(x, y):  # type: ignore[no-untyped-def]  # noqa: ARG001 - numba compares this signature with the one below
        return lambda x, y: x**y

    for kernel in _CALLED:
        register_jitable(error_model="numpy")(kernel)
    try:
        return _loops(numba.njit(nogil=True, cache=True, error_model="numpy"), compiled=True)
    except RuntimeError:  # no folder that the cache can be written to: compiled anew at each start
        return _loops(numba.njit(nogil=True, error_model="numpy"), compiled=True)


def loops() -> Loops:
    """The compiled kernels if numba is installed and switched on, else the plain ones."""
    # Vectorised maths libraries round differently from C's, which the original calls; numba decides when imported.
    os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")
    try:
        if os.environ.get("NUMBA_DISABLE_JIT", "0").strip() not in ("", "0"):
            return plain_loops()  # without waiting for numba to be imported
        import numba
    except ImportError:
        return plain_loops()
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return plain_loops()
    with _LOCK:
        return _compile()
