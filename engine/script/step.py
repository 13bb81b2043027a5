"""`RecordedStep`: the tape of one step, and all that is derived from it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from engine.autograd.tape import Rows
from engine.model.recording import Floats
from engine.model.tokenizer import Tokenizer
from engine.numerics import sum_in_order
from engine.script.code import Code
from engine.script.program import ScriptProgram
from engine.script.tape import ScriptTape, SourcePosition
from engine.script.tensors import is_inner
from engine.script.update import UpdateTable
from engine.timeline.events import Phase
from engine.timeline.explainer import SourceLine
from engine.timeline.history import Norms


class RecordedStep:
    """One recorded step of a script, whose files are `codes`."""

    def __init__(self, tape: ScriptTape, codes: Sequence[Code], tokenizer: Tokenizer, doc: str) -> None:
        self.tape, self._codes = tape, codes
        self.program = ScriptProgram(tape, codes, tokenizer, doc)
        self.updates = UpdateTable(self.program, codes)

    def prepare(self) -> None:
        """Do now what would make the first keys in this step slow."""
        program = self.program
        for phase in Phase:
            program.events(phase)
        program.gradients.prepare()
        program.users, program.touched, program.contributions, self.norms, self.updates.quantities  # noqa: B018

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return 2 * self.tape.nbytes  # what is derived is as large again

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
        grads, table = self.program.gradients.final, self.updates
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
