"""Checks a script for faults: records its first training steps, and looks at what they did.

Nothing here knows what the script computes: it looks at operations, gradients and updates, whatever they are called.
"""

from __future__ import annotations

import linecache
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.script import finding, gradient_sums, local_gradients
from engine.script.finding import CheckReport, Finding
from engine.script.local_gradients import Call, Comparison
from engine.script.process import ScriptEnd, ScriptEnded, ScriptProcess
from engine.script.source_file import ScriptFile
from engine.script.tape import ScriptTape, SourcePosition
from engine.text import shortened

STEPS = 3
NAMED = 3  # parameters whose names a sentence gives
ADAPTERS = re.compile(r"lora|adapter", re.IGNORECASE)  # where these move and others do not, that is meant

Place = tuple[str, int]
"""A file, and a line in it."""

OnProgress = Callable[[int, int], None]
"""Told how many steps are recorded, and how many will be."""


@dataclass(slots=True)
class _Parameter:
    """What happened to the numbers of one name, over all steps that were recorded."""

    name: str
    count: int
    use: Place
    """File and line where it is first used."""
    steps: int = 0
    written: int = 0
    """Numbers of the last step whose gradient was written in the backward phase, zeros too."""
    largest: float = 0.0
    """The largest gradient without its sign."""
    moved: bool = False
    updated: bool = False
    """Whether the update writes it, moved or not."""
    left_over: float = 0.0
    """The largest gradient, without its sign, that a step began with and that was the last one of the step before."""


class Checker:
    """Collects what recorded steps show, and makes findings of it."""

    def __init__(self, script: ScriptFile) -> None:
        self.script = script
        self.report = CheckReport()
        self._parameters: dict[str, _Parameter] = {}
        self._last: dict[str, Any] = {}
        self._comparisons: dict[tuple[str, int], list[tuple[Comparison, Place]]] = {}
        self._why: dict[str, str] = {}
        self._update_lines: Counter[Place] = Counter()
        self._found: list[Finding] = []

    def add_step(self, tape: ScriptTape) -> None:
        """Look at a recorded step."""
        self._not_finite(tape)
        self.report.scalars = max(self.report.scalars, tape.n_rows)
        if not tape.complete:
            return
        self.report.steps += 1
        gradients = _last_written(tape.grad_before, tape.back_row, tape.back_value)[: tape.n_params]
        written = np.zeros(tape.n_rows, bool)
        written[tape.back_row] = True
        updated = np.zeros(tape.n_rows, bool)
        updated[tape.update_row] = True
        after = _last_written(tape.value, tape.update_row, tape.update_value)
        self._update_lines.update(_place(tape, tape.positions[at]) for at in tape.update_position if at >= 0)
        uses = _first_uses(tape)
        ends = {}
        for held in tape.params:
            rows = slice(held.first, held.first + held.size)
            parameter = self._parameters.get(held.name)
            if parameter is None:
                use = min(int(uses[rows].min()), tape.n_rows - 1)
                place = _place(tape, tape.position_of(use))
                parameter = self._parameters[held.name] = _Parameter(held.name, held.size, place)
            parameter.steps += 1
            parameter.written = int(written[rows].sum())
            parameter.largest = max(parameter.largest, _largest(gradients[rows]))
            parameter.moved |= bool((after[rows] != tape.value[rows]).any())
            parameter.updated |= bool(updated[rows].any())
            before, last = tape.grad_before[rows], self._last.get(held.name)
            if last is not None and len(last) == held.size and before.any() and (before == last).all():
                parameter.left_over = max(parameter.left_over, _largest(before))
            ends[held.name] = gradients[rows]
        self._last = ends

    def add_comparisons(self, tape: ScriptTape, calls: Sequence[Call], answers: Sequence[dict[str, Any]]) -> None:
        """Look at what operations gave when they were called again."""
        for call, answer in zip(calls, answers, strict=True):
            if "why" in answer:
                self._why.setdefault(call.op, answer["why"])
            place = _place(tape, tape.method_of(call.row) or tape.position_of(call.row))
            for each in local_gradients.compare(call, answer):
                self._comparisons.setdefault((call.op, each.operand), []).append((each, place))

    def add_sums(self, tape: ScriptTape, calls: Sequence[Call], answers: Sequence[dict[str, Any]]) -> None:
        """Look at whether gradients are the sums that they should be; the answers give local gradients of some rows."""
        slopes = {call.row: answer["slopes"] for call, answer in zip(calls, answers, strict=True) if "slopes" in answer}
        wrong = gradient_sums.wrong_sum(tape, slopes)
        if wrong is None or any(each.kind == finding.GRADIENT_SUM for each in self._found):
            return
        value = float(tape.value[wrong.row])
        self._add(
            finding.GRADIENT_SUM, _place(tape, _position(tape, wrong.position)),
            {"value": value, "uses": wrong.uses, "gradient": wrong.gradient, "expected": wrong.expected,
             "wrong": wrong.wrong, "compared": wrong.compared, "step": tape.step},
            f"A number ({_short(value)}) that is used {_times(wrong.uses, 'time')} has the gradient "
            f"{_short(wrong.gradient)} after backward, but what its uses send back is {_short(wrong.expected)} in all. "
            f"So it is with {wrong.wrong:,} of {wrong.compared:,} gradients in step {tape.step}.",
        )  # fmt: skip

    def add_crash(self, end: ScriptEnd, files: Sequence[str]) -> None:
        """Look at the exception that stopped the script."""
        file, line, function, _ = end.traceback[-1]
        told = ", ".join(f"{name} = {shortened(value)}" for name, value in end.values)
        where = f" in {function}" if function != "<module>" else ""
        self._add(
            finding.EXCEPTION, (files[file], line),
            {"error": end.said, "function": function, "steps": end.steps, "values": dict(end.values)},
            f"{end.said}{where}, after {_times(end.steps, 'training step')}{f', where {told}' if told else ''}.",
        )  # fmt: skip

    def finish(self) -> CheckReport:
        """All that was found."""
        self._local_gradients()
        self._parameters_of_the_loss()
        order = list(finding.KINDS)
        self._found.sort(key=lambda each: order.index(each.kind))
        self.report.findings = self._found
        self.report.operations = sorted({op for op, _ in self._comparisons})
        self.report.notes += [f"{op} is not compared with finite differences: {why}" for op, why in self._why.items()]
        return self.report

    def _add(self, kind: str, at: Place, numbers: dict[str, Any], sentence: str) -> None:
        file, line = at
        own = Path(file) == self.script.path.absolute()
        place = self.script.place(line) if own else f"line {line:,}"
        lines = self.script.lines() if own else linecache.getlines(file)
        source = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        self._found.append(Finding(file, line, place, source, kind, numbers, sentence))

    def _local_gradients(self) -> None:
        for (op, operand), points in self._comparisons.items():
            wrong = [(each, place) for each, place in points if not each.agrees]
            if not wrong:
                continue
            worst, place = max(wrong, key=lambda pair: pair[0].difference)
            operands = worst.call.operands
            which = f" by operand {operand + 1}" if len(operands) > 1 else ""
            numbers = {
                "operation": op, "operand": operand, "operands": list(operands), "extra": worst.call.extra,
                "local_gradient": worst.local_gradient, "finite_difference": worst.finite_difference,
                "wrong": len(wrong), "compared": len(points),
            }  # fmt: skip
            self._add(
                finding.LOCAL_GRADIENT, place, numbers,
                f"The local gradient of {op}{which} at {_at(operands, worst.call.extra)} is "
                f"{_short(worst.local_gradient)}, but the slope of {op} there is {_short(worst.finite_difference)}, by "
                f"finite differences. So it is at {len(wrong):,} of {len(points):,} recorded values that were tried.",
            )  # fmt: skip

    def _parameters_of_the_loss(self) -> None:
        every = list(self._parameters.values())
        moving = [each for each in every if each.moved]
        update = self._update_lines.most_common(1)[0][0] if self._update_lines else None
        steps = _times(self.report.steps, "step")
        untouched = [each for each in every if each.steps > 1 and not each.written and not each.largest]
        zeros = _families(each for each in every if each.steps > 1)
        always = [each for family in zeros for each in family if not any(other.largest for other in family)]
        for group, why in (
            (untouched, "backward never adds to the gradient"),
            ([each for each in always if each not in untouched], "all that backward adds is 0"),
        ):
            if group:
                self._add(
                    finding.NO_GRADIENT, group[0].use, _facts(group),
                    f"No gradient reaches {_names(group)} in {steps}: the loss is made from "
                    f"{'it' if len(group) == 1 else 'them'}, but {why}.",
                )  # fmt: skip
        still = [each for each in every if each.largest and not each.moved]
        if still and update:
            if any(ADAPTERS.search(each.name) for each in moving):
                self.report.notes.append(f"{_names(still)} never move; that is taken to be meant, since adapters do")
            else:
                others = sum(each.count for each in moving)
                largest = max(each.largest for each in still)
                self._add(
                    finding.NOT_MOVED, update, {**_facts(still), "largest_gradient": largest, "moving": others},
                    f"The update never moves {_names(still)} in {steps}, though gradients reach "
                    f"{'it' if len(still) == 1 else 'them'}, up to {_short(largest)}. It moves {others:,} others.",
                )  # fmt: skip
        left = [each for each in moving if each.left_over]
        if left and update:
            largest = max(each.left_over for each in left)
            self._add(
                finding.NOT_ZEROED, update, {**_facts(left), "largest_left_over": largest},
                f"Between steps the gradients of {_names(left)} are not set to 0: a step begins with those of the step "
                f"before, the largest {_short(largest)}, and adds its own.",
            )  # fmt: skip

    def _not_finite(self, tape: ScriptTape) -> None:
        if any(each.kind == finding.NOT_FINITE for each in self._found):
            return
        for look in (_first_in_forward, _first_in_backward, _first_in_update):
            found = look(tape)
            if found is not None:
                at, numbers, sentence = found
                self._add(finding.NOT_FINITE, at, {"step": tape.step, **numbers}, sentence)
                return


def check(
    path: Path,
    args: Sequence[str] = (),
    data: Path | None = None,
    python: str | None = None,
    steps: int = STEPS,
    progress: OnProgress | None = None,
) -> CheckReport:
    """Run a script for some training steps and look for faults.

    Raises ScriptError for one that cannot be run or recorded.
    """
    script = ScriptFile.read(path)
    checker = Checker(script)
    with ScriptProcess(path, args, data, python, source=script.text) as process:
        try:
            for step in range(steps):
                tape = process.record(step)
                checker.add_step(tape)
                if tape.complete:
                    calls = local_gradients.chosen_calls(tape)
                    checker.add_comparisons(tape, calls, process.evaluate([each.message() for each in calls]))
                    calls = gradient_sums.calls_for_sums(tape)
                    checker.add_sums(
                        tape, calls, process.evaluate([{**each.message(), "shifts": []} for each in calls])
                    )
                if progress is not None:
                    progress(step + 1, steps)
        except ScriptEnded:
            assert process.end is not None
            if process.end.kind == "crash":
                checker.add_crash(process.end, (str(path.resolve()),))
            elif not checker.report.steps:
                raise
    return checker.finish()


def _place(tape: ScriptTape, position: SourcePosition | None) -> Place:
    """File and line of a position; the first line of the script where it is not known."""
    return (tape.files[position.file], position.line) if position else (tape.files[0], 1)


def _position(tape: ScriptTape, number: int) -> SourcePosition | None:
    return tape.positions[number] if number >= 0 else None


def _last_written(start: Any, rows: Any, values: Any) -> Any:
    """The numbers after writes, in their order."""
    end = np.array(start, dtype=float)
    end[rows] = values
    return end


def _largest(gradients: Any) -> float:
    sizes = np.abs(gradients)
    return float(np.nanmax(sizes)) if np.isfinite(sizes).any() else 0.0


def _first_uses(tape: ScriptTape) -> Any:
    """Of each parameter the first row that is made from it; `n_rows` where there is none."""
    parents = np.repeat(np.arange(tape.n_rows), np.diff(tape.child_start))
    first = np.full(tape.n_rows, tape.n_rows)
    np.minimum.at(first, tape.child, parents)
    return first[: tape.n_params]


def _first_in_forward(tape: ScriptTape) -> tuple[Place, dict[str, Any], str] | None:
    for row in np.flatnonzero(~np.isfinite(tape.value)):
        operands = tape.value[tape.children(int(row))]
        value = float(tape.value[row])
        if len(operands) == 0 and not math.isnan(value):
            continue  # an infinite constant, such as that of a mask, is meant
        if np.isnan(operands).any() if math.isnan(value) else not np.isfinite(operands).all():
            continue
        at = _place(tape, tape.position_of(int(row)))
        op = tape.ops[tape.op[row]]
        how = (
            f"{op} of {_at(operands, tape.extra[row])} gives {value}"
            if len(operands)
            else f"a scalar is made of {value}"
        )
        numbers = {"phase": "forward", "operation": op, "operands": operands.tolist(), "value": value}
        return at, numbers, f"The first number that is not finite: {how}, in step {tape.step}."
    return None


def _first_in_backward(tape: ScriptTape) -> tuple[Place, dict[str, Any], str] | None:
    wrong = np.flatnonzero(~np.isfinite(tape.back_value))
    if not len(wrong):
        return None
    at = int(wrong[0])
    row, source, value = int(tape.back_row[at]), int(tape.back_source[at]), float(tape.back_value[at])
    before = np.flatnonzero(tape.back_row[:at] == row)
    numbers: dict[str, Any] = {
        "phase": "backward", "value": float(tape.value[row]), "gradient": value,
        "gradient_before": float(tape.back_value[before[-1]] if len(before) else tape.grad_before[row]),
    }  # fmt: skip
    how = f"the gradient of a number ({_short(numbers['value'])}) becomes {value}"
    place = _position(tape, tape.back_position[at])
    if source >= 0:
        op = tape.ops[tape.op[source]]
        operands = tape.value[tape.children(source)]
        numbers |= {"operation": op, "operands": operands.tolist()}
        how += f", from {op} of {_at(operands, tape.extra[source])}"
        place = tape.position_of(source)
    return _place(tape, place), numbers, f"The first number that is not finite: {how}, in step {tape.step}."


def _first_in_update(tape: ScriptTape) -> tuple[Place, dict[str, Any], str] | None:
    wrong = np.flatnonzero(~np.isfinite(tape.update_value))
    if not len(wrong):
        return None
    at = int(wrong[0])
    row, value = int(tape.update_row[at]), float(tape.update_value[at])
    seen = {each.name: each.value for each in tape.update_scalars if each.write == at}
    before = float(tape.value[row])
    numbers = {"phase": "update", "before": before, "value": value, "values": seen}
    told = "".join(f", {name} = {_short(x)}" for name, x in seen.items())
    return (
        _place(tape, _position(tape, tape.update_position[at])), numbers,
        f"The first number that is not finite: the update makes {value} of {_short(before)}{told}, "
        f"in step {tape.step}.",
    )  # fmt: skip


def _families(parameters: Iterable[_Parameter]) -> list[list[_Parameter]]:
    """Parameters whose names differ in numbers only: those of all layers, or of all neurons."""
    families: dict[str, list[_Parameter]] = {}
    for each in parameters:
        families.setdefault(re.sub(r"\d+", "#", each.name), []).append(each)
    return list(families.values())


def _facts(group: Sequence[_Parameter]) -> dict[str, Any]:
    return {"names": [each.name for each in group], "count": sum(each.count for each in group)}


def _names(group: Sequence[_Parameter]) -> str:
    """The names of parameters, of many the first ones, and how many numbers they are."""
    names = [each.name for each in group[:NAMED]]
    if len(group) > NAMED:
        names.append(f"{len(group) - NAMED:,} more")
    count = sum(each.count for each in group)
    return (
        f"{' and '.join([', '.join(names[:-1]), names[-1]] if len(names) > 1 else names)} ({_times(count, 'number')})"
    )


def _times(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _short(x: float) -> str:
    return f"{x:.6g}"


def _at(operands: Iterable[float], extra: float | None) -> str:
    known = [] if extra is None or math.isnan(extra) else [extra]
    return ", ".join(_short(float(x)) for x in (*operands, *known))
