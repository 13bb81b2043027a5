"""`ScriptUpdate`: how the update of a recorded step moves parameters, in the quantities that the script names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.autograd.tape import Rows
from engine.immutable import immutable, immutable_by_identity
from engine.language.say import say
from engine.model.recording import Floats
from engine.script.code import Code
from engine.script.gradients import GradientWrites
from engine.script.parameters import short_name, tail
from engine.script.program import ScriptProgram
from engine.script.tape import MomentGroup
from engine.timeline.update import Optimizer, UpdateStep, UpdateTerm

GRADIENT, PARAMETER = "g", "p"
OF_SCALARS = ("data", "grad", "value", "gradient")  # attributes of scalars themselves, which are shown anyway
RATE = re.compile(r"(?i)(lr|learning_?rate|rate|alpha|eta|step_?size)(_?[a-z]|_?now|_?step)?")
KEY = re.compile(r"\['(\w+)'\]$")  # of a dictionary for each parameter
INDICES = re.compile(r"(\[[^\[\]]*\])+$")


@immutable
class ScriptUpdate(UpdateStep):
    """One parameter's update: gradient, what the script computes from it, moments and parameter before and after."""

    computed: tuple[UpdateTerm, ...]
    written: bool

    @property
    def terms(self) -> tuple[UpdateTerm, ...]:
        """The gradient, the quantities of the script in the order of its lines, and the parameter."""
        return self.computed

    @property
    def unmoved(self) -> str | None:
        """Why the parameter is, to the last bit, what it was before; None if it has changed."""
        last = self.terms[-1]
        if last.value != last.before:
            return None
        if not self.written:
            return say("script.update.not_written")
        return say("script.update.no_gradient") if self.terms[0].value == 0 else say("script.update.unchanged")


@dataclass(slots=True, eq=False)
class Quantity:
    """A number that the update has for each parameter: before, if it lasts, and after; nan where there is none."""

    name: str
    after: Floats
    before: Floats | None = None
    formula: str = ""


def _terms(
    quantities: Sequence[Quantity], row: int, gradient: float, before: float, after: float, formula: str
) -> tuple[UpdateTerm, ...]:
    """The gradient, the quantities that there are of a parameter, and the parameter."""
    terms = [UpdateTerm(GRADIENT, None, gradient, say("script.update.gradient"))]
    for each in quantities:
        if not np.isnan(each.after[row]):
            earlier = None if each.before is None else float(each.before[row])
            terms.append(UpdateTerm(each.name, earlier, float(each.after[row]), each.formula))
    return (*terms, UpdateTerm(PARAMETER, before, after, formula))


@immutable_by_identity
class PastUpdate:
    """The numbers of an earlier step's update, without its tape. `formula` is that of the first parameter."""

    parameters: Mapping[str, Rows]
    gradients: Floats
    before: Floats
    after: Floats
    written: npt.NDArray[np.bool_]
    quantities: Sequence[Quantity]
    formula: str

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        own = sum(each.after.nbytes + (0 if each.before is None else each.before.nbytes) for each in self.quantities)
        return own + self.gradients.nbytes + self.before.nbytes + self.after.nbytes + self.written.nbytes

    def step(self, name: str, index: tuple[int, ...]) -> ScriptUpdate | None:
        """How a number of a parameter was moved; None if there was no such number."""
        rows = self.parameters.get(name)
        if rows is None or rows.ndim != len(index) or any(i >= n for i, n in zip(index, rows.shape, strict=True)):
            return None
        row = int(rows[index])
        numbers = float(self.gradients[row]), float(self.before[row]), float(self.after[row])
        return ScriptUpdate(_terms(self.quantities, row, *numbers, self.formula), bool(self.written[row]))


class UpdateTable:
    """All quantities of the update of one step, by parameter."""

    def __init__(self, program: ScriptProgram, gradients: GradientWrites, codes: Sequence[Code]) -> None:
        self._program, self._gradients, self._codes = program, gradients, codes
        tape = program.tape
        self.n = program.n_params
        self.before: Floats = program.passed_values[: self.n]
        """The parameters as the update finds them."""
        self.rows: Rows = program.to_row[tape.update_row]
        self.after: Floats = self.before.copy()
        self.after[self.rows] = tape.update_value
        self.write: Rows = np.full(self.n, -1, dtype=np.int32)
        """The last write of each parameter, -1 for those that none is written to."""
        self.write[self.rows] = np.arange(len(self.rows))

    def ticks_after(self, writes: int) -> int:
        """How many parameters have their last value after so many writes, up to the last that has."""
        done = np.flatnonzero((self.write >= 0) & (self.write < writes))
        return int(done[-1]) + 1 if len(done) else 0

    @cached_property
    def quantities(self) -> list[Quantity]:
        """In the order of the lines that compute them; those that last from step to step among them."""
        moments = self._moments()
        found: list[Quantity] = []
        for scalar in self._scalars().values():
            moment = moments.pop(scalar.name.rpartition(".")[2], None)
            if moment is not None:
                moment.formula = scalar.formula
            found.append(moment or scalar)
        quantities = [*moments.values(), *found]
        for each in quantities:
            while each.name in (GRADIENT, PARAMETER):  # the names of the gradient and the parameter themselves
                each.name += "_"
        return quantities

    def _scalars(self) -> dict[str, Quantity]:
        """The floats that names held before most parameters were written."""
        tape, found = self._program.tape, dict[str, Quantity]()
        rows = np.append(self.rows, -1)[np.minimum(tape.scalar_write, len(self.rows))]
        moved = len(np.unique(self.rows))
        for site, (position, full) in enumerate(tape.scalar_sites):
            key = KEY.search(full)
            name = key[1] if key else INDICES.sub("", full)
            if name.rpartition(".")[2] in OF_SCALARS and "." in name:
                continue
            at = np.flatnonzero((tape.scalar_site == site) & (rows >= 0))
            if not len(at):
                continue
            each = found.setdefault(name, Quantity(name, np.full(self.n, np.nan)))
            each.after[rows[at]] = tape.scalar_value[at]
            each.formula = each.formula or self._formula(position)
        return {name: each for name, each in found.items() if (~np.isnan(each.after)).sum() * 2 > moved}

    @cached_property
    def learning_rate(self) -> float | None:
        """What the update of this step calls so; None if it calls nothing so, or not one number."""
        tape = self._program.tape
        for site, (_, name) in enumerate(tape.scalar_sites):
            if RATE.fullmatch(name):
                values = np.unique(tape.scalar_value[tape.scalar_site == site])
                return float(values[0]) if len(values) == 1 else None
        for name, value in tape.settings.items():
            if RATE.fullmatch(name) and isinstance(value, float):
                return value
        return None

    def _moments(self) -> dict[str, Quantity]:
        """The lists of floats that changed, one number for each parameter that moves."""
        found: dict[str, Quantity] = {}
        for moment in self._program.tape.moments:
            rows, holder = self._rows_of(moment)
            if len(rows) != len(moment.after) or not (self.write[rows] >= 0).any():
                continue
            whole = short_name(holder)
            name = whole.rpartition(".")[2]  # of an optimiser
            if name in found and not np.isnan(found[name].after[rows]).all():
                name = whole  # another one has some of the same name
            each = found.setdefault(name, Quantity(name, np.full(self.n, np.nan), np.full(self.n, np.nan)))
            assert each.before is not None
            each.after[rows], each.before[rows] = moment.after, moment.before
        return found

    def _rows_of(self, moment: MomentGroup) -> tuple[Rows, str]:
        """The parameters that moments belong to, and what holds them: by the name both share, else by their number."""
        tape, (last, before) = self._program.tape, tail(moment.name)
        for group in tape.params:
            if last and before and tail(group.name)[0] == last and group.size == len(moment.after):
                return self._program.to_row[group.first : group.first + group.size], before
        if len(moment.rows):
            return self._program.to_row[moment.rows], moment.name
        return self._program.to_row[: self.n if len(moment.after) == self.n else 0], moment.name

    def _formula(self, position: int) -> str:
        if position < 0:
            return ""
        at = self._program.tape.positions[position]
        return self._codes[at.file].formula_at(at.line, at.column)

    @cached_property
    def optimizer(self) -> Optimizer:
        """Called by what it remembers."""
        state = tuple(each.name for each in self.quantities if each.before is not None)
        name = say("script.update.with_state", state=say("script.update.and").join(state)) if state else "SGD"
        return Optimizer(name, (GRADIENT, *(each.name for each in self.quantities), PARAMETER), state)

    def step(self, row: int, gradient: float) -> ScriptUpdate:
        """The update of one parameter."""
        numbers = gradient, float(self.before[row]), float(self.after[row])
        return ScriptUpdate(_terms(self.quantities, row, *numbers, self._formula_of(row)), bool(self.write[row] >= 0))

    def _formula_of(self, row: int) -> str:
        write = int(self.write[row])
        return self._formula(int(self._program.tape.update_position[write])) if write >= 0 else ""

    def past(self) -> PastUpdate:
        """What is kept of it when the tape is gone."""
        written = self.write >= 0
        first = int(np.argmax(written)) if written.any() else 0
        return PastUpdate(
            self._program.parameters, self._gradients.final[: self.n].copy(), self.before.copy(), self.after,
            written, self.quantities, self._formula_of(first) if self.n else "",
        )  # fmt: skip
