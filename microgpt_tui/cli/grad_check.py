"""`microgpt-tui grad-check`: gradients beside central finite differences, for one scalar or for a whole matrix."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from engine.errors import ConfigError, ExpressionError
from engine.model.config import Config
from engine.text import quoted
from microgpt_tui.cli._exit import Failure, print_result
from microgpt_tui.cli._json import json_text
from microgpt_tui.cli._options import DATA, OUTPUT, data_option, examples, hyperparameters, split_option, step_option
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import check_step, session_at

if TYPE_CHECKING:
    from engine.run.gradcheck import CheckedGradient, GradientChecker, Summary


@click.command(
    name="grad-check",
    epilog=examples(
        'microgpt-tui grad-check --param "layer0.attn_wq[3, 5]"',
        "microgpt-tui grad-check --step 100 --matrix wte",
        'microgpt-tui grad-check --scalar "q[0, 3]@pos=2" --h 1e-4',
        "microgpt-tui grad-check --matrix wpe --json | jq -c '[.name, .gradient, .finite_difference]'",
    ),
)
@step_option("At which training step, counted from 0: as many steps are trained first.")
@click.option("--param", metavar="NAME[I, J]", help="One parameter, as in layer0.attn_wq[3, 5].", panel=DATA)
@click.option("--matrix", metavar="NAME", help="Every parameter of a matrix, as in wte.", panel=DATA)
@click.option(
    "--scalar",
    metavar="NAME[...]@pos=N",
    help="One number that the forward phase makes, as in q[0, 3]@pos=2: layer and head, if it has them, then the "
    "index. It is moved after it was made, and the forward phase goes on from there.",
    panel=DATA,
)
@click.option(
    "--h",
    type=float,
    help="How far to move either way. Without it: the cube root of the machine's epsilon, 6.06e-6, times the size of "
    "the number where that is above 1; there the errors of cutting off and of rounding are least together.",
    panel=DATA,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a scalar and line, with all bits.", panel=OUTPUT)
@data_option
@split_option
@hyperparameters
def grad_check(
    config: Config,
    step: int,
    param: str | None,
    matrix: str | None,
    scalar: str | None,
    h: float | None,
    as_json: bool,
    data: Path | None,
    split: str,
) -> None:
    """Compare gradients with central finite differences of the loss, (loss(x + h) - loss(x - h)) / 2h.

    The loss is that of the step's document, computed by the engine's own forward phase at the parameters that the step
    starts from. There is no tolerance: both numbers, h, both losses and the difference are shown, for you to judge.

    For a matrix: the largest difference and where it is, and how many relative differences there are of each size.
    Where x + h and x - h leave another set of ReLU units on, the loss has a corner between them, and the two numbers
    may honestly differ; those units are named.
    """
    check_step(step, config)
    if (param is not None) + (matrix is not None) + (scalar is not None) != 1:
        raise ConfigError("give one of --param, --matrix and --scalar, to say what to check")
    from engine.run.gradcheck import GradientChecker

    checker = GradientChecker(session_at(config, data, split, step), step)
    if matrix is not None:
        _check_matrix(checker, matrix, h, as_json)
        return
    text, flag = (param, "--param") if param is not None else (scalar, "--scalar")
    try:
        row = checker.row(text or "")
    except ExpressionError as error:
        raise Failure(f"{flag}: {error.reason}") from error
    if flag == "--param" and row >= checker.recording.n_params:
        raise Failure(f"--param: {text} is no parameter; check it with --scalar")
    check = checker.check(row, h)
    if as_json:
        sys.stdout.write(_json(check))
    else:
        print_result(_text(checker, check))


def _check_matrix(checker: GradientChecker, matrix: str, h: float | None, as_json: bool) -> None:
    from engine.run.gradcheck import Summary

    rows, summary = checker.matrix(matrix).ravel(), Summary()
    with Waiting(f"Checking {matrix}", total=float(len(rows)), stream=sys.stderr) as waiting:
        for check in (checker.check(int(row), h) for row in rows):
            summary = summary.adding(check)
            waiting.update(summary.count, f"{summary.count:,} of {len(rows):,}")
            if as_json:
                sys.stdout.write(_json(check))
    if not as_json:
        print_result(_summary_text(checker, matrix, summary))


def _json(check: CheckedGradient) -> str:
    derived = {"difference": check.difference, "relative": check.relative}
    return json_text({key: value for key, value in (asdict(check) | derived).items() if key != "row"}) + "\n"


def _text(checker: GradientChecker, check: CheckedGradient) -> str:
    lines = [
        f"{check.name}, document {quoted(checker.program.doc)} of step {checker.program.step}",
        f"value               {check.value!r}",
        f"h                   {check.h!r}",
        f"loss at value + h   {check.loss_plus!r}",
        f"loss at value - h   {check.loss_minus!r}",
        f"finite difference   {check.finite_difference!r}",
        f"gradient            {check.gradient!r}",
        f"difference          {check.difference!r}",
        f"relative difference {check.relative!r}",
    ]
    if check.kinks:
        lines.append(f"ReLU units that are on at one end only: {', '.join(check.kinks)}")
    if check.unmoved:
        lines.append("h is too small: adding it to the value, or taking it away, changes nothing")
    return "\n".join(lines)


def _summary_text(checker: GradientChecker, matrix: str, summary: Summary) -> str:
    """The check with the largest difference, and how many relative differences there are of each size."""
    assert summary.largest is not None
    lines = [f"{matrix}: {summary.count:,} gradients, and the largest difference is that of "]
    lines[0] += _text(checker, summary.largest)
    lines += ["", "relative difference   how many"]
    if summary.equal:
        lines.append(f"0                     {summary.equal:,}")
    for decade in range(min(summary.decades, default=0), max(summary.decades, default=-1) + 1):
        lines.append(f"1e{decade} to 1e{decade + 1}".ljust(22) + f"{summary.decades.get(decade, 0):,}")
    if summary.unknown:
        lines.append(f"nan                   {summary.unknown:,}")
    if summary.kinked:
        units = "ReLU units between value + h and value - h that are on at one end only"
        lines.append(f"{summary.kinked:,} of them have {units}")
    return "\n".join(lines)
