"""Initial parameters of a copy that are the engine's but for their size: drawn in the same order, otherwise scaled."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np

from engine.language.say import say
from engine.model.dataset import shuffle
from engine.model.recording import Floats
from engine.run.session import INIT_STD, Session

DIGITS = 6  # of a standard deviation, as somebody would type it
TIMES = {0.25: "quarter", 0.5: "half", 2.0: "two", 4.0: "four"}
EARLIER_STD = 0.02  # of early revisions of microgpt.py


def difference_of_scale(theirs: Mapping[str, Floats], session: Session, unshuffled: list[str]) -> str:
    """How the copy's initial matrices follow from the engine's, as a clause; empty if they do not.

    `session` stands at its start, `unshuffled` are its documents in the order in which they were read. It is held to
    be so only if every bit is: the numbers are drawn again, with other standard deviations.
    """
    ours = session.params
    stds = {name: _std(theirs[name], ours[name]) for name in ours}
    if np.array_equal(_drawn(session, unshuffled, stds), _flat(theirs)):
        found = list(dict.fromkeys(stds.values()))
        if len(found) > 1:
            names = {std: ", ".join(name for name in stds if stds[name] == std) for std in found}
            other = ", ".join(f"{std:g} ({names[std]})" for std in found if std != INIT_STD)
            return say("verify.initial_parameters.other_stds", init_std=INIT_STD, stds=other)
        (std,) = found
        scaled = {"how_much": _times(std / INIT_STD, f"{std / INIT_STD:g}"), "std": std, "init_std": INIT_STD}
        if std == EARLIER_STD:
            return say("verify.initial_parameters.scaled_std_early", **scaled)
        return say("verify.initial_parameters.scaled_std", **scaled)
    here, there = _flat(ours), _flat(theirs)
    factor = float(there[0] / here[0])
    if np.array_equal(here * factor, there):
        return say("verify.initial_parameters.scaled", how_much=_times(factor, repr(factor)))
    return ""


def _times(factor: float, written: str) -> str:
    """How many times as large, in words where there are some."""
    if factor in TIMES:
        return say(f"verify.initial_parameters.times.{TIMES[factor]}")
    return say("verify.initial_parameters.factor", factor=written)


def _std(theirs: Floats, ours: Floats) -> float:
    """The standard deviation that `theirs` seem to be drawn with, where `ours` are with the engine's."""
    largest = np.unravel_index(np.argmax(np.abs(ours)), ours.shape)
    return float(f"{INIT_STD * theirs[largest] / ours[largest]:.{DIGITS}g}")


def _drawn(session: Session, unshuffled: list[str], stds: Mapping[str, float]) -> Floats:
    """The initial parameters of a run, drawn with these standard deviations."""
    generator = random.Random(session.config.seed)
    shuffle(list(unshuffled), generator)
    sizes = {name: rows.size for name, rows in session.recording.matrices.items()}
    return np.array([generator.gauss(0, stds[name]) for name, size in sizes.items() for _ in range(size)])


def _flat(matrices: Mapping[str, Floats]) -> Floats:
    return np.concatenate([matrix.ravel() for matrix in matrices.values()])
