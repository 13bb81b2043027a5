"""An instrumented GPT: it computes what `microgpt.py` computes, bit for bit, and can be stopped at any scalar.

The names below are imported when they are first asked for, so that a command line can read `Config` without numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        ScriptError,
        Stopped,
        WhyError,
    )
    from engine.expressions.breakpoint import Breakpoint, EventPattern
    from engine.expressions.expression import Expression
    from engine.expressions.scope import Scope
    from engine.model.config import Config
    from engine.model.dataset import load_docs
    from engine.run.address import Address
    from engine.run.gradcheck import GradientChecker
    from engine.run.health import CHECKS
    from engine.run.session import Session
    from engine.run.stops import Stop, Stops, continue_to, evaluate, reverse_continue
    from engine.timeline.events import Event, EventValues, Moment, Phase, StepProgram
    from engine.timeline.run import Run

__all__ = [
    "CHECKS", "Address", "AddressError", "Breakpoint", "BreakpointError", "ChangeError", "CheckpointError", "Config",
    "ConfigError", "DataError", "EngineError", "Event", "EventPattern", "EventValues", "Expression", "ExpressionError",
    "GradCheckError", "GradientChecker", "Moment", "NumericFault", "Phase", "Run", "Scope", "ScriptError", "Session",
    "StepProgram", "Stop", "Stopped", "Stops", "WhyError", "continue_to", "evaluate", "load_docs", "reverse_continue",
]  # fmt: skip

_MODULES = {
    "model.config": ("Config",),
    "model.dataset": ("load_docs",),
    "errors": ("NumericFault", "Stopped", *(name for name in __all__ if name.endswith("Error"))),
    "expressions.breakpoint": ("Breakpoint", "EventPattern"),
    "expressions.expression": ("Expression",),
    "expressions.scope": ("Scope",),
    "run.address": ("Address",),
    "run.gradcheck": ("GradientChecker",),
    "run.health": ("CHECKS",),
    "run.session": ("Session",),
    "run.stops": ("Stop", "Stops", "evaluate", "reverse_continue", "continue_to"),
    "timeline.events": ("EventValues", "Moment", "Phase", "StepProgram", "Event"),
    "timeline.run": ("Run",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
