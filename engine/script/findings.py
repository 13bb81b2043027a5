"""`ScriptFinding`: one fault of a script, and `CheckReport`: all that a check found and what it looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.immutable import immutable

LOCAL_GRADIENT = "local gradient"
GRADIENT_SUM = "gradient sum"
NO_GRADIENT = "no gradient"
NOT_MOVED = "not moved"
NOT_IN_LOSS = "not in the loss"
NOT_ZEROED = "not zeroed"
NOT_FINITE = "not finite"
EXCEPTION = "exception"
KINDS = (
    LOCAL_GRADIENT,  # disagrees with a finite difference of the same operation
    GRADIENT_SUM,  # is not the sum of what the uses of a number send back
    NO_GRADIENT,  # of parameters that the loss depends on
    NOT_MOVED,  # of parameters, or numbers of one, that receive a gradient
    NOT_IN_LOSS,  # of numbers that the update moves
    NOT_ZEROED,  # of gradients left over from the step before, or from an earlier backward call
    NOT_FINITE,  # of the first nan or infinity
    EXCEPTION,  # that stopped the script
)
"""Each kind of finding, in the order in which they are told."""


@immutable
class ScriptFinding:
    """One fault. `line` counts in the code, as Python does; `place` is what it is called in the file."""

    file: str
    line: int
    place: str
    source: str
    """The text of the line."""
    kind: str
    numbers: dict[str, Any]
    sentence: str


@dataclass(slots=True)
class CheckReport:
    """The findings, and what was looked at: where nothing is found that tells how much the silence is worth."""

    findings: list[ScriptFinding] = field(default_factory=list)
    steps: int = 0
    """Training steps that were recorded whole."""
    scalars: int = 0
    """In the largest of these steps."""
    operations: list[str] = field(default_factory=list)
    """Those whose local gradients were compared."""
    notes: list[str] = field(default_factory=list)
    """What was not checked, or is taken to be meant, a sentence each."""
