"""`Scalar`: one number of a tensor or a matrix, as typed, and the next event that makes it, moves it or adds to its
gradient. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine import Place
from engine.events import PHASES, Moment, Phase, StepProgram
from engine.parsing import check_length
from engine.references import Scope, Table
from engine.spelling import split, token_id
from engine.tape import Rows
from microgpt_tui.completing import LineError

WRITTEN = re.compile(r"([\w.]+)((?:\[[^\]]*\])*)(@.*)?")
EXAMPLE = "write for example wte[5][3] or q[3]"


@dataclass(frozen=True, slots=True)
class Scalar:
    """The number at `index` of every tensor at `place`; `reach` is the token position without which there is none."""

    place: Place
    index: tuple[int, ...]
    parameter: bool
    reach: int

    @classmethod
    def parse(cls, text: str, scope: Scope) -> Scalar:
        """Read NAME[i] or NAME[i][j], layer and head before the index or after an @, or neither for any of them.

        Raises LineError for what this model does not have, BreakpointError for such a place.
        """
        check_length(text, LineError)
        written = WRITTEN.fullmatch(text.strip())
        if not written:
            raise LineError(f"{text.strip()!r} names no single number; {EXAMPLE}")
        name, brackets, at = written.groups()
        place = Place.parse(name + (at or ""))
        place.check(scope)
        if place.phase is not None:
            raise LineError("the next event may be in any phase; leave out the phase")
        table = scope.tables.get(name) or Table(name, {}, ())  # the loss has no table
        index = [_number(part, scope) for part in re.findall(r"[^\[\],]+", brackets)]
        if table.places and len(index) == len(table.places) + len(table.shape):
            own, index = index[: len(table.places)], index[len(table.places) :]
            place = replace(place, layer=own[0], head=own[1] if len(own) > 1 else None)
            place.check(scope)
        if len(index) != len(table.shape):
            example = name + "".join(f"[{size - 1}]" for size in table.shape)
            raise LineError(f"{text.strip()!r} names no single number of {name}; write for example {example}")
        for i, size in zip(index, table.shape, strict=True):
            if not 0 <= i < size:
                raise LineError(f"{name} has no index {i}; write a number from 0 to {size - 1}")
        return cls(place, tuple(index), table.parameter, max([place.pos or 0, *(index if table.grows else [])]))

    def rows(self, program: StepProgram) -> Rows:
        """The scalars on the tape, one at every position, layer and head that is meant and there."""
        if self.parameter:
            return np.array([program.recording.matrices[str(self.place.name)][self.index]])
        tensors = (s.rows for s in program.stretches(Phase.FORWARD) if self.place.matches(s))
        there = (rows for rows in tensors if all(i < size for i, size in zip(self.index, rows.shape, strict=False)))
        return np.array([rows[self.index] if self.index else rows.flat[0] for rows in there], dtype=np.int32)

    def following(self, program: StepProgram, moment: Moment) -> tuple[Moment, int] | None:
        """The end of the next event of this step that makes it, moves it or adds to its gradient, and its row there."""
        rows = self.rows(program)
        for phase in PHASES[moment.phase.place :]:
            ticks = self._ticks(program, phase, rows)
            ahead = ticks[ticks > (moment.tick if phase is moment.phase else 0)]
            if len(ahead):
                tick = int(ahead.min())
                event = program.stretch_at(Moment(program.step, phase, tick))
                return Moment(program.step, phase, event.last), self._row(program, phase, tick)
        return None

    def next_step(self, step: int, docs: Sequence[str], block_size: int) -> int | None:
        """The first training step after `step` that has it; None if no document is long enough."""
        steps = range(step + 1, step + 1 + len(docs))
        return next((s for s in steps if self.reach < min(block_size, len(docs[s % len(docs)]) + 1)), None)

    def _ticks(self, program: StepProgram, phase: Phase, rows: Rows) -> Rows:
        """The ticks of a phase that do something to it."""
        if phase is Phase.BACKWARD:
            return np.asarray(np.flatnonzero(np.isin(program.receivers, rows)) + 1)
        if phase is Phase.UPDATE:
            return rows + 1 if self.parameter else rows[:0]
        return rows[:0] if self.parameter else np.asarray(program.rows.searchsorted(rows) + 1)

    @staticmethod
    def _row(program: StepProgram, phase: Phase, tick: int) -> int:
        if phase is Phase.BACKWARD:
            return int(program.receivers[tick - 1])
        return int(program.rows[tick - 1]) if phase is Phase.FORWARD else tick - 1


def _number(text: str, scope: Scope) -> int:
    """An index: a whole number, or a token in quotes."""
    text = text.strip()
    token = token_id(text[1:-1], scope.token_ids) if text[:1] in "\"'" else None
    if token is not None:
        return token
    several = split(text[1:-1], scope.token_ids) if text[:1] in "\"'" else ""
    if several:
        raise LineError(f"{several}; write one of these")
    if not text.isdecimal():
        raise LineError(f"the index {text} is no whole number and no token in quotes; {EXAMPLE}")
    return int(text)
