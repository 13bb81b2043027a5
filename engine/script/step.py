"""`RecordedStep`: the tape of one step, and all that is derived from it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from engine.autograd.tape import Rows
from engine.language.say import say
from engine.model.recording import Floats
from engine.model.tokenizer import Tokenizer
from engine.numerics import sum_in_order
from engine.script.code import Code
from engine.script.gradient_sums import zeroed_in_backward
from engine.script.gradients import GradientWrites
from engine.script.printed_text import Place, PrintedText
from engine.script.program import ScriptProgram
from engine.script.tape import ScriptTape, SourcePosition
from engine.script.tensors import is_inner
from engine.script.update import UpdateTable
from engine.timeline.events import PHASES, Moment, Phase
from engine.timeline.explainer import SourceLine
from engine.timeline.history import Norms


class RecordedStep:
    """One recorded step of a script, whose files are `codes`."""

    def __init__(self, tape: ScriptTape, codes: Sequence[Code], tokenizer: Tokenizer, doc: str) -> None:
        self.tape, self._codes = tape, codes
        self.program = ScriptProgram(tape, codes, tokenizer, doc)
        self.gradients = GradientWrites(self.program)
        self.updates = UpdateTable(self.program, self.gradients, codes)

    def prepare(self) -> None:
        """Do now what would make the first keys in this step slow."""
        program = self.program
        for phase in Phase:
            program.events(phase)
        self.gradients.prepare()
        program.users, program.row_ticks, program.contributions, self.norms, self.updates.quantities  # noqa: B018

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return 2 * self.tape.nbytes  # what is derived is as large again

    @cached_property
    def last_moment(self) -> Moment:
        """Where the step ends, or has broken off."""
        ticks = {phase: self.program.ticks(phase) for phase in PHASES}
        if not self.tape.complete:
            ticks[Phase.UPDATE] = self.updates.ticks_after(len(self.tape.update_row))
        phase = next((phase for phase in reversed(PHASES) if ticks[phase]), Phase.FORWARD)
        return Moment(self.program.step, phase, ticks[phase])

    def printed(self, texts: Sequence[str], numbers: Sequence[int]) -> PrintedText:
        """What was printed by the end of the step: some pieces of text, each with its number."""
        tape, places = self.tape, dict[int, Place]()
        for number, phase, count in zip(
            tape.printed_piece.tolist(), tape.printed_phase.tolist(), tape.printed_count.tolist(), strict=True
        ):
            tick = self.updates.ticks_after(count) if PHASES[phase] is Phase.UPDATE else count
            if phase and not tick:  # before the first tick of a phase, which is the end of the one before
                phase, tick = phase - 1, self.program.ticks(PHASES[phase - 1])  # noqa: PLW2901
            places[number] = phase, tick
        at, begun, length = list[Place](), 0, 0
        ends: list[int] = []
        for text, number in zip(texts, numbers, strict=True):
            length += len(text)
            if not at and number not in places:
                begun = length  # before the step
                continue
            at.append(max(places.get(number, (0, 0)), at[-1] if at else (0, 0)))
            ends.append(length)
        last = PHASES.index(self.last_moment.phase), self.last_moment.tick
        return PrintedText("".join(texts), begun, tuple(at), tuple(ends), last)

    @cached_property
    def carried(self) -> str:
        """What the gradients of parameters begin with, in a few words; empty where they begin with 0."""
        count = len(self.tape.earlier)
        if count:
            return say("script.step.earlier_calls", n=count)
        left = (self.tape.grad_before != 0) & ~zeroed_in_backward(self.tape)
        return say("script.step.left") if left[: self.tape.n_params].any() else ""

    @cached_property
    def remark(self) -> str:
        """What has to be known to read the gradients and the loss of this step; empty for nothing."""
        count = len(self.tape.earlier)
        if count:
            return say("script.step.several_calls", calls=count + 1, n=count)
        return say("script.step.gradients_left") if self.carried else ""

    @property
    def ticks(self) -> int:
        """How many scalars the forward phase makes."""
        return len(self.program.rows)

    def values_at(self, tick: int) -> Floats:
        """All scalars after so many forward ticks, with what was written over them by then."""
        tape, program = self.tape, self.program
        if not len(tape.write_row):
            return program.made_values
        done = int(np.searchsorted(tape.write_tick, tick, side="right"))
        values = program.made_values.copy()
        rows: Rows = program.to_row[tape.write_row[:done]]
        values[rows] = tape.write_value[:done]
        return values

    @cached_property
    def norms(self) -> Mapping[str, Norms]:
        """Norms of every parameter: of its gradient, of the change, and of its values before that."""
        grads, table = self.gradients.final, self.updates
        found = {}
        for name, rows in self.program.parameters.items():
            flat = rows.ravel()
            with np.errstate(all="ignore"):
                parts = grads[flat], table.after[flat] - table.before[flat], table.before[flat]
                found[name] = Norms(*(float(np.sqrt(sum_in_order((x * x).tolist()))) for x in parts))
        return found

    def line(self, stack: Sequence[SourcePosition], called: SourcePosition | None = None) -> SourceLine:
        """The innermost of these places as a line, with those that called it, and one that it called itself.

        Places in a comprehension stand for those of the function around it.
        """
        source: SourceLine | None = None
        function = ""
        for i, at in enumerate(stack):
            if not is_inner(at.function) or not function:
                function = at.function
            if i + 1 < len(stack) and is_inner(stack[i + 1].function):
                continue
            callers = () if source is None else (source, *source.callers)
            source = self._line(at, function, callers)
        if source is None:
            return self._codes[0].source((1, -1, 1, -1))
        return source if called is None else replace(source, called=self._line(called, called.function, ()))

    def is_store(self, at: SourcePosition) -> bool:
        """Whether a place is one that was written to: the left side of an assignment."""
        return at in self._stores

    @cached_property
    def _stores(self) -> set[SourcePosition]:
        tape = self.tape
        numbers = {*np.unique(tape.back_position).tolist(), *np.unique(tape.update_position).tolist()}
        return {tape.positions[number] for number in numbers if number >= 0}

    def _line(self, at: SourcePosition, function: str, callers: tuple[SourceLine, ...]) -> SourceLine:
        code, span = self._codes[at.file], (at.line, at.column, at.end_line, at.end_column)
        if self.is_store(at):
            span = code.statement_at(span)
        return code.source(span, function.rpartition("<locals>.")[2], callers)
