"""An instrumented GPT: it computes what `microgpt.py` computes, bit for bit, and can be stopped at any scalar."""

from engine.config import Config
from engine.dataset import load_docs
from engine.errors import CheckpointError, ConfigError, DataError, EngineError, NumericFault, Stopped
from engine.events import Event, Moment, Phase, StepProgram, Stretch
from engine.session import Session

__all__ = [
    "CheckpointError",
    "Config",
    "ConfigError",
    "DataError",
    "EngineError",
    "Event",
    "Moment",
    "NumericFault",
    "Phase",
    "Session",
    "StepProgram",
    "Stopped",
    "Stretch",
    "load_docs",
]
