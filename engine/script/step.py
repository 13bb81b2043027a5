"""`RecordedStep`: the tape of one step, and all that is derived from it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from engine.autograd.tape import Rows
from engine.model.recording import Floats
from engine.model.tokenizer import Tokenizer
from engine.numerics import sum_in_order
from engine.script.code import Code
from engine.script.program import ScriptProgram
from engine.script.tape import ScriptTape, SourcePosition
from engine.script.update import UpdateTable
from engine.timeline.explainer import SourceLine
from engine.timeline.history import Norms


class RecordedStep:
    """One recorded step of a script, whose files are `codes`."""

    def __init__(self, tape: ScriptTape, codes: Sequence[Code], tokenizer: Tokenizer, doc: str) -> None:
        self.tape, self._codes = tape, codes
        self.program = ScriptProgram(tape, codes, tokenizer, doc)
        self.updates = UpdateTable(self.program, codes)

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return 3 * self.tape.nbytes  # what is derived is as large again, twice

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
            parts = grads[flat], table.after[flat] - table.before[flat], table.before[flat]
            with np.errstate(all="ignore"):
                found[name] = Norms(*(float(np.sqrt(sum_in_order((x * x).tolist()))) for x in parts))
        return found

    def line(self, stack: Sequence[SourcePosition]) -> SourceLine:
        """The innermost of these places as a line, with those that called it."""
        source: SourceLine | None = None
        for at in stack:
            callers = () if source is None else (source, *source.callers)
            span = at.line, at.column, at.end_line, at.end_column
            source = self._codes[at.file].source(span, at.function.rpartition("<locals>.")[2], callers)
        if source is None:
            return self._codes[0].source((1, -1, 1, -1))
        return source
