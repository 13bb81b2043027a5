"""`Scalar`: one number of a tensor or a matrix, as typed, and the next event that makes it, moves it or adds to its
gradient. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from engine import EventPattern
from engine.autograd.tape import Rows
from engine.expressions.scope import Scope
from engine.expressions.source import BRACKETS, check_length, split_indices
from engine.immutable import immutable
from engine.model.tensors import TensorSpec
from engine.text import split, token_id
from engine.timeline.events import PHASES, Event, Moment, Phase, StepProgram
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.examples import Examples
from microgpt_tui.texts.say import say

WRITTEN = re.compile(rf"([\w.]+)({BRACKETS})?\s*(@.*)?")


@immutable
class Scalar:
    """The number at `index` of every tensor at `place`; `reach` is the token position without which there is none."""

    place: EventPattern
    index: tuple[int, ...]
    parameter: bool
    reach: int

    @classmethod
    def parse(cls, text: str, scope: Scope, phased: bool = False) -> Scalar:
        """Read NAME[i] or NAME[i, j], also NAME[i][j]; layer and head before the index or after an @, or neither for
        any of them. The place may have a phase if it is `phased`.

        Raises LineError for what this model does not have, BreakpointError for such a place.
        """
        check_length(text, LineError)
        written = WRITTEN.fullmatch(text.strip())
        if not written:
            example = say("debugger.scalar_target.write_example", **Examples.of(scope).scalars)
            raise LineError(say("debugger.scalar_target.names_no_single_number", text=text.strip(), example=example))
        name, brackets, at = written.groups()
        place = EventPattern.parse(name + (at or ""), scope.place_names)
        place.check(scope)
        if place.phase is not None and not phased:
            raise LineError(say("debugger.scalar_target.next_event_may_be"))
        spec = scope.specs.get(name) or TensorSpec(name, {}, (), "mean")  # the loss of the document
        parts = split_indices(brackets or "")
        places = len(spec.places) if len(parts) == len(spec.places) + len(spec.shape) else 0
        if len(parts) != places + len(spec.shape):
            example = f"{name}[{', '.join(str(size - 1) for size in spec.shape)}]" if spec.shape else name
            raise LineError(
                say("debugger.scalar_target.no_single_number_of", text=text.strip(), name=name, example=example)
            )
        if places:
            own = [_number(part, {}) for part in parts[:places]]
            place = replace(place, layer=own[0], head=own[1] if places > 1 else place.head)
            place.check(scope)
        tokens = scope.token_ids if spec.tokens else {}
        index = [_number(part, {} if axis else tokens) for axis, part in enumerate(parts[places:])]
        for i, size in zip(index, spec.shape, strict=True):
            if i >= size:
                raise LineError(say("debugger.scalar_target.has_no_index_write", name=name, i=i, last=size - 1))
        reach = max([place.pos or 0, *(index if spec.grows else [])])
        return cls(place, tuple(index), spec.parameter, reach)

    def rows(self, program: StepProgram) -> Rows:
        """The scalars on the tape, one at every position, layer and head that is meant and there."""
        if self.parameter:
            return np.array([program.parameters[str(self.place.name)][self.index]])
        tensors = (s.rows for s in program.events(Phase.FORWARD) if self.place.matches(s))
        return np.array([self._of(rows) for rows in tensors if self._within(rows)], dtype=np.int32)

    def row(self, event: Event) -> int | None:
        """The scalar on the tape in the tensor or matrix of one event; None if it has none there."""
        return self._of(event.rows) if self.place.matches(event) and self._within(event.rows) else None

    def _of(self, rows: Rows) -> int:
        return int(rows[self.index] if self.index else rows.flat[0])

    def _within(self, rows: Rows) -> bool:
        return all(i < size for i, size in zip(self.index, rows.shape, strict=False))

    def following(self, program: StepProgram, moment: Moment) -> tuple[Moment, int] | None:
        """The end of the next event of this step that makes it, moves it or adds to its gradient, and its row there."""
        rows = self.rows(program)
        for phase in PHASES[moment.phase.place :]:
            ticks = self._ticks(program, phase, rows)
            ahead = ticks[ticks > (moment.tick if phase is moment.phase else 0)]
            if len(ahead):
                tick = int(ahead.min())
                event = program.event_at(Moment(program.step, phase, tick))
                return Moment(program.step, phase, event.last), self._row(program, phase, tick)
        return None

    def next_step(self, step: int, docs: Sequence[str], block_size: int) -> int | None:
        """The first training step after `step` that has it; None if no document is long enough."""
        steps = range(step + 1, step + 1 + len(docs))
        return next((s for s in steps if self.reach < min(block_size, len(docs[s % len(docs)]) + 1)), None)

    def _ticks(self, program: StepProgram, phase: Phase, rows: Rows) -> Rows:
        """The ticks of a phase that do something to it."""
        if phase is Phase.BACKWARD:
            return program.ticks_into_any(rows)
        if phase is Phase.UPDATE:
            return rows + 1 if self.parameter else rows[:0]
        made = [] if self.parameter else [program.tick_of(row) for row in rows.tolist()]
        return np.array([tick + 1 for tick in made if tick is not None], dtype=np.int32)

    @staticmethod
    def _row(program: StepProgram, phase: Phase, tick: int) -> int:
        if phase is Phase.BACKWARD:
            return program.receiver_of(tick)
        return program.row_of(tick - 1) if phase is Phase.FORWARD else tick - 1


def _number(text: str, tokens: Mapping[str, int]) -> int:
    """An index: a whole number, or a token in quotes."""
    if text[:1] in ("'", '"'):
        token = token_id(text[1:-1], tokens)
        if token is not None:
            return token
        if several := split(text[1:-1], tokens):
            raise LineError(say("debugger.scalar_target.write_one_these", several=several))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        allowed = "number_or_token" if tokens else "number"
        raise LineError(say(f"debugger.scalar_target.wrong_index.{allowed}", text=text))
    return int(text)
