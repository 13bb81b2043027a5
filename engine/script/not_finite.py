"""The first nan or infinity of a recorded step, and what it was computed from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.script.tape import ScriptTape, SourcePosition

LISTED = 4  # operands


@dataclass(frozen=True, slots=True)
class NotFinite:
    """Where it arose: `how` is a clause that says what gave it."""

    position: SourcePosition | None
    numbers: dict[str, Any]
    how: str


def first_not_finite(tape: ScriptTape) -> NotFinite | None:
    """The first number that is not finite though what it was made from is; None if there is none."""
    return _in_forward(tape) or _in_backward(tape) or _in_update(tape)


def _in_forward(tape: ScriptTape) -> NotFinite | None:
    for row in np.flatnonzero(~np.isfinite(tape.value)).tolist():
        operands = tape.value[tape.children(row)]
        value = float(tape.value[row])
        group = tape.group_of(row)
        if group is not None and np.isin(row, tape.child):
            numbers = {"phase": "start", "name": group.name, "value": value}
            position = tape.position_of(
                int(np.searchsorted(tape.child_start, np.flatnonzero(tape.child == row)[0], "right")) - 1
            )
            return NotFinite(position, numbers, f"{group.name} holds {value} when the step begins")
        if len(operands) == 0 and not math.isnan(value):
            continue  # an infinite constant, such as that of a mask, is meant
        if np.isnan(operands).any() if math.isnan(value) else not np.isfinite(operands).all():
            continue
        op = tape.op_of(row)
        how = f"{op} of {at(operands, tape.extra[row])} gives {value}" if op else f"a scalar is made of {value}"
        numbers = {"phase": "forward", "operation": op, "operands": operands.tolist(), "value": value}
        return NotFinite(tape.position_of(row), numbers, how)
    return None


def _in_backward(tape: ScriptTape) -> NotFinite | None:
    wrong = np.flatnonzero(~np.isfinite(tape.back_value))
    if not len(wrong):
        return None
    first = int(wrong[0])
    row, source, value = int(tape.back_row[first]), int(tape.back_source[first]), float(tape.back_value[first])
    numbers: dict[str, Any] = {"phase": "backward", "of": float(tape.value[row]), "value": value}
    how = f"the gradient of a number ({short(numbers['of'])}) becomes {value}"
    position = _position(tape, tape.back_position[first])
    if source >= 0:
        op, operands = tape.op_of(source), tape.value[tape.children(source)]
        numbers |= {"operation": op, "operands": operands.tolist()}
        how += f", on the way back through {op} of {at(operands, tape.extra[source])}"
        position = tape.position_of(source)
    return NotFinite(position, numbers, how)


def _in_update(tape: ScriptTape) -> NotFinite | None:
    wrong = np.flatnonzero(~np.isfinite(tape.update_value))
    if not len(wrong):
        return None
    first = int(wrong[0])
    before, value = float(tape.value[tape.update_row[first]]), float(tape.update_value[first])
    seen = {each.name: each.value for each in tape.scalars_before(first, first)}
    told = f", with {', '.join(f'{name} = {short(x)}' for name, x in seen.items())}" if seen else ""
    numbers = {"phase": "update", "of": before, "value": value, "values": seen}
    how = f"the update makes {value} of {short(before)}{told}"
    return NotFinite(_position(tape, tape.update_position[first]), numbers, how)


def _position(tape: ScriptTape, number: int) -> SourcePosition | None:
    return tape.positions[number] if number >= 0 else None


def at(operands: Iterable[float], extra: float | None = None) -> str:
    """Operands, of many the first, and a number beside them if there is one, as a list of short numbers."""
    numbers = [*operands, *([] if extra is None or math.isnan(extra) else [extra])]
    more = f" and {len(numbers) - LISTED:,} more" if len(numbers) > LISTED + 1 else ""
    return ", ".join(short(float(x)) for x in numbers[: LISTED if more else None]) + more


def short(x: float) -> str:
    """A number with six digits."""
    return f"{x:.6g}"
