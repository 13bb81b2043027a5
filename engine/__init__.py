"""An instrumented GPT: it computes what `microgpt.py` computes, bit for bit, and can be stopped at any scalar.

The names below are imported when they are first asked for, so that a command line can read `Config` without numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.addresses import Address
    from engine.breakpoints import Breakpoint, Place
    from engine.config import Config
    from engine.dataset import load_docs
    from engine.errors import (
        AddressError,
        BreakpointError,
        ChangeError,
        CheckpointError,
        ConfigError,
        DataError,
        EngineError,
        ExpressionError,
        GradCheckError,
        NumericFault,
        Stopped,
        WhyError,
    )
    from engine.events import Event, Moment, Phase, StepProgram, Stretch
    from engine.expressions import Expression
    from engine.gradcheck import GradientChecker
    from engine.health import CHECKS
    from engine.references import Scope
    from engine.running import Stop, Stops, evaluate, run_back, run_on
    from engine.session import Session

__all__ = [
    "CHECKS",
    "Address",
    "AddressError",
    "Breakpoint",
    "BreakpointError",
    "ChangeError",
    "CheckpointError",
    "Config",
    "ConfigError",
    "DataError",
    "EngineError",
    "Event",
    "Expression",
    "ExpressionError",
    "GradCheckError",
    "GradientChecker",
    "Moment",
    "NumericFault",
    "Phase",
    "Place",
    "Scope",
    "Session",
    "StepProgram",
    "Stop",
    "Stopped",
    "Stops",
    "Stretch",
    "WhyError",
    "evaluate",
    "load_docs",
    "run_back",
    "run_on",
]

_ROOMS = {
    "addresses": ("Address",),
    "config": ("Config",),
    "dataset": ("load_docs",),
    "breakpoints": ("Breakpoint", "Place"),
    "errors": (
        "AddressError",
        "BreakpointError",
        "ChangeError",
        "CheckpointError",
        "ConfigError",
        "DataError",
        "EngineError",
        "ExpressionError",
        "GradCheckError",
        "NumericFault",
        "Stopped",
        "WhyError",
    ),
    "expressions": ("Expression",),
    "gradcheck": ("GradientChecker",),
    "health": ("CHECKS",),
    "references": ("Scope",),
    "running": ("Stop", "Stops", "evaluate", "run_back", "run_on"),
    "events": ("Event", "Moment", "Phase", "StepProgram", "Stretch"),
    "session": ("Session",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
