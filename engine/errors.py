"""The engine's one family of exceptions. Each message says what is wrong and what to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress

from engine.language.say import say
from engine.text import quoted


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, the one that led to it, and so on."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that led to it, means that the system has no more memory to give.

    A library that there is no memory for cannot be loaded, and only the words of the loader say why.
    """
    for each in _chain(error):
        text = str(each)
        if isinstance(each, MemoryError) or (isinstance(each, OSError) and each.errno == errno.ENOMEM):
            return True
        if isinstance(each, OSError | ImportError) and (
            "Cannot allocate memory" in text
            or "cannot map zero-fill pages" in text
            or ("failed to map segment" in text and "not permitted" not in text)
        ):
            return True
    return False


def is_out_of_threads(error: BaseException) -> bool:
    """Whether an error, or one that led to it, means that this user may start no more threads or processes."""
    return any(
        (isinstance(each, RuntimeError) and "can't start new thread" in str(each))
        or (isinstance(each, OSError) and each.errno == errno.EAGAIN and each.filename is None)
        for each in _chain(error)
    )


def system_says(error: OSError) -> str:
    """What the system says of an error, in the chosen language where its words are known; empty if it says nothing."""
    said = error.strerror or ""
    if error.errno is None or said != os.strerror(error.errno):  # words of the program's own
        return said
    with suppress(KeyError):
        return say(f"engine.system.{errno.errorcode[error.errno]}")
    return said


def first_cause(error: BaseException) -> str:
    """What an error says, in one line; or the first of those that led to it, if the system made that one."""
    if is_out_of_memory(error):
        return say("engine.errors.there_not_enough_memory")
    *_, first = [error, *(each for each in _chain(error) if isinstance(each, OSError | ImportError))]
    reason = system_says(first) if isinstance(first, OSError) else ""
    reason = reason or str(first).strip()
    return reason.splitlines()[0] if reason else type(first).__name__


class EngineError(Exception):
    """Anything the engine refuses or cannot do; the text is one sentence for a person."""


class ConfigError(EngineError):
    """A hyperparameter that no model can be built with."""


class DataError(EngineError):
    """A data set that cannot be read or holds nothing to learn from."""


class ScriptError(EngineError):
    """A user's script that cannot be read, run or recorded."""


class CheckpointError(EngineError):
    """A saved run that cannot be read back."""


class ExpressionError(EngineError):
    """An expression that cannot be asked. `reason` says why in a sentence, `pointer` shows where: two lines, the
    expression and marks below the fault. The text of the error is both.
    """

    def __init__(self, reason: str, text: str = "", first: int = 0, last: int = 0) -> None:
        self.reason = reason
        self.pointer = f"{text}\n{' ' * first}{'^' * max(last - first, 1)}"
        super().__init__(f"{reason}\n{self.pointer}" if text else reason)


class BreakpointError(EngineError):
    """A breakpoint on an event that this model does not have, or one that cannot be read."""


class AddressError(EngineError):
    """A moment that is written in a way that cannot be read, or that the run does not have."""


class WhyError(EngineError):
    """A question without an answer: about what is not there, or at a moment too early for it."""


class GradCheckError(EngineError):
    """A gradient check that cannot be made: of this scalar, or with this step."""


class Stopped(EngineError):
    """Long work was asked to stop before it was done; everything up to there is intact."""


class NumericFault(EngineError):
    """Python's own arithmetic would have raised here, so the engine stops at this very scalar.

    Attributes say where: `step` (counted from 0), `doc`, `pos` (None outside a position), `tensor`
    (the name of the tensor in the making, or of the parameter matrix), `row` (the scalar on the tape)
    and `reason` (what Python would not compute).
    """

    def __init__(self, *, step: int, doc: str, pos: int | None, tensor: str, row: int, reason: str) -> None:
        self.step, self.doc, self.pos, self.tensor, self.row, self.reason = step, doc, pos, tensor, row, reason
        place = say("engine.errors.position", pos=pos) if pos is not None else ""
        super().__init__(
            say(
                "engine.errors.training_stopped_at_step",
                step=step,
                doc=quoted(doc),
                place=place,
                tensor=tensor,
                reason=reason,
            )
        )


class ChangeError(EngineError):
    """A change to a run that cannot be read, or that the run has no place for."""
