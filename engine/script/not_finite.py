"""The first nan or infinity of a recorded step, and what it was computed from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.immutable import immutable
from engine.language.say import say
from engine.script.parameters import containers_of
from engine.script.tape import ScriptTape, SourcePosition

LISTED = 4  # operands


@immutable
class NotFinite:
    """Where it arose: `how` is a clause that says what gave it."""

    position: SourcePosition | None
    numbers: dict[str, Any]
    how: str


def first_not_finite(tape: ScriptTape) -> NotFinite | None:
    """The first number that is not finite though what it was made from is; None if there is none."""
    written = _Written(tape)
    return _in_forward(tape, written) or _in_backward(tape, written) or _in_update(tape, written)


class _Written:
    """The values of scalars as the forward phase writes over them, and which of these writes are infinite."""

    def __init__(self, tape: ScriptTape) -> None:
        self.values = tape.value.copy()
        """As far as the writes have been taken in."""
        self.infinite: dict[int, NotFinite] = {}
        """By row. An infinity that is written over a number may be meant, such as that of a mask."""
        self._tape, self._next = tape, 0
        self._ticks = np.concatenate([[0], np.cumsum(np.diff(tape.child_start)[tape.n_params :] > 0)])

    def up_to(self, row: int) -> NotFinite | None:
        """Take in the writes before a row was made, all with the number of rows; return the first of nan."""
        tape = self._tape
        ticks = self._ticks[max(row - tape.n_params, 0)]
        while self._next < len(tape.write_row) and tape.write_tick[self._next] <= ticks:
            i, self._next = self._next, self._next + 1
            written, value = int(tape.write_row[i]), float(tape.write_value[i])
            before = float(self.values[written])
            self.values[written] = value
            if math.isfinite(value):
                self.infinite.pop(written, None)
            elif math.isfinite(before):
                found = NotFinite(
                    _position(tape, tape.write_position[i]), {"phase": "forward", "of": before, "value": value},
                    say("script.not_finite.written_over", value=value, before=short(before)),
                )  # fmt: skip
                if math.isnan(value):
                    return found
                self.infinite[written] = found
        return None

    def among(self, rows: Iterable[int]) -> NotFinite | None:
        """The write of an infinity over one of these rows."""
        return next((self.infinite[row] for row in rows if row in self.infinite), None)


def _in_forward(tape: ScriptTape, written: _Written) -> NotFinite | None:
    for row in np.flatnonzero(~np.isfinite(tape.value)).tolist():
        of_nan = written.up_to(row)
        if of_nan is not None:
            return of_nan
        operands = written.values[tape.children(row)]
        value = float(tape.value[row])
        group = tape.group_of(row)
        if group is not None and np.isin(row, tape.child):
            name = containers_of(tape)[group.name].name
            position = tape.position_of(
                int(np.searchsorted(tape.child_start, np.flatnonzero(tape.child == row)[0], "right")) - 1
            )
            numbers = {"phase": "start", "name": name, "value": value}
            return NotFinite(position, numbers, say("script.not_finite.holds", name=name, value=value))
        if len(operands) == 0 and not math.isnan(value):
            continue  # an infinite constant, such as that of a mask, is meant
        if np.isnan(operands).any() if math.isnan(value) else not np.isfinite(operands).all():
            continue
        infinite = written.among(tape.children(row))
        if infinite is not None:
            return infinite
        op = tape.op_of(row)
        how = (
            say("script.not_finite.gives", op=op, operands=at(operands, tape.extra[row]), value=value)
            if op
            else say("script.not_finite.scalar_made", value=value)
        )
        numbers = {"phase": "forward", "operation": op, "operands": operands.tolist(), "value": value}
        return NotFinite(tape.position_of(row), numbers, how)
    return written.up_to(tape.n_rows) or written.among([tape.loss_row])


def _in_backward(tape: ScriptTape, written: _Written) -> NotFinite | None:
    wrong = np.flatnonzero(~np.isfinite(tape.back_value))
    if not len(wrong):
        return None
    first = int(wrong[0])
    row, source, value = int(tape.back_row[first]), int(tape.back_source[first]), float(tape.back_value[first])
    numbers: dict[str, Any] = {"phase": "backward", "of": float(tape.value[row]), "value": value}
    told: dict[str, Any] = {"number": short(numbers["of"]), "value": value}
    how = say("script.not_finite.gradient_becomes", **told)
    position = _position(tape, tape.back_position[first])
    if source >= 0:
        infinite = written.among((source, *tape.children(source)))
        if infinite is not None:
            return infinite
        op, operands = tape.op_of(source), tape.value[tape.children(source)]
        numbers |= {"operation": op, "operands": operands.tolist()}
        how = say(
            "script.not_finite.gradient_becomes_through", **told, op=op, operands=at(operands, tape.extra[source])
        )
        position = tape.position_of(source)
    return NotFinite(position, numbers, how)


def _in_update(tape: ScriptTape, written: _Written) -> NotFinite | None:
    wrong = np.flatnonzero(~np.isfinite(tape.update_value))
    if not len(wrong):
        return None
    first = int(wrong[0])
    row, value = int(tape.update_row[first]), float(tape.update_value[first])
    infinite = written.among([row])
    if infinite is not None:
        return infinite
    before = float(written.values[row])
    seen = {each.name: each.value for each in tape.scalars_before(first, first)}
    numbers = {"phase": "update", "of": before, "value": value, "values": seen}
    told = {"value": value, "before": short(before)}
    if seen:
        listed = ", ".join(f"{name} = {short(x)}" for name, x in seen.items())
        how = say("script.not_finite.update_makes_with", **told, seen=listed)
    else:
        how = say("script.not_finite.update_makes", **told)
    return NotFinite(_position(tape, tape.update_position[first]), numbers, how)


def _position(tape: ScriptTape, number: int) -> SourcePosition | None:
    return tape.positions[number] if number >= 0 else None


def at(operands: Iterable[float], extra: float | None = None) -> str:
    """Operands, of many the first, and a number beside them if there is one, as a list of short numbers."""
    numbers = [*operands, *([] if extra is None or math.isnan(extra) else [extra])]
    if len(numbers) <= LISTED + 1:
        return ", ".join(short(float(x)) for x in numbers)
    first = ", ".join(short(float(x)) for x in numbers[:LISTED])
    return say("script.not_finite.more", numbers=first, count=len(numbers) - LISTED)


def short(x: float) -> str:
    """A number with six digits."""
    return f"{x:.6g}"
