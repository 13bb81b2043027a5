"""Checks a script for faults: records some of its training steps, and looks at what they did.

Nothing here knows what the script computes: it looks at operations, gradients and updates, whatever they are called.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.language.say import say
from engine.script import findings
from engine.script.findings import CheckReport, ScriptFinding
from engine.script.gradient_sums import calls_for_sums, sent_again, wrong_sum
from engine.script.local_gradients import Call, SlopeComparison, chosen_calls, compared_slopes
from engine.script.not_finite import at, first_not_finite, short
from engine.script.parameter_history import Outside, ParameterHistory, ParameterRecord
from engine.script.parameters import names_of
from engine.script.process import ScriptEnd, ScriptEnded, ScriptProcess
from engine.script.run import ScriptOptions
from engine.script.source_file import ScriptFile
from engine.script.tape import ScriptTape, SourcePosition
from engine.text import shortened

STEPS = 3
MOST_CALLS = 100  # of backward, after which nothing moves, until that is told
NAMED = 3  # parameters whose names a sentence gives

OnProgress = Callable[[int, int], None]
"""Told how many steps are done, and how many will be."""


def check(
    path: Path,
    options: ScriptOptions = ScriptOptions(),  # noqa: B008
    first: int = 0,
    steps: int = STEPS,
    progress: OnProgress | None = None,
) -> CheckReport:
    """Run a script, record its training steps from number `first` on, and look for faults.

    Raises ScriptError for one that cannot be run or recorded, or that has no such step.
    """
    script = ScriptFile.read(path)
    checker = _Checker(script)

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, first + steps)

    with ScriptProcess(script, options.args, options.data, options.python, options.step_at, options.large) as process:
        try:
            for step in range(first, first + steps):
                tape = process.record(step, tell, most_calls=MOST_CALLS)
                checker.add_tape(tape)
                calls = chosen_calls(tape) if checker.is_finite else []
                answers = process.evaluate([each.message() for each in calls])
                if process.end is not None or not checker.is_finite:
                    break
                checker.add_comparisons(tape, calls, answers)
                calls = calls_for_sums(tape, calls)
                checker.add_sums(tape, calls, process.evaluate([each.without_shifts() for each in calls]))
                checker.history.add(tape)
                last = step + 1 == first + steps
                if not tape.complete or (last and not checker.history.moving):
                    checker.add_standstill(tape)
                    break
        except ScriptEnded:
            if not checker.report.steps and (process.end is None or process.end.kind != "crash"):
                raise
        if process.end is not None and process.end.kind == "crash":
            checker.add_crash(process.end)
    return checker.finish()


class _Checker:
    """Collects what recorded steps show, and makes findings of it."""

    def __init__(self, script: ScriptFile) -> None:
        self.script = script
        self.files: tuple[str, ...] = (str(script.path.resolve()),)
        self.report = CheckReport()
        self.history = ParameterHistory()
        self.comparisons: dict[str, list[tuple[SlopeComparison, SourcePosition | None]]] = {}
        self.not_compared: dict[str, str] = {}

    @property
    def is_finite(self) -> bool:
        """Whether no nan and no infinity has come up; all that follows after one is its consequence."""
        return not self._has(findings.NOT_FINITE)

    def add_tape(self, tape: ScriptTape) -> None:
        """Look at the numbers of a step, or of as much of it as was recorded."""
        self.files = tape.files
        self.report.scalars = max(self.report.scalars, tape.n_rows)
        arisen = first_not_finite(tape)
        if arisen is not None:
            self._add(
                findings.NOT_FINITE, arisen.position, {"step": tape.step, **arisen.numbers},
                say("script.check.not_finite", step=tape.step, how=arisen.how),
            )  # fmt: skip
        self.report.steps += tape.complete

    def add_comparisons(self, tape: ScriptTape, calls: Sequence[Call], answers: Sequence[dict[str, Any]]) -> None:
        """Look at what operations gave when they were called again."""
        for call, answer in zip(calls, answers, strict=True):
            if "why" in answer:
                why = say(f"script.child.answer.{answer['why']}", **answer.get("what", {}))
                self.not_compared.setdefault(call.op, why)
                continue
            if answer["value"] != tape.value[call.row]:
                self.not_compared.setdefault(call.op, say("script.check.other_result"))
                continue
            for each in compared_slopes(call, answer):
                position = _line_of_slope(tape, call.row, each.operand)
                self.comparisons.setdefault(call.op, []).append((each, position))

    def add_sums(self, tape: ScriptTape, calls: Sequence[Call], answers: Sequence[dict[str, Any]]) -> None:
        """Look at whether gradients are the sums that they should be; the answers give local gradients of some rows."""
        again = sent_again(tape)
        if len(again) and not self._has(findings.NOT_ZEROED):
            row = int(again[0])
            numbers = {"step": tape.step, "count": len(again), "of": float(tape.value[row])}
            self._add(
                findings.NOT_ZEROED, tape.position_of(row), {**numbers, "left_over": float(tape.grad_before[row])},
                say("script.check.sent_again", count=_count("numbers", len(again)), step=tape.step,
                    left=short(float(tape.grad_before[row]))),
            )  # fmt: skip
        slopes = {call.row: answer["slopes"] for call, answer in zip(calls, answers, strict=True) if "slopes" in answer}
        wrong = wrong_sum(tape, slopes)
        if wrong is None or self._has(findings.GRADIENT_SUM):
            return
        value = float(tape.value[wrong.row])
        numbers = {
            "step": tape.step, "of": value, "uses": wrong.uses, "gradient": wrong.gradient, "sum": wrong.expected,
            "wrong": wrong.wrong, "compared": wrong.compared,
        }  # fmt: skip
        self._add(
            findings.GRADIENT_SUM, tape.positions[wrong.position] if wrong.position >= 0 else None, numbers,
            say("script.check.wrong_sum", number=short(value), times=_count("times", wrong.uses),
                gradient=short(wrong.gradient), expected=short(wrong.expected), wrong=wrong.wrong,
                compared=wrong.compared, step=tape.step),
        )  # fmt: skip

    def add_standstill(self, tape: ScriptTape) -> None:
        """Look at backward calls after which nothing has moved."""
        group = [each for each in self.history.parameters.values() if each.largest]
        others = list(self.history.outside.values())
        at_loss, ends = tape.position_of(tape.loss_row), say("script.check.no_step")
        if tape.complete:  # they are written, but move by nothing
            if self.history.steps == 1:
                self.report.notes.append(say("script.check.one_step"))
                return
            ends = say("script.check.nothing_trained", steps=_count("steps", self.history.steps))
        if not group:
            if others:
                self._add_outside(others, None, ends)
            elif not self.history.without_gradient and not self.history.with_zeros:
                self._add(
                    findings.NOT_MOVED, at_loss, {"names": [], "count": 0, "moving": 0},
                    say("script.check.nothing_moves", ends=ends),
                )  # fmt: skip
            return
        position, how = at_loss, say("script.check.how.unwritten")
        if others and not any(each.updated for each in group):
            position = others[0].position
            how = say("script.check.how.others", others=_names(others))
        elif len(tape.update_position):
            position = tape.positions[tape.update_position[0]]
            how = say("script.check.how.same_values")
        self._add(
            findings.NOT_MOVED, position, {**_facts(group), "moving": 0},
            say("script.check.standstill", group=_names(group), largest=short(max(each.largest for each in group)),
                how=how, ends=ends),
        )  # fmt: skip

    def _add_outside(self, group: Sequence[Outside], steps: str | None, *more: str) -> None:
        """Tell of numbers that the update goes over, and where the graph between them and the loss is cut.

        `steps` says in how many steps the loss was not made from them; None: in the present one.
        """
        update, cuts = group[0].position, [each.cut for each in group if each.cut is not None]
        cut = next((each for each in cuts if each.value is not None), cuts[0] if cuts else None)
        moved = sum(each.moved for each in group)
        numbers: dict[str, Any] = {**_facts(group), "moved": moved, "update": self._where(update)}
        position, why = update, say("script.check.cut.nothing_made")
        if cut is not None:
            position, numbers["value"] = cut.position, cut.value
            place = self._place(cut.position.file, cut.position.line)
            if cut.value is None:
                why = say("script.check.cut.ends", place=place)
            else:
                why = say("script.check.cut.bare_value", place=place, value=short(cut.value))
        told: dict[str, Any] = {"group": _names(group), "moved": moved}
        if update:
            told["place"] = self._place(update.file, update.line)
            how = say("script.check.update.moves_in" if moved else "script.check.update.goes_over_in", **told)
        else:
            how = say("script.check.update.moves" if moved else "script.check.update.goes_over", **told)
        if steps is None:
            sentence = say("script.check.outside", how=how, why=why)
        else:
            sentence = say("script.check.outside_in", how=how, why=why, steps=steps)
        self._add(findings.NOT_IN_LOSS, position, numbers, " ".join((sentence, *more)))

    def add_crash(self, end: ScriptEnd) -> None:
        """Look at the exception that stopped the script."""
        if not end.traceback:
            return
        self.files = end.files
        file, line, function, _ = end.traceback[-1]
        position = SourcePosition(file, line, -1, line, -1, function)
        values = {name: value for name, value in end.values if not value.startswith("<module ")}
        told = ", ".join(f"{name} = {shortened(value)}" for name, value in values.items())
        sentence = say("script.check.stopped", steps=_count("training_steps", end.steps), said=end.said.rstrip("."))
        if len(end.traceback) > 1:
            sentence = say("script.check.called_in", sentence=sentence, place=self._place(*end.traceback[-2][:2]))
        if told:
            sentence = say("script.check.with_values", sentence=sentence, values=told)
        if end.hint and not self.report.scalars:
            self.report.notes.append(f"{end.hint[0].upper()}{end.hint[1:]}.")
        self._add(
            findings.EXCEPTION, position,
            {"error": end.said, "steps": end.steps, "values": values, "traceback": [list(at) for at in end.traceback]},
            f"{sentence}.",
        )  # fmt: skip

    def finish(self) -> CheckReport:
        """All that was found."""
        self._compare_local_gradients()
        self._look_at_parameters()
        self.report.findings.sort(key=lambda each: findings.KINDS.index(each.kind))
        self.report.operations = sorted(self.comparisons)
        self.report.notes += [
            say("script.check.not_compared", op=op, why=why)
            for op, why in self.not_compared.items()
            if op not in self.report.operations
        ]
        return self.report

    def _has(self, kind: str) -> bool:
        return any(each.kind == kind for each in self.report.findings)

    def _add(self, kind: str, position: SourcePosition | None, numbers: dict[str, Any], sentence: str) -> None:
        file, line = (position.file, position.line) if position else (0, 1)
        path = self.files[file] if file < len(self.files) else self.files[0]
        lines = self.script.lines() if file == 0 else linecache.getlines(path)
        source = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        self.report.findings.append(ScriptFinding(path, line, self._place(file, line), source, kind, numbers, sentence))

    def _where(self, position: SourcePosition | None) -> dict[str, Any] | None:
        """A place as a finding has it."""
        if position is None:
            return None
        file, line = position.file, position.line
        return {"file": self.files[file], "line": line, "place": self._place(file, line)}

    def _place(self, file: int, line: int) -> str:
        """What a line is called."""
        return (
            self.script.place(line)
            if file == 0
            else say("script.check.line_of", file=Path(self.files[file]).name, line=line)
        )

    def _compare_local_gradients(self) -> None:
        for op, points in self.comparisons.items():
            wrong = [(each, position) for each, position in points if not each.agrees]
            if not wrong:
                continue
            worst, position = max(wrong, key=lambda pair: pair[0].difference)
            operands, extra = worst.call.operands, worst.call.extra
            told = {
                "op": op, "operands": at(operands, extra), "operand": worst.operand + 1, "wrong": len(wrong),
                "local_gradient": short(worst.local_gradient), "slope": short(worst.finite_difference),
                "compared": len(points),
            }  # fmt: skip
            numbers = {
                "operation": op, "operand": worst.operand + 1, "operands": list(operands), "extra": extra,
                "local_gradient": worst.local_gradient, "finite_difference": worst.finite_difference,
                "wrong": len(wrong), "compared": len(points),
            }  # fmt: skip
            self._add(
                findings.LOCAL_GRADIENT, position, numbers,
                say(
                    "script.check.local_gradient_by" if len(operands) > 1 else "script.check.local_gradient", **told
                ),
            )  # fmt: skip

    def _look_at_parameters(self) -> None:
        history = self.history
        steps = _count("steps", history.steps)
        update = history.update_lines.most_common(1)[0][0] if history.update_lines else None
        for group, case in ((history.without_gradient, "unwritten"), (history.with_zeros, "zeros")):
            if group and not history.has_adapters:
                self._add(
                    findings.NO_GRADIENT, group[0].use, _facts(group),
                    say(f"script.check.no_gradient.{case}", group=_names(group), steps=steps),
                )  # fmt: skip
        still = history.still if history.moving else []
        if still and history.has_adapters:
            self.report.notes.append(say("script.check.adapters", still=_names(still)))
        elif still:
            others = sum(each.count for each in history.moving)
            largest = max(each.largest for each in still)
            self._add(
                findings.NOT_MOVED, update, {**_facts(still), "largest_gradient": largest, "moving": others},
                say("script.check.still", still=_names(still), largest=short(largest), steps=steps, others=others),
            )  # fmt: skip
        partly = [] if history.has_adapters else history.partly_still
        if partly:
            count = sum(int((each.left_out > history.least).sum()) for each in partly)
            largest = max(float(each.left_out.max()) for each in partly)
            first = [int(np.argmax(each.left_out > history.least)) for each in partly]
            self._add(
                findings.NOT_MOVED, update,
                {**_facts(partly), "still": count, "first_still": first, "largest_gradient": largest},
                say("script.check.partly_still", count=_count("numbers", count), partly=_names(partly),
                    largest=short(largest), steps=steps, first=first[0], name=partly[0].container.name),
            )  # fmt: skip
        data = history.data
        if data:
            self.report.notes.append(say("script.check.data", data=_names(data, are_parameters=False)))
        beside = history.beside_the_loss
        if beside:
            self._add_outside(beside, steps)
        left = history.left_over
        if left:
            largest = max(each.left_over for each in left)
            self._add(
                findings.NOT_ZEROED, update, {**_facts(left), "largest_left_over": largest},
                say("script.check.left_over", left=_names(left), largest=short(largest)),
            )  # fmt: skip


def _line_of_slope(tape: ScriptTape, row: int, operand: int) -> SourcePosition | None:
    """Where an operation keeps its local gradients or, where only its closure knows them, where that passes them on."""
    if np.isnan(tape.locals_of(row)).any():
        child = tape.children(row)[operand]
        writes = tape.back_position[(tape.back_source == row) & (tape.back_row == child)]
        if len(writes) and writes[0] >= 0:
            return tape.positions[int(writes[0])]
    return tape.method_of(row) or tape.position_of(row)


def _facts(group: Sequence[ParameterRecord | Outside]) -> dict[str, Any]:
    containers = [each.container for each in group]
    holders = [each.holder for each in containers]
    return {"names": names_of(containers), "holders": holders, "count": sum(each.count for each in group)}


def _names(group: Sequence[ParameterRecord | Outside], are_parameters: bool = True) -> str:
    """The names of parameters, of many the first ones, and how many numbers they are."""
    found = names_of([each.container for each in group])
    names = found[:NAMED]
    if len(found) > NAMED:
        names.append(say("script.check.more", count=len(found) - NAMED))
    listed = say("script.check.and").join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    told = {"names": listed, "count": _count("numbers", sum(each.count for each in group))}
    return say("script.check.parameters", n=len(found), **told) if are_parameters else say("script.check.names", **told)


def _count(what: str, count: int) -> str:
    return say(f"script.check.count.{what}", n=count)
