"""Comparing to the last bit: the bits of numbers, and everything that a session shows at its moment."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from engine import Config, Moment, Phase, Session


def in_order(numbers: Iterable[float]) -> float:
    """The numbers added one after the other; the builtin `sum` has other bits from Python 3.12 on."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def flat(numbers: Any) -> list[Any]:
    """The numbers in nested lists, arrays or dictionaries, in order."""
    if isinstance(numbers, np.ndarray):
        return numbers.ravel().tolist()  # type: ignore[no-any-return]
    if isinstance(numbers, Mapping):
        numbers = numbers.values()
    if isinstance(numbers, Iterable) and not isinstance(numbers, str):
        return [x for part in numbers for x in flat(part)]
    return [numbers]


def words(numbers: Any) -> list[int]:
    """The bits of the numbers, in order: -0 is not 0; nan equals nan, whose bits mean nothing."""
    doubles = np.array(flat(numbers), np.float64)
    doubles[np.isnan(doubles)] = math.nan
    return doubles.view(np.int64).tolist()  # type: ignore[no-any-return]


def sha(session: Session) -> str:
    """The digest that the golden files have: all parameters, then all m, then all v, as little-endian doubles."""
    parts = [array for named in (session.params, session.m, session.v) for array in named.values()]
    return hashlib.sha256(b"".join(part.astype("<f8").tobytes() for part in parts)).hexdigest()


def all_rows(session: Session) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Every row of the tape."""
    return np.arange(len(session.recording), dtype=np.int32)


def shown(session: Session) -> dict[str, Any]:
    """All that can be known of a session at its moment."""
    view, rows = session.view(), all_rows(session)
    data, grad = view.data(rows), view.grad(rows)
    return {
        "moment": session.moment,
        "doc": session.program.doc,
        "losses": words(session.losses[: session.step]),
        "data": (data.known.tolist(), words(data.values[data.known])),
        "grad": (grad.known.tolist(), words(grad.values[grad.known])),
        "all_grad": words(session.workspace.grad),
        "params": words(session.params),
        "m": words(session.m),
        "v": words(session.v),
        "complete": view.complete(rows).tolist(),
        "moved": view.moved(rows).tolist(),
        "generator": session.generator.getstate(),
    }


def end(session: Session, phase: Phase) -> Moment:
    """The end of a phase of the step that the session stands in."""
    return Moment(session.step, phase, session.program.ticks(phase))


def tiny(**changes: Any) -> Config:
    """A model of a few hundred scalars."""
    return Config(**({"n_embd": 4, "n_head": 2, "block_size": 4, "num_steps": 10} | changes))


DOCS = ["anna", "bo", "cab"]
